"""What holds a worker to its parent: a socket in the place of standard input, with an end in each process.

Through it a worker is told its duty, and later to look at the configuration; it says when it serves. When one end is
gone, by whatever signal, the other sees it: no worker outlives its parent for long, on any system.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec

from pointsman.compose.building import Settings
from pointsman.config.load import Loaded

_LENGTH = 8
_LOOK = b"l"
_SERVES = b"s"
_STANDARD_INPUT = 0


class Duty(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is told.

    Attributes:
        number: from 0.
        count: how many there are.
        listener: file descriptor of the listening socket.
        folder: where the workers' Unix sockets and their figures lie.
        config: configuration file, if one was named.
        settings: what the command line said.
        start: the configuration that the parent read at its start; what needs a restart is as it says.
        in_force: the last one that was accepted; it rules the rest, whatever the file says by now.
        had_keys: whether there were keys; a store that has none any more opens no door.
    """

    number: int
    count: int
    listener: int
    folder: str
    config: Path | None
    settings: Settings
    start: Loaded
    in_force: Loaded
    had_keys: bool

    def path(self, number: int) -> Path:
        """The Unix socket of a worker."""
        return Path(self.folder) / f"worker-{number}.sock"


class ParentEnd:
    """The parent's end of one worker's tether; made inside the loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, duty: Duty) -> tuple[ParentEnd, socket.socket]:
        """Both ends; the second is the worker's standard input, to be closed here once that runs."""
        ours, theirs = socket.socketpair()
        end = cls(*await asyncio.open_unix_connection(sock=ours))
        data = pickle.dumps(duty)
        end._writer.write(len(data).to_bytes(_LENGTH, "big") + data)
        return end, theirs

    async def serves(self) -> bool:
        """Wait until the worker serves; False: it ended before."""
        try:
            return await self._reader.read(1) == _SERVES
        except OSError:
            return False

    def look(self) -> None:
        """Tell the worker to look at the configuration now."""
        with contextlib.suppress(OSError):
            self._writer.write(_LOOK)

    def close(self) -> None:
        """Let go; a worker that still runs ends."""
        self._writer.close()


class WorkerEnd:
    """The worker's end: its standard input.

    Attributes:
        parent_gone: whether that was seen.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(fileno=_STANDARD_INPUT)
        self.parent_gone = False

    def duty(self) -> Duty:
        """What the parent says first.

        Raises:
            EOFError: the parent is gone.
        """
        length = int.from_bytes(self._exactly(_LENGTH), "big")
        duty: Duty = pickle.loads(self._exactly(length))  # noqa: S301 - nobody but the parent holds the other end
        return duty

    def hold(self, on_look: Callable[[], None], on_gone: Callable[[], None]) -> None:
        """Say that this worker serves, and listen from now on; called inside the loop."""
        loop = asyncio.get_running_loop()
        self._socket.setblocking(False)

        def heard() -> None:
            try:
                data = self._socket.recv(4096)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                data = b""
            if data:
                on_look()
            else:
                loop.remove_reader(self._socket)
                self.parent_gone = True
                on_gone()

        loop.add_reader(self._socket, heard)
        with contextlib.suppress(OSError):  # the parent is gone, which `heard` sees too
            self._socket.send(_SERVES)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self._socket.recv(min(count - len(data), 1 << 20))
            if not part:
                raise EOFError
            data += part
        return data
