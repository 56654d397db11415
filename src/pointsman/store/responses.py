"""Stored responses: found from the moment they are kept, in the database a moment later.

One thread does all that touches the database, so that a response that is deleted cannot come back by being written.
What is not written yet waits in memory, within bounds, and is found there.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import msgspec

from pointsman.core.clock import Clock
from pointsman.core.errors import InternalError, StoreUnavailable
from pointsman.core.kept import KeptResponse
from pointsman.store import response_rows as rows
from pointsman.store.link import Link
from pointsman.store.location import locate
from pointsman.store.response_rows import Key
from pointsman.store.text import plain

_log = logging.getLogger("pointsman")
T = TypeVar("T")
_MIB = 1024 * 1024
_BATCH = 64
_FIRST_PAUSE, _LAST_PAUSE = 0.25, 4.0


class ResponseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds and patience.

    Attributes:
        queue: the most responses that wait in memory to be written; more are not kept, and counted.
        queue_bytes: the most bytes of them.
        others: seconds to look again for what another process may be just writing.
        answer: seconds that the database may take to answer.
    """

    queue: int = 4_096
    queue_bytes: int = 128 * _MIB
    others: float = 1.0
    answer: float = 5.0


class SqlResponses:
    """Responses in the ledger's database. Satisfies the port `ResponseStore`; nothing is opened before its first use.

    Args:
        url: as for the ledger.
        clock: where time comes from.
        settings: bounds and patience.

    Attributes:
        lost: responses that could not be kept since the start.

    Raises:
        ConfigError: the URL names no store.
    """

    def __init__(self, url: str, clock: Clock, settings: ResponseSettings | None = None) -> None:
        self.lost = 0
        self._settings = settings or ResponseSettings()
        self._clock = clock
        self._link = Link(locate(url), clock)
        self._pending: dict[Key, KeptResponse] = {}
        self._weight = 0
        self._changed = threading.Condition()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pointsman-responses")  # starts with its first work
        self._used = self._scheduled = self._away = self._closed = False
        self._pause = _FIRST_PAUSE
        self._timer: threading.Timer | None = None

    @property
    def pending(self) -> int:
        """Responses that wait to be written."""
        return len(self._pending)

    def keep(self, response: KeptResponse) -> None:
        """See `ResponseStore.keep`."""
        key, size, settings = (response.id, response.tenant), response.size, self._settings
        with self._changed:
            before = self._pending.get(key)
            weight = self._weight + size - (before.size if before is not None else 0)
            full = weight > settings.queue_bytes or len(self._pending) >= settings.queue
            taken = before is not None and before.call != response.call
            if full or taken or self._closed or not plain("".join(key)):
                self.lost += 1
                if taken:
                    _tell_taken(response)
                return
            self._pending[key], self._weight = response, weight
            self._schedule()

    async def find(self, response_id: str, tenant: str) -> KeptResponse | None:
        """See `ResponseStore.find`."""
        key = (response_id, tenant)

        async def look() -> KeptResponse | None:
            waiting = self._pending.get(key)
            if waiting is not None:
                return waiting
            return await self._ask(lambda: self._link.use(lambda database: rows.find(database, key, self._clock.now())))

        return await self._again(look) if plain("".join(key)) else None

    async def delete(self, response_id: str, tenant: str) -> bool:
        """See `ResponseStore.delete`."""
        key = (response_id, tenant)

        def work() -> bool:
            found = self._link.use(lambda database: rows.delete(database, key))
            with self._changed:
                return self._remove(key) or found

        return bool(plain("".join(key)) and await self._again(lambda: self._ask(work)))

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until nothing waits to be written (seconds); whether it came to that."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._pending, timeout)

    def close(self, timeout: float = 5.0) -> bool:
        """Write what waits and end, for good; whether all was written in time (seconds)."""
        with self._changed:
            self._closed = True
            if self._timer is not None:  # the store was away: one more try, now
                self._timer.cancel()
                self._timer, self._scheduled = None, False
            if self._pending and not self._scheduled:
                self._scheduled = True
                self._thread.submit(self._write)
        written = self.flush(timeout)
        if self._used:
            self._thread.submit(self._link.close)
        self._thread.shutdown(wait=written)
        if not written:
            _log.error("%d stored responses are lost: the store did not take them", self.pending)
        return written

    # Asking

    async def _again(self, look: Callable[[], Awaitable[T]]) -> T:
        """What is not there yet may be on its way: look again, less and less often, for a while."""
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + self._settings.others, 0.01
        while not (found := await look()) and loop.time() < end:
            await asyncio.sleep(min(pause, max(end - loop.time(), 0)))
            pause *= 2
        return found

    async def _ask(self, work: Callable[[], T]) -> T:
        """Something that the database has to answer, by the thread."""
        seconds = self._settings.answer
        if self._closed:
            raise StoreUnavailable("the gateway is stopping", hint="ask again in a moment")
        self._used = True
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except TimeoutError:
            raise StoreUnavailable(
                f"the store did not answer within {seconds:g} s", hint="`pointsman doctor` looks at the store"
            ) from None

    # Writing; all but `_schedule` in the thread

    def _schedule(self) -> None:
        """See to it that what waits is written; with the lock."""
        if not self._scheduled and not self._closed:
            self._used = self._scheduled = True
            self._thread.submit(self._write)

    def _write(self) -> None:
        """Some of what waits; what comes meanwhile is written together."""
        with self._changed:
            batch = list(islice(self._pending.values(), _BATCH))
        try:
            lost = self._into_the_store(batch)
        except StoreUnavailable as error:
            self._wait(error)
            return
        except Exception as error:  # noqa: BLE001 - the thread's edge: a defect costs a batch, never the rest
            _log.error("a defect in the writer of stored responses: %s: %s", type(error).__name__, error)
            lost = len(batch)
        if self._away:
            _log.warning("stored responses are written again")
        self._away, self._pause = False, _FIRST_PAUSE
        with self._changed:
            self.lost += lost
            for one in batch:
                if self._pending.get((one.id, one.tenant)) is one:
                    self._remove((one.id, one.tenant))
            self._scheduled = bool(self._pending)
            if self._scheduled:
                self._thread.submit(self._write)

    def _into_the_store(self, batch: list[KeptResponse]) -> int:
        """Write them; how many can be in no store."""
        lost = 0
        taken: list[KeptResponse] = []
        for _ in range(2):
            try:
                taken = self._link.use(lambda database: rows.write(database, batch))
            except InternalError:
                lost = self._one_by_one(batch)
            if self._link.in_place:
                break  # else the file was replaced meanwhile: once more, into the one that is there now
        for one in taken:
            _tell_taken(one)
        return lost + len(taken)

    def _one_by_one(self, batch: list[KeptResponse]) -> int:
        lost = 0
        for one in batch:
            try:
                for taken in self._link.use(lambda database, one=one: rows.write(database, (one,))):  # type: ignore[misc]  # mypy cannot infer a default's type
                    lost += 1
                    _tell_taken(taken)
            except InternalError as error:
                lost += 1
                _log.error("the response of call %s cannot be stored: %s", one.call, error.message)
        return lost

    def _wait(self, error: StoreUnavailable) -> None:
        """The store is away: say so once, and try again by and by."""
        if not self._away:
            hint = f" ({error.hint})" if error.hint else ""
            _log.error("responses cannot be stored now and wait in memory: %s%s", error.message, hint)
        self._away = True
        with self._changed:
            self._scheduled = not self._closed
            if self._scheduled:
                self._timer = threading.Timer(self._pause, self._retry)
                self._timer.daemon = True
                self._timer.start()
        self._pause = min(self._pause * 2, _LAST_PAUSE)

    def _retry(self) -> None:
        with self._changed:
            self._timer = None
            if not self._closed:
                self._thread.submit(self._write)

    def _remove(self, key: Key) -> bool:
        """Take one out of memory, with the lock; whether it was there."""
        gone = self._pending.pop(key, None)
        if gone is not None:
            self._weight -= gone.size
            self._changed.notify_all()
        return gone is not None


def _tell_taken(one: KeptResponse) -> None:
    """Say of a response that its id is that of another call's, which stays: whoever goes on from it means that one."""
    _log.warning("the response of call %s is not stored: that of an earlier call has the same id", one.call)
