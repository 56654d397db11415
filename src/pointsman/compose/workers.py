"""Several worker processes behind one port: the parent binds, starts them, replaces the dead, and ends them.

Every worker is a whole gateway with its own event loop; the listening socket is shared, so the kernel spreads
connections. They share the ledger's file or database. Each also listens on a Unix socket in a private folder, over
which the one that is asked for `/metrics` collects the others' figures; those of the dead lie beside it (`peers`).
The embedded model is for demonstration and runs with a single worker only.

A worker that starts late serves what its siblings serve: the parent reads the configuration once, follows the file as
they do, and hands both over (`tether`).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec

from pointsman.compose.building import Settings
from pointsman.compose.house import House
from pointsman.compose.service import READY, STOPS, notify
from pointsman.compose.tether import Duty, ParentEnd
from pointsman.config.load import Loaded
from pointsman.config.watch import Watcher
from pointsman.core.errors import ConfigError, InternalError

_log = logging.getLogger("pointsman")

_QUICK_DEATH = 2.0
_SHORTEST_PAUSE = 0.1
_LONGEST_PAUSE = 10.0
_FAILED_FIRST_STARTS = 3
_FAILED_LATER_STARTS = 20
_SPARE_SECONDS = 10.0
_SAME_WISH_SECONDS = 1.0
_LAST_WORD_SECONDS = 1.0


def supervise(
    house: House, sock: socket.socket, config: Path | None, settings: Settings, announce: Callable[[], None]
) -> None:
    """Run as many workers as the house wants, each with a house of its own, until SIGINT or SIGTERM.

    Of this house only the keys and the configuration are in use: a worker that starts late must know of those that
    others have seen.

    Raises:
        InternalError: no worker serves, and none can be started.
    """
    folder = tempfile.mkdtemp(prefix="pointsman-")
    try:
        asyncio.run(_Supervisor(house, sock, config, settings, folder).run(announce))
    finally:
        house.pieces.key_store.close()
        shutil.rmtree(folder, ignore_errors=True)


class _Worker(msgspec.Struct, frozen=True):
    """A process and the parent's hold on it."""

    process: asyncio.subprocess.Process
    tether: ParentEnd


