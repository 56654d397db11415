"""Watches the configuration file and hands over each good change; a bad one is reported and the old goes on serving.

A change counts once the file has looked the same for about one interval, in two looks at the least: editors write in
steps, and half a YAML file is often a whole one. For the same reason a file that has become empty, or is gone, is not
a wish for the defaults.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Self

import msgspec

from pointsman.config.crosscheck import Known
from pointsman.config.load import NOTHING_KNOWN, Loaded, load_bytes, locate
from pointsman.config.source import read_file
from pointsman.core.clock import Clock
from pointsman.core.errors import ConfigError

INTERVAL = 0.2
"""Seconds between two looks, so that a change is in force in less than half a second."""

_REST = 0.75
"""Part of the interval that the file must have rested; not all of it, or a look that comes early waits for a third."""

Signature = tuple[int, ...]
Apply = Callable[[Loaded], Awaitable[None]]
Reject = Callable[[ConfigError], None]

_NO_FILE: Signature = ()
_NOT_WATCHED: Signature = (0,)
"""A pipe or device, as of `--config <(…)`: it can be read once and never tells that it changed."""


class WatchStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force and what was refused.

    Attributes:
        version: of the configuration in force.
        origin: its file; empty where there is none.
        loaded_at: nanoseconds since the epoch, when it came into force.
        rejected: the error of the newest change, while that is not in force; empty otherwise.
        rejected_at: nanoseconds since the epoch; 0 where nothing is rejected.
    """

    version: str
    origin: str = ""
    loaded_at: int
    rejected: str = ""
    rejected_at: int = 0


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What to watch: the path that was asked for (None: wherever the search leads), and what a file may refer to."""

    path: Path | None = None
    env: Mapping[str, str] = {}
    known: Known = NOTHING_KNOWN


class _Seen(msgspec.Struct, frozen=True):
    """One look at the file system: which file, what it looks like, and why it cannot be told."""

    path: Path | None
    signature: Signature
    error: str = ""


class Watcher:
    """Follows one configuration from the one that is in force.

    `apply` puts a new configuration in force; it may raise `ConfigError` to refuse it. `reject` hears of every change
    that is not taken. Use it as `async with Watcher(...)`.
    """

    def __init__(
        self, loaded: Loaded, source: Source, apply: Apply, reject: Reject, clock: Clock, interval: float = INTERVAL
    ) -> None:
        self._source = source
        self._apply = apply
        self._reject = reject
        self._clock = clock
        self._interval = interval
        self._loaded = loaded
        self._status = WatchStatus(version=loaded.version, origin=str(loaded.origin or ""), loaded_at=clock.now())
        # Nothing is taken as read: a change between the first load and the first look is found, and an unchanged
        # file costs one more reading.
        self._judged: _Seen | None = None
        self._last: _Seen | None = None
        self._since = 0.0
        self._was_file = False
        self._looking = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def loaded(self) -> Loaded:
        """The configuration in force."""
        return self._loaded

    @property
    def status(self) -> WatchStatus:
        """What is in force and what was refused."""
        return self._status

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="configuration watcher")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def look(self) -> None:
        """One look; the watcher's own task does this every `interval` seconds."""
        async with self._looking:
            now = asyncio.get_running_loop().time()
            # In a thread: a file on a network drive must not hold up a single answer.
            seen = await asyncio.to_thread(_see, self._source)
            if seen != self._last:
                self._last, self._since = seen, asyncio.get_running_loop().time()
            # Two looks in the same moment prove nothing: the writer had no time to go on, nor the file's clock to tick.
            elif seen != self._judged and now - self._since >= self._interval * _REST:
                self._judged = seen
                await self._judge(seen)

    async def again(self) -> None:
        """Judge the file now, changed or not, without waiting for it to rest: somebody says that it is ready."""
        async with self._looking:
            seen = await asyncio.to_thread(_see, self._source)
            self._last = self._judged = seen
            self._since = asyncio.get_running_loop().time()
            await self._judge(seen)

    async def _run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._interval)

    async def _judge(self, seen: _Seen) -> None:
        try:
            loaded = await asyncio.to_thread(self._read, seen)
            if loaded is None:
                self._judged = None  # it moved under our hands: look again
                return
            if loaded.digest != self._loaded.digest or loaded.origin != self._loaded.origin:
                await self._apply(loaded)
                self._status = WatchStatus(
                    version=loaded.version, origin=str(loaded.origin or ""), loaded_at=self._clock.now()
                )
        except ConfigError as error:
            self._refuse(error)
        except Exception as error:  # noqa: BLE001 - the edge: whatever putting it in force runs into, watching goes on
            hint = "the configuration before it goes on serving"
            self._refuse(ConfigError(f"could not be put in force: {type(error).__name__}: {error}", hint=hint))
        else:
            self._loaded = loaded
            self._status = msgspec.structs.replace(self._status, rejected="", rejected_at=0)

    def _refuse(self, error: ConfigError) -> None:
        self._status = msgspec.structs.replace(self._status, rejected=error.message, rejected_at=self._clock.now())
        self._reject(error)

    def _read(self, seen: _Seen) -> Loaded | None:
        """The file's configuration, or None where the file changed meanwhile."""
        where = str(seen.path or self._loaded.origin or "")
        if seen.error:
            raise ConfigError(seen.error, where=where)
        if seen.signature == _NOT_WATCHED:
            if not self._was_file:
                return self._loaded
            hint = "the configuration read before goes on serving; put a file in its place"
            raise ConfigError("is a pipe or a device now", where=where, hint=hint)
        if seen.path is None or not seen.signature:
            if seen.path is None and self._loaded.origin is None:
                return self._loaded
            raise ConfigError("is gone", where=where, hint="the configuration read from it goes on serving")
        data = read_file(seen.path, wait=False)
        self._was_file = True
        if _see(self._source) != seen:
            return None
        if not data.strip() and self._loaded.origin is not None:
            hint = "the configuration before it goes on serving; `{}` stands for the defaults"
            raise ConfigError("is empty", where=where, hint=hint)
        return load_bytes(data, seen.path, self._source.known)


def _see(source: Source) -> _Seen:
    try:
        path = locate(source.path, source.env)
    except ConfigError as error:
        return _Seen(None, _NO_FILE, error.message)
    if path is None:
        return _Seen(None, _NO_FILE)
    try:
        stat = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return _Seen(path, _NO_FILE)
    except (OSError, ValueError) as error:
        return _Seen(path, _NO_FILE, f"cannot be read: {error}")
    if not S_ISREG(stat.st_mode):
        return _Seen(path, _NO_FILE, "is a folder") if S_ISDIR(stat.st_mode) else _Seen(path, _NOT_WATCHED)
    # The change time too: it betrays a write that put the old size and modification time back.
    return _Seen(path, (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino, stat.st_dev))
