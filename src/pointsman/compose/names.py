"""From configuration, catalogue, environment and what was found on this machine to the directory of names in force.

Which providers are on: those that the file lists; without any, each one of the catalogue whose key is in the
environment. Local servers that were found and the embedded model are added where the configuration allows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import msgspec

from pointsman.catalog import Catalog, ModelRow, ProviderRow
from pointsman.compose.current import current
from pointsman.compose.facts import from_row, limits_of, model_of, override, provider_of
from pointsman.config import schema
from pointsman.config.load import Loaded
from pointsman.config.names import find_model
from pointsman.core.errors import ConfigError
from pointsman.core.model import Model, Provider
from pointsman.core.plan import Hedge
from pointsman.core.rent import Use
from pointsman.routing.directory import Directory, Route, RouteKind

AUTO = "auto"
NO_USES: Mapping[str, Use] = MappingProxyType({})
_NO_PROVIDER = schema.Provider()


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What runs on this machine: a provider with its models."""

    provider: Provider
    models: tuple[Model, ...]


class Names:
    """One configuration's names; satisfies the directory's `Facilities`."""

    def __init__(
        self,
        loaded: Loaded,
        catalog: Catalog,
        env: Mapping[str, str],
        found: Sequence[Found],
        today: str,
        uses: Mapping[str, Use] = NO_USES,
    ) -> None:
        self._uses = uses
        self._config = loaded.config
        self._loaded = loaded
        self._catalog = catalog
        self._env = env
        self._found = found
        self._today = today
        self.providers: dict[str, Provider] = {}
        self.unavailable: dict[str, str] = {}
        self._rows: dict[str, ProviderRow] = {}
        self._local: dict[str, Model] = {}

    def directory(self) -> Directory:
        """All names in force.

        Raises:
            ConfigError: the file refers to what does not exist.
        """
        for name, said in self._listed():
            self._add(name, said)
        for found in self._found:
            self.providers.setdefault(found.provider.name, found.provider)
            self._local.update({model.name: model for model in found.models})
        models = {
            name: self._configured(name, said, said.model or name)
            for name, said in self._config.models.items()
            if "*" not in name and "*" not in (said.model or "")
        }
        directory = self._make(models, {})
        routes = {name: self._route(directory, name, route) for name, route in self._config.routes.items()}
        if AUTO not in routes and AUTO not in models:
            pool = self._default_pool(models)
            routes[AUTO] = Route(name=AUTO, kind="pool", models=pool, description="every model that is ready")
        return self._make(models, routes)

    # The directory's facilities

    def wildcard(self, asked: str) -> Model | None:
        """A model that a configured pattern stands for."""
        entry = find_model(self._config, asked)
        if entry is None or asked in self._config.models:
            return None
        _, said, upstream = entry
        return self._configured(asked, said, upstream)

    def model(self, provider: Provider, upstream: str) -> Model:
        """A model of a provider by its own name."""
        local = self._local.get(f"{provider.name}/{upstream}")
        return local or model_of(provider, upstream, self._catalog, self._rows.get(provider.name))

    def owner(self, upstream: str) -> str | None:
        """The provider that a bare model name belongs to: the first that is ready and knows it, makers first."""
        ready = [name for name in self._rows if name not in self.unavailable]
        for name in [*ready, *(name for name in self._rows if name in self.unavailable)]:
            row = self._rows[name]
            if not row.shares and self._catalog.model(row.name, upstream) is not None:
                return name
        return next((m.provider.name for m in self._local.values() if m.upstream == upstream), None)

    def names(self) -> list[str]:
        """Names worth suggesting: local models and what the ready providers have."""
        out = list(self._local)
        for name, row in self._rows.items():
            if name not in self.unavailable:
                for model in self._catalog.models(row.name):
                    out += (model.id, f"{name}/{model.id}")
        return out

    # Providers

    def _listed(self) -> Iterable[tuple[str, schema.Provider]]:
        listed = dict(self._config.providers)
        for said in self._config.models.values():
            listed.setdefault(said.provider, _NO_PROVIDER)
        for route in self._config.routes.values():
            for member in (*route.pool, *route.try_):
                name, slash, _ = member.partition("/")
                if slash and member not in self._config.models and self._catalog.provider(name) is not None:
                    listed.setdefault(name, _NO_PROVIDER)
        if not self._config.providers:
            for row in self._catalog.providers():
                if not row.local and any(self._env.get(variable) for variable in row.key_variables):
                    listed.setdefault(row.name, _NO_PROVIDER)
        here = {found.provider.name for found in self._found}
        return [(name, said) for name, said in listed.items() if name not in here or said is not _NO_PROVIDER]

    def _add(self, name: str, said: schema.Provider) -> None:
        row = self._catalog.provider(name)
        try:
            provider, lacking = provider_of(name, said, row, self._env)
        except ConfigError as error:
            if name == "local":  # the embedded model is not installed or switched off: say so when it is asked
                self.unavailable[name] = "the embedded model is not installed"
                return
            raise ConfigError(error.bare, where=self._loaded.where("providers", name), hint=error.hint) from None
        self.providers[name] = provider
        if row is not None:
            self._rows[name] = row
        if lacking:
            self.unavailable[name] = lacking

    # Models and routes

    def _configured(self, name: str, said: schema.Model, upstream: str) -> Model:
        provider = self.providers.get(said.provider)
        if provider is None:
            where = self._loaded.where("models", name, "provider")
            raise ConfigError(f"model `{name}`: there is no provider `{said.provider}`", where=where)
        parent = self._config.models.get(said.base) if said.base else None
        if said.base and parent is not None:
            heir = self._configured(said.base, parent, parent.model or said.base)
            known = msgspec.structs.replace(heir, provider=provider)
        else:
            known = self.model(provider, said.base or upstream)
        return override(msgspec.structs.replace(known, upstream=upstream), name, said, self._uses.get(name))

    def _route(self, directory: Directory, name: str, said: schema.Route) -> Route:
        members = []
        for member in said.pool or said.try_:
            model = directory.find_model(member)
            if model is None:
                where = self._loaded.where("routes", name)
                raise ConfigError(f"route `{name}`: there is no model `{member}`", where=where)
            limits = limits_of(said.timeouts, model.provider.limits)
            if limits != model.provider.limits:
                provider = msgspec.structs.replace(model.provider, limits=limits)
                model = msgspec.structs.replace(model, provider=provider)
            members.append(model)
        kind: RouteKind = "pool" if said.pool else "try"
        return Route(
            name=name,
            kind=kind,
            models=tuple(members),
            description=said.description,
            retries=said.retries,
            patience=said.patience,
            on_cut=said.on_cut,
            hedge=_hedge(said.hedge),
            balance="" if said.balance == "cheapest" or kind == "try" else said.balance,
            sticky=said.sticky,
            weights={
                model.name: said.weights[name]
                for name, model in zip(said.pool, members, strict=False)
                if name in said.weights
            },
        )

    def _default_pool(self, models: Mapping[str, Model]) -> tuple[Model, ...]:
        """What `auto` chooses from where no file says so.

        The configured models, else each ready provider's newest model per tier; what runs on this machine comes last.
        """
        pool = list(models.values())
        if not pool:
            # Where none is ready, those that could be: the answer then says what each of them lacks.
            ready = [name for name in self._rows if name not in self.unavailable]
            for name in ready or self._rows:
                rows = self._catalog.models(self._rows[name].name)
                pool += [self._from_row(name, model) for model in current(rows)]
        names = {model.name for model in pool}
        return (*pool, *(model for model in self._local.values() if model.name not in names))

    def _from_row(self, name: str, row: ModelRow) -> Model:
        refused = frozenset(self._rows[name].refused_params)
        return from_row(f"{name}/{row.id}", self.providers[name], row.id, row, refused)

    def _make(self, models: Mapping[str, Model], routes: Mapping[str, Route]) -> Directory:
        return Directory(
            policy=self._loaded.version,
            providers=self.providers,
            models=models,
            routes=routes,
            facilities=self,
            unavailable=self.unavailable,
        )


def _hedge(said: schema.Hedge | None) -> Hedge | None:
    return None if said is None else Hedge(extra=said.extra, after=said.after, tools=said.tools)
