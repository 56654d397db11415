"""Looks at the workers of a gateway that runs as processes of its own: which there are, and whether they serve."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


def ask_worker(
    pid: int, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """One request to this worker and no other, over the socket on which the others ask it."""
    connection = http.client.HTTPConnection("localhost", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(socket_of(pid)))
    try:
        connection.request(
            method, path, json.dumps(body).encode(), {"content-type": "application/json", **(headers or {})}
        )
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


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
