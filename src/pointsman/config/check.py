"""What is allowed but may surprise: a route on one provider, a model without a price, a key that is not set.

Works on the file alone and asks a `LookUp` for what only the catalogue knows. Values of variables are never read, only
whether they are set.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterable, Mapping
from typing import Literal, Protocol
from urllib.parse import urlsplit

import msgspec

from pointsman.config.load import Loaded
from pointsman.config.names import find_model
from pointsman.config.schema import Model, Provider
from pointsman.config.urls import in_url, without_endpoint, without_usual_port
from pointsman.core.expiry import read_date

Level = Literal["error", "warning", "note"]
WARN_DAYS = 30
"""A model's end is announced this many days ahead."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to know. `code` is for programs, `where` is `file:line:column`, `hint` is the way out."""

    level: Level
    code: str
    where: str
    message: str
    hint: str = ""


class End(msgspec.Struct, frozen=True, kw_only=True):
    """When a model is retired (its first day without it) and what replaces it; empty where nothing does."""

    day: dt.date
    successor: str = ""


class LookUp(Protocol):
    """What the catalogue knows. Names are those of providers and of models at their provider."""

    def key_variable(self, provider: str) -> str:
        """The variable that usually holds the provider's key; empty where it needs none or is unknown."""
        ...

    def unspoken(self, provider: str, said: str) -> str:
        """The dialect to be spoken with the provider, where this version cannot; `said` is the configuration's."""
        ...

    def private(self, provider: str) -> bool:
        """Whether data sent there stay on the premises."""
        ...

    def priced(self, provider: str, model: str) -> bool:
        """Whether a price is known."""
        ...

    def nearest(self, provider: str, model: str) -> str | None:
        """None where the model is known or cannot be; else the name that was probably meant, or empty."""
        ...

    def end(self, provider: str, model: str) -> End | None:
        """When it is retired, where that is announced."""
        ...


class EmptyCatalogue:
    """Knows nothing: for a check of the file alone."""

    def key_variable(self, _provider: str) -> str:
        """Unknown."""
        return ""

    def unspoken(self, _provider: str, _said: str) -> str:
        """Unknown."""
        return ""

    def private(self, _provider: str) -> bool:
        """No."""
        return False

    def priced(self, _provider: str, _model: str) -> bool:
        """No."""
        return False

    def nearest(self, _provider: str, _model: str) -> str | None:
        """Cannot tell."""
        return None

    def end(self, _provider: str, _model: str) -> End | None:
        """Unknown."""
        return None


class _Target(msgspec.Struct, frozen=True):
    """What a route's member, or an entry under `models`, comes down to; `listed` where it has an entry of its name."""

    provider: str
    upstream: str
    entry: Model | None
    listed: bool


def check(loaded: Loaded, env: Mapping[str, str], look_up: LookUp, today: dt.date) -> tuple[Finding, ...]:
    """All findings: on providers, then models, routes, the server, alerts and keys, each in the order of the file."""
    checker = _Checker(loaded, look_up)
    return (
        *checker.providers(env),
        *checker.models(today),
        *checker.routes(today),
        *checker.server(),
        *checker.alerts(env),
        *checker.keys(env, today),
    )


