"""Whole answers of Gemini as core answers, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from pointsman.core.chat import (
    Answer,
    Block,
    Choice,
    Citation,
    Dropped,
    Encoded,
    Event,
    Media,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from pointsman.wire.events import Assembly
from pointsman.wire.extras import keep, own
from pointsman.wire.finishes import declined
from pointsman.wire.gemini.answer import NAME, chunks_of
from pointsman.wire.gemini.core_parts import Style, shown_thought, write_call, write_part
from pointsman.wire.gemini.ends import FINISHES
from pointsman.wire.gemini.gathering import Gathering
from pointsman.wire.gemini.grounding import write_grounding
from pointsman.wire.gemini.logprobs import write_logprobs
from pointsman.wire.gemini.media import shown_media
from pointsman.wire.gemini.names import DIALECT
from pointsman.wire.gemini.seals import RAW_UNSIGNED, SEAL
from pointsman.wire.gemini.usage import write_usage
from pointsman.wire.losses import dropped, name_of
from pointsman.wire.parse import as_count, as_dict, as_list
from pointsman.wire.raw import Fields, dump
from pointsman.wire.trip import Outgoing

_encode = msgspec.json.Encoder().encode
_TAKEN = frozenset({"content", "finishReason", "index", "logprobsResult", "groundingMetadata", "citationMetadata"})
_TOLD = frozenset({"candidates", "usageMetadata", "responseId", "modelVersion", "createTime"})
_LATEST = 253_402_300_799  # the last second that has a date
_PLAIN = Style()


def read_whole(body: bytes, outgoing: Outgoing) -> Answer:
    """An answer in no dialect. Raises as `port.ProviderSide.read_whole`."""
    chunks = chunks_of(body)
    gathering = Gathering(outgoing.tool_names)
    events: list[Event] = []
    for chunk in chunks:
        gathering.take(chunk, events)
    gathering.end(events)
    assembly = Assembly()
    assembly.add(events)
    return _with_extras(assembly.answer(), chunks)


def _with_extras(answer: Answer, chunks: list[dict[str, Any]]) -> Answer:
    """With what only Gemini says of an answer and of its candidates."""
    others: dict[int, Fields] = {}
    top: Fields = {}
    for chunk in chunks:
        top |= {name: dump(value) for name, value in chunk.items() if name not in _TOLD and value is not None}
        for one in as_list(chunk.get("candidates")):
            candidate = as_dict(one)
            left = {name: dump(value) for name, value in candidate.items() if name not in _TAKEN and value is not None}
            if left:
                others.setdefault(as_count(candidate.get("index")), {}).update(left)
    if not others and not top:
        return answer
    choices = [
        msgspec.structs.replace(choice, extras=keep(DIALECT, others[choice.index]))
        if choice.index in others
        else choice
        for choice in answer.choices
    ]
    return msgspec.structs.replace(answer, choices=tuple(choices), extras=keep(DIALECT, top))


def write_answer(answer: Answer) -> Encoded:
    """An answer for a caller, and what Gemini's form cannot say of it."""
    lost = dropped(answer.extras, DIALECT, "")
    fields: dict[str, Any] = {"candidates": [_write_choice(choice, lost) for choice in answer.choices]}
    if answer.usage is not None:
        fields["usageMetadata"] = write_usage(answer.usage)
    fields |= {"modelVersion": answer.model}
    fields |= created_at(answer.created)
    fields |= {"responseId": answer.id} if answer.id else {}
    if not answer.choices:
        fields["promptFeedback"] = {"blockReason": "OTHER"}
    fields |= own(answer.extras, DIALECT)
    mark = NAME if answer.usage is not None else b""
    return Encoded(body=_encode(fields), dropped=tuple(lost), mark=mark)


def created_at(created: int) -> dict[str, Any]:
    """`createTime`, as Google writes times; nothing where there is none."""
    if not 0 < created < _LATEST:
        return {}
    return {"createTime": datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}


def _write_choice(choice: Choice, lost: list[Dropped]) -> dict[str, Any]:
    path = f"candidates[{choice.index}]"
    lost += dropped(choice.extras, DIALECT, path)
    parts: list[Any] = []
    texts: list[str] = []
    citations: list[Citation] = []
    signed = False
    length = 0
    for block in choice.blocks:
        part = show_part(block, lost, path, signs=not signed)
        signed = signed or isinstance(block, ToolCall)
        if isinstance(block, Text):
            citations += [shifted(one, length) for one in block.citations]
            texts.append(block.text)
            length += len(block.text)
        if part is not None:
            parts.append(part)
    content: dict[str, Any] = {"parts": parts, "role": "model"} if parts else {"role": "model"}
    refused = any(isinstance(block, Refusal) and block.text for block in choice.blocks)
    candidate: dict[str, Any] = {"content": content, "finishReason": said_end(choice, refused=refused)}
    candidate["index"] = choice.index
    if citations:
        candidate["groundingMetadata"] = write_grounding(citations, "".join(texts))
    if choice.logprobs is not None and (result := write_logprobs(choice.logprobs)) is not None:
        candidate["logprobsResult"] = result
    lost += unsaid_end(choice.stop_sequence, path)
    return candidate | own(choice.extras, DIALECT)


def said_end(choice: Choice, *, refused: bool) -> str:
    """The word for an end; `refused`: the model has declined in words."""
    ended = msgspec.structs.replace(choice, finish=declined(choice.finish, refused=refused)) if refused else choice
    return FINISHES.word(ended) or "STOP"


def unsaid_end(stop_sequence: str, path: str) -> list[Dropped]:
    """What of an end has no word here."""
    if not stop_sequence:
        return []
    return [Dropped(path=f"{path}.stop_sequence", reason="Gemini does not say which one it was")]


def show_part(block: Block, lost: list[Dropped], path: str, *, signs: bool) -> Any:
    """A block as a part of an answer; None if there is nothing to say.

    `signs`: a call that no Gemini has signed says so, as the first of its step has to, lest a Gemini that goes on with
    this conversation refuses it.
    """
    match block:
        case Reasoning():
            return shown_thought(block)
        case Media():
            part = shown_media(block)
            if part is None:
                lost.append(Dropped(path=path, reason=f"nothing of `{name_of(block)}` can be shown"))
            return part
        case ToolCall():
            return show_call(block, lost, path, signs=signs)
    return write_part(block, _PLAIN, lost, path)


def show_call(call: ToolCall, lost: list[Dropped], path: str, *, signs: bool) -> dict[str, Any]:
    """A call as a part of an answer; see `show_part`."""
    part = write_part(call, _PLAIN, lost, path) if call.extras else write_call(call, _PLAIN)
    if not isinstance(part, dict):
        return {}
    if signs and SEAL not in part:
        part[SEAL] = RAW_UNSIGNED
    return part


def shifted(one: Citation, start: int) -> Citation:
    """A citation of a block, counted from the beginning of the whole text."""
    if not start or not one.end:
        return one
    return msgspec.structs.replace(one, start=one.start + start, end=one.end + start)
