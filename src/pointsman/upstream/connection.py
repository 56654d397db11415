"""One TCP (or TLS) connection: carries one request at a time, keeps the clock for it, is kept or closed after it."""

from __future__ import annotations

import asyncio
import ssl
from typing import Protocol, cast

from pointsman.core.outbox import Outbox

_LARGE = 64 * 1024  # bytes of a request from which on joining head and body costs more than a second buffer
EARLY = 0.002
"""Seconds that an event loop's timer may ring too early (uvloop counts in milliseconds)."""


class Exchange(Protocol):
    """What a connection tells whoever has a request on it."""

    def feed(self, data: bytes) -> None:
        """Bytes from the socket."""
        ...

    def lost(self, reason: str) -> None:
        """The connection is gone; `reason` is empty when the peer ended it properly."""
        ...

    def due(self) -> float:
        """Loop time at which patience ends, as things stand now."""
        ...

    def expire(self) -> None:
        """`due` has passed."""
        ...


class Home(Protocol):
    """Where a connection belongs."""

    def release(self, connection: Connection) -> None:
        """The connection is free for the next request."""
        ...

    def lost(self, connection: Connection) -> None:
        """The connection is closed. Called once."""
        ...


class Connection(asyncio.Protocol):
    """The socket's side. Keeps one lazily moved timer, so that a request that ends in time costs none."""

    __slots__ = (
        "_answer",
        "_home",
        "_idle_until",
        "_outbox",
        "_queued",
        "_rings_at",
        "_timer",
        "closed",
        "label",
        "loop",
        "requests",
        "transport",
    )

    def __init__(self, home: Home, label: str, loop: asyncio.AbstractEventLoop, outbox: Outbox) -> None:
        self.label = label
        self.closed = False
        self.requests = 0
        self.transport: asyncio.Transport | None = None
        self._answer: Exchange | None = None
        self._home = home
        self._idle_until = 0.0
        self._outbox = outbox
        self._queued = 0
        self.loop = loop
        self._rings_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes of the answer; on an idle connection nobody asked for them, so it is of no more use."""
        if self._answer is None:
            self.abort()
        else:
            self._answer.feed(data)

    def eof_received(self) -> bool:
        """The peer has said all it will say; half-open connections are of no use to us."""
        self._close("" if self._said_goodbye() else "TLS was cut off")
        return False

    def _said_goodbye(self) -> bool:
        """Whether the end is the peer's own: TLS says so within itself, a bare end of TCP can be anybody's doing."""
        tls = None if self.transport is None else self.transport.get_extra_info("ssl_object")
        if tls is None:
            return True
        try:
            return not tls.read(1)
        except ssl.SSLZeroReturnError:
            return True
        except (ssl.SSLError, OSError):
            return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone. Without `eof_received` before it, TLS was cut without its goodbye: no proper end."""
        self._close(str(exc) or type(exc).__name__ if exc else "it was dropped")

    # Called by carrier and answer.

    def send(self, head: bytes, body: bytes, answer: Exchange) -> None:
        """Write one request; `answer` gets what comes back."""
        transport = self.transport
        if transport is None or self.closed:
            answer.lost("")
            return
        self.requests += 1
        self._answer = answer
        if len(body) < _LARGE:
            data = head + body if body else head
            self._queued = len(data)
            self._outbox.put(self._write, data)
        else:
            transport.writelines((head, body))

    def _write(self, data: bytes) -> None:
        self._queued = 0
        transport = self.transport
        if transport is not None and not self.closed and not transport.is_closing():  # else `connection_lost` says so
            transport.write(data)

    def finish(self, *, reusable: bool) -> None:
        """The answer has ended: go back to the pool, or close."""
        self._answer = None
        if not reusable or self.closed or self.unsent:
            self.abort()
            return
        self._home.release(self)

    def rest(self, seconds: float) -> None:
        """Be idle, and close after that time."""
        self._idle_until = self.loop.time() + seconds
        self.watch(self._idle_until)

    def watch(self, when: float) -> None:
        """Look at the clock at that loop time at the latest; looking too early costs little and harms nothing."""
        if self._timer is not None:
            if self._rings_at <= when:
                return
            self._timer.cancel()
        self._rings_at = when
        self._timer = self.loop.call_at(when, self._ring)

    def _ring(self) -> None:
        self._timer = None
        answer = self._answer
        due = self._idle_until if answer is None else answer.due()
        if due > self.loop.time() + EARLY:
            self.watch(due)
        elif answer is None:
            self.abort()
        else:
            answer.expire()

    @property
    def unsent(self) -> int:
        """Bytes of the request that the socket has not taken yet."""
        return 0 if self.transport is None else self._queued + self.transport.get_write_buffer_size()

    def abort(self) -> None:
        """Close at once; whatever was under way is lost."""
        self._close("closed by us")

    def _close(self, reason: str) -> None:
        if self.closed:
            return
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.transport is not None:
            self.transport.abort()
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.lost(reason)
        self._home.lost(self)
