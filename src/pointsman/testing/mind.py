"""What a simulated model answers: fixed replies, the question bank, tool calls, JSON of a schema, or filler.

Everything is drawn from seed, model and prompt, so that a model never contradicts itself.
"""

from __future__ import annotations

import random
import re
from typing import Any

import msgspec

from pointsman.core.usage import Usage
from pointsman.testing.bank import Bank, builtin_bank, unit
from pointsman.testing.dialect import Ask, Offer, Part, Refusal, ToolUse
from pointsman.testing.distributions import sample
from pointsman.testing.recital import laid_down
from pointsman.testing.schemas import valid_value
from pointsman.testing.script import Script, SimModel
from pointsman.testing.words import count_tokens, filler, fragments, tokens

_REPEAT = re.compile(r"\A\s*(?:repeat|say)(?: after me)?:\s*", re.IGNORECASE)
_IMAGE_TOKENS = 85
_MESSAGE_TOKENS = 3
_CALL_TOKENS = 8


class Mind:
    """Answers for every model of one script."""

    def __init__(self, script: Script) -> None:
        self._seed = str(script.seed)
        self._bank = Bank(script.questions or builtin_bank(script.seed), script.seed, script.correlation)

    def parts(self, model: SimModel, ask: Ask) -> list[Part]:
        """One part for each choice that was asked for."""
        return [self._part(model, ask, index) for index in range(ask.choices)]

    def _part(self, model: SimModel, ask: Ask, index: int) -> Part:
        rng = random.Random(unit(self._seed, model.name, ask.prompt, str(index)))  # noqa: S311 - repeatable on purpose
        part = Part()
        if model.thinking is not None and ask.thinks:
            part.thinking = filler(rng, model.thinking.tokens)
        if calls := _called(ask):
            part.calls = [_call(offer, rng) for offer in calls]
            # A function forced by name ends with `stop` at OpenAI; everywhere else with `tool_calls`.
            part.finish = "stop" if ask.named else "tool_calls"
            return part
        part.text = self._text(model, ask, rng)
        if ask.limit is not None and len(part.text) > ask.limit:
            part.text, part.finish = part.text[: ask.limit], "length"
        return part

    def _text(self, model: SimModel, ask: Ask, rng: random.Random) -> list[str]:
        if (laid := laid_down(model, ask)) is not None:
            return tokens(laid)
        if ask.schema is not None:
            return fragments(_json_of(ask.schema, rng))
        if found := _REPEAT.match(ask.text):
            return tokens(ask.text[found.end() :])
        if ask.last_role == "tool":
            return tokens(f"The tool says: {ask.text}")
        if (question := self._bank.find(ask.text)) is not None:
            return tokens(self._bank.answer(model.name, question, model.quality))
        return filler(rng, int(sample(model.output_tokens, rng)))


def _called(ask: Ask) -> list[Offer]:
    """The tools that this answer calls: forced ones, else those that the last thing said by the user names."""
    if ask.forced:
        return [offer for offer in ask.offers if offer.name in ask.forced]
    if not ask.offers or not ask.may_call or ask.last_role != "user":
        return []
    named = [offer for offer in ask.offers if re.search(rf"\b{re.escape(offer.name)}\b", ask.text)]
    return named if ask.parallel else named[:1]


def _call(offer: Offer, rng: random.Random) -> ToolUse:
    return ToolUse(name=offer.name, arguments=_json_of(offer.schema, rng))


def _json_of(schema: dict[str, Any], rng: random.Random) -> str:
    """JSON text that is valid for a schema, an object unless it says else. Raises Refusal: the schema is none."""
    try:
        return msgspec.json.encode(valid_value({"type": "object", **schema}, rng)).decode()
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        raise Refusal(400, "invalid_schema", f"Invalid schema: {error}") from None


def prompt_tokens(ask: Ask) -> int:
    """Tokens of the prompt, tools and images included."""
    offers = sum(count_tokens(offer.name) + count_tokens(str(offer.schema)) for offer in ask.offers)
    return _MESSAGE_TOKENS + count_tokens(ask.prompt) + offers + _IMAGE_TOKENS * ask.images


def usage_of(ask: Ask, parts: list[Part], cached: int, written: int) -> Usage:
    """Usage in the normal form: tokens counted as they were sent."""
    reasoning = sum(len(part.thinking) for part in parts)
    calls = sum(_CALL_TOKENS + count_tokens(call.arguments) for part in parts for call in part.calls)
    output = sum(len(part.text) for part in parts) + calls + reasoning
    long = written if ask.cache == "1h" else 0
    return Usage(
        input=prompt_tokens(ask),
        cache_read=cached,
        cache_write=written - long,
        cache_write_1h=long,
        output=output,
        reasoning=reasoning,
    )
