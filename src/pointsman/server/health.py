"""`/health`, `/ready`, `/metrics`, `/api/status`: how this process is. None of them ever calls a provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pointsman.core.call import Arrival
from pointsman.core.errors import NotFound
from pointsman.core.ports import Principal, Reply
from pointsman.core.scope import Allow
from pointsman.server.reading import send
from pointsman.server.tenants import reader, scraper

_TEXT = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
_LIVE = b'{"status":"ok"}'
_JSON = (b"content-type", b"application/json")
OWN_METRICS = "/metrics/own"


class State(Protocol):
    """What the process says of itself."""

    @property
    def lacks(self) -> str:
        """What is missing before calls can be served; empty where nothing is. Plain words."""
        ...

    def status(self) -> Mapping[str, Any]:
        """Version, configuration in force, models, ledger: plain data without secrets."""
        ...

    def status_for(self, allow: Allow) -> Mapping[str, Any]:
        """What of it a key may know that may use so much: nothing of other callers, nor of the operator's accounts."""
        ...

    async def metrics(self) -> bytes:
        """Prometheus' text format, over all workers."""
        ...

    def own_metrics(self) -> bytes:
        """Prometheus' text format, of this process alone."""
        ...


class Health:
    """Handlers over the process's state."""

    def __init__(self, state: State, admit: Callable[[Arrival], Principal]) -> None:
        self._state = state
        self._sees = reader(admit)
        self._scrapes = scraper(admit)

    async def live(self, arrival: Arrival, reply: Reply) -> None:
        """`GET /health`: the process answers."""
        del arrival
        await reply.whole(200, (_JSON,), _LIVE)

    async def ready(self, arrival: Arrival, reply: Reply) -> None:
        """`GET /ready`: calls can be served."""
        del arrival
        lacks = self._state.lacks
        if not lacks:
            await reply.whole(200, (_JSON,), b'{"status":"ready"}')
        else:
            await reply.whole(503, (_JSON, (b"retry-after", b"1")), b'{"status":"%b"}' % lacks.encode())

    async def metrics(self, arrival: Arrival, reply: Reply) -> None:
        """`GET /metrics`: for keys of the roles metrics, viewer and admin, where there are keys."""
        self._scrapes(arrival)
        await reply.whole(200, (_TEXT,), await self._state.metrics())

    async def own_metrics(self, arrival: Arrival, reply: Reply) -> None:
        """This worker's part of `/metrics`; for the other workers, over their private Unix sockets, and nobody else."""
        if arrival.client:
            raise NotFound(f"There is nothing at {arrival.path}")
        await reply.whole(200, (_TEXT,), self._state.own_metrics())

    async def status(self, arrival: Arrival, reply: Reply) -> None:
        """`GET /api/status`: the whole of it for admins and viewers; for an ordinary key what is about itself."""
        principal = self._sees(arrival)
        await send(reply, self._state.status_for(principal.allow) if principal.sees else self._state.status())
