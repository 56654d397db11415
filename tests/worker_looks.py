"""Looks at the workers of a gateway that runs as processes of its own: which there are, and whether they serve."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

from harness import Running


def children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError):  # a thread that has just ended
                found += [int(child) for child in (task / "children").read_text().split()]
    return sorted(found)


def both_serve(up: Running) -> bool:
    pids = children(up.process.pid)
    return len(pids) == 2 and all(worker_serves(pid) for pid in pids)


def worker_serves(pid: int) -> bool:
    """Whether a worker answers the others."""
    path = socket_of(pid)
    with socket.socket(socket.AF_UNIX) as line, contextlib.suppress(OSError):
        line.settimeout(5)
        line.connect(str(path))
        line.sendall(b"GET /metrics/own HTTP/1.0\r\n\r\n")
        return b" 200 " in line.recv(100)
    return False


def socket_of(pid: int) -> Path | None:
    """Where a worker listens for the others."""
    own = set()
    with contextlib.suppress(OSError):
        own = {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()}
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
    return next((Path(line[7]) for line in lines if len(line) == 8 and f"socket:[{line[6]}]" in own), None)
