"""Dialect `openai-responses`, the answers' half: whole answers to core values and back.

Source: the Responses API's answer object (https://platform.openai.com/docs/api-reference/responses/object). Output
items become blocks in their order: a message's parts, reasoning (summary, encrypted content), function calls; server
tools and every other item stay opaque, in place. Cached tokens and reasoning are parts of their wholes, as in the core.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from pointsman.core.chat import (
    Answer,
    Block,
    Choice,
    Dropped,
    Encoded,
    Finish,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from pointsman.core.errors import UpstreamGarbage
from pointsman.core.usage import Usage
from pointsman.wire.counts import NoCountError, stated
from pointsman.wire.extras import (
    ABSENT,
    hint,
    hints_of,
    keep,
    leftover,
    own,
    remembered,
    remembering,
    shaped,
)
from pointsman.wire.losses import dropped, name_of, only_choice
from pointsman.wire.parse import as_dict, loads_object
from pointsman.wire.raw import (
    Fields,
    dump,
    items_of,
    list_of,
    object_of,
    rest,
    same,
    text_in,
    text_of,
    value_of,
    whole_object,
)
from pointsman.wire.refusals import refusal_in

DIALECT = "openai-responses"

_KNOWN = frozenset({"id", "model", "created_at", "output", "usage", "status", "object", "incomplete_details"})
_KEPT = ("created_at", "usage", "status", "object", "incomplete_details")  # kept as written beside their meaning
_ITEM = "item"
_REASONS: dict[str, Finish] = {"max_output_tokens": "length", "content_filter": "content_filter"}


def decode_answer(body: bytes) -> Answer:
    """An answer in no dialect.

    Raises:
        UpstreamGarbage: not an answer of this dialect.
        UpstreamRefused: an error in a 200 (`status` failed).
    """
    refused = refusal_in(loads_object(body, "answer"), body)
    if refused is not None:
        raise refused
    fields = whole_object(body)
    output = items_of(fields.get("output")) if fields is not None else None
    if fields is None or output is None:
        raise UpstreamGarbage("The provider's answer has no list `output`.")
    blocks = tuple(block for raw in output for block in _read_item(raw))
    finish, word = _finish(fields, blocks)
    hints = {name: fields.get(name, ABSENT) for name in _KEPT}
    model = text_in(fields, "model")
    return Answer(
        id=text_in(fields, "id"),
        model=model,
        created=_created(fields),
        choices=(Choice(blocks=blocks, finish=finish, finish_raw=word),),
        usage=_usage_in(fields.get("usage")),
        extras=keep(DIALECT, rest(fields, _KNOWN), model=model, hints=hints),
    )


def _created(fields: Fields) -> int:
    value = value_of(fields.get("created_at"))
    return int(value) if isinstance(value, int | float) and 0 < value < 1 << 53 else 0


def _finish(fields: Fields, blocks: tuple[Block, ...]) -> tuple[Finish | None, str]:
    """How it ended, and the provider's word for it: the reason where incomplete, else the status."""
    status = text_in(fields, "status")
    if status == "incomplete":
        reason = text_in(object_of(fields.get("incomplete_details")) or {}, "reason")
        return _REASONS.get(reason, "length"), reason or status
    if status in ("queued", "in_progress"):
        return None, status
    return ("tool_calls" if any(isinstance(block, ToolCall) for block in blocks) else "stop"), status


def _read_item(raw: msgspec.Raw) -> list[Block]:
    fields = object_of(raw) or {}
    kind = text_in(fields, "type")
    if kind == "message":
        blocks = _message(fields)
        if blocks is not None and same(raw, next(iter(_write_items(tuple(blocks), [])), None)):
            return blocks
        return [Opaque(dialect=DIALECT, kind=kind, raw=raw)]
    return [_read_single(raw)]


def _read_single(raw: msgspec.Raw) -> Block:
    """An item that is one block. Where its usual form would not say the same, its own form is kept beside it."""
    fields = object_of(raw) or {}
    kind = text_in(fields, "type")
    if kind not in _ITEMS:
        return Opaque(dialect=DIALECT, kind=kind, raw=raw)
    block = _ITEMS[kind](fields)
    return remembering(block, raw, _write_item(block), DIALECT)


def _message(fields: Fields) -> list[Block] | None:
    """A message's parts; None where one of them is of no known kind. Each part remembers its item."""
    item = dump(rest(fields, ("content",)))
    blocks: list[Block] = []
    for raw in list_of(fields.get("content")):
        part = object_of(raw) or {}
        kind = text_of(part.get("type"))
        name = "text" if kind == "output_text" else "refusal"
        text = text_of(part.get(name))
        if kind not in ("output_text", "refusal") or text is None:
            return None
        extras = keep(DIALECT, rest(part, ("type", name)), hints={_ITEM: item})
        blocks.append(Text(text=text, extras=extras) if name == "text" else Refusal(text=text, extras=extras))
    return blocks


