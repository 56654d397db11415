"""What this machine has: processors, memory and GPUs, read without a library."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from pathlib import Path

import msgspec

_SMI = ("nvidia-smi", "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits")
_SMI_SECONDS = 3.0
_LIMITS = ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes")
_NO_LIMIT = 1 << 60
_LINE = re.compile(r"^(\w+):\s+(\d+) kB$", re.MULTILINE)


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One graphics card; memory in bytes."""

    name: str
    memory: int
    free: int


class MachineFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a model could use.

    Attributes:
        processors: that this process may use.
        memory: in bytes, or the container's limit where that is less.
        available: of it, without swapping; 0 unknown.
        gpus: with a driver that answers.
        unified: one memory for processor and GPU (Apple silicon).
    """

    processors: int
    memory: int
    available: int = 0
    gpus: tuple[Gpu, ...] = ()
    unified: bool = False


async def look(root: Path = Path("/")) -> MachineFacts:
    """Look at this machine; takes at most three seconds, and only where a GPU driver hangs."""
    total, available = memory(root)
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    uname = os.uname()
    return MachineFacts(
        processors=len(affinity(0)) if affinity else os.cpu_count() or 1,
        memory=total,
        available=available,
        gpus=await gpus(),
        unified=uname.sysname == "Darwin" and uname.machine == "arm64",
    )


def memory(root: Path = Path("/")) -> tuple[int, int]:
    """Bytes in all and available, within the container's limit. Reads /proc and /sys below `root`."""
    fields: dict[str, int] = {}
    with contextlib.suppress(OSError):
        text = (root / "proc/meminfo").read_text(encoding="ascii", errors="replace")
        fields = {name: int(number) * 1024 for name, number in _LINE.findall(text)}
    total = fields.get("MemTotal") or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    available = fields.get("MemAvailable", 0)
    for name in _LIMITS:
        with contextlib.suppress(OSError, ValueError):  # no such file, or the word "max"
            limit = int((root / name).read_text(encoding="ascii"))
            if limit < _NO_LIMIT:
                total, available = min(total, limit), min(available, limit)
    return total, available


async def gpus(command: tuple[str, ...] = _SMI, seconds: float = _SMI_SECONDS) -> tuple[Gpu, ...]:
    """NVIDIA cards; none where the driver's tool is missing, fails or takes too long."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return ()
    try:
        async with asyncio.timeout(seconds):
            out, _ = await process.communicate()
    except TimeoutError:
        return ()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return parse_smi(out.decode("utf-8", "replace")) if process.returncode == 0 else ()


def parse_smi(text: str) -> tuple[Gpu, ...]:
    """Cards from `name, total MiB, free MiB` lines; a line of another shape (`[N/A]`) is passed over."""
    found = []
    for line in text.splitlines():
        name, _, rest = line.partition(",")
        parts = [part.strip() for part in rest.split(",")]
        if len(parts) == 2 and all(re.fullmatch(r"[0-9]{1,9}", part) for part in parts):
            found.append(Gpu(name=name.strip(), memory=int(parts[0]) << 20, free=int(parts[1]) << 20))
    return tuple(found)
