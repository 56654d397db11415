"""Which simulated provider a request is for: by port, by path, by the model's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from pointsman.core.clock import Clock
from pointsman.core.errors import ConfigError
from pointsman.testing.dialect import Refusal, SimDialect
from pointsman.testing.http import Exchange
from pointsman.testing.mind import Mind
from pointsman.testing.openai_chat import OpenAIChat
from pointsman.testing.script import FaultRule, Script, SimModel
from pointsman.testing.stage import Stage
from pointsman.testing.temper import Temper
from pointsman.wire.parse import BAD_JSON


class _Named(msgspec.Struct):
    model: str = ""


_named = msgspec.json.Decoder(_Named)


def build_stages(script: Script, temper: Temper, clock: Clock) -> dict[str, Stage]:
    """One stage for each provider.

    Raises:
        ConfigError: a dialect or a fault that does not exist.
    """
    dialects: dict[str, SimDialect] = {dialect.name: dialect for dialect in (OpenAIChat(),)}
    mind, made = Mind(script), {}
    for provider in script.providers:
        if provider.dialect not in dialects:
            hint = f"it speaks: {', '.join(dialects)}"
            raise ConfigError(f"the simulator does not speak {provider.dialect!r}", hint=hint)
        for rule in (*provider.faults, *(rule for model in provider.models for rule in model.faults)):
            rule.resolve()
        for outage in provider.outages:
            FaultRule(fault=outage.fault).resolve()
        made[provider.name] = Stage(provider, dialects[provider.dialect], mind, temper, clock)
    return made


class Directory:
    """Finds the provider. Paths work with and without `/v1`."""

    def __init__(self, stages: Mapping[str, Stage], ports: Callable[[], Mapping[str, int]]) -> None:
        self._stages = stages
        self._ports = ports
        self._by_model = {
            model.name: stage for stage in reversed(list(stages.values())) for model in stage.provider.models
        }
        self._first = next(iter(stages.values()), None)

    def find(self, exchange: Exchange) -> tuple[Stage | None, str]:
        """The provider's stage and the path below `/v1`; None if nobody is called that."""
        path = exchange.path
        if path.startswith("/p/"):
            name, _, rest = path[3:].partition("/")
            return self._stages.get(name), _below(f"/{rest}")
        for name, port in self._ports().items():
            if port == exchange.port:
                return self._stages[name], _below(path)
        if len(self._stages) < 2 or exchange.method != "POST":
            return self._first, _below(path)
        try:
            named = _named.decode(exchange.body).model
        except BAD_JSON:
            named = ""  # the provider itself says what is wrong with the body
        return self._by_model.get(named, self._first), _below(path)

    def models(self, exchange: Exchange, stage: Stage) -> tuple[SimModel, ...]:
        """What `GET /models` lists: the provider's own, or everybody's on the shared root."""
        if exchange.path.startswith("/p/") or exchange.port in self._ports().values():
            return stage.provider.models
        return tuple(model for each in self._stages.values() for model in each.provider.models)

    def unknown(self, exchange: Exchange) -> bytes:
        """The body of the 404 for a path that nobody serves."""
        return OpenAIChat().error(Refusal(404, "", f"Invalid URL ({exchange.method} {exchange.path})"))


def _below(path: str) -> str:
    return path.removeprefix("/v1").rstrip("/") if path == "/v1" or path.startswith("/v1/") else path.rstrip("/")
