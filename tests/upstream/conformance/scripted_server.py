"""A server that sends exactly the bytes a test tells it to, and says what it saw; not a test itself."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from pointsman.core.model import TimeLimits
from pointsman.core.ports import UpstreamRequest, UpstreamResponse

Script = Callable[["Peer"], Awaitable[None]]


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.reader, self.writer, self.number = reader, writer, number

    async def request(self) -> tuple[str, dict[str, str], bytes]:
        """Read one request: request line, headers, body. Raises IncompleteReadError when there is none."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return first, headers, await self.reader.readexactly(int(headers.get("content-length", 0)))

    async def send(self, data: bytes, *, pieces: int = 0, pause: float = 0.0) -> None:
        """Write, at once or in pieces of that many bytes."""
        for start in range(0, len(data), pieces or len(data) or 1):
            self.writer.write(data[start : start + pieces] if pieces else data)
            await self.writer.drain()
            if pieces:
                await asyncio.sleep(pause)

    async def gone(self) -> None:
        """Wait until the client's end is closed."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass


class Server:
    """A listening script. `peers` counts connections; `closed` is set when a script has seen its client go."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.peers = 0
        self.closed = asyncio.Event()
        self.failures: list[BaseException] = []
        self.port = 0
        self.host = "127.0.0.1"
        self.scheme = "http"
        self._tasks: set[asyncio.Task[None]] = set()
        self._transports: list[asyncio.WriteTransport] = []

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}/v1/chat/completions"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.peers += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._transports.append(writer.transport)
        try:
            await self.script(Peer(reader, writer, self.peers))
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        except AssertionError as error:
            self.failures.append(error)
        finally:
            self.closed.set()
            writer.close()
            self._tasks.discard(task)

    async def stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for transport in self._transports:  # TLS would wait for the other end's goodbye beyond the test
            transport.abort()
        await asyncio.sleep(0)


@asynccontextmanager
async def serving(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Serve that script on a free port of 127.0.0.1."""
    server = Server(script)
    listening = await asyncio.start_server(server.handle, "127.0.0.1", 0, ssl=tls, limit=2**22)
    server.port = listening.sockets[0].getsockname()[1]
    if tls is not None:
        server.scheme, server.host = "https", "localhost"
    try:
        yield server
    finally:
        listening.close()
        await server.stop()
        await listening.wait_closed()
    assert not server.failures, server.failures


def answers(*replies: bytes, keep: bool = True) -> Script:
    """Answer the n-th request of each connection with the n-th reply, the last one for ever."""

    async def script(peer: Peer) -> None:
        number = 0
        while True:
            await peer.request()
            await peer.send(replies[min(number, len(replies) - 1)])
            number += 1
            if not keep:
                return

    return script


def whole(body: bytes = b"{}", *, status: str = "200 OK", extra: str = "") -> bytes:
    """An answer with a content-length."""
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{extra}\r\n".encode() + body


def chunked(*pieces: bytes, extra: str = "", trailers: bytes = b"") -> bytes:
    """An answer in chunks."""
    head = f"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n{extra}\r\n".encode()
    return head + b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces) + b"0\r\n" + trailers + b"\r\n"


def post(url: str, **changes: object) -> UpstreamRequest:
    """A small request with limits that a test can wait for."""
    values: dict[str, object] = {
        "body": b'{"model": "m"}',
        "headers": ((b"content-type", b"application/json"), (b"user-agent", b"pointsman/test")),
        "limits": TimeLimits(connect=10, first_byte=5, between_bytes=5, total=15),
    }
    return UpstreamRequest(url=url, **{**values, **changes})  # type: ignore[arg-type]


async def drain(response: UpstreamResponse, way: str) -> bytes:
    """The whole body, by `read` or by `stream`, and the connection let go."""
    try:
        if way == "read":
            return await response.read()
        pieces = []
        while piece := await response.next_chunk():
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        await response.aclose()
