"""Install the gateways to compare with, each into its own folder `bench/peers/NAME`, and say what could not be had.

python bench/install.py [NAME ...]      installs what is missing; a second run does nothing
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = HERE / "peers"
LIMIT_S = 600.0


@dataclass(frozen=True)
class Peer:
    """One package of another gateway: where it comes from, and the file whose presence means that it is there."""

    name: str
    source: str  # "pip" or "npm"
    package: str  # pinned, so that two runs a month apart compare the same thing
    proof: str  # path inside the peer's folder
    overrides: tuple[tuple[str, str], ...] = ()  # npm: what it needs in another version than it would get

    @property
    def folder(self) -> Path:
        return PEERS / self.name

    @property
    def binary(self) -> Path:
        return self.folder / self.proof

    @property
    def version(self) -> str:
        return self.package.rpartition("@" if self.source == "npm" else "==")[2]


TABLE: tuple[Peer, ...] = (
    Peer("ferrogw", "pip", "ferrogw==1.5.10", "bin/ferrogw"),
    Peer("litellm", "pip", "litellm[proxy]==1.106.2", "bin/litellm"),
    Peer(
        "portkey",
        "npm",
        "@portkey-ai/gateway@1.15.2",
        "node_modules/@portkey-ai/gateway/build/start-server.js",
        # With a newer one every stream ends in "TypeError: immutable" (its own issue 1389).
        (("@hono/node-server", "1.14.0"),),
    ),
)


def commands(peer: Peer) -> list[list[str]]:
    """The commands that bring a peer into its folder."""
    if peer.source == "npm":
        npm = shutil.which("npm")
        if npm is None or shutil.which("node") is None:
            raise FileNotFoundError("node and npm are missing (Debian: apt-get install nodejs npm)")
        peer.folder.mkdir(parents=True, exist_ok=True)
        package = {"private": True, "overrides": dict(peer.overrides)}
        (peer.folder / "package.json").write_text(json.dumps(package), encoding="utf-8")
        return [[npm, "install", "--no-audit", "--no-fund", "--prefix", str(peer.folder), peer.package]]
    return [
        [sys.executable, "-m", "venv", str(peer.folder)],
        [str(peer.folder / "bin" / "python"), "-m", "pip", "install", "--quiet", peer.package],
    ]


def install(peer: Peer) -> str | None:
    """Install one peer; the reason when it cannot be had, else None."""
    if peer.binary.exists():
        return None
    log = PEERS / f"{peer.name}.log"
    PEERS.mkdir(parents=True, exist_ok=True)
    try:
        with log.open("wb") as out:
            for command in commands(peer):
                subprocess.run(command, check=True, stdout=out, stderr=subprocess.STDOUT, timeout=LIMIT_S)
    except FileNotFoundError as gone:
        return str(gone)
    except subprocess.TimeoutExpired:
        return f"its installation took more than {LIMIT_S:.0f} s; see {log.relative_to(HERE.parent)}"
    except subprocess.CalledProcessError:
        return f"its installation failed; see {log.relative_to(HERE.parent)}"
    return None if peer.binary.exists() else f"it installed without {peer.proof}"


def ensure(names: list[str]) -> dict[str, str]:
    """Install the named peers (all without names); the reasons for those that cannot be had, by name."""
    missing = {}
    for peer in TABLE:
        if names and peer.name not in names:
            continue
        started = time.monotonic()
        if not peer.binary.exists():
            print(f"  installing {peer.package} into bench/peers/{peer.name} …", flush=True)
        reason = install(peer)
        if reason is not None:
            missing[peer.name] = reason
            print(f"  {peer.name}: skipped, {reason}", flush=True)
        elif time.monotonic() - started > 1.0:
            print(f"  {peer.name}: there after {time.monotonic() - started:.0f} s", flush=True)
    return missing


if __name__ == "__main__":
    ensure(sys.argv[1:])
