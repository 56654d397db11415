"""Who has a port: read from `/proc`, as far as this user may look."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec

from pointsman.core.errors import ConfigError

_LISTENING = "0A"
_PROC = Path("/proc")


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """A process that listens."""

    pid: int
    name: str
    ours: bool

    def __str__(self) -> str:
        """For people."""
        return f"{self.name} (process {self.pid})"


def holder(port: int) -> Holder | None:
    """Who listens on a TCP port of this machine; None where nobody does or /proc does not say."""
    inodes = set(_inodes(port))
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    try:
        processes = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal()]
    except OSError:
        return None
    return next((_named(pid) for pid in processes if _holds(pid, wanted)), None)


def bind_error(host: str, port: int) -> OSError | None:
    """Why an address cannot be bound now; None if it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((host, port))
    except OSError as error:
        return error
    return None


def is_taken(host: str, port: int) -> bool:
    """Whether another process has an address."""
    error = bind_error(host, port)
    return error is not None and error.errno == errno.EADDRINUSE


def taken(host: str, port: int, verb: str) -> ConfigError:
    """The error for a port that another process has."""
    who = holder(port)
    said = f"{host}:{port} is taken by {who or 'another process'}"
    other = f"choose another port: `{verb} --port {port + 1 if port < 65535 else 0}` (0 takes a free one)"
    if who is not None and who.ours:
        return ConfigError(said, hint=f"a Pointsman already runs there: use it, stop it (`kill {who.pid}`), or {other}")
    return ConfigError(said, hint=f"stop it, or {other}")


def cannot_bind(error: OSError, host: str, port: int, verb: str) -> ConfigError:
    """The error for an address that cannot be bound."""
    if error.errno == errno.EADDRINUSE:
        return taken(host, port, verb)
    return ConfigError(f"cannot listen on {host}:{port}: {error.strerror or error}")


def _inodes(port: int) -> Iterator[str]:
    for name in ("tcp", "tcp6"):
        try:
            lines = (_PROC / "net" / name).read_text(encoding="ascii").splitlines()[1:]
        except (OSError, UnicodeDecodeError):
            continue
        for line in lines:
            fields = line.split()
            if len(fields) > 9 and fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _holds(pid: int, wanted: set[str]) -> bool:
    try:
        with os.scandir(_PROC / str(pid) / "fd") as entries:
            return any(_target(entry.path) in wanted for entry in entries)
    except OSError:  # it has ended, or it is somebody else's
        return False


def _target(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 - text is what is compared
    except OSError:
        return ""


def _named(pid: int) -> Holder:
    try:
        words = (_PROC / str(pid) / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        name = (_PROC / str(pid) / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return Holder(pid=pid, name="a process", ours=False)
    ours = any(Path(word).name == "pointsman" for word in words[:3])
    return Holder(pid=pid, name="pointsman" if ours else name, ours=ours)
