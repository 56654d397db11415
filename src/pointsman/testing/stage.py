"""One simulated provider at work: reads a request, refuses or answers it, and lays the answer out on a timeline."""

from __future__ import annotations

import random

import msgspec

from pointsman.core.clock import Clock
from pointsman.core.model import Price
from pointsman.core.money import NANOS_PER_USD, picos_per_token
from pointsman.core.usage import Usage
from pointsman.testing.dialect import Answer, Ask, Part, Refusal, SimDialect
from pointsman.testing.faults import Fault
from pointsman.testing.journal import Entry
from pointsman.testing.limits import PrefixCache, QuotaState
from pointsman.testing.mind import Mind, prompt_tokens, usage_of
from pointsman.testing.player import Timeline
from pointsman.testing.rhythm import frame_times, whole_delay
from pointsman.testing.script import Prices, SimModel, SimProvider
from pointsman.testing.temper import Temper
from pointsman.testing.trouble import (
    at_once,
    instead,
    spoil_answer,
    spoil_frames,
    spoil_parts,
    spoil_timeline,
    wait_headers,
)

_JSON = (b"content-type", b"application/json")
_SSE = (b"content-type", b"text/event-stream; charset=utf-8")


class Limited(Refusal):
    """Over a quota; `seconds` until the next request may come."""

    def __init__(self, seconds: float) -> None:
        message = f"Rate limit reached. Please try again in {seconds:.3f}s."
        super().__init__(429, "rate_limit_exceeded", message)
        self.seconds = seconds


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """A request that will be answered: what is asked of which model, what goes wrong, and headers of the answer."""

    ask: Ask
    model: SimModel
    fault: Fault | None
    headers: list[tuple[bytes, bytes]]


class Stage:
    """Plays one provider."""

    def __init__(self, provider: SimProvider, dialect: SimDialect, mind: Mind, temper: Temper, clock: Clock) -> None:
        self.provider = provider
        self.dialect = dialect
        self._mind = mind
        self._temper = temper
        self._clock = clock
        self._rng = random.Random(f"{temper.seed}/{provider.name}")  # noqa: S311 - repeatable on purpose
        self._models = {model.name: model for model in provider.models}
        self._prices = {m.name: compile_price(m.price) for m in provider.models if m.price is not None}
        self.forget()

    def forget(self) -> None:
        """Full quotas, empty caches."""
        self._quota = QuotaState(self.provider.quota)
        self._quotas = {model.name: QuotaState(model.quota) for model in self.provider.models}
        self._caches = {model.name: PrefixCache(model.cache) for model in self.provider.models}

    def play(self, entry: Entry, headers: list[tuple[bytes, bytes]], body: bytes, since_start: float) -> Timeline:
        """The answer to one POST; the journal's entry is filled in."""
        try:
            self.admit(headers)
            ask = self.dialect.read(body, entry.surface)
            entry.model, entry.stream = ask.model, ask.stream
            model = self._model(ask.model)
            fault = self._temper.fault(self.provider, model, stream=ask.stream, since_start=since_start)
            entry.fault = fault.name if fault else ""
            if fault and (line := instead(fault, self.dialect, self._clock.now())) is not None:
                return line
            self._check(model, ask)
            parts = self._mind.parts(model, ask)
            limits = self._limit(model, ask)
        except Limited as limited:
            waits = wait_headers(limited.seconds, "seconds", 0) + wait_headers(limited.seconds, "ms", 0)
            return at_once(429, [_JSON, *waits], self.dialect.error(limited))
        except Refusal as refusal:
            return at_once(refusal.status, [_JSON], self.dialect.error(refusal))
        if fault:
            spoil_parts(fault, ask, parts)
        identity = (b"x-request-id", b"req_sim%020d" % entry.number)
        scene = Scene(ask=ask, model=model, fault=fault, headers=[identity, *limits])
        return self._lay_out(scene, self._say(scene, parts, entry))

    def admit(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Check the key. Raises Refusal: none, or a wrong one."""
        if not self.provider.api_key or (key := self.dialect.key(headers)) == self.provider.api_key:
            return
        message = "Incorrect API key provided." if key else "You didn't provide an API key."
        raise Refusal(401, "invalid_api_key", message)

    def _model(self, name: str) -> SimModel:
        try:
            return self._models[name]
        except KeyError:
            message = f"The model `{name}` does not exist or you do not have access to it."
            raise Refusal(404, "model_not_found", message) from None

    def _check(self, model: SimModel, ask: Ask) -> None:
        refused = [*model.refuses, *(["stream_options"] if model.stream_usage == "refused" else [])]
        for field in refused:
            if field in ask.fields:
                message = f"Unsupported parameter: '{field}' is not supported with this model."
                raise Refusal(400, "unsupported_parameter", message, field)
        if ask.offers and not model.tools:
            raise Refusal(400, "unsupported_parameter", "tools is not supported in this model.", "tools")
        if ask.images and not model.vision:
            raise Refusal(400, "invalid_value", "This model does not take images.", "messages")
        tokens = prompt_tokens(ask)
        if tokens > model.context:
            message = f"This model's maximum context length is {model.context} tokens. Your messages have {tokens}."
            raise Refusal(400, "context_length_exceeded", message, "messages")

    def _limit(self, model: SimModel, ask: Ask) -> list[tuple[bytes, bytes]]:
        tokens, now = prompt_tokens(ask), self._clock.monotonic()
        made = []
        for state in (self._quotas[model.name], self._quota):
            if wait := state.ask(tokens, now):
                raise Limited(wait)
            made += state.headers()
        return made

    def _say(self, scene: Scene, parts: list[Part], entry: Entry) -> Answer:
        ask, model = scene.ask, scene.model
        cached = self._caches[model.name].hit(ask.prompt, self._clock.monotonic())
        usage = usage_of(ask, parts, cached)
        cost = self._bill(entry, model, usage)
        answer = Answer(
            id=f"{'chatcmpl' if ask.surface == 'chat' else 'cmpl'}-sim{entry.number:020d}",
            created=self._clock.now() // 1_000_000_000,
            parts=parts,
            usage=usage,
            cost=cost / NANOS_PER_USD if model.report_cost else None,
        )
        if scene.fault:
            spoil_answer(scene.fault, answer)
        return answer

    def _lay_out(self, scene: Scene, answer: Answer) -> Timeline:
        ask, model, fault, frames = scene.ask, scene.model, scene.fault, None
        if ask.stream:
            frames = self.dialect.frames(ask, answer, model)
            if fault:
                frames = spoil_frames(fault, frames, self.dialect)
            times = frame_times(model, frames, self._rng)
            line = Timeline(headers=[_SSE, *scene.headers], at=times, pieces=[data for _, data in frames])
        else:
            body = self.dialect.whole(ask, answer, model)
            due = whole_delay(model, answer.usage.output if answer.usage else 0, self._rng)
            line = Timeline(headers=[_JSON, *scene.headers], length=len(body), at=[due], pieces=[body])
        if fault:
            spoil_timeline(fault, line, frames)
        return line

    def _bill(self, entry: Entry, model: SimModel, usage: Usage) -> int:
        entry.input, entry.output, entry.cached = usage.input, usage.output, usage.cache_read
        price = self._prices.get(model.name)
        entry.cost = price.cost(usage) if price else 0
        return entry.cost


def compile_price(prices: Prices) -> Price:
    """A script's price as the product bills it."""
    cached = prices.cached_input
    return Price(
        input=picos_per_token(prices.input),
        output=picos_per_token(prices.output),
        cache_read=None if cached is None else picos_per_token(cached),
    )
