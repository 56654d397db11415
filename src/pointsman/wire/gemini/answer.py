"""Whole answers: read for accounting, passed on with nothing added but the cost."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.errors import UpstreamGarbage
from pointsman.wire.costs import UsageField
from pointsman.wire.gemini.ends import block_word, word_of
from pointsman.wire.gemini.usage import usage_of
from pointsman.wire.parse import BAD_JSON, as_dict, as_list, as_text, loads
from pointsman.wire.refusals import refusal_in
from pointsman.wire.services import grounding, searches_in, served
from pointsman.wire.trip import AnswerFacts


class _Candidate(msgspec.Struct):
    finishReason: str | int | None = None  # noqa: N815 - Google's
    groundingMetadata: Any = None  # noqa: N815 - Google's


class _Answer(msgspec.Struct):
    """What accounting needs, so that the decoder skips the rest."""

    candidates: list[_Candidate]
    responseId: str | None = None  # noqa: N815 - Google's
    modelVersion: str | None = None  # noqa: N815 - Google's
    usageMetadata: dict[str, Any] | None = None  # noqa: N815 - Google's
    error: Any = None


class _UsageOnly(msgspec.Struct):
    usageMetadata: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815 - Google's


NAME = b'"usageMetadata"'
_ANSWER = msgspec.json.Decoder(_Answer)
_USAGE = msgspec.json.Decoder(_UsageOnly)


def read_answer(body: bytes) -> AnswerFacts:
    """Account for a whole answer. Raises as `port.BothSides.read_answer`."""
    try:
        answer = _ANSWER.decode(body)
    except BAD_JSON:
        return _read_odd(body)
    if answer.error or not answer.candidates or answer.candidates[0].finishReason is None:
        return _read_odd(body)
    usage = answer.usageMetadata
    used = usage_of(usage) if usage else None
    grounds = [one.groundingMetadata for one in answer.candidates if one.groundingMetadata]
    if grounds:
        searches = sum(searches_in({"groundingMetadata": one}) for one in grounds)
        used = served(used, "", grounding(searches, answer.modelVersion or ""))
    return AnswerFacts(
        id=answer.responseId or "",
        model=answer.modelVersion or "",
        finish=word_of(answer.candidates[0].finishReason),
        usage=used,
        mark=NAME if usage and "cost" not in usage else b"",
    )


def chunks_of(body: bytes) -> list[dict[str, Any]]:
    """The objects of an answer: one, or those of a stream that came as one JSON array.

    Raises:
        UpstreamGarbage: something else, or nothing that answers.
        UpstreamRefused: an error is among them.
    """
    try:
        value = loads(body)
    except BAD_JSON as error:
        what = "it is empty" if not body.strip() else str(error)
        raise UpstreamGarbage(f"The provider's answer is not JSON: {what}.") from None
    chunks = value if isinstance(value, list) else [value]
    for chunk in chunks:
        if not isinstance(chunk, dict):
            raise UpstreamGarbage("The provider's answer is not a JSON object.")
        if refused := refusal_in(chunk, body):
            raise refused
        if not _well_formed(chunk.get("candidates")):
            raise UpstreamGarbage("The provider's answer has `candidates` that are no list of objects.")
    if not any(map(_answers, chunks)):
        raise UpstreamGarbage("The provider's answer has no candidate that says anything.")
    return chunks


def _well_formed(candidates: Any) -> bool:
    """Whether candidates can be read; Google leaves out what is empty."""
    return candidates is None or (isinstance(candidates, list) and all(isinstance(one, dict) for one in candidates))


def _answers(chunk: dict[str, Any]) -> bool:
    """Whether there is an answer: a word on the prompt, a count of tokens, or a candidate that has parts or an end."""
    if chunk.get("promptFeedback") or "totalTokens" in chunk:
        return True
    return any(
        word_of(one.get("finishReason")) or as_list(as_dict(one.get("content")).get("parts"))
        for one in as_list(chunk.get("candidates"))
    )


def _read_odd(body: bytes) -> AnswerFacts:
    """A blocked prompt, a count of tokens, a stream as an array, odd field types, an error in a 200, or none at all."""
    chunks = chunks_of(body)
    found = [as_dict(one) for chunk in chunks for one in as_list(chunk.get("candidates"))]
    words = [word for one in found if (word := word_of(one.get("finishReason")))]
    blocked = next((as_dict(chunk["promptFeedback"]) for chunk in chunks if chunk.get("promptFeedback")), None)
    usage = [usage for chunk in chunks if (usage := usage_of(as_dict(chunk.get("usageMetadata")))) is not None]
    model = next((one for chunk in chunks if (one := as_text(chunk.get("modelVersion")))), "")
    return AnswerFacts(
        id=next((one for chunk in chunks if (one := as_text(chunk.get("responseId")))), ""),
        model=model,
        finish=words[-1] if words else block_word(blocked) if blocked is not None and not found else "",
        usage=served(usage[-1], "", grounding(sum(map(searches_in, found)), model)) if usage else None,
    )


def _usage_in(body: bytes) -> bytes:
    """The usage as it stands in a body; empty where none can be found."""
    try:
        return bytes(_USAGE.decode(body).usageMetadata)
    except BAD_JSON:
        return b""


with_cost = UsageField(NAME, _usage_in).with_cost
"""The cost goes into `usageMetadata`."""
