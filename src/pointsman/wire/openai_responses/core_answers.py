"""Whole answers as core answers."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from pointsman.core.chat import Answer, Block, Choice, Finish, Opaque, Reasoning, Refusal, Text, ToolCall
from pointsman.core.dialects import RESPONSES
from pointsman.core.errors import UpstreamGarbage
from pointsman.core.usage import Usage
from pointsman.wire.openai_responses.answer import usual, word_of
from pointsman.wire.openai_responses.content import read_part
from pointsman.wire.openai_responses.core_items import read_image, read_reasoning
from pointsman.wire.openai_responses.stream_events import sound
from pointsman.wire.openai_responses.tools import read_call
from pointsman.wire.openai_responses.unstreamed import answer_fields
from pointsman.wire.openai_responses.usage import usage_of
from pointsman.wire.parse import as_dict, as_text
from pointsman.wire.raw import Fields, dump, list_of, object_of, rest, text_in, text_of, value_of
from pointsman.wire.services import fees_in_items, served, service_of
from pointsman.wire.tool_names import made_id
from pointsman.wire.trip import Outgoing

_REASONS: dict[str, Finish] = {"content_filter": "content_filter"}
_UNFINISHED = frozenset({"queued", "in_progress"})


class Place(NamedTuple):
    """Where a block stands in its item: the kind of part, and which of them."""

    kind: str
    number: int = 0


class Item(NamedTuple):
    """An output item: its blocks by place, and the log probabilities of its text."""

    blocks: dict[Place, Block]
    logprobs: list[msgspec.Raw]


class _Head(NamedTuple):
    """A response but for its items."""

    id: str
    model: str
    created: int
    status: str
    word: str
    thought: str
    usage: Usage | None
    output: list[msgspec.Raw]


def read_whole(body: bytes, outgoing: Outgoing) -> Answer:
    """An answer in no dialect. Raises as `port.ProviderSide.read_whole`."""
    head = _head(sound(body))
    if head.status in _UNFINISHED and not head.output:
        raise UpstreamGarbage(f"The provider's answer is not there yet: it is `{head.status}`.")
    maker = maker_of(head.model)
    blocks: list[Block] = []
    logprobs: list[msgspec.Raw] = []
    if head.thought:  # mistral.rs: thinking beside the items, where others have the wish for it
        blocks.append(Reasoning(text=head.thought, maker=maker))
    for at, raw in enumerate(head.output):
        item = read_item(raw, at, maker, outgoing)
        blocks += item.blocks.values()
        logprobs += item.logprobs
    choice = Choice(
        blocks=tuple(blocks),
        finish=meaning(head.status, head.word, calls=any(isinstance(block, ToolCall) for block in blocks)),
        finish_raw=head.word,
        logprobs=dump({"content": logprobs}) if logprobs else None,
    )
    return Answer(id=head.id, model=head.model, created=head.created, choices=(choice,), usage=head.usage)


def _head(body: bytes) -> _Head:
    found = usual(body)
    if found is not None:
        answer, usage = found
        status = answer.status or ""
        return _Head(
            id=answer.id or "",
            model=answer.model or "",
            created=created_of(answer.created_at),
            status=status,
            word=word_of(status, answer.reason),
            thought=text_of(answer.reasoning) or "",
            usage=usage,
            output=answer.output,
        )
    fields = answer_fields(body)
    counted = value_of(fields.get("usage"))
    output = list_of(fields.get("output"))
    used = usage_of(counted) if isinstance(counted, dict) and counted else None
    return _Head(
        id=text_in(fields, "id"),
        model=text_in(fields, "model"),
        created=created_of(value_of(fields.get("created_at"))),
        status=text_in(fields, "status"),
        word=word_in(fields),
        thought=text_in(fields, "reasoning"),
        usage=served(used, service_of(value_of(fields.get("service_tier"))), fees_in_items(output)),
        output=output,
    )


def maker_of(model: str) -> str:
    """Whose thinking it is."""
    return f"{RESPONSES}/{model}" if model else RESPONSES


def created_of(value: Any) -> int:
    """When it was made, in seconds; 0 where unknown."""
    return int(value) if isinstance(value, int | float) and 0 < value < 1 << 53 else 0


def word_in(fields: Fields) -> str:
    """The provider's word for how a response ended."""
    reason = as_text(as_dict(value_of(fields.get("incomplete_details"))).get("reason"))
    return word_of(text_in(fields, "status"), reason)


def meaning(status: str, word: str, *, calls: bool) -> Finish | None:
    """What the provider's word means; None before the end."""
    if status == "incomplete":
        return _REASONS.get(word, "length")
    if status in _UNFINISHED:
        return None
    if status == "cancelled":
        return "error"  # cut off, and no end
    return "tool_calls" if calls else "stop"


def read_item(raw: msgspec.Raw, at: int, maker: str, outgoing: Outgoing) -> Item:
    """An output item; what runs at the provider, and what this module does not know, stays opaque, in place."""
    fields = object_of(raw) or {}
    kind = text_in(fields, "type")
    if kind == "message":
        return _message(fields)
    blocks: dict[Place, Block]
    if kind == "reasoning":
        thoughts = read_reasoning(fields, maker)
        blocks = {Place("summary" if block.summary else "content"): block for block in thoughts}
    elif kind == "function_call":
        call = read_call(rest(fields, ("namespace",)), kind, bool)
        name = outgoing.tool_names.get(call.name, call.name)
        call_id = call.id or made_id(call.name + call.arguments, at)
        blocks = {Place("call"): msgspec.structs.replace(call, name=name, id=call_id)}
    else:
        image = read_image(fields) if kind == "image_generation_call" else None
        blocks = {Place("whole"): image or Opaque(dialect=RESPONSES, kind=kind, raw=raw)}
    return Item(blocks, [])


def _message(fields: Fields) -> Item:
    """The parts of a message, empty ones left out."""
    blocks: dict[Place, Block] = {}
    logprobs: list[msgspec.Raw] = []
    for index, raw in enumerate(list_of(fields.get("content"))):
        block = read_part(raw)
        if isinstance(block, Text):
            found = object_of(raw) or {}
            logprobs += list_of(found.get("logprobs")) if "logprobs" in found else ()
        if not isinstance(block, Text | Refusal) or block.text:
            blocks[Place("part", index)] = block
    return Item(blocks, logprobs)
