"""Chat messages as core messages, and back."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.chat import Block, Dropped, Message, Opaque, Reasoning, Refusal, Role, Text, ToolCall, ToolResult
from pointsman.core.errors import InvalidRequest
from pointsman.wire.extras import keep, own, remembered, remembering
from pointsman.wire.losses import dropped, name_of
from pointsman.wire.openai_chat import carry
from pointsman.wire.openai_chat.core_parts import read_call, read_part, write_call, write_part
from pointsman.wire.openai_chat.request import DIALECT
from pointsman.wire.raw import Fields, list_of, object_of, rest, text_in, text_of

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_KNOWN = frozenset(
    {"role", "content", "refusal", "tool_calls", "reasoning_content", carry.THINKING, carry.BLOCKS, "name"}
)
_KNOWN_RESULT = frozenset({"role", "content", "tool_call_id", "name"})


def read_message(raw: msgspec.Raw, path: str) -> Message:
    """A message of a request.

    Raises:
        InvalidRequest: no object, or of no known role.
    """
    fields = object_of(raw)
    role = text_of(fields.get("role")) if fields is not None else None
    if fields is None or role not in _ROLES:
        raise InvalidRequest(
            f"`{path}.role` has to be one of {', '.join(sorted(_ROLES))}.", param=f"{path}.role" if fields else path
        )
    if _ROLES[role] == "tool":
        message = _result(fields)
    else:
        message = Message(
            role=_ROLES[role],
            blocks=read_blocks(fields),
            name=text_in(fields, "name"),
            extras=keep(DIALECT, rest(fields, _KNOWN)),
        )
    plain = len(fields) == 2 and bool(text_of(fields.get("content")))
    if plain or carry.BLOCKS in fields:
        return message
    return remembering(message, raw, write_message(message, []), DIALECT)


def _result(fields: Fields) -> Message:
    result = ToolResult(
        call_id=text_in(fields, "tool_call_id"),
        content=tuple(_content(fields.get("content"))),
        name=text_in(fields, "name"),
    )
    return Message(role="tool", blocks=(result,), extras=keep(DIALECT, rest(fields, _KNOWN_RESULT)))


def read_blocks(fields: Fields) -> tuple[Block, ...]:
    """The blocks of a message, of a request or an answer, in this order: reasoning, content, refusal, calls."""
    thinking = carry.read_thinking(fields.get(carry.THINKING))
    calls = [read_call(raw) for raw in list_of(fields.get("tool_calls"))]
    if carry.BLOCKS in fields:
        content = text_in(fields, "content")
        restored = carry.restore(fields[carry.BLOCKS], content, calls, thinking)
        if restored is not None:
            return restored
    blocks = thinking or _reasoning(fields)
    blocks += _content(fields.get("content"))
    refusal = text_of(fields.get("refusal"))
    if refusal:
        blocks.append(Refusal(text=refusal))
    blocks += calls
    old = object_of(fields.get("function_call"))
    if old:
        blocks.append(ToolCall(id="", name=text_in(old, "name"), arguments=text_in(old, "arguments") or "{}"))
    return tuple(blocks)


def _reasoning(fields: Fields) -> list[Block]:
    """Reasoning under either of its plain names; `reasoning_details` stays an extra field beside them."""
    for name in ("reasoning_content", "reasoning"):
        text = text_of(fields.get(name))
        if text:
            return [Reasoning(text=text)]
    return []


def _content(raw: msgspec.Raw | None) -> list[Block]:
    text = text_of(raw)
    if text is not None:
        return [Text(text=text)] if text else []
    return [read_part(item) for item in list_of(raw)]


def write_message(message: Message, lost: list[Dropped], path: str = "") -> Any:
    """A message of a request as one chat message; tool results have to stand alone (see `write_messages`)."""
    raw = remembered(message, lambda raw: read_message(raw, path), DIALECT)
    if raw is not None:
        return raw
    lost += dropped(message.extras, DIALECT, path)
    extras = own(message.extras, DIALECT)
    if len(message.blocks) == 1 and isinstance(message.blocks[0], ToolResult):
        return {**_write_result(message.blocks[0], lost, path), **extras}
    fields: dict[str, Any] = {"role": message.role, "content": _write_content(message.blocks, lost, path)}
    fields |= {"name": message.name} if message.name else {}
    reasoning = "".join(block.text for block in message.blocks if isinstance(block, Reasoning))
    fields |= {"reasoning_content": reasoning} if reasoning and "reasoning" not in extras else {}
    if any(block.signature or block.encrypted for block in message.blocks if isinstance(block, Reasoning)):
        lost.append(Dropped(path=f"{path}.thinking", reason="signatures are of use only to the model that made them"))
    calls = _write_calls(message.blocks)
    fields |= {"tool_calls": calls} if calls else {}
    return {**fields, **extras}


def write_messages(message: Message, lost: list[Dropped], path: str) -> list[Any]:
    """A core message as chat messages: each tool result becomes one of its own, before the rest of its turn."""
    results = [block for block in message.blocks if isinstance(block, ToolResult)]
    if not results or len(message.blocks) == 1:
        return [write_message(message, lost, path)]
    written = [_write_result(block, lost, path) for block in results]
    others = tuple(block for block in message.blocks if not isinstance(block, ToolResult))
    if others:
        role: Role = "user" if message.role == "tool" else message.role
        written.append(write_message(msgspec.structs.replace(message, role=role, blocks=others), lost, path))
    return written


def _write_result(result: ToolResult, lost: list[Dropped], path: str) -> dict[str, Any]:
    lost += dropped(result.extras, DIALECT, path)
    fields = {"role": "tool", "tool_call_id": result.call_id, "content": _write_content(result.content, lost, path)}
    if result.name:
        fields["name"] = result.name
    if fields["content"] is None:
        fields["content"] = ""
    return fields


def _write_content(blocks: tuple[Block, ...], lost: list[Dropped], path: str) -> Any:
    """`content`: a string for one plain text, null for nothing, else a list of parts."""
    shown = [block for block in blocks if not isinstance(block, Reasoning | ToolCall | ToolResult)]
    shown = [block for block in shown if not (isinstance(block, Opaque) and block.kind == "tool_call")]
    parts = []
    for block in shown:
        lost += dropped(block.extras, DIALECT, path)
        part = write_part(block)
        if part is None:
            lost.append(Dropped(path=f"{path}.content", reason=f"chat has no place for `{name_of(block)}`"))
        else:
            parts.append((block, part))
    if not parts:
        return None
    if len(parts) == 1 and isinstance(first := parts[0][0], Text) and not own(first.extras, DIALECT):
        return first.text
    return [part for _, part in parts]


def _write_calls(blocks: tuple[Block, ...]) -> list[Any]:
    calls: list[Any] = []
    for block in blocks:
        if isinstance(block, ToolCall):
            calls.append(write_call(block))
        elif isinstance(block, Opaque) and block.dialect == DIALECT and block.kind == "tool_call":
            calls.append(block.raw)
    return calls
