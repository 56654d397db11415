"""The carrier for SOCKS and https proxies: pyreqwest behind our port.

One promise of the port it cannot keep. Cancelled before the head came, pyreqwest (0.12 to 0.15) leaves the connection
open for ever. So such a request is left to run instead, and closed when its head comes or when the silence has lasted
as long as the limits allow. Everything else passes the same tests.

What the library leaves open is done here: phases have timers of our own (a slow head comes up as its connect timeout),
its errors are mapped once, its chunks copied to `bytes`, encodings undone by us so that both carriers agree.
Importing this module costs time; `carry` does so when the first such proxy is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import ConnectTimeoutError, DecodeError, PyreqwestError, RequestError
from pyreqwest.http import HeaderMap
from pyreqwest.proxy import ProxyBuilder
from pyreqwest.request import StreamRequest
from pyreqwest.response import Response

from pointsman.core.errors import ConnectFailed, Phase, UpstreamCut, UpstreamError, UpstreamGarbage
from pointsman.core.ports import Headers, UpstreamRequest
from pointsman.upstream.address import Address, check_header, parse_url
from pointsman.upstream.answer import HIGHEST_STATUS
from pointsman.upstream.connection import EARLY
from pointsman.upstream.decoding import KNOWN, DecodingError, Inflater
from pointsman.upstream.response import timed_out
from pointsman.upstream.tls import make_context

_MAX_CLIENTS = 64
_REWRITTEN = frozenset((b"content-encoding", b"content-length"))
_Key = tuple[str, str, float, float]


class ReqwestCarrier:
    """Satisfies `core.ports.Carrier`; one client (with its pool) for each proxy, CA file and connect limit."""

    def __init__(self) -> None:
        self._clients: dict[_Key, Client] = {}
        self._closed = False
        self._left: set[asyncio.Task[None]] = set()

    async def send(self, request: UpstreamRequest) -> ReqwestResponse:
        """Send and wait for the head; see the port."""
        address = parse_url(request.url)
        if self._closed:
            raise ConnectFailed(f"nothing was sent to {address.label}: the carrier is closed")
        client = await self._client(request, address)
        stream = _build(client, request, address)
        entering = asyncio.ensure_future(_enter(stream))
        loop = asyncio.get_running_loop()
        limits, started = request.limits, loop.time()
        deadline = started + limits.total
        try:
            # The library does not say when it has connected, so the head may take both phases together; the connect
            # phase alone is bounded by the client.
            async with asyncio.timeout_at(min(deadline, started + limits.connect + limits.first_byte)):
                response = await asyncio.shield(entering)
        except PyreqwestError as error:
            raise _head_error(error, request, address, loop.time() - started) from error
        except TimeoutError as error:
            self._leave(entering, stream)
            raise _timeout("first_byte", request, address, total=loop.time() + EARLY >= deadline) from error
        except asyncio.CancelledError:
            self._leave(entering, stream)
            raise
        return await _opened(ReqwestResponse(stream, response, request, address, deadline))

    def _leave(self, entering: asyncio.Future[Response], stream: StreamRequest) -> None:
        """Nobody waits for this head any more."""
        task = asyncio.ensure_future(_let_go(entering, stream))
        self._left.add(task)
        task.add_done_callback(self._left.discard)

    async def _client(self, request: UpstreamRequest, address: Address) -> Client:
        limits = request.limits
        silence = max(limits.connect + limits.first_byte, limits.between_bytes) + 1
        key = (request.proxy, request.ca_file, limits.connect, silence)
        client = self._clients.get(key)
        if client is None:
            try:
                # In a thread: it reads the CA file, and the system's store.
                client = await asyncio.get_running_loop().run_in_executor(None, _make_client, *key)
            except (PyreqwestError, OSError, ValueError) as error:
                what = f"proxy {_hidden(request.proxy)!r} or CA file {request.ca_file!r}"
                raise ConnectFailed(f"nothing was sent to {address.label}: {what} cannot be used") from error
            if len(self._clients) >= _MAX_CLIENTS:
                await self._close_all()
            self._clients[key] = client
        return client

    async def _close_all(self) -> None:
        clients = list(self._clients.values())
        self._clients.clear()
        for client in clients:
            await client.close()

    async def aclose(self) -> None:
        """Close every connection."""
        self._closed = True
        for task in tuple(self._left):
            task.cancel()
        await asyncio.gather(*self._left, return_exceptions=True)
        await self._close_all()


def _make_client(proxy: str, ca_file: str, connect: float, silence: float) -> Client:
    builder = ClientBuilder().http1_only().follow_redirects(enable=False).referer(enable=False)
    builder = builder.gzip(enable=False).deflate(enable=False).brotli(enable=False).zstd(enable=False)
    builder = builder.default_cookie_store(enable=False).connect_timeout(timedelta(seconds=connect))
    # Later than our own timers, which say more. It closes what a request cancelled before its head leaves behind.
    builder = builder.read_timeout(timedelta(seconds=silence))
    builder = builder.pool_idle_timeout(timedelta(seconds=30)).tcp_nodelay(enabled=True)
    if ca_file:
        make_context(ca_file)  # says what is wrong with it; the library takes a file without certificates in silence
        builder = builder.add_root_certificate_pem(Path(ca_file).read_bytes())
    # Named here or not at all: the library must not look into the environment by itself.
    builder = builder.proxy(ProxyBuilder.all(proxy)) if proxy else builder.no_proxy()
    return builder.build()


def _build(client: Client, request: UpstreamRequest, address: Address) -> StreamRequest:
    for name, value in request.headers:
        check_header(address.label, name, value)
    try:
        headers = [(name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers]
        builder = client.request(request.method, request.url).headers(headers)
        if request.body:
            builder = builder.body_bytes(request.body)
        # Without it the first bytes of a stream wait for a full buffer.
        return builder.streamed_read_buffer_limit(0).build_streamed()
    except (PyreqwestError, ValueError) as error:
        raise ConnectFailed(f"nothing was sent to {address.label}: the request is not valid HTTP") from error


class ReqwestResponse:
    """An answer as it arrives; satisfies `core.ports.UpstreamResponse`."""

    connected: float | None = None  # its connections are the library's own matter

    def __init__(
        self, stream: StreamRequest, response: Response, request: UpstreamRequest, address: Address, deadline: float
    ) -> None:
        self._address = address
        self._deadline = deadline
        self._error: UpstreamError | None = None
        self._headers = list(_lines(response.headers))
        self._inflater: Inflater | None = None
        self._open = True
        self._reader = response.body_reader
        self._request = request
        self._size = 0
        self._status = response.status
        self._stream = stream

    @property
    def status(self) -> int:
        """HTTP status."""
        return self._status

    @property
    def headers(self) -> Headers:
        """Header lines as received, names in lower case."""
        return self._headers

    def header(self, name: bytes) -> bytes:
        """First value of a header (name in lower case), or empty."""
        return next((value for key, value in self._headers if key == name), b"")

    def check_head(self) -> None:
        """Look at what the head says. Raises `UpstreamGarbage` for a body that we could not read."""
        if self._status < 200:
            raise self._garbage("switched to another protocol")
        if self._status > HIGHEST_STATUS:
            raise self._garbage(f"sent the status {self._status}, which HTTP does not have")
        encoding = self.header(b"content-encoding").strip().lower()
        length = self.header(b"content-length")
        if self._request.method != "HEAD" and length.isdigit() and int(length) > self._request.max_answer:
            raise self._garbage(f"announced {int(length)} bytes; an answer may have {self._request.max_answer}")
        if encoding in KNOWN:
            self._inflater = Inflater(encoding, self._request.max_answer)
            self._headers = [line for line in self._headers if line[0] not in _REWRITTEN]
        elif encoding not in (b"", b"identity"):
            raise self._garbage(f"sent content-encoding {encoding[:80]!r} though asked for identity")

    async def read(self) -> bytes:
        """The whole body; see the port."""
        chunks = []
        while chunk := await self.next_chunk():
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def next_chunk(self) -> bytes:
        """Body bytes as soon as there are any; see the port."""
        if self._error is not None:
            raise self._error
        if not self._open:
            return b""
        try:
            return await self._next()
        except UpstreamError as error:
            self._error = error
            await self.aclose()
            raise
        except asyncio.CancelledError:
            await self.aclose()
            raise

    async def _next(self) -> bytes:
        while True:
            raw = await self._raw()
            if raw is None:
                await self._finish()
                return b""
            data = self._decoded(raw)
            if data:
                return data

    async def _raw(self) -> bytes | None:
        loop = asyncio.get_running_loop()
        limit = loop.time() + self._request.limits.between_bytes
        try:
            async with asyncio.timeout_at(min(limit, self._deadline)):
                chunk = await self._reader.read_chunk()
        except PyreqwestError as error:
            raise _body_error(error, self._address, self._size) from error
        except TimeoutError as error:
            total = loop.time() + EARLY >= self._deadline
            raise _timeout("between_bytes", self._request, self._address, total=total) from error
        return None if chunk is None else bytes(chunk)

    def _decoded(self, data: bytes) -> bytes:
        self._size += len(data)
        if self._size > self._request.max_answer:
            raise self._garbage(f"sent more than the {self._request.max_answer} bytes that an answer may have")
        if self._inflater is None:
            return data
        try:
            return self._inflater.feed(data)
        except DecodingError as error:
            raise self._garbage(f"sent what cannot be read: {error}") from error

    async def _finish(self) -> None:
        if self._inflater is not None:
            try:
                self._inflater.finish()
            except DecodingError as error:
                raise self._garbage(f"sent what cannot be read: {error}") from error
        await self.aclose()

    def _garbage(self, what: str) -> UpstreamGarbage:
        return UpstreamGarbage(f"{self._address.label} {what}")

    async def aclose(self) -> None:
        """Let go of the connection; the library keeps it if the body was read to its end."""
        if self._open:
            self._open = False
            await self._stream.__aexit__(None, None, None)


async def _enter(stream: StreamRequest) -> Response:
    return await stream.__aenter__()


async def _let_go(entering: asyncio.Future[Response], stream: StreamRequest) -> None:
    """Wait for the head that nobody wants, then close its connection."""
    try:
        await entering
    except PyreqwestError:
        return  # the library has closed it
    await stream.__aexit__(None, None, None)


async def _opened(response: ReqwestResponse) -> ReqwestResponse:
    try:
        response.check_head()
    except UpstreamGarbage:
        await response.aclose()
        raise
    return response


def _lines(headers: HeaderMap) -> Iterable[tuple[bytes, bytes]]:
    """Header lines; one that the library cannot show as text (beyond ASCII) is left out."""
    for name in dict.fromkeys(headers.keys()):
        try:
            values = headers.getall(name)
        except ValueError:
            continue
        for value in values:
            yield name.encode("ascii"), value.encode("latin-1", "replace")


def _reason(error: PyreqwestError) -> str:
    """The innermost cause: the outer ones repeat the URL, which may hold a secret."""
    causes = error.details["causes"] if isinstance(error, RequestError) else None
    return causes[-1]["message"] if causes else type(error).__name__


def _head_error(error: PyreqwestError, request: UpstreamRequest, address: Address, seconds: float) -> UpstreamError:
    reason, label = _reason(error), address.label
    if isinstance(error, ConnectTimeoutError) and seconds >= request.limits.connect * 0.9:
        return _timeout("connect", request, address, total=False)
    if isinstance(error, DecodeError):
        return UpstreamGarbage(f"{label} did not speak HTTP: {reason}")
    causes = error.details["causes"] or [] if isinstance(error, RequestError) else []
    if any("SendRequest" in cause["message"] for cause in causes):
        return UpstreamCut(
            f"{label} closed the connection before the answer's head was complete ({reason})", headed=False
        )
    through = f" through the proxy {_hidden(request.proxy)}" if request.proxy else ""
    return ConnectFailed(f"no connection to {label}{through}: {reason}")


def _body_error(error: PyreqwestError, address: Address, size: int) -> UpstreamError:
    reason = _reason(error)
    if "nvalid" in reason or "too large" in reason or isinstance(error, DecodeError):
        return UpstreamGarbage(f"{address.label} did not speak HTTP: {reason}")
    where = f"after {size} bytes of the body, before its end"
    return UpstreamCut(f"{address.label} closed the connection {where} ({reason})")


def _timeout(phase: Phase, request: UpstreamRequest, address: Address, *, total: bool) -> UpstreamError:
    limits, label = request.limits, address.label
    if total:
        return timed_out("total", f"{label} did not finish its answer within {limits.total:g} s")
    if phase == "connect":
        return timed_out(phase, f"no connection to {label} within {limits.connect:g} s")
    if phase == "first_byte":
        return timed_out(phase, f"{label} did not begin to answer within {limits.first_byte:g} s")
    return timed_out(phase, f"{label} went silent for {limits.between_bytes:g} s within its answer")


def _hidden(proxy: str) -> str:
    """The proxy without user name and password."""
    scheme, mark, rest = proxy.rpartition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"
