"""What no single value shows: names that refer to each other inside one file."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from pointsman.config.decode import Decoder
from pointsman.config.hours import minutes, overlapping
from pointsman.config.names import MODEL_NAME, PROVIDER_NAME, carried, did_you_mean, find_model
from pointsman.config.problems import KeyPath, Mark, Problems
from pointsman.config.schema import AlertChannel, Budget, Config, Key, Model, Provider, Route
from pointsman.config.secret import looks_secret
from pointsman.core.budget import parse_limit
from pointsman.core.errors import InvalidRequest
from pointsman.core.expiry import read_date
from pointsman.core.key_terms import check_budgets, check_use, read_amount

_WEIGHED = frozenset({"weighted", "least_busy", "sticky"})
_NOT_PARAMS = frozenset({"model", "messages", "prompt", "stream", "stream_options"})
"""Body fields that are the caller's or the gateway's to say; as a default they would change what is asked."""
_CHANNEL_KEYS: dict[str, frozenset[str]] = {
    "webhook": frozenset({"url", "url_env", "secret_env", "proxy"}),
    "slack": frozenset({"url", "url_env", "proxy"}),
    "pagerduty": frozenset({"url", "key_env", "proxy"}),
    "email": frozenset({"host", "port", "security", "user_env", "password_env", "from", "to"}),
}
"""What only channels of one type have."""
_CHANNEL_NEEDS = {"pagerduty": ("key_env",), "email": ("host", "from", "to")}


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What exists outside the file, so that references to it can be checked. None: not known, not checked.

    Attributes:
        providers: names in the catalogue, and those that are always there (`local`, discovered servers).
        dialects: wire formats that can be spoken to a provider.
    """

    providers: frozenset[str] | None = None
    dialects: frozenset[str] | None = None


