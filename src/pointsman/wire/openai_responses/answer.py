"""Whole answers: read for accounting, passed on with nothing added but the cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pointsman.core.errors import UpstreamGarbage, UpstreamRefused
from pointsman.core.usage import Usage
from pointsman.wire.itemised import opening
from pointsman.wire.openai_chat.answer import NAME, with_cost
from pointsman.wire.openai_responses.usage import Counted, normal_form, usage_of
from pointsman.wire.parse import as_dict, as_list, as_text, loads_object
from pointsman.wire.refusals import refusal_in, refusal_of
from pointsman.wire.services import USUAL, fees_in_items, served, service_of
from pointsman.wire.trip import AnswerFacts

__all__ = ["NAME", "facts_in", "failure_in", "read_answer", "with_cost", "with_cost_inside", "word_of"]

_CALL = b'_call"'
"""Stands in every answer in which a tool was used."""
_FAILED = {"message": "The provider says that the answer failed, and not why."}


class _Incomplete(msgspec.Struct):
    reason: str | None = None


class TypedAnswer(msgspec.Struct):
    """What accounting and translation need of a response, so that the decoder skips the rest."""

    output: list[msgspec.Raw]
    id: str | None = None
    model: str | None = None
    status: str | None = None
    incomplete_details: _Incomplete | None = None
    usage: Counted | None = None
    error: Any = None
    created_at: Any = None
    reasoning: msgspec.Raw = msgspec.Raw(b"")
    service_tier: str | None = None

    @property
    def reason(self) -> str:
        """Why it is incomplete."""
        return (self.incomplete_details.reason or "") if self.incomplete_details is not None else ""


class _Event(msgspec.Struct):
    response: msgspec.Raw = msgspec.Raw(b"")


_ANSWER = msgspec.json.Decoder(TypedAnswer)
_EVENT = msgspec.json.Decoder(_Event)


def usual(body: bytes) -> tuple[TypedAnswer, Usage | None] | None:
    """An answer of the usual types, and its usage; None for any other, also one that failed."""
    try:
        answer = _ANSWER.decode(body)
    except (ValueError, RecursionError):
        return None
    counted = None if answer.usage is None else normal_form(answer.usage)
    if answer.error or answer.status == "failed" or (counted is None and answer.usage is not None):
        return None
    if counted is not None:
        if body.find(_CALL) >= 0:
            counted = served(counted, "", fees_in_items(answer.output))
        if answer.service_tier not in USUAL:
            counted = served(counted, service_of(answer.service_tier))
    return answer, counted


def read_answer(body: bytes) -> AnswerFacts:
    """Account for a whole answer, or a number of tokens. Raises as `port.BothSides.read_answer`."""
    found = usual(body)
    if found is None:
        return _read_odd(body)
    answer, counted = found
    usage = answer.usage
    return AnswerFacts(
        id=answer.id or "",
        model=answer.model or "",
        finish=word_of(answer.status or "", answer.reason),
        usage=counted,
        mark=NAME if usage is not None and usage.cost is msgspec.UNSET else b"",
    )


def _read_odd(body: bytes) -> AnswerFacts:
    """An answer that does not fit the usual types: an error in a 200, odd field types, a count, or none at all."""
    answer = loads_object(body, "answer")
    refused = failure_in(answer) or refusal_in(answer, body)
    if refused is not None:
        raise refused
    if not isinstance(answer.get("output"), list):
        if is_count(answer):
            return AnswerFacts()
        raise UpstreamGarbage("The provider's answer has no list `output`.")
    return facts_in(answer)


def is_count(answer: Mapping[str, Any]) -> bool:
    """Whether what stands in an answer's place is a number of tokens, which is what somebody asked for."""
    return "output" not in answer and "input_tokens" in answer


def facts_in(answer: dict[str, Any]) -> AnswerFacts:
    """What accounting needs of a response object."""
    usage = answer.get("usage")
    used = usage_of(usage) if isinstance(usage, dict) and usage else None
    return AnswerFacts(
        id=as_text(answer.get("id")),
        model=as_text(answer.get("model")),
        finish=word_of(as_text(answer.get("status")), as_text(as_dict(answer.get("incomplete_details")).get("reason"))),
        usage=served(used, service_of(answer.get("service_tier")), fees_in_items(as_list(answer.get("output")))),
    )


def failure_in(answer: dict[str, Any]) -> UpstreamRefused | None:
    """What a failed response says; None if it has not failed.

    Without a body for callers of this dialect: a response is no error body.
    """
    if answer.get("status") != "failed":
        return None
    return refusal_of(answer.get("error") or _FAILED, b"")


def word_of(status: str, reason: str) -> str:
    """The provider's word for how it ended: the reason where incomplete, else the status."""
    return reason if status == "incomplete" and reason else status


def response_in(data: bytes) -> bytes:
    """The response object in an event's data, as it stands there; empty where none can be found."""
    try:
        return bytes(_EVENT.decode(data).response)
    except (ValueError, RecursionError):
        return b""


def with_cost_inside(data: bytes, cost: int) -> bytes:
    """An event's data with `usage.cost` in its response; unchanged where there is no usage or a cost already."""
    response = response_in(data)
    at = data.find(response) if response else -1
    if at < 0:
        return data
    return b"".join((data[:at], with_cost(response, cost), data[at + len(response) :]))


def priced(usage: bytes, cost: int | None) -> bytes:
    """A usage object that we wrote, with its cost in front."""
    return usage if cost is None else opening(cost) + usage[1:]
