"""HTTP/1.1 for callers: a protocol class that uvicorn's server hosts in the place of its own.

Why not uvicorn's protocol: measured on one core with wrk at 64 connections, its request cycle alone costs 50 µs, this
one about 20, and it has no limit on the size of a head, on the time a sender may take, or on a body. uvicorn still owns
sockets, signals, TLS, workers and shutdown; llhttp (through httptools) still does the parsing. See
docs/decisions/0001-http1-protocol.md.

Life of a connection: bytes → llhttp callbacks → an `Exchange` that is handed to the application when its body is whole
→ its bytes → next exchange. Pipelined requests wait in a short queue while reading is paused. One task serves all the
exchanges of a connection, one after the other: making a task costs more than parsing a request. One sweeper per server
closes what is late; a timer per request would cost as much.
"""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

import httptools
import msgspec

from pointsman.core.call import Arrival
from pointsman.core.errors import (
    BodyTooLarge,
    HeadersTooLarge,
    InvalidRequest,
    PointsmanError,
    SlowSender,
)
from pointsman.core.ports import STOPPING
from pointsman.server.exchange import Exchange, Shared

if TYPE_CHECKING:
    from pointsman.core.ports import Headers

_NEVER = float("inf")
_MAX_PIPELINED = 8
_MOST_WAITING = 16 * 1024
_MAX_HEADERS = 200
_LINGER_SECONDS = 2.0
_LAST_CALL_SECONDS = 0.5
"""That a connection without a request stays open when the server stops: who was about to send one gets an answer."""
_UPGRADE_HEADERS = frozenset({b"connection", b"upgrade", b"http2-settings"})


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on what callers may send, in bytes and seconds, and on how long they may take nothing of an answer."""

    max_head: int = 64 * 1024
    max_body: int = 50 * 1024 * 1024
    head_seconds: float = 15.0
    body_gap_seconds: float = 30.0
    body_seconds: float = 600.0
    idle_seconds: float = 75.0
    stall_seconds: float = 60.0


class Application(Protocol):
    """What the protocol serves. `shared` belongs to the protocol; one per application."""

    limits: Limits
    shared: Shared

    async def handle(self, arrival: Arrival, reply: Exchange) -> None:
        """Answer one request; every error of ours has become an answer when it returns."""
        ...

    def refuse(self, error: PointsmanError, path: str) -> tuple[int, Headers, bytes]:
        """The answer to a request that never became whole."""
        ...


class Http1Protocol(asyncio.Protocol):
    """One connection. Built by uvicorn's server, once per accepted socket."""

    def __init__(
        self,
        config: Any,
        server_state: Any,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        del app_state
        self.app: Application = config.app
        self.limits = self.app.limits
        self.loop = _loop or asyncio.get_running_loop()
        self.state = server_state
        self.transport: asyncio.Transport
        self.client = ""
        self.parser = httptools.HttpRequestParser(self)
        self.write_paused: asyncio.Future[None] | None = None
        self.stalled = (_NEVER, 0)  # since when so many bytes wait to be taken
        self.deadline = _NEVER
        self.body_deadline = _NEVER
        self._shared: Shared = self.app.shared
        self._outbox = self._shared.outbox(self.loop)
        self._incoming: Exchange | None = None
        self._current: Exchange | None = None
        self._worker: asyncio.Task[None] | None = None
        self._idle: asyncio.Future[None] | None = None
        self._offered: Exchange | None = None
        self._queue: deque[Exchange] = deque()
        self._head_bytes = self._waiting = 0
        self._closing = False
        self._refusal: tuple[PointsmanError, Exchange] | None = None

    # Connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A caller connected."""
        self.transport = transport  # type: ignore[assignment]
        peer = transport.get_extra_info("peername")
        self.client = str(peer[0]) if isinstance(peer, tuple) else ""
        self.state.connections.add(self)
        self.deadline = self.loop.time() + self.limits.head_seconds
        if self._shared.stopping:
            self.shutdown()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The caller is gone: its call ends here, whatever it was doing."""
        self.state.connections.discard(self)
        self.deadline = _NEVER
        self._closing = True
        self._queue.clear()
        self._incoming = None
        if self.write_paused is not None and not self.write_paused.done():
            self.write_paused.cancel()
        if self._worker is not None and (self._idle is not None or (self._current and not self._current.done)):
            self._worker.cancel("caller gone")
        self._let_go()

    def _let_go(self) -> None:
        """Drop what holds this protocol in its turn, or all of it would stay until the next garbage collection."""
        self._worker = self._current = self._refusal = None  # a task that was cancelled keeps its frames
        del self.parser

    def write(self, data: bytes) -> None:
        """Send bytes to the caller: everything that goes out goes this way, or it would overtake what waits."""
        self._waiting += len(data)
        self._outbox.put(self._write, data)
        if self._waiting > _MOST_WAITING:  # a writer that never rests has to learn that its caller does not read
            self._outbox.flush()

    def _write(self, data: bytes) -> None:
        self._waiting -= len(data)
        if not self.transport.is_closing():
            self.transport.write(data)

    def close(self) -> None:
        """Close, after what was written has gone out."""
        self._outbox.flush()
        self.transport.close()

    def pause_writing(self) -> None:
        """The caller reads too slowly: writers wait."""
        if self.write_paused is None:
            self.write_paused = self.loop.create_future()

    def resume_writing(self) -> None:
        """The caller caught up."""
        self.stalled = (_NEVER, 0)
        waiter, self.write_paused = self.write_paused, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def shutdown(self) -> None:
        """The server stops: this connection ends with its next answer, and soon if nobody asks for one.

        An answer that has begun without saying that it is the last is not: its caller may be sending already.
        """
        current = self._current
        if current is None:
            if self._incoming is None:
                self.deadline = min(self.deadline, self.loop.time() + _LAST_CALL_SECONDS)
        elif not current.started:
            current.keep_alive = False

    def stop(self) -> None:
        """The server stops now: who waits for an answer is told so, and the connection ends."""
        if self._worker is not None and self._current is not None and not self._current.done:
            self._current.keep_alive = False
            self.write_paused = None  # what is said now is short, and nobody waits until there is room for it
            self._worker.cancel(STOPPING)
        else:
            self.close()

    def abort(self) -> None:
        """End the connection, whatever waits to be sent."""
        self.transport.abort()

    def sweep(self, now: float) -> None:
        """Close what is late (called about once a second)."""
        if self.write_paused is not None or self.transport.is_closing():
            self._look_whether_it_takes(now)
        if now < self.deadline and now < self.body_deadline:
            return
        if self._incoming is not None and self._current is None and not self._closing:
            self._refuse(SlowSender("The request did not arrive in time", hint="send the whole request faster"))
        elif self._current is not None or self._closing or not self._in_socket(termios.FIONREAD):
            # A request that lies unread would be answered with a reset.
            self.deadline = self.body_deadline = _NEVER
            self.close()

    def _look_whether_it_takes(self, now: float) -> None:
        """Let go of a caller that takes nothing of what waits for it; its call is cancelled with the connection."""
        since, size = self.stalled
        # With what the system holds: it takes more only when a third of that is gone, and a slow reader needs long.
        waiting = self.transport.get_write_buffer_size() + self._in_socket(termios.TIOCOUTQ)
        if since == _NEVER or waiting < size:
            self.stalled = (now, waiting)
        elif now - since >= self.limits.stall_seconds:
            self.abort()

    def _in_socket(self, queue: int) -> int:
        """Bytes in the socket, unread (FIONREAD) or not yet taken by the caller (TIOCOUTQ); 0 where nobody can say."""
        sock = self.transport.get_extra_info("socket")
        try:
            return 0 if sock is None else int.from_bytes(fcntl.ioctl(sock.fileno(), queue, bytes(4)), sys.byteorder)
        except OSError:  # it is gone, or the system counts no such thing
            return 0

    # Bytes in

    def data_received(self, data: bytes) -> None:
        """Bytes from the caller."""
        if self._closing:
            return
        incoming = self._incoming
        if incoming is None and self._current is None:
            self.deadline = self.loop.time() + self.limits.head_seconds
        if incoming is None or not incoming.method:
            # Whole reads are counted, because llhttp reports only finished header lines.
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except _Refused as refused:
            self._refuse(refused.error)
        except httptools.HttpParserUpgrade as offer:
            self._decline_upgrade(data[offer.args[0] :])
        except httptools.HttpParserError as broken:
            cause = broken.__context__
            if isinstance(cause, _Refused):
                self._refuse(cause.error)
            else:
                self._refuse(InvalidRequest("This is not a valid HTTP/1.1 request"))
        incoming = self._incoming
        if incoming is not None and not self._closing:
            if incoming.method:
                self.deadline = self.loop.time() + self.limits.body_gap_seconds
            elif self._head_bytes > self.limits.max_head:
                self._refuse(_too_large_head(self.limits))

    def _decline_upgrade(self, rest: bytes) -> None:
        """Ignore an offer to speak another protocol, as RFC 9110 allows; Java's client makes one with each connection.

        llhttp has stopped before the body, so a new parser gets the same head without the offer.
        """
        exchange, self._offered = self._offered, None
        if exchange is None or exchange.method == "CONNECT":
            self._refuse(InvalidRequest("This server is no proxy: CONNECT is not offered"))
            return
        line = b"%b %b HTTP/1.1\r\n" % (exchange.method.encode(), exchange.url)
        kept = [b"%b: %b\r\n" % (k, v) for k, v in exchange.headers if k not in _UPGRADE_HEADERS]
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"".join((line, *kept, b"\r\n", rest)))

    def on_message_begin(self) -> None:
        """A request begins."""
        self._incoming = Exchange(self, time.perf_counter_ns())

    def on_url(self, url: bytes) -> None:
        """Part of the request target."""
        self._incoming.url += url  # type: ignore[union-attr] # llhttp calls in order

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line."""
        self._incoming.headers.append((name.lower(), value))  # type: ignore[union-attr] # llhttp calls in order

    def on_headers_complete(self) -> None:
        """The head is whole: decide about the body before it comes."""
        exchange = self._incoming
        assert exchange is not None  # noqa: S101 - llhttp calls in order
        parser, limits, headers = self.parser, self.limits, exchange.headers
        exchange.method = method = parser.get_method().decode("ascii")
        exchange.http11 = parser.get_http_version() == "1.1"
        exchange.keep_alive = parser.should_keep_alive()
        exchange.head_only = method == "HEAD"
        exchange.lookup = lookup = dict(headers)
        now = self.loop.time()
        self.deadline, self.body_deadline = now + limits.body_gap_seconds, now + limits.body_seconds
        # A pipelined head is not in the count; the sum is exact, and taken only where it may matter.
        if len(headers) > _MAX_HEADERS or not 0 < self._head_bytes <= limits.max_head:
            self._measure(exchange)
        hosts = 1 if b"host" in lookup else 0
        if len(lookup) != len(headers):
            hosts = sum(name == b"host" for name, _ in headers)
        if hosts != 1 and (hosts or exchange.http11):  # RFC 9112, section 3.2
            raise _Refused(InvalidRequest(f"A request names its host once, this one did so {hosts} times"))
        if b"transfer-encoding" in lookup and not all(map(_is_chunked, headers)):
            raise _Refused(InvalidRequest("The only transfer encoding that is read here is chunked"))
        if int(lookup.get(b"content-length", 0)) > limits.max_body:
            raise _Refused(_too_large_body(limits))
        if b"expect" in lookup and lookup[b"expect"].lower() == b"100-continue" and self._current is None:
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _measure(self, exchange: Exchange) -> None:
        headers = exchange.headers
        size = len(exchange.url) + sum(len(name) + len(value) + 4 for name, value in headers)
        if len(headers) > _MAX_HEADERS or size > self.limits.max_head:
            raise _Refused(_too_large_head(self.limits))

    def on_body(self, body: bytes) -> None:
        """Part of the body."""
        exchange = self._incoming
        assert exchange is not None  # noqa: S101 - llhttp calls in order
        exchange.size += len(body)
        if exchange.size > self.limits.max_body:
            raise _Refused(_too_large_body(self.limits))
        exchange.body.append(body)

    def on_message_complete(self) -> None:
        """The request is whole: serve it, or queue it behind the one in progress."""
        exchange, self._incoming = self._incoming, None
        assert exchange is not None  # noqa: S101 - llhttp calls in order
        self._head_bytes = 0
        if self.parser.should_upgrade():
            self._offered = exchange
            return
        self.deadline = self.body_deadline = _NEVER
        if self._shared.stopping:
            exchange.keep_alive = False
        if self._current is None:
            self._serve(exchange)
            return
        if len(self._queue) >= _MAX_PIPELINED:
            raise _Refused(InvalidRequest(f"More than {_MAX_PIPELINED} requests were pipelined on one connection"))
        self._queue.append(exchange)
        self.transport.pause_reading()

    # Exchanges

    def _serve(self, exchange: Exchange) -> None:
        self._current = exchange
        idle, self._idle = self._idle, None
        if idle is not None:
            idle.set_result(None)
        elif self._worker is None:
            self._worker = worker = self.loop.create_task(self._work(exchange))
            self.state.tasks.add(worker)
            worker.add_done_callback(self.state.tasks.discard)
        # Else the worker has not quite left the exchange before, whose answer is out already.

    async def _work(self, exchange: Exchange) -> None:
        """The exchanges of a connection. The application answers its own errors; what gets out closes the socket."""
        try:
            while True:
                await self.app.handle(self._arrival(exchange), exchange)
                if not exchange.done:
                    return
                if self._current is None:
                    if self._closing:
                        return
                    self._idle = idle = self.loop.create_future()
                    await idle
                exchange = self._current or exchange
        finally:
            self._idle = None
            if not exchange.done:
                exchange.done = True
                self.close()

    def _arrival(self, exchange: Exchange) -> Arrival:
        path, query = self._shared.target(exchange.url)
        body, exchange.body = exchange.body, []  # it may be large, and the exchange stays until the next one begins
        return Arrival(
            method=exchange.method,
            path=path,
            query=query,
            headers=tuple(exchange.headers),
            lookup=exchange.lookup,
            body=body[0] if len(body) == 1 else b"".join(body),
            client=self.client,
            received=exchange.received,
        )

    def constant(self) -> tuple[bytes, int]:
        """The header lines of every answer, and their number."""
        lines: list[tuple[bytes, bytes]] = self.state.default_headers
        return self._shared.constant(lines)

    def exchange_done(self, exchange: Exchange) -> None:
        """An answer is complete: keep the connection for the next one, or close it."""
        self.state.total_requests += 1
        self._current = None
        if not exchange.keep_alive:
            self._closing = True
            self.close()
        elif self._queue:
            self._serve(self._queue.popleft())
            if not self._queue and not self._closing:
                self.transport.resume_reading()
        elif self._refusal is not None:
            self._tell(self._refusal)
        elif self._incoming is None:
            seconds = _LAST_CALL_SECONDS if self._shared.stopping else self.limits.idle_seconds
            self.deadline = self.loop.time() + seconds

    def _refuse(self, error: PointsmanError) -> None:
        """Answer a request that never became whole, and close; requests before it get their answers first."""
        self._closing = True
        incoming, self._incoming = self._incoming, None
        self._refusal = (error, incoming or Exchange(self, time.perf_counter_ns()))
        if self._current is None:
            self._tell(self._refusal)
        else:
            self.transport.pause_reading()

    def _tell(self, refusal: tuple[PointsmanError, Exchange]) -> None:
        error, exchange = refusal
        exchange.keep_alive = False
        status, headers, body = self.app.refuse(error, exchange.url.decode("latin-1").partition("?")[0])
        self.write(exchange.head(status, headers, len(body)) + body)
        self._outbox.flush()
        # Closing now would reset the connection under a caller that is still sending, and lose the answer with it:
        # say that nothing more follows, read and forget what comes, and let the sweeper close.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.transport.resume_reading()
        self.deadline = self.loop.time() + _LINGER_SECONDS


class _Refused(Exception):
    """Carries one of our errors through llhttp's callbacks."""

    def __init__(self, error: PointsmanError) -> None:
        super().__init__(error.message)
        self.error = error


def _is_chunked(line: tuple[bytes, bytes]) -> bool:
    return line[0] != b"transfer-encoding" or line[1].strip().lower() == b"chunked"


def _size(count: int) -> str:
    for unit, power in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= power:
            return f"{count / power:.4g} {unit}"
    return f"{count} bytes"


def _too_large_head(limits: Limits) -> HeadersTooLarge:
    return HeadersTooLarge(f"The request's head exceeds {_size(limits.max_head)} or {_MAX_HEADERS} headers")


def _too_large_body(limits: Limits) -> BodyTooLarge:
    return BodyTooLarge(
        f"The request's body exceeds {_size(limits.max_body)}",
        hint="send files by URL or file id, or raise `server.max_body`",
    )
