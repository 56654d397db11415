"""Cross-origin rules (https://fetch.spec.whatwg.org/#http-cors-protocol): which web pages may call from a browser."""

from __future__ import annotations

from pointsman.core.call import Arrival
from pointsman.core.ports import Headers, Reply

_EXPOSED = (
    b"x-request-id, x-pointsman-model, x-pointsman-provider, x-pointsman-route, x-pointsman-attempts, "
    b"x-pointsman-cost-usd, x-pointsman-cost-estimated, "
    b"x-pointsman-decision, x-pointsman-warning, x-pointsman-dropped, retry-after, server-timing"
)


class Cors:
    """Allowed origins, exactly as browsers send them; `*` allows all."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self.origins = frozenset(origin.encode() for origin in origins)

    def wrap(self, arrival: Arrival, reply: Reply) -> Reply | None:
        """A reply that carries the permission, or the plain one for a foreign origin; None for a preflight."""
        origin = arrival.lookup[b"origin"]
        if arrival.method == "OPTIONS" and b"access-control-request-method" in arrival.lookup:
            return None
        if not self.allows(origin):
            return reply
        return _CorsReply(reply, self._permission(origin))

    async def preflight(self, arrival: Arrival, reply: Reply) -> None:
        """Answer a browser's question whether it may send a request."""
        origin = arrival.lookup[b"origin"]
        if not self.allows(origin):
            await reply.whole(403, (), b"")
            return
        asked = arrival.lookup.get(b"access-control-request-headers", b"authorization, content-type")
        headers = [
            *self._permission(origin),
            (b"access-control-allow-methods", b"GET, POST, DELETE, OPTIONS"),
            (b"access-control-allow-headers", asked),
            (b"access-control-max-age", b"600"),
        ]
        await reply.whole(204, headers, b"")

    def allows(self, origin: bytes) -> bool:
        """Whether pages of this origin may call."""
        return origin in self.origins or b"*" in self.origins

    def _permission(self, origin: bytes) -> list[tuple[bytes, bytes]]:
        allowed = b"*" if b"*" in self.origins else origin
        return [
            (b"access-control-allow-origin", allowed),
            (b"access-control-expose-headers", _EXPOSED),
            (b"vary", b"Origin"),
        ]


class _CorsReply:
    """A reply that adds the permission to every head."""

    def __init__(self, reply: Reply, extra: list[tuple[bytes, bytes]]) -> None:
        self._reply = reply
        self._extra = extra

    @property
    def started(self) -> bool:
        return self._reply.started

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        await self._reply.whole(status, [*headers, *self._extra], body)

    async def start(self, status: int, headers: Headers) -> None:
        await self._reply.start(status, [*headers, *self._extra])

    async def write(self, data: bytes) -> None:
        await self._reply.write(data)

    async def end(self) -> None:
        await self._reply.end()