def _reasoning(fields: Fields) -> Reasoning:
    """Reasoning: its summary, else its text, and what only the provider can read."""
    parts = [object_of(raw) or {} for raw in list_of(fields.get("summary"))]
    full = [object_of(raw) or {} for raw in list_of(fields.get("content"))]
    return Reasoning(
        text="\n\n".join(text_in(part, "text") for part in parts or full),
        encrypted=text_in(fields, "encrypted_content"),
        summary=bool(parts),
        extras=leftover(DIALECT, fields, "summary", "content", "encrypted_content"),
    )


def _call(fields: Fields) -> ToolCall:
    return ToolCall(
        id=text_in(fields, "call_id"),
        name=text_in(fields, "name"),
        arguments=text_in(fields, "arguments"),
        extras=leftover(DIALECT, fields, "call_id", "name", "arguments"),
    )


_ITEMS: dict[str, Callable[[Fields], Block]] = {"reasoning": _reasoning, "function_call": _call}


def _usage_in(raw: msgspec.Raw | None) -> Usage | None:
    """Normal form, which has the same sums. None where it cannot be known."""
    value = value_of(raw)
    if not isinstance(value, dict):
        return None
    seen, said = as_dict(value.get("input_tokens_details")), as_dict(value.get("output_tokens_details"))
    try:
        total, output = stated(value.get("input_tokens")), stated(value.get("output_tokens"))
        read, write = stated(seen.get("cached_tokens")) or 0, stated(seen.get("cache_write_tokens")) or 0
        reasoning = stated(said.get("reasoning_tokens")) or 0
    except NoCountError:
        return None
    if total is output is None:
        return None
    total, output = total or 0, output or 0
    read = min(read, total)
    return Usage(
        input=total,
        cache_read=read,
        cache_write=min(write, total - read),
        output=output,
        reasoning=min(reasoning, output),
    )


def encode_answer(answer: Answer) -> Encoded:
    """An answer for a caller; further choices and what only other dialects know are dropped by name."""
    choice, lost = only_choice(answer, DIALECT)
    fields = _head(answer, choice) | {"output": _write_items(choice.blocks, lost)}
    if answer.usage is not None:
        fields["usage"] = _write_usage(answer.usage)
    extras = own(answer.extras, DIALECT)
    body = msgspec.json.encode({**shaped(fields, hints_of(answer.extras, DIALECT)), **extras})
    if any(extra.dialect == DIALECT for extra in answer.extras) and decode_answer(body) != answer:
        body = msgspec.json.encode({**fields, **extras})
    return Encoded(body=body, dropped=tuple(lost))


def _head(answer: Answer, choice: Choice) -> dict[str, Any]:
    """Everything but output and usage, in its usual shape."""
    fields: dict[str, Any] = {
        "id": answer.id,
        "object": "response",
        "created_at": answer.created,
        "status": "completed",
        "model": answer.model,
        "incomplete_details": None,
    }
    if choice.finish in ("length", "content_filter"):
        fields["status"] = "incomplete"
        reason = "max_output_tokens" if choice.finish == "length" else "content_filter"
        fields["incomplete_details"] = {"reason": reason}
    return fields


def _write_items(blocks: tuple[Block, ...], lost: list[Dropped]) -> list[Any]:
    """Blocks as output items; neighbouring parts of one message share an item."""
    items: list[Any] = []
    last: msgspec.Raw | None = None
    for at, block in enumerate(blocks):
        lost += dropped(block.extras, DIALECT, f"output[{at}]")
        if isinstance(block, Text | Refusal):
            item = hint(block.extras, DIALECT, _ITEM) or msgspec.Raw(b'{"type":"message","role":"assistant"}')
            if last is None or item != last:
                items.append({**(object_of(item) or {}), "content": []})
            items[-1]["content"].append(_write_part(block))
            last = item
            continue
        last = None
        value = remembered(block, _read_single, DIALECT) or _write_item(block)
        if value is None:
            lost.append(Dropped(path=f"output[{at}]", reason=f"no item for `{name_of(block)}`"))
        else:
            items.append(value)
    return items


def _write_part(block: Text | Refusal) -> dict[str, Any]:
    extras = own(block.extras, DIALECT)
    if isinstance(block, Refusal):
        return {"type": "refusal", "refusal": block.text, **extras}
    if hint(block.extras, DIALECT, _ITEM) is None:
        extras.setdefault("annotations", msgspec.Raw(b"[]"))
    return {"type": "output_text", "text": block.text, **extras}


def _write_item(block: Block) -> Any:
    """A block as an output item in its usual form; None if there is none for it."""
    match block:
        case Reasoning(text=text, encrypted=encrypted):
            summary = [{"type": "summary_text", "text": text}] if text else []
            value: dict[str, Any] = {"type": "reasoning", "summary": summary}
            value |= {"encrypted_content": encrypted} if encrypted else {}
        case ToolCall(id=call, name=name, arguments=arguments):
            value = {"type": "function_call", "call_id": call, "name": name, "arguments": arguments}
        case Opaque(dialect=dialect, raw=raw) if dialect == DIALECT:
            return raw
        case _:
            return None
    return {**value, **own(block.extras, DIALECT)}


def _write_usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cache_read},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total,
    }
