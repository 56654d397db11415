"""What callers and the ledger lose when a gateway ends under load: told to (SIGTERM), replaced, and killed (SIGKILL).

    python -m bench.terminate                 all three, 60 callers, half of them with streams
    python -m bench.terminate restart --seconds 20 --workers 2

`term`: told to stop after half of the time; every call that was taken must end whole, and stand in the ledger.
`restart`: a second gateway starts on the same port (`server.reuse_port`), then the first is told to stop, again and
again; every call must end whole, no connection may be refused.
`kill`: killed; of what was answered more than 100 ms before, nothing may be missing from the ledger.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.callers import Callers

from bench import machine
from pointsman.testing import Pace, one_model, running

PROMISED = 0.1
"""Seconds before a kill from which on an answered call may be missing from the ledger."""
_START = 20.0
_END = 45.0


@dataclass
class Ending:
    """What one scene showed.

    Attributes:
        callers: with every call that ended.
        missing: answered whole and not in the ledger: seconds before the end.
        rows: calls in the ledger.
        codes: how the gateways' processes ended.
        lasted: seconds from the signal to the process's end, the longest.
    """

    callers: Callers
    missing: list[float] = field(default_factory=list)
    rows: int = 0
    codes: list[int] = field(default_factory=list)
    lasted: float = 0.0

    def text(self) -> str:
        """For people."""
        kinds = Counter(got.kind for got in self.callers.got)
        told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        late = f"{len(self.missing)} missing from the ledger"
        if self.missing:
            late += f", the oldest answered {max(self.missing) * 1e3:.0f} ms before"
        return f"{told}; {late}; ended within {self.lasted:.2f} s with {self.codes}"


class Bed:
    """A provider, a folder, and gateways on one port."""

    def __init__(self, folder: Path, provider: str, server: dict[str, Any]) -> None:
        self.port = machine.free_port()
        self.store = folder / "ledger.db"
        self._folder = folder
        config = {
            "providers": {"one": {"dialect": "openai-chat", "base_url": provider}},
            "models": {"small": {"provider": "one", "model": "sim-1", "price": {"input": 1, "output": 2}}},
            "server": {"port": self.port, **server},
            "store": f"sqlite:///{self.store}",
            "discover": False,
            "local": False,
        }
        (folder / "pointsman.yaml").write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
        self._number = 0

    async def gateway(self) -> subprocess.Popen[bytes]:
        """Start one more, and wait until it has said that it serves."""
        self._number += 1
        log = self._folder / f"log-{self._number}.txt"
        heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        heard.bind(str(self._folder / f"{self._number}.sock"))
        heard.settimeout(0.2)
        with log.open("wb") as out:
            process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
                [sys.executable, "-m", "pointsman", "serve", "--config", str(self._folder / "pointsman.yaml")],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, "NO_COLOR": "1", "NOTIFY_SOCKET": heard.getsockname()},
            )
        with contextlib.closing(heard):
            deadline = time.monotonic() + _START
            while await asyncio.to_thread(_hear, heard) != b"READY=1":
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the gateway did not start:\n{log.read_text(encoding='utf-8')}")
        return process

    def kept(self) -> set[str]:
        """The ids in the ledger."""
        with contextlib.closing(sqlite3.connect(self.store)) as database:
            return {row[0] for row in database.execute("SELECT id FROM calls")}


def _hear(sock: socket.socket) -> bytes:
    try:
        return sock.recv(100)
    except TimeoutError:
        return b""


async def end(process: subprocess.Popen[bytes], number: int, ending: Ending) -> float:
    """Send a signal and wait for the process's end; the monotonic time of the signal."""
    at = time.monotonic()
    process.send_signal(number)
    ending.codes.append(await asyncio.to_thread(process.wait, _END))
    ending.lasted = max(ending.lasted, time.monotonic() - at)
    return at


def settle(ending: Ending, bed: Bed, at: float) -> Ending:
    """Compare what was answered with the ledger."""
    kept = bed.kept()
    ending.rows = len(kept)
    ending.missing = [at - got.at for got in ending.callers.got if got.kind == "whole" and got.id not in kept]
    return ending


async def term(bed: Bed, callers: Callers, seconds: float) -> Ending:
    """Told to stop in the middle of the load."""
    ending = Ending(callers)
    process = await bed.gateway()
    callers.start()
    await asyncio.sleep(seconds / 2)
    at = await end(process, signal.SIGTERM, ending)
    await asyncio.sleep(min(seconds / 4, 0.5))
    await callers.rest()
    return settle(ending, bed, at)


async def restart(bed: Bed, callers: Callers, seconds: float) -> Ending:
    """Replaced by another on the same port as often as the time allows, at least once."""
    ending = Ending(callers)
    process = await bed.gateway()
    callers.start()
    until = time.monotonic() + seconds
    while True:
        await asyncio.sleep(0.3)
        following = await bed.gateway()
        at = await end(process, signal.SIGTERM, ending)
        process = following
        if time.monotonic() > until:
            break
    await asyncio.sleep(0.2)
    await callers.rest()
    await end(process, signal.SIGTERM, ending)
    return settle(ending, bed, at)


async def kill(bed: Bed, callers: Callers, seconds: float) -> Ending:
    """Killed in the middle of the load, with all of its workers."""
    ending = Ending(callers)
    process = await bed.gateway()
    callers.start()
    await asyncio.sleep(seconds)
    at = time.monotonic()
    for pid in machine.tree(process.pid):
        os.kill(pid, signal.SIGKILL)
    await end(process, signal.SIGKILL, ending)
    await callers.rest()
    return settle(ending, bed, at)


SCENES: dict[str, Callable[[Bed, Callers, float], Awaitable[Ending]]] = {
    "term": term,
    "restart": restart,
    "kill": kill,
}


def play(
    scene: str, seconds: float, *, number: int = 60, pace: float = 30.0, server: dict[str, Any] | None = None
) -> Ending:
    """One scene on a bed of its own.

    Args:
        scene: a name of `SCENES`.
        seconds: of load.
        number: of callers.
        pace: events per second of a stream, which has about two dozen.
        server: settings of the gateway on top.
    """
    shared = {"reuse_port": True} if scene == "restart" else {}
    script = one_model(pace=Pace(events_per_second=pace)) if pace else one_model()
    with tempfile.TemporaryDirectory(prefix="pointsman-ending-") as folder, running(script) as provider:
        bed = Bed(Path(folder), provider.base_url, {**shared, **(server or {})})

        async def go() -> Ending:
            return await SCENES[scene](bed, Callers(bed.port, number), seconds)

        return asyncio.run(go())


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", nargs="*", default=list(SCENES), help="which; all of them if none is named")
    parser.add_argument("--seconds", type=float, default=5.0, help="of load")
    parser.add_argument("--callers", type=int, default=60)
    parser.add_argument("--pace", type=float, default=30.0, help="events per second of a stream; 0 sends at once")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--times", type=int, default=1, help="how often each is played")
    said = parser.parse_args()
    for scene in said.scenes * said.times:
        server = {"workers": said.workers}
        print(f"{scene}: {play(scene, said.seconds, number=said.callers, pace=said.pace, server=server).text()}")


if __name__ == "__main__":
    main()
