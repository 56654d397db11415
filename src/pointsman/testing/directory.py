"""Which simulated provider a request is for: by port, by path, by the model's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from pointsman.core.clock import Clock
from pointsman.core.errors import ConfigError
from pointsman.testing.anthropic_messages import AnthropicMessages
from pointsman.testing.dialect import Refusal, Request, SimDialect
from pointsman.testing.gemini import Gemini, model_in
from pointsman.testing.http import Exchange
from pointsman.testing.mind import Mind
from pointsman.testing.openai_chat import OpenAIChat
from pointsman.testing.openai_responses import OpenAIResponses
from pointsman.testing.script import FaultRule, Script, SimModel, SimProvider
from pointsman.testing.stage import Stage
from pointsman.testing.temper import Temper
from pointsman.wire.parse import BAD_JSON

_VERSIONS = ("/v1", "/v1beta")


class _Named(msgspec.Struct):
    model: str = ""


_named = msgspec.json.Decoder(_Named)


def build_stages(script: Script, temper: Temper, clock: Clock) -> dict[str, Stage]:
    """One stage for each provider.

    Raises:
        ConfigError: a dialect or a fault that does not exist.
    """
    spoken: tuple[SimDialect, ...] = (OpenAIChat(), OpenAIResponses(), AnthropicMessages(), Gemini())
    dialects = {dialect.name: dialect for dialect in spoken}
    mind, made = Mind(script), {}
    for provider in script.providers:
        for rule in (*provider.faults, *(rule for model in provider.models for rule in model.faults)):
            rule.resolve()
        for outage in provider.outages:
            FaultRule(fault=outage.fault).resolve()
        made[provider.name] = Stage(provider, _dialects_of(provider, dialects), mind, temper, clock)
    return made


def _dialects_of(provider: SimProvider, dialects: Mapping[str, SimDialect]) -> tuple[SimDialect, ...]:
    for name in (provider.dialect, *provider.also):
        if name not in dialects:
            raise ConfigError(f"the simulator does not speak {name!r}", hint=f"it speaks: {', '.join(dialects)}")
    return tuple(dialects[name] for name in dict.fromkeys((provider.dialect, *provider.also)))


class Directory:
    """Finds the provider. Paths work with and without `/v1` or `/v1beta`."""

    def __init__(self, stages: Mapping[str, Stage], ports: Callable[[], Mapping[str, int]]) -> None:
        self._stages = stages
        self._ports = ports
        self._by_model: dict[str, list[Stage]] = {}
        for stage in stages.values():
            for model in stage.provider.models:
                self._by_model.setdefault(model.name, []).append(stage)
        self._first = next(iter(stages.values()), None)

    def find(self, exchange: Exchange) -> tuple[Stage | None, Request]:
        """The provider's stage, None if nobody is called that, and the request as it is below the version."""
        path = exchange.path
        if path.startswith("/p/"):
            name, _, rest = path[3:].partition("/")
            return self._stages.get(name), _request(exchange, f"/{rest}")
        request = _request(exchange, path)
        for name, port in self._ports().items():
            if port == exchange.port:
                return self._stages[name], request
        if len(self._stages) < 2:
            return self._first, request
        named = self._by_model.get(_model_of(request), []) if exchange.method == "POST" else []
        return self._meant(request, named or list(self._stages.values())), request

    def _meant(self, request: Request, stages: list[Stage]) -> Stage:
        """Of several: the one that has such a path, best where a key came in the place for it."""
        able = [(stage, heard[0]) for stage in stages if (heard := stage.hear(request))]
        keyed = (stage for stage, dialect in able if dialect.key(request))
        return next(keyed, able[0][0] if able else stages[0])

    def models(self, exchange: Exchange, stage: Stage) -> tuple[SimModel, ...]:
        """What `GET /models` lists: the provider's own, or everybody's on the shared root."""
        if exchange.path.startswith("/p/") or exchange.port in self._ports().values():
            return stage.provider.models
        return tuple(model for each in self._stages.values() for model in each.provider.models)

    def unknown(self, stage: Stage | None, exchange: Exchange, request: Request) -> bytes:
        """The body of the 404 for a path that nobody serves."""
        dialect = stage.dialects[0] if stage else OpenAIChat()
        return dialect.error(Refusal(404, "", f"Invalid URL ({exchange.method} {exchange.path})"), request)


def _request(exchange: Exchange, path: str) -> Request:
    return Request(
        method=exchange.method,
        path=_below(path),
        query=exchange.query,
        headers=exchange.headers,
        body=exchange.body,
    )


def _below(path: str) -> str:
    for version in _VERSIONS:
        if path == version or path.startswith(f"{version}/"):
            return path.removeprefix(version).rstrip("/")
    return path.rstrip("/")


def _model_of(request: Request) -> str:
    """The model that a request names, in its path or its body; empty if none."""
    if name := model_in(request.path):
        return name
    try:
        return _named.decode(request.body).model
    except BAD_JSON:
        return ""  # the provider itself says what is wrong with the body
