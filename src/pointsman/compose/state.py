"""What a house says of itself: for `/ready`, `/api/status`, `/metrics` and the list of models. Never a secret."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from pointsman import __version__
from pointsman.compose.house import House
from pointsman.compose.peers import Peers
from pointsman.compose.quotas import quotas_of
from pointsman.compose.standing import providers_told, standings
from pointsman.core.errors import UnknownModel
from pointsman.core.model import Model
from pointsman.core.money import usd_per_million
from pointsman.core.scope import Allow
from pointsman.observe.merging import merge
from pointsman.routing.directory import Route
from pointsman.routing.filters import may_use, opens
from pointsman.routing.planner import not_permitted
from pointsman.server.app import App
from pointsman.wire.openai_chat.models import Listed


class HouseState:
    """Satisfies the server's `State` and `Listing`."""

    def __init__(self, house: House, peers: Peers | None = None) -> None:
        self._house = house
        self._peers = peers
        self._begun = time.monotonic()
        self.app: App | None = None

    @property
    def lacks(self) -> str:
        """What is missing before calls can be served; empty where nothing is."""
        if not self._house.started:
            return "starting or stopping"
        if self.app is not None and self.app.shared.stopping:
            return "stopping"
        return "" if self._house.keys_read else "keys cannot be read from the store"

    def status(self) -> Mapping[str, Any]:
        """Version, configuration in force, providers, models, ledger."""
        house = self._house
        directory = house.directory
        watcher = house.watcher
        return {
            "version": __version__,
            "uptime_seconds": round(time.monotonic() - self._begun, 3),
            "in_flight": self._in_flight(),
            "waiting": self._waiting(),
            "config": msgspec.to_builtins(watcher.status) if watcher else {"version": house.loaded.version},
            "restart_needed": list(house.restart_needed),
            "keys_demanded": house.pieces.keys.demanded,
            "providers": self._providers(),
            "routes": [self._route(route) for route in directory.routes.values()],
            "models": [self._model(model) for model in house.listed()],
            "prices": {
                "date": house.catalog.date,
                "origin": house.catalog.origin,
                "unpriced": [model.name for model in house.listed() if model.price is None],
            },
            "ledger": msgspec.to_builtins(house.pieces.ledger.stats()),
        }

    def status_for(self, allow: Allow) -> Mapping[str, Any]:
        """What of it an ordinary key may know: which of what it may use is ready, and whether calls are recorded."""
        house = self._house
        off = dict.fromkeys(house.directory.unavailable, "not ready")
        models = [model for model in house.listed() if may_use(allow, model)]
        names = dict.fromkeys(model.provider.name for model in models)
        routes = [route for route in house.directory.routes.values() if opens(allow, route)]
        return {
            "version": __version__,
            "keys_demanded": True,
            "config": {"version": house.loaded.version},
            "providers": [{"name": name, "ready": name not in off, "lacks": off.get(name, "")} for name in names],
            "routes": [{"name": route.name, "kind": route.kind} for route in routes],
            "models": [described(model, off) for model in models],
            "ledger": {"up": house.pieces.ledger.stats().up},
        }

    async def metrics(self) -> bytes:
        """Prometheus' text format, over all workers."""
        own = self.own_metrics()
        return own if self._peers is None else merge([own, *await self._peers.theirs()])

    def own_metrics(self) -> bytes:
        """Prometheus' text format, of this process; as a worker also of those whose place it took."""
        ledger, responses = self._house.pieces.ledger.stats, self._house.pieces.responses
        text = self._house.pieces.metrics.render(
            {
                "gw_in_flight": ("Calls being served.", self._in_flight),
                "gw_waiting": ("Calls that wait for a place.", self._waiting),
                "gw_loop_lag_seconds": ("How late the event loop is.", self._lag),
                "gw_ledger_pending_rows": ("Outcomes that wait for the ledger.", lambda: ledger().pending),
                "gw_ledger_spooled_rows": ("Outcomes that wait on disk.", lambda: ledger().spooled),
                "gw_ledger_dropped_rows": ("Outcomes lost since the start.", lambda: ledger().dropped),
                "gw_ledger_up": ("Whether the ledger's database answers.", lambda: int(ledger().up)),
                "gw_responses_pending_rows": ("Responses that wait to be stored.", lambda: responses.pending),
                "gw_responses_dropped_rows": ("Responses not stored since the start.", lambda: responses.lost),
            }
        )
        return text if self._peers is None else self._peers.with_former(text)

    def entries(self, allow: Allow) -> list[Listed]:
        """Every route and model that a key may use, as lists of models show them."""
        house = self._house
        routes = [route for route in house.directory.routes.values() if opens(allow, route)]
        models = [model for model in house.listed() if may_use(allow, model)]
        entries = [_route_entry(route) for route in routes]
        return entries + [Listed(id=model.name, owner=model.provider.name, model=model) for model in models]

    def entry(self, name: str, allow: Allow) -> Listed:
        """One of them, or any other name that would be served.

        Raises:
            UnknownModel: nothing of that name.
            Forbidden: the key may not use it.
        """
        try:
            route = self._house.directory.resolve(name)
        except UnknownModel:
            if allow:  # as of calls: what there is besides is not its business
                raise not_permitted(name, allow) from None
            raise
        if not opens(allow, route):
            raise not_permitted(name, allow)
        if route.kind != "model":
            return _route_entry(route)
        return Listed(id=name, owner=route.models[0].provider.name, model=route.models[0])

    def _in_flight(self) -> int:
        """Requests being answered, without the one that asks."""
        return max(self.app.admission.in_flight - 1, 0) if self.app is not None else 0

    def _waiting(self) -> int:
        return self.app.admission.waiting if self.app is not None else 0

    def _lag(self) -> float:
        return self.app.pressure.lag if self.app is not None else 0.0

    def _providers(self) -> list[dict[str, Any]]:
        house, pieces = self._house, self._house.pieces
        listed = {(model.provider.name, model.upstream) for model in house.listed()}
        known = standings(pieces.health, pieces.clock.monotonic(), listed)
        return providers_told(house.directory.providers, house.directory.unavailable, known, house.checks)

    def _model(self, model: Model) -> dict[str, Any]:
        house = self._house
        quotas = quotas_of(house.loaded.config, house.catalog, model)
        return {**described(model, house.directory.unavailable), "quotas": quotas}

    def _route(self, route: Route) -> dict[str, Any]:
        return {"name": route.name, "kind": route.kind, "models": [model.name for model in route.models]}


def described(model: Model, unavailable: Mapping[str, str]) -> dict[str, Any]:
    """A model as plain data."""
    price = model.price
    return {
        "name": model.name,
        "provider": model.provider.name,
        "upstream": model.upstream,
        "ready": model.provider.name not in unavailable,
        "lacks": unavailable.get(model.provider.name, ""),
        "private": model.provider.private,
        "tier": model.tier,
        "context": model.context or None,
        "max_output": model.max_output or None,
        "abilities": words(model),
        "price": None
        if price is None
        else {
            "input": str(usd_per_million(price.input)),
            "output": str(usd_per_million(price.output)),
            "source": price.source,
            "since": price.since,
        },
        "retires": model.retires or None,
        "replaced_by": model.replaced_by or None,
        "demonstration": model.demonstration,
    }


def words(model: Model) -> list[str] | None:
    """A model's abilities in words; None where nothing is known."""
    if model.abilities is None:
        return None
    return [(ability.name or "").lower() for ability in model.abilities]


def _route_entry(route: Route) -> Listed:
    return Listed(id=route.name, owner="pointsman", description=route.description)
