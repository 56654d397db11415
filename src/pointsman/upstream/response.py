"""An answer as it arrives: who waits for it, how long, and how much of it may lie unread."""

from __future__ import annotations

import asyncio

from pointsman.core.errors import Phase, UpstreamError, UpstreamTimeout
from pointsman.core.model import TimeLimits
from pointsman.core.ports import Headers
from pointsman.upstream.answer import AnswerReader
from pointsman.upstream.connection import EARLY, Connection

HIGH_WATER = 64 * 1024
"""Bytes that wait for a caller who reads slowly; also the most that is handed on at once, for he holds all of it."""
"""Unread body bytes at which a connection stops reading from its socket."""

_HEAD, _SOME, _ALL = 0, 1, 2  # what the reader of an answer waits for


class Http1Response:
    """An answer as it arrives; satisfies `core.ports.UpstreamResponse`. One reader at a time.

    Attributes:
        connected: as in the port.
    """

    __slots__ = (
        "_active",
        "_connection",
        "_error",
        "_limits",
        "_loop",
        "_paused",
        "_reader",
        "_reused",
        "_started",
        "_unsent",
        "_waiter",
        "_wants",
        "connected",
    )

    def __init__(self, connection: Connection, reader: AnswerReader, limits: TimeLimits, started: float) -> None:
        self._connection: Connection | None = connection
        self._reader = reader
        self._reused = connection.requests > 0
        self._limits = limits
        self._loop = loop = connection.loop
        self._active = loop.time()
        self._started = started
        self.connected: float | None = None
        self._error: UpstreamError | None = None
        self._paused = False
        self._unsent = 0
        self._waiter: asyncio.Future[None] | None = None
        self._wants = _HEAD

    @property
    def status(self) -> int:
        """HTTP status."""
        return self._reader.status

    @property
    def headers(self) -> Headers:
        """Header lines as received, names in lower case."""
        return self._reader.headers

    def header(self, name: bytes) -> bytes:
        """First value of a header (name in lower case), or empty."""
        return self._reader.header(name)

    @property
    def stale(self) -> bool:
        """Whether the connection had been kept from an earlier request and brought not one byte for this one."""
        return self._reused and not self._reader.touched

    async def head(self) -> None:
        """Wait for the head. Raises as `Carrier.send`."""
        if self._connection is not None:
            self._connection.watch(self.due())
            try:
                await self._wait()
            except asyncio.CancelledError:
                self._drop()  # nobody else can: whoever asked has no answer yet that it could close
                raise
        if self._error is not None:
            raise self._error

    async def read(self) -> bytes:
        """The whole body; see the port."""
        if self._connection is not None:
            self._wants = _ALL
            self._resume()
            self._watch_body()
            await self._wait()
        if self._error is not None:
            raise self._error
        return self._reader.take()

    async def next_chunk(self) -> bytes:
        """Body bytes as soon as there are any; see the port."""
        reader = self._reader
        if not reader.chunks and self._connection is not None:
            self._wants = _SOME
            self._watch_body()
            await self._wait()
        if reader.chunks:
            data = reader.take() if reader.unread <= HIGH_WATER else reader.take_some(HIGH_WATER)
            if self._paused and reader.unread <= HIGH_WATER:
                self._resume()
            return data
        if self._error is not None:
            raise self._error
        return b""

    async def aclose(self) -> None:
        """Let go of the connection; one whose answer has not ended is closed."""
        self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.abort()

    def _wait(self) -> asyncio.Future[None]:
        waiter = self._waiter = self._loop.create_future()
        return waiter

    def _resume(self) -> None:
        self._paused = False
        if self._connection is not None and self._connection.transport is not None:
            self._connection.transport.resume_reading()

    def _watch_body(self) -> None:
        self._active = self._loop.time()
        if self._connection is not None:
            self._connection.watch(self._active + self._limits.between_bytes)

    # Called by the connection.

    def feed(self, data: bytes) -> None:
        """Bytes from the socket."""
        reader = self._reader
        reader.feed(data)
        if reader.error is not None:
            self._end(reader.error, reusable=False)
            return
        if reader.complete:
            self._end(None, reusable=reader.reusable)
            return
        if not reader.head_done:
            return
        self._active = self._loop.time()
        if self._wants == _ALL:
            return
        if reader.unread > HIGH_WATER and not self._paused:
            self._pause()
        if self._wants == _HEAD or reader.chunks:
            self._wake()

    def _pause(self) -> None:
        self._paused = True
        if self._connection is not None and self._connection.transport is not None:
            self._connection.transport.pause_reading()

    def lost(self, reason: str) -> None:
        """The connection is gone."""
        self._reader.feed_eof(reason)
        self._end(self._reader.error, reusable=False)

    def due(self) -> float:
        """Loop time at which patience ends, as things stand now."""
        due = self._started + self._limits.total
        if not self._reader.head_done:
            return min(due, self._active + self._limits.first_byte)
        if self._waiter is not None and not self._waiter.done():
            return min(due, self._active + self._limits.between_bytes)
        return due  # the one who does not read is our own side

    def expire(self) -> None:
        """`due` has passed."""
        unsent = 0 if self._connection is None else self._connection.unsent
        if unsent != self._unsent and not self._total_passed():
            # A large request was on its way until just now, and moved: the wait for the answer begins only here.
            self._unsent, self._active = unsent, self._loop.time()
            if self._connection is not None:
                self._connection.watch(self.due())
            return
        error = self._timeout()
        self._reader.feed_eof()  # nothing more will come of it
        self._end(error, reusable=False)

    def _total_passed(self) -> bool:
        return self._loop.time() + EARLY >= self._started + self._limits.total

    def _timeout(self) -> UpstreamTimeout:
        limits = self._limits
        label = "" if self._connection is None else self._connection.label
        if self._total_passed():
            return timed_out("total", f"{label} did not finish its answer within {limits.total:g} s")
        if self._reader.head_done:
            return timed_out("between_bytes", f"{label} went silent for {limits.between_bytes:g} s within its answer")
        return timed_out("first_byte", f"{label} did not begin to answer within {limits.first_byte:g} s")

    def _end(self, error: UpstreamError | None, *, reusable: bool) -> None:
        """The answer is over, well or not: let go of the connection and wake whoever waits."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        self._error = error
        if self._paused and connection.transport is not None and reusable:
            connection.transport.resume_reading()
        self._paused = False
        connection.finish(reusable=reusable)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def timed_out(phase: Phase, message: str) -> UpstreamTimeout:
    """A timeout of that phase, with the way out."""
    return UpstreamTimeout(message, phase=phase, hint=f"raise the provider's limit `{phase}` if this is usual for it")
