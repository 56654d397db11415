"""HTTP/1.1 for callers: a protocol class that uvicorn's server hosts in the place of its own.

Why not uvicorn's protocol: measured on one core with wrk at 64 connections, its request cycle alone costs 50 µs, this
one about 20, and it has no limit on the size of a head, on the time a sender may take, or on a body. uvicorn still owns
sockets, signals, TLS, workers and shutdown; llhttp (through httptools) still does the parsing. See
docs/decisions/0001-http1-protocol.md.

Life of a connection: bytes → llhttp callbacks → an `Exchange` that is handed to the application when its body is whole
→ one task for the exchange → its bytes → next exchange. Pipelined requests wait in a short queue while reading is
paused. One sweeper per server closes what is late; a timer per request would cost more than the request's parsing.
An exchange *is* the `Reply` of its call: `whole` writes head and body at once, `start`/`write`/`end` use chunks.
"""

from __future__ import annotations

import asyncio
import time
import urllib.parse
from collections import deque
from http import HTTPStatus
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

if TYPE_CHECKING:
    from pointsman.core.ports import Headers

_NEVER = float("inf")
_MAX_PIPELINED = 8
_MAX_HEADERS = 200
_LINGER_SECONDS = 2.0
_UPGRADE_HEADERS = frozenset({b"connection", b"upgrade", b"http2-settings"})
_STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}
_CHUNK_END = b"0\r\n\r\n"
_NO_BODY = frozenset({204, 304})


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on what a caller may send: bytes and seconds."""

    max_head: int = 64 * 1024
    max_body: int = 50 * 1024 * 1024
    head_seconds: float = 15.0
    body_gap_seconds: float = 30.0
    body_seconds: float = 600.0
    idle_seconds: float = 75.0


class ConstantHeaders:
    """The header lines of every answer, joined once per change; uvicorn renews its list (date) once a second."""

    def __init__(self) -> None:
        self._source: object = None
        self._lines = b""
        self.count = 0

    def lines(self, headers: list[tuple[bytes, bytes]]) -> bytes:
        """The joined lines; `count` is their number."""
        if headers is not self._source:
            self._source = headers
            self._lines = b"".join([b"%b: %b\r\n" % pair for pair in headers])
            self.count = len(headers)
        return self._lines


class Application(Protocol):
    """What the protocol serves. `constant` belongs to the protocol; one per application."""

    limits: Limits
    constant: ConstantHeaders

    async def handle(self, arrival: Arrival, reply: Exchange) -> None:
        """Answer one request; every error of ours has become an answer when it returns."""
        ...

    def refuse(self, error: PointsmanError, path: str) -> tuple[int, Headers, bytes]:
        """The answer to a request that never became whole."""
        ...


class Exchange:
    """One request and its answer; satisfies `core.ports.Reply`."""

    __slots__ = (
        "_chunked",
        "body",
        "conn",
        "done",
        "head_only",
        "headers",
        "http11",
        "keep_alive",
        "method",
        "received",
        "size",
        "started",
        "task",
        "url",
    )

    def __init__(self, conn: Http1Protocol, received: int) -> None:
        self.conn = conn
        self.received = received
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.body: list[bytes] = []
        self.size = 0
        self.method = ""
        self.http11 = True
        self.keep_alive = True
        self.head_only = False
        self.started = False
        self.done = False
        self.task: asyncio.Task[None] | None = None
        self._chunked = False

    def head(self, status: int, headers: Headers, length: int | None) -> bytes:
        """The head of an answer.

        Raises:
            ValueError: a header holds a line break.
        """
        line = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n".encode()
        constant = self.conn.app.constant
        parts = [line, constant.lines(self.conn.state.default_headers)]
        for name, value in headers:
            parts += (name, b": ", value, b"\r\n")
        count = len(headers)
        if length is not None:
            parts.append(b"content-length: %d\r\n" % length)
            count += 1
        elif self._chunked:
            parts.append(b"transfer-encoding: chunked\r\n")
            count += 1
        if not self.keep_alive:
            parts.append(b"connection: close\r\n")
            count += 1
        elif not self.http11:
            parts.append(b"connection: keep-alive\r\n")
            count += 1
        parts.append(b"\r\n")
        head = b"".join(parts)
        expected = count + constant.count + 2
        if head.count(b"\n") != expected or head.count(b"\r") != expected:
            raise ValueError("a header name or value contains a line break")
        return head

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Head and body in one write."""
        self.started = True
        transport = self.conn.transport
        if status in _NO_BODY:
            transport.write(self.head(status, headers, None))
        elif self.head_only:
            transport.write(self.head(status, headers, len(body)))
        else:
            transport.write(self.head(status, headers, len(body)) + body)
        self._finish()
        if self.conn.write_paused is not None:
            await self.conn.write_paused

    async def start(self, status: int, headers: Headers) -> None:
        """Head of a streamed answer."""
        self.started = True
        self._chunked = self.http11
        if not self.http11:
            self.keep_alive = False
        self.conn.transport.write(self.head(status, headers, None))

    async def write(self, data: bytes) -> None:
        """One chunk; waits while the caller's side is full."""
        if not data or self.head_only:
            return
        transport = self.conn.transport
        transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
        if self.conn.write_paused is not None:
            await self.conn.write_paused

    async def end(self) -> None:
        """The proper end of a streamed answer."""
        if self._chunked and not self.head_only:
            self.conn.transport.write(_CHUNK_END)
        self._finish()

    def _finish(self) -> None:
        if not self.done:
            self.done = True
            self.conn.exchange_done(self)


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
        self.root_path: str = config.root_path
        self.transport: asyncio.Transport
        self.client = ""
        self.parser = httptools.HttpRequestParser(self)
        self.write_paused: asyncio.Future[None] | None = None
        self.deadline = _NEVER
        self.body_deadline = _NEVER
        self._incoming: Exchange | None = None
        self._current: Exchange | None = None
        self._offered: Exchange | None = None
        self._queue: deque[Exchange] = deque()
        self._head_bytes = 0
        self._raw_head_bytes = 0
        self._closing = False

    # Connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A caller connected."""
        self.transport = transport  # type: ignore[assignment]
        peer = transport.get_extra_info("peername")
        self.client = str(peer[0]) if isinstance(peer, tuple) else ""
        self.state.connections.add(self)
        self.deadline = self.loop.time() + self.limits.head_seconds

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The caller is gone: its call ends here, whatever it was doing."""
        self.state.connections.discard(self)
        self.deadline = _NEVER
        self._closing = True
        self._queue.clear()
        self._incoming = None
        if self.write_paused is not None and not self.write_paused.done():
            self.write_paused.cancel()
        if self._current is not None and self._current.task is not None and not self._current.done:
            self._current.task.cancel("caller gone")

    def pause_writing(self) -> None:
        """The caller reads too slowly: writers wait."""
        if self.write_paused is None:
            self.write_paused = self.loop.create_future()

    def resume_writing(self) -> None:
        """The caller caught up."""
        waiter, self.write_paused = self.write_paused, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def shutdown(self) -> None:
        """The server stops: an idle connection closes now, a busy one after its answer."""
        if self._current is None:
            self.transport.close()
        else:
            self._current.keep_alive = False

    def sweep(self, now: float) -> None:
        """Close what is late (called about once a second)."""
        if now < self.deadline and now < self.body_deadline:
            return
        if self._incoming is not None and self._current is None and not self._closing:
            self._refuse(SlowSender("The request did not arrive in time", hint="send the whole request faster"))
        else:
            self.deadline = self.body_deadline = _NEVER
            self.transport.close()

    # Bytes in

    def data_received(self, data: bytes) -> None:
        """Bytes from the caller."""
        if self._closing:
            return
        if self._incoming is None and self._current is None:
            self.deadline = self.loop.time() + self.limits.head_seconds
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
        if self._incoming is not None and not self._closing:
            # Whole reads are counted too, because llhttp reports only finished header lines.
            if not self._incoming.method:
                self._raw_head_bytes += len(data)
                if self._raw_head_bytes > self.limits.max_head:
                    self._refuse(_too_large_head(self.limits))
            else:
                self.deadline = self.loop.time() + self.limits.body_gap_seconds

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
        self._head_bytes = self._raw_head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Part of the request target."""
        assert self._incoming is not None  # noqa: S101 - llhttp calls in order
        self._incoming.url += url
        self._head_bytes += len(url)
        if self._head_bytes > self.limits.max_head:
            raise _Refused(_too_large_head(self.limits))

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line."""
        assert self._incoming is not None  # noqa: S101 - llhttp calls in order
        headers = self._incoming.headers
        headers.append((name.lower(), value))
        self._head_bytes += len(name) + len(value) + 4
        if len(headers) > _MAX_HEADERS or self._head_bytes > self.limits.max_head:
            raise _Refused(_too_large_head(self.limits))

    def on_headers_complete(self) -> None:
        """The head is whole: decide about the body before it comes."""
        exchange = self._incoming
        assert exchange is not None  # noqa: S101 - llhttp calls in order
        exchange.method = self.parser.get_method().decode("ascii")
        exchange.http11 = self.parser.get_http_version() == "1.1"
        exchange.keep_alive = self.parser.should_keep_alive()
        exchange.head_only = exchange.method == "HEAD"
        self.deadline = self.loop.time() + self.limits.body_gap_seconds
        self.body_deadline = self.loop.time() + self.limits.body_seconds
        hosts = 0
        for name, value in exchange.headers:
            if name == b"host":
                hosts += 1
            elif name == b"transfer-encoding" and value.strip().lower() != b"chunked":
                raise _Refused(InvalidRequest("The only transfer encoding that is read here is chunked"))
            if name == b"content-length" and int(value) > self.limits.max_body:
                raise _Refused(_too_large_body(self.limits))
            if name == b"expect" and value.lower() == b"100-continue" and self._current is None:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if hosts != 1 and (hosts or exchange.http11):  # RFC 9112, section 3.2
            raise _Refused(InvalidRequest(f"A request names its host once, this one did so {hosts} times"))

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
        if self.parser.should_upgrade():
            self._offered = exchange
            return
        self.deadline = self.body_deadline = _NEVER
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
        exchange.task = task = self.loop.create_task(self._run(exchange))
        self.state.tasks.add(task)
        task.add_done_callback(self.state.tasks.discard)

    async def _run(self, exchange: Exchange) -> None:
        """One exchange, to its end. The application answers its own errors; what still gets out closes the socket."""
        try:
            await self.app.handle(self._arrival(exchange), exchange)
        finally:
            if not exchange.done:
                exchange.done = True
                self.transport.close()

    def _arrival(self, exchange: Exchange) -> Arrival:
        target = exchange.url
        path, _, query = target.partition(b"?")
        text = path.decode("latin-1")
        if "%" in text:
            text = urllib.parse.unquote(text)
        if text[:1] != "/":
            text = _without_origin(text)
        root = self.root_path
        if root and text.startswith(root) and text[len(root) : len(root) + 1] in {"", "/"}:
            text = text[len(root) :] or "/"
        body = exchange.body
        return Arrival(
            method=exchange.method,
            path=text,
            query=query.decode("latin-1"),
            headers=tuple(exchange.headers),
            lookup=dict(exchange.headers),
            body=body[0] if len(body) == 1 else b"".join(body),
            client=self.client,
            received=exchange.received,
        )

    def exchange_done(self, exchange: Exchange) -> None:
        """An answer is complete: keep the connection for the next one, or close it."""
        self.state.total_requests += 1
        self._current = None
        if not exchange.keep_alive or self._closing:
            self._closing = True
            self.transport.close()
            return
        if self._queue:
            self._serve(self._queue.popleft())
            if not self._queue:
                self.transport.resume_reading()
        elif self._incoming is None:
            self.deadline = self.loop.time() + self.limits.idle_seconds

    def _refuse(self, error: PointsmanError) -> None:
        """Answer a request that never became whole, and close; an answer in progress is left to finish."""
        self._closing = True
        incoming, self._incoming = self._incoming, None
        if self._current is not None:
            self._current.keep_alive = False
            self._queue.clear()
            return
        exchange = incoming or Exchange(self, time.perf_counter_ns())
        exchange.keep_alive = False
        status, headers, body = self.app.refuse(error, exchange.url.decode("latin-1").partition("?")[0])
        self.transport.write(exchange.head(status, headers, len(body)) + body)
        # Closing now would reset the connection under a caller that is still sending, and lose the answer with it:
        # say that nothing more follows, read and forget what comes, and let the sweeper close.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.deadline = self.loop.time() + _LINGER_SECONDS


class _Refused(Exception):
    """Carries one of our errors through llhttp's callbacks."""

    def __init__(self, error: PointsmanError) -> None:
        super().__init__(error.message)
        self.error = error


def _without_origin(target: str) -> str:
    """The path of a target in absolute form, which every server must take (RFC 9112, section 3.2.2)."""
    _, scheme, rest = target.partition("://")
    return "/" + rest.partition("/")[2] if scheme else target


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
