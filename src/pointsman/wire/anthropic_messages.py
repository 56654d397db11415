"""Dialect `anthropic-messages`, the answers' half: whole answers to core values and back.

Source: the Messages API's answer (https://docs.anthropic.com/en/api/messages). `input_tokens` leaves the cache out,
the core's `input` does not; so reading adds and writing subtracts. Server tools, citations and other blocks that no
other dialect has stay opaque, in place.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.chat import (
    Answer,
    Block,
    Choice,
    Dropped,
    Encoded,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from pointsman.core.errors import UpstreamGarbage
from pointsman.core.usage import Usage
from pointsman.wire.counts import NoCountError, stated
from pointsman.wire.extras import hint, keep, leftover, own, remembered, remembering
from pointsman.wire.finishes import Finishes
from pointsman.wire.losses import dropped, name_of, only_choice
from pointsman.wire.parse import as_dict, loads_object
from pointsman.wire.raw import items_of, object_of, rest, text_in, text_of, value_of, whole_object
from pointsman.wire.refusals import refusal_in

DIALECT = "anthropic-messages"

_KNOWN = frozenset({"id", "type", "role", "model", "content", "stop_reason", "usage"})
_USAGE = "usage"
_FINISHES = Finishes(
    meanings={
        "end_turn": "stop",
        "stop_sequence": "stop",
        "max_tokens": "length",
        "model_context_window_exceeded": "length",
        "tool_use": "tool_calls",
        "refusal": "refusal",
        "pause_turn": "pause",
    },
    words={
        "stop": "end_turn",
        "length": "max_tokens",
        "tool_calls": "tool_use",
        "content_filter": "refusal",
        "refusal": "refusal",
        "pause": "pause_turn",
        "error": "end_turn",
    },
)


def decode_answer(body: bytes) -> Answer:
    """An answer in no dialect.

    Raises:
        UpstreamGarbage: not an answer of this dialect.
        UpstreamRefused: an error in a 200.
    """
    fields = whole_object(body)
    content = items_of(fields.get("content")) if fields is not None else None
    if fields is None or content is None:
        refused = refusal_in(loads_object(body, "answer"), body)
        raise refused or UpstreamGarbage("The provider's answer has no list `content`.")
    word = text_of(fields.get("stop_reason"))
    hints = {_USAGE: fields["usage"]} if "usage" in fields else {}
    model = text_in(fields, "model")
    choice = Choice(
        blocks=tuple(_read_block(raw) for raw in content),
        finish=_FINISHES.meaning(word),
        finish_raw=word or "",
    )
    return Answer(
        id=text_in(fields, "id"),
        model=model,
        choices=(choice,),
        usage=_read_usage(value_of(fields.get("usage"))),
        extras=keep(DIALECT, rest(fields, _KNOWN), model=model, hints=hints),
    )


def _read_block(raw: msgspec.Raw) -> Block:
    """A content block. Where its usual form would not say the same, its own form is kept beside it."""
    block = _block(raw)
    return block if isinstance(block, Opaque) else remembering(block, raw, _write_block(block), DIALECT)


def _block(raw: msgspec.Raw) -> Block:
    fields = object_of(raw) or {}
    kind = text_in(fields, "type")
    if kind == "text":
        return Text(text=text_in(fields, "text"), extras=leftover(DIALECT, fields, "text"))
    if kind == "thinking":
        return Reasoning(
            text=text_in(fields, "thinking"),
            signature=text_in(fields, "signature"),
            extras=leftover(DIALECT, fields, "thinking", "signature"),
        )
    if kind == "redacted_thinking":
        return Reasoning(encrypted=text_in(fields, "data"), extras=leftover(DIALECT, fields, "data"))
    if kind == "tool_use":
        return ToolCall(
            id=text_in(fields, "id"),
            name=text_in(fields, "name"),
            arguments=bytes(fields["input"]).decode() if "input" in fields else "{}",
            extras=leftover(DIALECT, fields, "id", "name", "input"),
        )
    return Opaque(dialect=DIALECT, kind=kind, raw=raw)


def _read_usage(raw: Any) -> Usage | None:
    """Normal form: input with cache reads and writes. None where it cannot be known."""
    if not isinstance(raw, dict):
        return None
    thought = as_dict(raw.get("output_tokens_details"))
    try:
        fresh, output = stated(raw.get("input_tokens")), stated(raw.get("output_tokens"))
        read = stated(raw.get("cache_read_input_tokens")) or 0
        write = stated(raw.get("cache_creation_input_tokens")) or 0
        long = stated(as_dict(raw.get("cache_creation")).get("ephemeral_1h_input_tokens")) or 0
        reasoning = stated(thought.get("thinking_tokens"), thought.get("reasoning_tokens")) or 0
    except NoCountError:
        return None
    if fresh is output is None:
        return None
    long = min(long, write)
    return Usage(
        input=(fresh or 0) + read + write,
        cache_read=read,
        cache_write=write - long,
        cache_write_1h=long,
        output=output or 0,
        reasoning=min(reasoning, output or 0),
    )


def encode_answer(answer: Answer) -> Encoded:
    """An answer for a caller; further choices and what only other dialects know are dropped by name."""
    choice, lost = only_choice(answer, DIALECT)
    fields: dict[str, Any] = {
        "id": answer.id,
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": _write_blocks(choice.blocks, lost),
        "stop_reason": _FINISHES.word(choice),
        "stop_sequence": None,
        "usage": _write_usage(answer),
    }
    return Encoded(body=msgspec.json.encode({**fields, **own(answer.extras, DIALECT)}), dropped=tuple(lost))


def _write_blocks(blocks: tuple[Block, ...], lost: list[Dropped]) -> list[Any]:
    written = []
    for at, block in enumerate(blocks):
        lost += dropped(block.extras, DIALECT, f"content[{at}]")
        value = remembered(block, _read_block, DIALECT) or _write_block(block)
        if value is None:
            lost.append(Dropped(path=f"content[{at}]", reason=f"no block for `{name_of(block)}`"))
        else:
            written.append(value)
    return written


def _write_block(block: Block) -> Any:
    """A block in its usual form; None if this dialect has none for it in an answer."""
    match block:
        case Text(text=text) | Refusal(text=text):
            value: dict[str, Any] = {"type": "text", "text": text}
        case Reasoning(encrypted=data) if data:
            value = {"type": "redacted_thinking", "data": data}
        case Reasoning(text=text, signature=signature):
            value = {"type": "thinking", "thinking": text, "signature": signature}
        case ToolCall(id=call, name=name, arguments=arguments):
            value = {"type": "tool_use", "id": call, "name": name, "input": _input(arguments)}
        case Opaque(dialect=dialect, raw=raw) if dialect == DIALECT:
            return raw
        case _:
            return None
    return {**value, **own(block.extras, DIALECT)}


def _input(arguments: str) -> msgspec.Raw:
    """Arguments as an object; text that is none (a model's slip) stays readable under one name."""
    raw = msgspec.Raw(arguments.strip().encode() or b"{}")
    return raw if object_of(raw) is not None else msgspec.Raw(msgspec.json.encode({"arguments": arguments}))


def _write_usage(answer: Answer) -> Any:
    raw = hint(answer.extras, DIALECT, _USAGE)
    if raw is not None and _read_usage(value_of(raw)) == answer.usage:
        return raw
    usage = answer.usage or Usage()
    write = usage.cache_write + usage.cache_write_1h
    return {
        "input_tokens": usage.input - usage.cache_read - write,
        "cache_creation_input_tokens": write,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.output,
    }