class CrossCheck:
    """Checks one decoded file and notes what is wrong. Names whose own entry is broken count as existing."""

    def __init__(self, config: Config, decoder: Decoder, problems: Problems, known: Known) -> None:
        self._config = config
        self._marks = marks = decoder.marks
        self._failed = decoder.failed
        self._problems = problems
        self._known = known
        self._written = {
            part: [path[1] for path in marks if len(path) == 2 and path[0] == part]
            for part in ("providers", "models", "routes")
        }

    def run(self) -> None:
        """All checks."""
        self._names("providers", PROVIDER_NAME, "letters, digits, `.`, `_` and `-`")
        self._names("models", MODEL_NAME, "letters, digits, `.`, `_`, `-`, `:`, `@`, `+`, `/` and one `*`")
        self._names("routes", MODEL_NAME, "letters, digits, `.`, `_`, `-`, `:`, `@`, `+` and `/`")
        self._providers()
        for name, model in self._config.models.items():
            self._model(name, model)
        for name, route in self._config.routes.items():
            self._route(name, route)
        for index, said in enumerate(self._config.budgets):
            self._budget(("budgets", f"[{index}]"), said)
        self._alerts()
        self._keys()

    def _budget(self, path: KeyPath, said: Budget) -> None:
        """A limit that can be read, of one subject at most, who is there where that can be known."""
        if said.limit:
            try:
                parse_limit(said.limit)
            except ValueError as error:
                message, _, hint = str(error).partition("; ")
                self._add((*path, "limit"), message, hint)
        whose = [name for name in ("each", "team", "project", "key", "user", "route") if getattr(said, name)]
        if len(whose) > 1:
            words = " and ".join(f"`{name}`" for name in whose)
            self._add(path, f"says twice whose it is: {words}", "leave one; what is for both needs two budgets")
        route = said.route
        if route and "/" not in route and route not in self._written["routes"] + self._written["models"]:
            hint = did_you_mean(route, [*self._written["routes"], *self._written["models"]])
            self._add((*path, "route"), f"no route or model `{route}`", hint)
        if not said.hard and (*path, "soft") not in self._marks:
            self._add(path, "binds nobody: it is neither hard nor soft", "`soft: 0.8`, or leave `hard` out")

    def _add(self, path: KeyPath, message: str, hint: str = "") -> None:
        at = path
        while at and at not in self._marks:
            at = at[:-1]
        self._problems.add(self._marks.get(at, Mark(1, 1)), path, message, hint)

    def _names(self, part: str, allowed: re.Pattern[str], words: str) -> None:
        for name in self._written[part]:
            stars = name.count("*")
            if looks_secret(name):
                self._problems.add(self._marks[(part, name)], (part,), "a name here looks like a secret")
            elif not allowed.fullmatch(name) or stars > (part == "models"):
                what = part.removesuffix("s")
                self._problems.add(
                    self._marks[(part, name)], (part,), f"`{name[:60]}` cannot name a {what}", f"a name has {words}"
                )
        for name in self._written["routes"] if part == "routes" else ():
            if name in self._written["models"]:
                self._add(("routes", name), "a model has the same name", "a caller could not tell them apart")

    def _providers(self) -> None:
        known, dialects = self._known.providers, self._known.dialects
        for name, provider in self._config.providers.items():
            path = ("providers", name)
            if known is not None and name not in known:
                lacking = [key for key in ("dialect", "base_url") if getattr(provider, key) is None]
                lacking = [key for key in lacking if (*path, key) not in self._marks]
                if lacking:
                    needs = " and ".join(f"`{key}`" for key in lacking)
                    # Who says where it is means a server of their own, whatever the catalogue has of a like name.
                    hint = "e.g. dialect: openai-chat" if lacking == ["dialect"] else did_you_mean(name, known)
                    self._add(path, f"the catalogue does not know it, so it needs {needs}", hint)
            self._health_check((*path, "health_check"), provider)
            if provider.api_key_envs and provider.api_key_env is not None:
                self._add((*path, "api_key_envs"), "`api_key_env` stands beside it", "keep one of the two")
            if dialects is not None and provider.dialect is not None and provider.dialect not in dialects:
                words = ", ".join(f"`{word}`" for word in sorted(dialects))
                hint = did_you_mean(provider.dialect, dialects) or f"known: {words}"
                self._add((*path, "dialect"), f"no dialect `{provider.dialect}`", hint)

    def _health_check(self, path: KeyPath, provider: Provider) -> None:
        said = provider.health_check
        if said is None or said.when == "never":
            return
        if provider.credentials == "caller":
            self._add(path, "goes without a key, and only callers bring one", "leave it out")
        if said.kind == "completion" and said.path is not None:
            self._add((*path, "path"), "is for `kind: http`", "take it out")

    def _model(self, name: str, model: Model) -> None:
        if model.rent is not None:
            self._rent(("models", name), model)
        path = ("models", name)
        if not self._has_provider(model.provider):
            hint = did_you_mean(model.provider, self._all_providers()) or "add it under `providers`"
            self._add((*path, "provider"), f"no provider `{model.provider}`", hint)
        upstream = model.model or name
        if upstream.count("*") > 1:
            self._add((*path, "model"), "more than one `*`", "one `*` stands for any text")
        elif "*" in name and "*" not in upstream:
            self._add((*path, "model"), "a name with `*` needs a model with `*`", f'e.g. model: "{name}"')
        first = name.partition("/")[0]
        if "/" in name and first != model.provider and first in self._written["providers"]:
            self._add(path, f"the name says provider `{first}`, the entry says `{model.provider}`", "rename the model")
        for key in sorted(_NOT_PARAMS & model.params.keys()):
            hint = "the name at the provider is the entry's own `model`" if key == "model" else "take it out"
            self._add((*path, "params", key), "comes with each request and cannot have a default", hint)
        self._base(name, model)
        if model.price is not None:
            self._hours((*path, "price", "hours"), model.price.hours)

    def _hours(self, path: KeyPath, hours: Iterable[str]) -> None:
        """Each minute of the day has one price at most: of two that hold, nobody would know which is billed."""
        for span in hours:
            if minutes(span) is None:
                self._add((*path, span), "ends when it begins, and so never holds", "a whole day is `00:00-24:00`")
        for earlier, later in overlapping(hours):
            self._add((*path, later), f"`{later}` overlaps `{earlier}`", "let one end where the other begins")

    def _base(self, name: str, model: Model) -> None:
        seen = {name}
        base = model.base
        while base is not None:
            if base in seen:
                self._add(("models", name, "base"), "inherits from itself")
                return
            seen.add(base)
            parent = self._config.models.get(base)
            base = parent.base if parent else None

    def _route(self, name: str, route: Route) -> None:
        path = ("routes", name)
        said = [key for key in ("pool", "try") if (*path, key) in self._marks]
        if len(said) != 1:
            message = "has both `pool` and `try`" if said else "needs `pool` or `try`"
            self._add(path, message, "`pool` chooses among models, `try` is a fixed chain; a route has one of them")
            return
        key = said[0]
        members = route.pool or route.try_
        if route.try_ and route.balance != "cheapest":
            self._add((*path, "balance"), "a chain has an order of its own", "`balance` goes with `pool`")
        if (*path, "sticky") in self._marks and route.balance != "sticky":
            self._add((*path, "sticky"), "says what no balance asks for", "`sticky` goes with `balance: sticky`")
        self._weights((*path, "weights"), route)
        if route.hedge is not None and len(members) == 1 and not self._several_keys():
            self._add((*path, "hedge"), "has nobody else to ask", "list another model, or leave it out")
        if not members and (*path, key) not in self._failed:
            self._add((*path, key), "is empty", "list at least one model, e.g. [small]")
        for index, member in enumerate(members):
            here = (*path, key, f"[{index}]")
            if not member:
                continue  # could not be read, and its error is noted
            if member in members[:index]:
                self._add(here, f"`{member}` stands there twice", "for further attempts use `retries`")
            else:
                self._member(here, member)

    def _weights(self, path: KeyPath, route: Route) -> None:
        """Shares that are asked for, of models that are there, and not of nobody."""
        if route.try_:
            if route.weights:
                self._add(path, "a chain has an order of its own", "`weights` goes with `pool`")
            return
        if route.weights and route.balance not in _WEIGHED:
            words = " or ".join(f"`{word}`" for word in sorted(_WEIGHED))
            self._add(path, "says what no balance asks for", f"`weights` goes with `balance`: {words}")
        for weighed in route.weights:
            if weighed not in route.pool:
                hint = did_you_mean(weighed, route.pool) or f"the pool has {', '.join(route.pool)}"
                self._add((*path, weighed), "is not in the pool", hint)
        if route.pool and all(route.weights.get(name) == 0 for name in route.pool):
            self._add(path, "leave nobody a share", "0 is for a model that only stands in for others")

    def _several_keys(self) -> bool:
        """Whether a provider has several keys: then one model is more than one to ask."""
        return any(provider.api_key_envs for provider in self._config.providers.values())

    def _member(self, path: KeyPath, member: str) -> None:
        if member in self._written["models"]:
            entry = self._config.models.get(member)
            if "*" in member or (entry and "*" in (entry.model or "")):
                self._add(path, f"`{member}` stands for many models", "name one of them")
            return
        if member in self._written["routes"]:
            self._add(path, f"`{member}` is a route", "a route holds models")
            return
        if find_model(self._config, member) or any(carried(name, member) for name in self._written["models"]):
            return
        provider, slash, upstream = member.partition("/")
        if slash and upstream and "*" not in member and self._has_provider(provider):
            return
        choices = [*self._written["models"], *(f"{p}/{upstream}" for p in self._all_providers() if slash)]
        hint = did_you_mean(member, choices) or "add it under `models`, or write `provider/model`"
        self._add(path, f"no model `{member}`", hint)

    def _rent(self, path: KeyPath, model: Model) -> None:
        rent = model.rent
        if rent is not None and (rent.gpu_hour is None) == (rent.month is None):
            self._add((*path, "rent"), "needs one of `gpu_hour` and `month`", "e.g. `{gpu_hour: 2.5, gpus: 2, …}`")
        if model.price is not None:
            hint = "`price` is for who bills tokens, `rent` for machines of your own"
            self._add((*path, "rent"), "stands beside `price`", hint)

    def _alerts(self) -> None:
        for name in {path[2] for path in self._marks if len(path) == 3 and path[:2] == ("alerts", "channels")}:
            path = ("alerts", "channels", name)
            if looks_secret(name):
                self._problems.add(self._marks[path], path[:2], "a name here looks like a secret")
            elif not PROVIDER_NAME.fullmatch(name) or name == "log":
                hint = "a name has letters, digits, `.`, `_` and `-`; `log` is taken"
                self._problems.add(self._marks[path], path[:2], f"`{name[:60]}` cannot name a channel", hint)
        for name, channel in self._config.alerts.channels.items():
            self._channel(("alerts", "channels", name), channel)

    def _channel(self, path: KeyPath, channel: AlertChannel) -> None:
        """A channel has the keys of its type, and those that this type needs."""
        said = {mark[3] for mark in self._marks if len(mark) == 4 and mark[:3] == path}
        own = _CHANNEL_KEYS[channel.type]
        for key in sorted(said & (frozenset().union(*_CHANNEL_KEYS.values()) - own)):
            types = " and ".join(f"`{kind}`" for kind, keys in _CHANNEL_KEYS.items() if key in keys)
            self._add((*path, key), f"a channel of type `{channel.type}` has no `{key}`", f"it belongs to {types}")
        if channel.type in ("webhook", "slack") and len(said & {"url", "url_env"}) != 1:
            message = "has both `url` and `url_env`" if "url" in said else "needs `url_env` or `url`"
            self._add(path, message, "`url_env` is the name of a variable, for a URL that is itself a key")
        lacking = [key for key in _CHANNEL_NEEDS.get(channel.type, ()) if key not in said]
        if lacking:
            self._add(path, f"needs {' and '.join(f'`{key}`' for key in lacking)}")
        if channel.type == "email":
            if "to" in said and not channel.to and (*path, "to") not in self._failed:
                self._add((*path, "to"), "is empty", "name at least one address")
            if len(said & {"user_env", "password_env"}) == 1:
                self._add(path, "needs both `user_env` and `password_env`", "leave both out where nobody signs in")
            if channel.security == "none" and "password_env" in said:
                self._add((*path, "security"), "sends the password in the clear", "`starttls` or `ssl`")

    def _keys(self) -> None:
        """Each key has a name of its own, and budgets that are some."""
        said: tuple[Key | str, ...] = self._config.keys.named
        top: KeyPath = ("keys",) if ("keys", "[0]") in self._marks else ("keys", "named")
        names = [one.name for one in said if isinstance(one, Key)]
        for index, one in enumerate(said):
            path = (*top, f"[{index}]")
            if not isinstance(one, Key):
                continue  # could not be read, and its error is noted
            if looks_secret(one.name):
                self._add(path, "a name here looks like a secret")
            elif names.count(one.name) > 1:
                self._add((*path, "name"), f"two keys are called `{one.name}`", "give each a name of its own")
            try:
                check_budgets([read_amount(text) for text in one.budgets if text])
                check_use(one.role, one)
                if one.expires:
                    read_date(one.expires)
            except InvalidRequest as error:
                self._add((*path, error.param or "budgets"), error.message, error.hint)

    def _has_provider(self, name: str) -> bool:
        return name in self._written["providers"] or self._known.providers is None or name in self._known.providers

    def _all_providers(self) -> Iterable[str]:
        return {*self._written["providers"], *(self._known.providers or ())}
