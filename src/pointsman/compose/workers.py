"""Several worker processes behind one port: the parent binds, starts them, replaces the dead, and ends them.

Every worker is a whole gateway with its own event loop; the listening socket is shared, so the kernel spreads
connections. They share the ledger's file or database. Each also listens on a Unix socket in a private folder, over
which the one that is asked for `/metrics` collects the others' figures; those of the dead lie beside it (`peers`).
The embedded model is for demonstration and runs with a single worker only.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from pointsman.compose.building import Settings
from pointsman.compose.house import House
from pointsman.core.errors import InternalError

_log = logging.getLogger("pointsman")

VARIABLE = "POINTSMAN_WORKER"
_QUICK_DEATH = 2.0
_LONGEST_PAUSE = 5.0
_DEATHS_AT_START = 3
_END_SECONDS = 40.0


class Duty(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is told, through its environment.

    Attributes:
        number: from 0.
        count: how many there are.
        listener: file descriptor of the listening socket.
        folder: where the workers' Unix sockets and their figures lie.
        config: configuration file, if one was named.
        settings: what the command line said.
        had_keys: whether there were keys; a store that has none any more opens no door.
    """

    number: int
    count: int
    listener: int
    folder: str
    config: str | None
    settings: Settings
    had_keys: bool

    def path(self, number: int) -> Path:
        """The Unix socket of a worker."""
        return Path(self.folder) / f"worker-{number}.sock"


def supervise(
    house: House, sock: socket.socket, config: Path | None, settings: Settings, announce: Callable[[], None]
) -> None:
    """Run as many workers as the house wants, each with a house of its own, until SIGINT or SIGTERM.

    Of this house only the keys are in use: a worker that starts late must know of those that others have seen.

    Raises:
        InternalError: the workers keep dying at their start.
    """
    folder = tempfile.mkdtemp(prefix="pointsman-")
    try:
        asyncio.run(_Supervisor(house, sock, config, settings, folder).run(announce))
    finally:
        house.pieces.key_store.close()
        shutil.rmtree(folder, ignore_errors=True)


class _Supervisor:
    def __init__(self, house: House, sock: socket.socket, config: Path | None, settings: Settings, folder: str) -> None:
        self._house = house
        self._sock = sock
        self._count = house.loaded.config.server.workers
        self._config = str(config) if config is not None else None
        self._settings = settings
        self._folder = folder
        self._stopping = asyncio.Event()
        self._deaths = 0

    async def run(self, announce: Callable[[], None]) -> None:
        """Start, announce, replace the dead, and end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        keys = self._house.pieces.keys
        keys.require(required=False)  # so that it says whether there are any; each worker reads the configuration
        watching = asyncio.create_task(keys.watch())
        keepers = [asyncio.create_task(self._keep(number)) for number in range(self._count)]
        announce()
        await asyncio.gather(*keepers)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        if self._deaths >= _DEATHS_AT_START:
            raise InternalError("The workers keep dying at their start", hint="try `--workers 1` to see why")

    async def _keep(self, number: int) -> None:
        pause = 0.0
        while not self._stopping.is_set():
            begun = time.monotonic()
            process = await self._start(number)
            stopping = asyncio.create_task(self._stopping.wait())
            ended = asyncio.create_task(process.wait())
            await asyncio.wait({stopping, ended}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if not ended.done():
                await _end(process, ended)
                return
            quick = time.monotonic() - begun < _QUICK_DEATH
            self._deaths = self._deaths + 1 if quick else 0
            ending = (number, process.pid, _how(ended.result()))
            if self._deaths >= _DEATHS_AT_START:
                _log.error("worker %d (pid %d) ended: %s; the workers keep dying, no other is started", *ending)
                self._stopping.set()
                return
            _log.error("worker %d (pid %d) ended: %s; another takes its place", *ending)
            pause = min(max(pause * 2, 0.1), _LONGEST_PAUSE) if quick else 0.0
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def _start(self, number: int) -> asyncio.subprocess.Process:
        duty = Duty(
            number=number,
            count=self._count,
            listener=self._sock.fileno(),
            folder=self._folder,
            config=self._config,
            settings=self._settings,
            had_keys=self._house.keys_read and self._house.pieces.keys.demanded,
        )
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "pointsman.compose.worker",
            env={**os.environ, VARIABLE: msgspec.json.encode(duty).decode()},
            pass_fds=(self._sock.fileno(),),
            start_new_session=True,  # Ctrl-C reaches the parent alone, which passes it on once
        )


def _how(code: int) -> str:
    """A process's end in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal has no name
        return f"signal {-code}"


async def _end(process: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    done, _ = await asyncio.wait({ended}, timeout=_END_SECONDS)
    if not done:
        process.kill()
        await ended
