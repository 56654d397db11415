"""The fast carrier: HTTP/1.1 straight over the event loop, directly or through an HTTP proxy.

`docs/decisions/0002-two-carriers.md` says why this stands here although well-kept clients exist.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec

from pointsman.core.errors import ConnectFailed, UpstreamCut, forget_frames
from pointsman.core.outbox import Outbox
from pointsman.core.ports import UpstreamRequest
from pointsman.upstream.address import Address, Proxy, behind, build_head, finish_head, parse_proxy, parse_url
from pointsman.upstream.answer import AnswerReader
from pointsman.upstream.connection import Connection
from pointsman.upstream.dial import dial
from pointsman.upstream.pool import Pool
from pointsman.upstream.response import Http1Response, timed_out
from pointsman.upstream.tls import TlsContexts

_MAX_ROUTES = 1024
_MAX_HEADS = 64


class PoolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds for each origin (scheme, host, port, CA file).

    Attributes:
        max_idle: connections kept although nobody uses them.
        idle_seconds: how long; shorter than what servers and their load balancers usually grant (60 s).
        max_open: connections at the same time; 0 is no bound. Who finds none free waits, within `connect`.
    """

    max_idle: int = 256
    idle_seconds: float = 30.0
    max_open: int = 0


class _Route:
    """What is the same for every request to one URL: where it goes, its pool, and heads already built."""

    __slots__ = ("_last", "address", "heads", "pool", "proxy")

    def __init__(self, address: Address, pool: Pool, proxy: Proxy | None) -> None:
        self.address = address
        self.proxy = proxy
        self.heads: dict[tuple[str, tuple[tuple[bytes, bytes], ...]], bytes] = {}
        self.pool = pool
        self._last: tuple[str, tuple[tuple[bytes, bytes], ...], bytes] = ("", (), b"")

    def head(self, request: UpstreamRequest) -> bytes:
        method, headers, head = self._last
        if headers is not request.headers or method != request.method:  # usually the very same value as last time
            key = (request.method, request.headers)
            found = self.heads.get(key)
            if found is None:
                found = build_head(request.method, self.address, request.headers)
                if len(self.heads) >= _MAX_HEADS:
                    self.heads.clear()
                self.heads[key] = found
            head = found
            self._last = (*key, head)
        return finish_head(request.method, head, request.body)


class Http1Carrier:
    """Satisfies `core.ports.Carrier`. Belongs to the event loop that it is first used in.

    Args:
        limits: for each origin.
        allowed: judges IP addresses, as `dial` takes it; None allows all.
    """

    def __init__(self, limits: PoolLimits | None = None, allowed: Callable[[str], bool] | None = None) -> None:
        self._closed = False
        self._allowed = allowed
        self._contexts = TlsContexts()
        self._limits = limits or PoolLimits()
        self._loop: asyncio.AbstractEventLoop | None = None  # asking which one runs is a system call
        self._outbox: Outbox | None = None
        self._pools: dict[tuple[bool, str, str, str], Pool] = {}
        self._routes: dict[tuple[str, str, str], _Route] = {}

    async def send(self, request: UpstreamRequest) -> Http1Response:
        """Send and wait for the head; see the port."""
        route = self._routes.get((request.url, request.ca_file, request.proxy)) or self._route(request)
        if self._closed:
            raise ConnectFailed(f"nothing was sent to {route.address.label}: the carrier is closed")
        head = route.head(request)
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        started = loop.time()
        kept = route.pool.take()
        if kept is not None:
            response = _begin(kept, request, head, started)
        else:
            response = await self._anew(route, request, head, started)
        try:
            await response.head()
        except UpstreamCut as error:
            if not response.stale:
                raise
            forget_frames(error)
            # The server closed the kept connection just as we wrote: nothing came back, so once more, on a new one.
            response = await self._anew(route, request, head, started)
            await response.head()
        return response

    async def _anew(self, route: _Route, request: UpstreamRequest, head: bytes, started: float) -> Http1Response:
        """Send over a new connection."""
        began = time.monotonic()  # the loop's own clock counts whole milliseconds, and nearby servers take less
        connection = await self._open(route, request)
        connected = time.monotonic() - began
        response = _begin(connection, request, head, started)
        response.connected = connected
        return response

    def _route(self, request: UpstreamRequest) -> _Route:
        address = parse_url(request.url)
        proxy = _proxy(request.proxy)
        if proxy is not None and not address.secure:
            address = behind(address, proxy)
        key = (address.secure, address.label, request.ca_file, request.proxy)
        pool = self._pools.get(key)
        if pool is None:
            limits = self._limits
            pool = self._pools[key] = Pool(
                address.label,
                max_idle=limits.max_idle,
                idle_seconds=limits.idle_seconds,
                max_open=limits.max_open,
            )
        if len(self._routes) >= _MAX_ROUTES:
            self._routes.clear()
            self._pools = {key: pool for key, pool in self._pools.items() if pool.busy}
            self._pools[key] = pool
        route = self._routes[(request.url, request.ca_file, request.proxy)] = _Route(address, pool, proxy)
        return route

    async def _open(self, route: _Route, request: UpstreamRequest) -> Connection:
        limits = request.limits
        seconds = min(limits.connect, limits.total)
        try:
            async with asyncio.timeout(seconds):
                return await self._connect(route, request.ca_file)
        except TimeoutError as error:
            label = route.address.label
            raise timed_out("connect", f"no connection to {label} within {seconds:g} s") from error

    async def _connect(self, route: _Route, ca_file: str) -> Connection:
        pool, address = route.pool, route.address
        freed = await pool.reserve()
        if freed is not None:
            return freed
        connection: Connection | None = None
        try:
            context = await self._contexts.get(ca_file) if address.secure else None
            loop = asyncio.get_running_loop()
            outbox = self._outbox = self._outbox or Outbox(loop)
            connection = await dial(
                address, context, lambda: Connection(pool, address.label, loop, outbox), route.proxy, self._allowed
            )
        finally:
            pool.opened(connection)
        return connection

    async def aclose(self) -> None:
        """Close every connection; requests under way fail."""
        self._closed = True
        pools = list(self._pools.values())
        for pool in pools:
            pool.close()
        self._pools.clear()
        self._routes.clear()
        # Sockets close in the loop's next rounds; without waiting they would outlive a loop that stops now.
        await asyncio.sleep(0)
        await asyncio.sleep(0)


def takes_proxy(url: str) -> bool:
    """Whether this carrier knows that kind of proxy: none, or one spoken to in plain HTTP."""
    return not url or url.lower().startswith("http://")


def _proxy(url: str) -> Proxy | None:
    if not takes_proxy(url):
        raise ConnectFailed(
            f"nothing was sent: proxies of the kind {url.partition('://')[0]!r} are not for this carrier"
        )
    return parse_proxy(url) if url else None


def _begin(connection: Connection, request: UpstreamRequest, head: bytes, started: float) -> Http1Response:
    reader = AnswerReader(connection.label, request.max_answer, without_body=request.method == "HEAD")
    response = Http1Response(connection, reader, request.limits, started)
    connection.send(head, request.body, response)
    return response
