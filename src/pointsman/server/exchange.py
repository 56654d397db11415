"""One request and its answer: the caller's side of a call, as bytes.

An exchange *is* the `Reply` of its call: `whole` writes head and body at once, `start`/`write`/`end` use chunks. Which
connection it lives on, and what comes after it, is `http1`'s business.
"""

from __future__ import annotations

import asyncio
import urllib.parse
from http import HTTPStatus
from typing import Protocol

from pointsman.core.outbox import Outbox
from pointsman.core.ports import Headers

_STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}
_CHUNK_END = b"0\r\n\r\n"
_NO_BODY = frozenset({204, 304})
_MAX_TARGETS = 256
_LONGEST_TARGET = 256


class Shared:
    """What all connections of one server have in common, worked out once.

    Args:
        root: path prefix that is taken off every target.

    Attributes:
        stopping: the server has been told to stop: every connection ends with its next answer.
    """

    def __init__(self, root: str = "") -> None:
        self.stopping = False
        self._root = root
        self._source: object = None
        self._lines = b""
        self._count = 0
        self._targets: dict[bytes, tuple[str, str]] = {}
        self._outbox: Outbox | None = None

    def constant(self, headers: list[tuple[bytes, bytes]]) -> tuple[bytes, int]:
        """The joined header lines of every answer, and their number; uvicorn renews its list (date) once a second."""
        if headers is not self._source:
            self._source = headers
            self._lines = b"".join([b"%b: %b\r\n" % pair for pair in headers])
            self._count = len(headers)
        return self._lines, self._count

    def outbox(self, loop: asyncio.AbstractEventLoop) -> Outbox:
        """Where the connections of that loop, the only one at its time, put what they send."""
        if self._outbox is None or self._outbox.loop is not loop:
            self._outbox = Outbox(loop)
        return self._outbox

    def target(self, url: bytes) -> tuple[str, str]:
        """Path (decoded, without the root; empty for the root without its slash) and query of a request's target."""
        found = self._targets.get(url)
        if found is None:
            found = _split(url, self._root)
            if len(url) <= _LONGEST_TARGET:
                if len(self._targets) >= _MAX_TARGETS:
                    self._targets.clear()
                self._targets[url] = found
        return found


def _split(url: bytes, root: str) -> tuple[str, str]:
    path, _, query = url.partition(b"?")
    text = path.decode("latin-1")
    if "%" in text:
        text = urllib.parse.unquote(text)
    if text[:1] != "/":
        text = _without_origin(text)
    if root and text.startswith(root) and text[len(root) : len(root) + 1] in {"", "/"}:
        text = text[len(root) :]
    return text, query.decode("latin-1")


def _without_origin(target: str) -> str:
    """The path of a target in absolute form, which every server must take (RFC 9112, section 3.2.2)."""
    _, scheme, rest = target.partition("://")
    return "/" + rest.partition("/")[2] if scheme else target


class Connection(Protocol):
    """What an exchange needs of its connection.

    Attributes:
        write_paused: to be awaited while the caller's side is full; None while it is not.
    """

    write_paused: asyncio.Future[None] | None

    def write(self, data: bytes) -> None:
        """Send bytes to the caller, soon and in order."""
        ...

    def constant(self) -> tuple[bytes, int]:
        """The header lines of every answer, and their number."""
        ...

    def exchange_done(self, exchange: Exchange) -> None:
        """The answer is complete."""
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
        "lookup",
        "method",
        "received",
        "size",
        "started",
        "url",
    )

    def __init__(self, conn: Connection, received: int) -> None:
        self.conn = conn
        self.received = received
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.lookup: dict[bytes, bytes] = {}
        self.body: list[bytes] = []
        self.size = 0
        self.method = ""
        self.http11 = True
        self.keep_alive = True
        self.head_only = False
        self.started = False
        self.done = False
        self._chunked = False

    def head(self, status: int, headers: Headers, length: int | None) -> bytes:
        """The head of an answer.

        Raises:
            ValueError: a header holds a line break.
        """
        constant, count = self.conn.constant()
        parts = [_STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n".encode(), constant]
        for name, value in headers:
            parts += (name, b": ", value, b"\r\n")
        count += len(headers) + 2
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
        if head.count(b"\n") != count or head.count(b"\r") != count:
            raise ValueError("a header name or value contains a line break")
        return head

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Head and body in one write."""
        self.started = True
        conn = self.conn
        if status in _NO_BODY:
            conn.write(self.head(status, headers, None))
        elif self.head_only:
            conn.write(self.head(status, headers, len(body)))
        else:
            conn.write(self.head(status, headers, len(body)) + body)
        self._finish()
        if conn.write_paused is not None:
            await conn.write_paused

    async def start(self, status: int, headers: Headers) -> None:
        """Head of a streamed answer."""
        self.started = True
        self._chunked = self.http11
        if not self.http11:
            self.keep_alive = False
        self.conn.write(self.head(status, headers, None))

    async def write(self, data: bytes) -> None:
        """One chunk; waits while the caller's side is full."""
        if not data or self.head_only:
            return
        conn = self.conn
        conn.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
        if conn.write_paused is not None:
            await conn.write_paused

    async def end(self) -> None:
        """The proper end of a streamed answer."""
        if self._chunked and not self.head_only:
            self.conn.write(_CHUNK_END)
        self._finish()

    def _finish(self) -> None:
        if not self.done:
            self.done = True
            self.conn.exchange_done(self)