def on_this_machine(url: str) -> bool:
    """Whether a URL leads to a loopback address."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or host.endswith(".localhost") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _begin(day: dt.date) -> int:
    """When a day begins, in nanoseconds since the epoch."""
    return (day - dt.date(1970, 1, 1)).days * 86_400_000_000_000


class _Checker:
    def __init__(self, loaded: Loaded, look_up: LookUp) -> None:
        self._loaded = loaded
        self._config = loaded.config
        self._look_up = look_up

    def _finding(self, level: Level, code: str, path: tuple[str, ...], message: str, hint: str = "") -> Finding:
        return Finding(level=level, code=code, where=self._loaded.where(*path), message=message, hint=hint)

    def providers(self, env: Mapping[str, str]) -> Iterable[Finding]:
        for name, provider in self._config.providers.items():
            if dialect := self._look_up.unspoken(name, provider.dialect or ""):
                message = f"provider `{name}` speaks {dialect}, which this version does not"
                yield self._finding(
                    "warning", "dialect_unspoken", ("providers", name), message, "its models are not asked"
                )
            variable = provider.api_key_env
            if variable is None:
                variable = self._look_up.key_variable(name)
            if provider.api_key_envs:
                variable = next((one for one in provider.api_key_envs if not env.get(one)), "")
            if provider.credentials == "own" and variable and not env.get(variable):
                message = f"provider `{name}` has no key: the variable {variable} is not set"
                hint = f"export {variable}=…, or `credentials: caller` if callers bring their own"
                yield self._finding("warning", "key_missing", ("providers", name), message, hint)

            if shorter := without_endpoint(provider.base_url or ""):
                path = ("providers", name, "base_url")
                message = f"provider `{name}` is asked below its `base_url`, which ends in the path of an endpoint"
                yield self._finding("warning", "endpoint_in_base_url", path, message, f"did you mean `{shorter}`?")

    def server(self) -> Iterable[Finding]:
        server = self._config.server
        open_to_all = (
            self._config.keys.demand == "auto"
            and not self._config.keys.named
            and on_this_machine(f"http://{in_url(server.host)}")
        )
        for index, origin in enumerate(server.cors):
            path = ("server", "cors", f"[{index}]")
            if origin == "*" and open_to_all:
                message = "while there is no key, every web page open in a browser on this machine can spend money"
                yield self._finding("warning", "cors_for_all", path, message, "`keys: required`, or list the origins")
            if plain := without_usual_port(origin):
                message = f"no page has the origin `{origin}`: browsers leave the usual port out"
                yield self._finding("warning", "origin_never_matches", path, message, f"write `{plain}`")

    def alerts(self, env: Mapping[str, str]) -> Iterable[Finding]:
        for name, channel in self._config.alerts.channels.items():
            for key in ("url_env", "secret_env", "key_env", "user_env", "password_env"):
                variable = getattr(channel, key)
                if variable and not env.get(variable):
                    message = f"alerts cannot be sent to `{name}`: the variable {variable} is not set"
                    path = ("alerts", "channels", name, key)
                    yield self._finding("warning", "variable_missing", path, message, f"export {variable}=…")

    def keys(self, env: Mapping[str, str], today: dt.date) -> Iterable[Finding]:
        for index, key in enumerate(self._config.keys.named):
            if not env.get(key.env):
                message = f"the key `{key.name}` opens nothing: the variable {key.env} is not set"
                yield self._finding("warning", "variable_missing", ("keys",), message, f"export {key.env}=…")
            # No error: a day that passes must not keep a gateway from starting.
            if key.expires and read_date(key.expires) <= _begin(today):
                top = ("keys",) if ("keys", "[0]") in self._loaded.marks else ("keys", "named")
                path = (*top, f"[{index}]", "expires")
                message = f"the key `{key.name}` opens nothing: it was good until {key.expires}"
                yield self._finding("warning", "key_expired", path, message, "write a later date, or take the key out")

    def models(self, today: dt.date) -> Iterable[Finding]:
        for name, entry in self._config.models.items():
            if entry.base is not None and entry.base not in self._config.models:
                near = self._look_up.nearest(entry.provider, entry.base)
                if near is not None:
                    message = f"model `{name}` inherits from `{entry.base}`, which names nothing"
                    hint = f"did you mean `{near}`?" if near else "a name under `models`, or one at the same provider"
                    yield self._finding("warning", "base_unknown", ("models", name, "base"), message, hint)
            target = _Target(entry.provider, entry.model or name, entry, listed=True)
            yield from self._model(target, name, ("models", name), today)

    def routes(self, today: dt.date) -> Iterable[Finding]:
        for name, route in self._config.routes.items():
            key = "pool" if route.pool else "try"
            targets = [self._target(member) for member in route.pool or route.try_]
            for index, target in enumerate(targets):
                if not target.listed:  # an entry of its own is reported where it stands
                    shown = f"{target.provider}/{target.upstream}"
                    yield from self._model(target, shown, ("routes", name, key, f"[{index}]"), today)
            yield from self._route(name, {target.provider for target in targets})

    def _route(self, name: str, providers: set[str]) -> Iterable[Finding]:
        path = ("routes", name)
        if len(providers) == 1:
            only = next(iter(providers))
            message = f"route `{name}` depends on a single provider, `{only}`"
            hint = f"when `{only}` is down, so is the route: add a model of another provider"
            yield self._finding("warning", "single_provider", path, message, hint)
        if not any(self._private(provider) for provider in providers):
            message = f"route `{name}` has no self-hosted fallback"
            hint = "add a model of a provider with `private: true`, or of a local server"
            yield self._finding("note", "no_private_fallback", path, message, hint)

    def _target(self, member: str) -> _Target:
        found = find_model(self._config, member)
        if found:
            name, entry, upstream = found
            return _Target(entry.provider, upstream, entry, listed=name == member)
        provider, _, upstream = member.partition("/")
        return _Target(provider, upstream, None, listed=False)

    def _private(self, name: str) -> bool:
        provider = self._config.providers.get(name, Provider())
        if provider.private is not None:
            return provider.private
        return on_this_machine(provider.base_url) if provider.base_url else self._look_up.private(name)

    def _model(self, target: _Target, shown: str, path: tuple[str, ...], today: dt.date) -> Iterable[Finding]:
        if "*" in target.upstream:
            return  # stands for many models, each with facts of its own
        if not self._priced(target):
            message = f"model `{shown}` has no price, so its calls are shown as unpriced"
            hint = "add `price: {input: …, output: …}` in US dollars per million tokens; 0 for a free one"
            yield self._finding("warning", "unpriced", path, message, hint)
        end = self._look_up.end(target.provider, target.upstream)
        if end is None or (end.day - today).days > WARN_DAYS:
            return
        hint = f"its successor is `{end.successor}`" if end.successor else "no successor is announced"
        if end.day > today:
            message = f"model `{shown}` will be retired on {end.day.isoformat()}"
            yield self._finding("warning", "retires_soon", path, message, hint)
        else:
            level: Level = "warning" if end.successor else "error"
            message = f"model `{shown}` was retired on {end.day.isoformat()}"
            yield self._finding(level, "retired", path, message, hint)

    def _priced(self, target: _Target) -> bool:
        """By its own entry, by that of the model it inherits from, or by the catalogue."""
        entry, seen = target.entry, set[str]()
        while entry is not None:
            if entry.price is not None or entry.rent is not None:
                return True
            base = entry.base
            if base is None or base in seen:
                break
            seen.add(base)
            if self._look_up.priced(target.provider, base):
                return True
            entry = self._config.models.get(base)
        return self._look_up.priced(target.provider, target.upstream)