class _Supervisor:
    def __init__(self, house: House, sock: socket.socket, config: Path | None, settings: Settings, folder: str) -> None:
        self._house = house
        self._sock = sock
        self._count = house.loaded.config.server.workers
        self._config = config
        self._settings = settings
        self._folder = folder
        self._start_with = _as_read(house)
        self._in_force = self._start_with
        self._stopping = asyncio.Event()
        self._workers: dict[int, _Worker] = {}
        self._serving: set[int] = set()
        self._allowed_failures = _FAILED_FIRST_STARTS
        self._failures = 0
        self._hopeless = False
        self._announced = False
        self._stopped_at = 0.0

    async def run(self, announce: Callable[[], None]) -> None:
        """Start, announce, replace the dead, and end."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._told, _SAME_WISH_SECONDS)
        loop.add_signal_handler(signal.SIGINT, self._told, 0.0)
        keys = self._house.pieces.keys
        keys.require(required=False)  # so that it says whether there are any; each worker reads the configuration
        watching = asyncio.create_task(keys.watch())
        async with self._following(loop):
            keepers = [asyncio.create_task(self._keep(number)) for number in range(self._count)]
            announce()
            await asyncio.gather(*keepers)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        if self._hopeless:
            raise InternalError("No worker serves, and none can be started", hint="try `--workers 1` to see why")

    def _told(self, same_wish: float) -> None:
        """SIGTERM or Ctrl-C: stop. Once more, after `same_wish` seconds: do not wait for the answers under way."""
        now = time.monotonic()
        if not self._stopping.is_set():
            self._stopped_at = now
            self._stop()
        elif now - self._stopped_at >= same_wish:
            for worker in self._workers.values():
                with contextlib.suppress(ProcessLookupError):
                    worker.process.send_signal(signal.SIGINT)

    def _stop(self) -> None:
        """End all workers. Whichever lets go of the socket last has answered everybody who was connected: not we."""
        self._sock.close()
        notify(os.environ, STOPS)
        self._stopping.set()

    @contextlib.asynccontextmanager
    async def _following(self, loop: asyncio.AbstractEventLoop) -> AsyncIterator[None]:
        """Know the configuration in force as long as this lasts. The workers say what there is to say of it."""
        pieces = self._house.pieces
        watcher = Watcher(self._start_with, pieces.source, self._accept, _leave, pieces.clock)
        looks: set[asyncio.Task[None]] = set()

        def hang_up() -> None:
            for worker in self._workers.values():
                worker.tether.look()
            if self._start_with.origin is not None:
                look = loop.create_task(watcher.again())
                looks.add(look)
                look.add_done_callback(looks.discard)

        loop.add_signal_handler(signal.SIGHUP, hang_up)
        if self._start_with.origin is None:
            yield
        else:
            async with watcher:
                yield

    async def _accept(self, loaded: Loaded) -> None:
        self._house.prove(loaded)
        self._in_force = loaded

    async def _keep(self, number: int) -> None:
        """One worker after another, with a pause before the next where the last did not last."""
        pause = 0.0
        while not self._stopping.is_set():
            begun = time.monotonic()
            how, served = await self._live(number)
            if self._stopping.is_set():
                return
            quick = not served or time.monotonic() - begun < _QUICK_DEATH
            pause = min(max(pause * 2, _SHORTEST_PAUSE), _LONGEST_PAUSE) if quick else 0.0
            self._lost(number, how, pause, served=served)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def _live(self, number: int) -> tuple[str, bool]:
        """One worker from its start to its end: how it ended, and whether it ever served."""
        try:
            worker = await self._start(number)
        except OSError as error:  # no process left, no file left: that may pass
            return f"no process: {error.strerror or error}", False
        self._workers[number] = worker
        stopping = asyncio.create_task(self._stopping.wait())
        ended = asyncio.create_task(worker.process.wait())
        serves = asyncio.create_task(self._until_it_serves(number, worker.tether))
        await asyncio.wait({stopping, ended}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ended.done():
            await _end(worker.process, ended, self._house.loaded.config.server.drain + _SPARE_SECONDS)
        await asyncio.wait({serves}, timeout=_LAST_WORD_SECONDS)
        served = serves.done() and serves.result()
        serves.cancel()
        worker.tether.close()
        del self._workers[number]
        self._serving.discard(number)
        return f"(pid {worker.process.pid}) ended: {_how(ended.result())}", served

    async def _until_it_serves(self, number: int, tether: ParentEnd) -> bool:
        if not await tether.serves():
            return False
        if not self._announced:
            self._announced = True
            notify(os.environ, READY)
        self._serving.add(number)
        self._failures, self._allowed_failures = 0, _FAILED_LATER_STARTS
        return True

    def _lost(self, number: int, how: str, pause: float, *, served: bool) -> None:
        """Say so; and give up if nothing serves, nothing is about to, and nothing could be started."""
        when = f" in {pause:.1f} s" if pause else ""
        if served:
            _log.error("worker %d %s; another takes its place%s", number, how, when)
            return
        self._failures += 1
        self._hopeless = not self._workers and self._failures >= self._allowed_failures
        if self._hopeless:
            _log.error("worker %d %s, before it served; no worker serves, no other is started", number, how)
            self._stop()
            return
        others = f"; {len(self._serving)} of {self._count} serve on" if self._serving else ""
        _log.error("worker %d %s, before it served; the next try is%s%s", number, how, when, others)

    async def _start(self, number: int) -> _Worker:
        duty = Duty(
            number=number,
            count=self._count,
            listener=self._sock.fileno(),
            folder=self._folder,
            config=self._config,
            settings=self._settings,
            start=self._start_with,
            in_force=self._in_force,
            had_keys=self._house.keys_read and self._house.pieces.keys.demanded,
        )
        tether, theirs = await ParentEnd.open(duty)
        if self._stopping.is_set():  # the socket is closed, and its number may be another's
            tether.close()
            theirs.close()
            raise OSError(errno.ECANCELED, "stopping")
        # A worker begins with this blocked, until it can take it: otherwise a SIGHUP to all of us would end it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "pointsman.compose.worker",
                stdin=theirs.fileno(),
                pass_fds=(self._sock.fileno(),),
                start_new_session=True,  # Ctrl-C reaches the parent alone, which passes it on once
            )
        except OSError:
            tether.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
        return _Worker(process, tether)


async def _end(process: asyncio.subprocess.Process, ended: asyncio.Task[int], seconds: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    done, _ = await asyncio.wait({ended}, timeout=seconds)
    if not done:
        process.kill()
        await ended


def _as_read(house: House) -> Loaded:
    """What the file said at the start, without the command line's word."""
    loaded = msgspec.structs.replace(house.pieces.loaded, config=house.pieces.written)
    if loaded.origin is not None and not loaded.origin.is_file():  # a pipe, as of `--config <(…)`: nothing to follow
        return msgspec.structs.replace(loaded, origin=None)
    return loaded


def _how(code: int) -> str:
    """A process's end in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal has no name
        return f"signal {-code}"


def _leave(error: ConfigError) -> None:
    """A refused change: every worker says so itself."""
    del error
