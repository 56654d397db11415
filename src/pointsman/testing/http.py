"""A small HTTP/1.1 server that can also misbehave: every byte, pause and way to end a connection is the caller's.

No task for a request: a handler is a plain function that gets an `Exchange` and writes to it when it likes.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import httptools

_LINGER_NONE = struct.pack("ii", 1, 0)
_REASONS = {200: b"OK", 400: b"Bad Request", 404: b"Not Found", 429: b"Too Many Requests", 500: b"Server Error"}
MAX_BODY = 64 * 1024 * 1024


class Exchange:
    """One request and the answer to it.

    Attributes:
        method: e.g. `POST`.
        path: without the query, still escaped.
        query: after the `?`.
        headers: in order, names in lower case.
        body: the whole of it.
        port: which listener it came to.
        on_gone: called once if the client hangs up before the answer's end.
        on_resume: called when a full send buffer has drained.
    """

    __slots__ = (
        "_chunked",
        "_connection",
        "_done",
        "body",
        "headers",
        "keep_alive",
        "method",
        "on_gone",
        "on_resume",
        "path",
        "port",
        "query",
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._chunked = False
        self._done = False
        self.method = ""
        self.path = ""
        self.query = ""
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.port = 0
        self.keep_alive = True
        self.on_gone: Callable[[], None] | None = None
        self.on_resume: Callable[[], None] | None = None

    @property
    def full(self) -> bool:
        """Whether the client reads too slowly: wait for `on_resume`."""
        return self._connection.full

    @property
    def done(self) -> bool:
        """Whether the answer has ended, in whatever way."""
        return self._done

    def header(self, name: bytes) -> bytes:
        """First value of a header (name in lower case), or empty."""
        return next((value for key, value in self.headers if key == name), b"")

    def start(self, status: int, headers: list[tuple[bytes, bytes]], length: int | None) -> None:
        """Send the head; without a length the body is chunked."""
        self._connection.write(self._head(status, headers, length))

    def send(self, data: bytes) -> None:
        """Send a piece of the body."""
        self._connection.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def send_all(self, pieces: list[bytes]) -> None:
        """Send several pieces in one write; each is its own HTTP chunk."""
        if self._chunked:
            pieces = [b"%x\r\n%b\r\n" % (len(data), data) for data in pieces]
        self._connection.write(b"".join(pieces))

    def end(self) -> None:
        """The answer's proper end."""
        if not self._done:
            self._done = True
            if self._chunked:
                self._connection.write(b"0\r\n\r\n")
            self._connection.finished(self)

    def reply(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Head and body in one write."""
        self._connection.write(self._head(status, headers, len(body)) + body)
        self.end()

    def cut(self, *, reset: bool) -> None:
        """End the connection here: RST, or FIN after what was sent."""
        if not self._done:
            self._done = True
            self._connection.cut(reset=reset)

    def gone(self) -> None:
        """The client hung up."""
        if not self._done:
            self._done = True
            if self.on_gone is not None:
                self.on_gone()

    def _head(self, status: int, headers: list[tuple[bytes, bytes]], length: int | None) -> bytes:
        self._chunked = length is None
        lines = [b"HTTP/1.1 %d %b" % (status, _REASONS.get(status, b"Status"))]
        lines.extend([b"%b: %b" % pair for pair in headers])
        lines.append(b"transfer-encoding: chunked" if length is None else b"content-length: %d" % length)
        if not self.keep_alive:
            lines.append(b"connection: close")
        return b"\r\n".join([*lines, b"", b""])


Handler = Callable[[Exchange], None]


class Connection(asyncio.Protocol):
    """One client's connection: parses requests and hands them to the handler one at a time."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._port = 0
        self._reading: Exchange | None = None
        self._url = b""
        self._pieces: list[bytes] = []
        self._size = 0
        self._current: Exchange | None = None
        self._waiting: deque[Exchange] = deque()
        self.full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        self._transport = cast("asyncio.Transport", transport)
        self._port = transport.get_extra_info("sockname")[1]
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol says so
        """The connection is over, by whoever's wish."""
        self._server.connections.discard(self)
        self._transport = None
        for exchange in (self._current, *self._waiting):
            if exchange is not None:
                exchange.gone()
        self._current = None
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.cut(reset=False)
        except httptools.HttpParserError:
            self.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self.cut(reset=False)

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        self.full = True

    def resume_writing(self) -> None:
        """It caught up."""
        self.full = False
        if self._current is not None and self._current.on_resume is not None:
            self._current.on_resume()

    def on_message_begin(self) -> None:
        """httptools: a request starts."""
        self._reading = Exchange(self)
        self._url = b""
        self._pieces = []
        self._size = 0

    def on_url(self, url: bytes) -> None:
        """httptools: a piece of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: a header line."""
        if self._reading is not None:
            self._reading.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """httptools: the head is whole."""
        if self._reading is not None and self._reading.header(b"expect").lower() == b"100-continue":
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """httptools: a piece of the body."""
        if self._reading is None:
            return  # refused; the rest of what came with it is still parsed
        self._size += len(body)
        if self._size > MAX_BODY:
            self.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self._reading = None
            self._pieces = []
            self.cut(reset=False)
            return
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """httptools: the request is whole."""
        exchange = self._reading
        if exchange is None or self._transport is None:
            return
        path, _, query = self._url.decode("latin-1").partition("?")
        exchange.method = self._parser.get_method().decode("ascii")
        exchange.path, exchange.query, exchange.port = path, query, self._port
        exchange.body = b"".join(self._pieces)
        exchange.keep_alive = self._parser.should_keep_alive()
        self._reading = None
        if self._current is None:
            self._current = exchange
            self._server.handler(exchange)
        else:
            self._waiting.append(exchange)

    def write(self, data: bytes) -> None:
        """Send bytes, if anybody is there."""
        if self._transport is not None:
            self._transport.write(data)

    def finished(self, exchange: Exchange) -> None:
        """An answer is complete: the next request, or the end."""
        if self._transport is None or exchange is not self._current:
            return
        self._current = None
        if not exchange.keep_alive:
            self._transport.close()
        elif self._waiting:
            self._current = self._waiting.popleft()
            # Not called from here: a client that pipelines thousands of requests must not fill the stack.
            asyncio.get_running_loop().call_soon(self._server.handler, self._current)

    def cut(self, *, reset: bool) -> None:
        """End the connection now."""
        if self._transport is None:
            return
        if reset:
            sock: Any = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
            self._transport.abort()
        else:
            self._transport.close()


class Server:
    """Listens on one port and gives every request to the handler. The port stays its own while it is closed."""

    def __init__(self, handler: Handler, host: str, port: int) -> None:
        self.handler = handler
        self.connections: set[Connection] = set()
        self._address = (host, port)
        self._listener: asyncio.Server | None = None
        self._held: socket.socket | None = None

    @property
    def port(self) -> int:
        """The port, known once opened."""
        return self._address[1]

    @property
    def listening(self) -> bool:
        """Whether clients can connect."""
        return self._listener is not None

    def bind(self) -> socket.socket:
        """Take the port without listening: others cannot have it, clients are refused."""
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, or asyncio leaves Nagle on
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(self._address)
        except OSError:
            sock.close()
            raise
        sock.setblocking(False)
        self._address = (self._address[0], sock.getsockname()[1])
        return sock

    async def open(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.
        """
        if self._listener is None:
            sock = self._held or self.bind()
            self._held = None
            loop = asyncio.get_running_loop()
            self._listener = await loop.create_server(lambda: Connection(self), sock=sock, backlog=2048)

    async def shut(self, *, keep_port: bool) -> None:
        """Stop listening and reset every connection; `keep_port` refuses clients until `open`."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        for connection in tuple(self.connections):
            connection.cut(reset=True)
        if keep_port and self._held is None:
            self._held = await self._bind_again()
        elif not keep_port and self._held is not None:
            self._held.close()
            self._held = None

    async def _bind_again(self) -> socket.socket:
        """An event loop may let go of the listening socket a little later than it says."""
        for _ in range(100):
            try:
                return self.bind()
            except OSError:
                await asyncio.sleep(0.005)
        return self.bind()
