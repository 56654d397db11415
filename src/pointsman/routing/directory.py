"""The names in force: what a caller may write as `model`, resolved to a route.

In this order: a route, a configured model, a wildcard of the configuration, `provider/model` of a configured provider,
and last a bare model name that exactly the catalogue's provider of a configured provider knows (so that an application
which writes `gpt-5-mini` works after changing nothing but its base URL).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec

from pointsman.core.errors import NoCandidate, UnknownModel
from pointsman.core.model import Model, Provider
from pointsman.core.plan import Balance, Hedge, OnCut, Sticky
from pointsman.routing.nearest import Nearest

RouteKind = Literal["pool", "try", "model"]
_MAX_RESOLVED = 4096
_MAX_SHOWN = 80


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A name that callers use and the models behind it: a pool to choose from, or a chain to try in order."""

    name: str
    kind: RouteKind
    models: tuple[Model, ...]
    description: str = ""
    retries: int | None = None
    patience: float | None = None
    on_cut: OnCut = "continue"
    balance: Balance | Literal[""] = ""
    sticky: Sticky = "session"
    weights: Mapping[str, float] = msgspec.field(default_factory=dict)
    hedge: Hedge | None = None


class Facilities(Protocol):
    """What configuration and catalogue know of names that are not listed one by one."""

    def wildcard(self, asked: str) -> Model | None:
        """A model that a configured pattern such as `gpt-*` stands for."""
        ...

    def model(self, provider: Provider, upstream: str) -> Model:
        """A model of a configured provider by its own name; unpriced and without abilities where unknown."""
        ...

    def owner(self, upstream: str) -> str | None:
        """The configured provider that a bare model name belongs to; None if none or unknown."""
        ...

    def names(self) -> list[str]:
        """Names worth suggesting."""
        ...


class Directory:
    """All names of one configuration. Immutable but for a bounded memory of resolved names."""

    def __init__(
        self,
        *,
        policy: str,
        providers: Mapping[str, Provider],
        models: Mapping[str, Model],
        routes: Mapping[str, Route],
        facilities: Facilities,
        unavailable: Mapping[str, str],
    ) -> None:
        self.policy = policy
        self.providers = dict(providers)
        self.models = dict(models)
        self.routes = dict(routes)
        self.unavailable = dict(unavailable)
        self._facilities = facilities
        self._resolved: dict[str, Route] = {}
        self._nearest: tuple[Nearest, Nearest] | None = None

    def resolve(self, asked: str) -> Route:
        """The route behind a name.

        Raises:
            UnknownModel: with the nearest names.
            NoCandidate: no provider is on at all.
        """
        route = self._resolved.get(asked)
        if route is None:
            route = self._find(asked)
            if route is None:
                raise self._unknown(asked)
            if len(self._resolved) >= _MAX_RESOLVED:
                self._resolved.clear()
            self._resolved[asked] = route
        return route

    def successor(self, model: Model) -> Model | None:
        """The model that replaces a retired one, at the same provider."""
        if not model.replaced_by:
            return None
        return self._facilities.model(model.provider, model.replaced_by)

    def _find(self, asked: str) -> Route | None:
        route = self.routes.get(asked)
        if route is not None:
            return route
        model = self.find_model(asked)
        return None if model is None else Route(name=asked, kind="model", models=(model,))

    def find_model(self, asked: str) -> Model | None:
        """A model by configured name, wildcard, `provider/model` or bare catalogue name."""
        model = self.models.get(asked)
        if model is not None:
            return model
        model = self._facilities.wildcard(asked)
        if model is not None:
            return model
        provider_name, slash, upstream = asked.partition("/")
        provider = self.providers.get(provider_name)
        if slash and upstream and provider is not None:
            return self._facilities.model(provider, upstream)
        owner = self._facilities.owner(asked) if asked else None
        if owner is not None and owner in self.providers:
            return self._facilities.model(self.providers[owner], asked)
        return None

    def _right_provider(self, asked: str) -> list[str]:
        """`provider/model` where the provider's name alone is misspelt: the model may be any."""
        name, slash, upstream = asked.partition("/")
        if not slash or not upstream or name in self.providers or len(asked) > _MAX_SHOWN:
            return []
        return [f"{near}/{upstream}" for near in Nearest(self.providers).of(name, count=1)]

    def _unknown(self, asked: str) -> UnknownModel:
        if not self.providers:
            raise NoCandidate(
                "No model is set up here",
                hint="set a provider's key, start a local model server, or `pointsman pull`; "
                "`pointsman doctor` says more",
            )
        shown = asked if len(asked) <= _MAX_SHOWN else asked[:_MAX_SHOWN] + "…"
        if self._nearest is None:
            self._nearest = Nearest([*self.routes, *self.models]), Nearest(self._facilities.names())
        own, others = self._nearest
        near = [*self._right_provider(asked), *own.of(asked, cutoff=0.5)]
        near = list(dict.fromkeys([*near, *others.of(asked)]))
        hint = f"did you mean {' or '.join(f'`{n}`' for n in near[:3])}? " if near else ""
        provider = asked.partition("/")[0]
        if "/" in asked and provider not in self.providers:
            some = ", ".join(sorted(self.providers)[:8]) or "none"
            hint += f"no provider `{provider}` is configured (configured: {some}); "
        return UnknownModel(
            f"There is no route or model named `{shown}`",
            hint=hint + "`pointsman models` lists every name",
            param="model",
        )
