"""One simulated provider at work: reads a request, refuses or answers it, and lays the answer out on a timeline."""

from __future__ import annotations

import random

import msgspec

from pointsman.core.clock import Clock
from pointsman.core.model import Price
from pointsman.core.money import NANOS_PER_USD, picos_per_token
from pointsman.core.usage import Usage
from pointsman.testing.dialect import Answer, Ask, Headers, Part, Refusal, Request, SimDialect
from pointsman.testing.faults import Fault
from pointsman.testing.journal import Entry
from pointsman.testing.limits import Left, PrefixCache, QuotaState
from pointsman.testing.mind import Mind, prompt_tokens, usage_of
from pointsman.testing.player import Timeline
from pointsman.testing.rhythm import frame_times, whole_delay
from pointsman.testing.script import Prices, SimModel, SimProvider
from pointsman.testing.temper import Temper
from pointsman.testing.trouble import (
    instead,
    refused,
    spoil_answer,
    spoil_frames,
    spoil_parts,
    spoil_timeline,
    wait_headers,
)


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """A request that will be answered: what is asked of which model, how, what goes wrong, headers of the answer."""

    dialect: SimDialect
    ask: Ask
    model: SimModel
    fault: Fault | None
    headers: Headers


class Stage:
    """Plays one provider."""

    def __init__(
        self, provider: SimProvider, dialects: tuple[SimDialect, ...], mind: Mind, temper: Temper, clock: Clock
    ) -> None:
        self.provider = provider
        self.dialects = dialects
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

    def version(self, dialect: str) -> str:
        """The last part of the base URL in a dialect; of the main one if empty. Raises KeyError: not spoken here."""
        return {each.name: each.version for each in self.dialects}[dialect or self.provider.dialect]

    def hear(self, request: Request) -> tuple[SimDialect, str] | None:
        """The dialect and the surface that a request is in; None if this provider has no such path.

        Where several dialects share a path (the list of models), the one whose kind of key came is meant.
        """
        heard = [(dialect, surface) for dialect in self.dialects if (surface := dialect.surface(request))]
        return next((pair for pair in heard if pair[0].key(request)), heard[0] if heard else None)

    def play(self, entry: Entry, request: Request, dialect: SimDialect, since_start: float) -> Timeline:
        """The answer to one POST; the journal's entry is filled in."""
        try:
            self._admit(dialect.key(request))
            ask = dialect.read(request, entry.surface)
            entry.model, entry.stream = ask.model, ask.stream
            model = self._model(ask.model)
            fault = self._temper.fault(self.provider, model, ask, since_start=since_start)
            entry.fault = fault.name if fault else ""
            if fault and (line := instead(fault, dialect, request, ask.model, self._clock.now())) is not None:
                return line
            self._check(model, ask)
            parts = self._mind.parts(model, ask)
            left = self._limit(model, ask)
        except Refusal as refusal:
            waits = wait_headers(refusal.wait, "seconds", 0) + wait_headers(refusal.wait, "ms", 0)
            return refused(refusal, dialect, request, waits if refusal.wait else [])
        if fault:
            spoil_parts(fault, ask, parts)
        headers = dialect.headers(entry.number, left, self._clock.now())
        scene = Scene(dialect=dialect, ask=ask, model=model, fault=fault, headers=headers)
        return self._lay_out(scene, self._say(scene, parts, entry))

    def _admit(self, key: str) -> None:
        if not self.provider.api_key or key == self.provider.api_key:
            return
        if not key:
            raise Refusal(401, "no_api_key", "You didn't provide an API key.")
        raise Refusal(401, "invalid_api_key", "Incorrect API key provided.")

    def _model(self, name: str) -> SimModel:
        try:
            return self._models[name]
        except KeyError:
            message = f"The model `{name}` does not exist or you do not have access to it."
            raise Refusal(404, "model_not_found", message, subject=name) from None

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
        if ask.unsigned and model.thinking is not None:
            raise Refusal(400, "missing_signature", ask.unsigned)
        tokens = prompt_tokens(ask)
        if tokens > model.context:
            message = f"This model's maximum context length is {model.context} tokens. Your messages have {tokens}."
            raise Refusal(400, "context_length_exceeded", message, "messages", subject=f"{tokens}/{model.context}")

    def _limit(self, model: SimModel, ask: Ask) -> list[Left]:
        tokens, now = prompt_tokens(ask), self._clock.monotonic()
        made = []
        for state in (self._quotas[model.name], self._quota):
            if wait := state.ask(tokens, now):
                message = f"Rate limit reached. Please try again in {wait:.3f}s."
                raise Refusal(429, "rate_limit_exceeded", message, wait=wait)
            made += state.left()
        return made

    def _say(self, scene: Scene, parts: list[Part], entry: Entry) -> Answer:
        ask, model = scene.ask, scene.model
        usage = usage_of(ask, parts, *self._cached(model, ask))
        cost = self._bill(entry, model, usage)
        answer = Answer(
            id=scene.dialect.answer_id(ask.surface, entry.number),
            created=self._clock.now() // 1_000_000_000,
            parts=parts,
            usage=usage,
            cost=cost / NANOS_PER_USD if model.report_cost else None,
        )
        if scene.fault:
            spoil_answer(scene.fault, answer)
        return answer

    def _cached(self, model: SimModel, ask: Ask) -> tuple[int, int]:
        if ask.cache == "none":
            return 0, 0
        read, written = self._caches[model.name].hit(ask.prompt, self._clock.monotonic())
        return read, 0 if ask.cache == "auto" else written

    def _lay_out(self, scene: Scene, answer: Answer) -> Timeline:
        dialect, ask, model, fault, frames = scene.dialect, scene.ask, scene.model, scene.fault, None
        headers = [(b"content-type", dialect.content_type(ask)), *scene.headers]
        if ask.stream:
            frames = dialect.frames(ask, answer, model)
            if fault:
                frames = spoil_frames(fault, frames, dialect, ask, answer)
            times = frame_times(model, frames, self._rng)
            line = Timeline(headers=headers, at=times, pieces=[data for _, data in frames])
        else:
            body = dialect.whole(ask, answer, model)
            due = whole_delay(model, answer.usage.output if answer.usage else 0, self._rng)
            line = Timeline(headers=headers, length=len(body), at=[due], pieces=[body])
        if fault:
            spoil_timeline(fault, line, frames)
        return line

    def _bill(self, entry: Entry, model: SimModel, usage: Usage) -> int:
        entry.input, entry.output, entry.cached = usage.input, usage.output, usage.cache_read
        price = self._prices.get(model.name)
        free = entry.surface == "count"  # everywhere
        entry.cost = (price.cost(usage) or 0) if price and not free else 0
        return entry.cost


def compile_price(prices: Prices) -> Price:
    """A script's price as the product bills it."""
    read, write = prices.cached_input, prices.cache_write
    return Price(
        input=picos_per_token(prices.input),
        output=picos_per_token(prices.output),
        cache_read=None if read is None else picos_per_token(read),
        cache_write=None if write is None else picos_per_token(write),
    )
