"""Whole answers: read for accounting, passed on with nothing added but the cost."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from pointsman.core.errors import UpstreamGarbage
from pointsman.wire.costs import UsageField
from pointsman.wire.openai_chat.usage import Fields, normal_form, usage_of
from pointsman.wire.parse import as_dict, as_list, as_text, loads_object
from pointsman.wire.refusals import refusal_in
from pointsman.wire.services import USUAL, served, service_of
from pointsman.wire.trip import AnswerFacts


class _Choice(msgspec.Struct):
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    """What accounting needs, so that the decoder skips the rest."""

    choices: list[_Choice]
    id: str | None = None
    model: str | None = None
    usage: Fields | None = None
    service_tier: str | None = None
    error: Any = None


class _UsageOnly(msgspec.Struct):
    usage: msgspec.Raw = msgspec.Raw(b"")


NAME = b'"usage"'
_HALF = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_SPACE = rb"\u0020"  # as long as what it stands for, so that every other byte keeps its place
_ANSWER = msgspec.json.Decoder(_Answer)
_USAGE = msgspec.json.Decoder(_UsageOnly)


def read_answer(body: bytes) -> AnswerFacts:
    """Account for a whole answer. Raises as `port.Dialect.read_answer`."""
    try:
        answer = _ANSWER.decode(body)
    except (ValueError, RecursionError):
        return _read_odd(body)
    usage = answer.usage
    counted = None if usage is None else normal_form(usage)
    if counted is None and usage is not None:
        return _read_odd(body)
    if answer.service_tier not in USUAL:
        counted = served(counted, service_of(answer.service_tier))
    if answer.error and (refused := refusal_in({"error": answer.error}, body)):
        raise refused
    return AnswerFacts(
        id=answer.id or "",
        model=answer.model or "",
        finish=(answer.choices[0].finish_reason or "") if answer.choices else "",
        usage=counted,
        mark=NAME if usage is not None and usage.cost is msgspec.UNSET else b"",
    )


def _read_odd(body: bytes) -> AnswerFacts:
    """An answer that does not fit the usual types: an error in a 200, odd field types, or none at all."""
    answer = loads_object(body, "answer")
    if refused := refusal_in(answer, body):
        raise refused
    if not isinstance(answer.get("choices"), list):
        raise UpstreamGarbage("The provider's answer has no `choices`.")
    first = as_dict(next(iter(as_list(answer["choices"])), None))
    usage = as_dict(answer.get("usage"))
    return AnswerFacts(
        id=as_text(answer.get("id")),
        model=as_text(answer.get("model")),
        finish=as_text(first.get("finish_reason")),
        usage=served(usage_of(usage), service_of(answer.get("service_tier"))) if usage else None,
    )


def _usage_in(body: bytes) -> bytes:
    """The usage object as it stands in a body; empty where none can be found.

    The decoder refuses halves of surrogate pairs, which tokenisers cut and `parse.loads` lets through.
    """
    try:
        return bytes(_USAGE.decode(body).usage)
    except (ValueError, RecursionError):
        pass
    try:
        return bytes(_USAGE.decode(_HALF.sub(lambda _: _SPACE, body)).usage)
    except (ValueError, RecursionError):
        return b""


with_cost = UsageField(NAME, _usage_in).with_cost
"""The cost goes into `usage`."""
