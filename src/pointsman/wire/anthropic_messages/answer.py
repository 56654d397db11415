"""Whole answers: read for accounting, passed on with nothing added but the cost."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.errors import UpstreamGarbage
from pointsman.wire.anthropic_messages.usage import Fields, normal_form, usage_of
from pointsman.wire.openai_chat.answer import NAME, with_cost
from pointsman.wire.parse import as_count, as_dict, as_text, loads_object
from pointsman.wire.refusals import refusal_in
from pointsman.wire.trip import AnswerFacts

__all__ = ["NAME", "read_answer", "read_count", "with_cost"]


class _Answer(msgspec.Struct):
    """What accounting needs, so that the decoder skips the rest."""

    content: list[msgspec.Raw]
    id: str | None = None
    type: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: Fields | None = None
    error: Any = None


_ANSWER = msgspec.json.Decoder(_Answer)


def read_answer(body: bytes) -> AnswerFacts:
    """Account for a whole answer, or a number of tokens. Raises as `port.BothSides.read_answer`."""
    try:
        answer = _ANSWER.decode(body)
    except (ValueError, RecursionError):
        return _read_odd(body)
    usage = answer.usage
    counted = None if usage is None else normal_form(usage)
    if (counted is None and usage is not None) or answer.error or answer.type == "error":
        return _read_odd(body)
    return AnswerFacts(
        id=answer.id or "",
        model=answer.model or "",
        finish=answer.stop_reason or "",
        usage=counted,
        mark=NAME if usage is not None and usage.cost is msgspec.UNSET else b"",
    )


def _read_odd(body: bytes) -> AnswerFacts:
    """An answer that does not fit the usual types: an error in a 200, odd field types, a count, or none at all."""
    answer = loads_object(body, "answer")
    if refused := refusal_in(answer, body):
        raise refused
    if not isinstance(answer.get("content"), list):
        if as_count(answer.get("input_tokens")):
            return AnswerFacts()
        raise UpstreamGarbage("The provider's answer has no list `content`.")
    usage = as_dict(answer.get("usage"))
    return AnswerFacts(
        id=as_text(answer.get("id")),
        model=as_text(answer.get("model")),
        finish=as_text(answer.get("stop_reason")),
        usage=usage_of(usage) if usage else None,
    )


def read_count(body: bytes) -> int:
    """How many tokens a request has. Raises as `port.ProviderSide.read_count`."""
    answer = loads_object(body, "count of tokens")
    if refused := refusal_in(answer, body):
        raise refused
    counted = answer.get("input_tokens")
    if type(counted) is not int or counted < 0:
        raise UpstreamGarbage("The provider's count of tokens has no number `input_tokens`.")
    return counted
