"""Chat messages as core messages, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from pointsman.core.chat import (
    Block,
    Dropped,
    Media,
    Message,
    Opaque,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from pointsman.core.errors import InvalidRequest
from pointsman.wire.cache_marks import NAME as MARK
from pointsman.wire.cache_marks import read_mark
from pointsman.wire.extras import keep
from pointsman.wire.losses import dropped, name_of
from pointsman.wire.openai_chat import custom, reasoning
from pointsman.wire.openai_chat.checks import check_message
from pointsman.wire.openai_chat.core_parts import SEAL, read_call, read_part, write_call, write_part
from pointsman.wire.openai_chat.request import DIALECT
from pointsman.wire.raw import Fields, list_of, object_of, rest, text_in, text_of
from pointsman.wire.tool_names import CHAT_ID, PLAIN_NAME, Grammar, fitted_id, fitted_names

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_KNOWN = frozenset({"role", "content", "refusal", "tool_calls", "function_call", "name", MARK, *reasoning.NAMES})
_KNOWN_RESULT = frozenset({"role", "content", "tool_call_id", "name", MARK})
_EMPTY = frozenset({b"null", b"[]"})


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """How messages are to be written for one provider.

    Attributes:
        names: tools' names at the caller, to those that the provider takes, where they differ.
        marks: it takes cache marks.
        ids: what ids of calls may look like.
        more: it takes names of speakers.
        thoughts: it takes thoughts of earlier turns.
        seals: it takes a Gemini's signatures on calls.
        prefix: an answer that the caller has begun has to be marked as such.
    """

    names: Mapping[str, str] = msgspec.field(default_factory=dict)
    marks: bool = False
    ids: Grammar = CHAT_ID
    more: bool = True
    thoughts: bool = False
    seals: bool = False
    prefix: bool = False


class _Plain(msgspec.Struct, forbid_unknown_fields=True):
    """A message that is a role and a text, as most are: read by compiled code, whole conversations at once."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str


_PLAINS = msgspec.json.Decoder(list[_Plain])


def read_messages(raw: msgspec.Raw | None) -> tuple[Message, ...]:
    """The messages of a request. Raises as `read_message`."""
    if raw is None:
        return ()
    try:
        plain = _PLAINS.decode(raw)
    except (ValueError, RecursionError):
        return tuple([read_message(one, f"messages[{at}]") for at, one in enumerate(list_of(raw))])
    return tuple([Message(role=one.role, blocks=(Text(text=one.content),) if one.content else ()) for one in plain])


def read_message(raw: msgspec.Raw, path: str) -> Message:
    """A message of a request.

    Raises:
        InvalidRequest: no object, of no known role, or with a field that cannot be read.
    """
    fields = object_of(raw)
    role = text_of(fields.get("role")) if fields is not None else None
    if fields is None or role not in _ROLES:
        raise InvalidRequest(
            f"`{path}.role` has to be one of {', '.join(sorted(_ROLES))}.", param=f"{path}.role" if fields else path
        )
    check_message(fields, path)
    if _ROLES[role] == "tool":
        return _result(fields)
    return Message(
        role=_ROLES[role],
        blocks=_marked(tuple([custom.read_call(block) for block in read_blocks(fields)]), fields),
        name=text_in(fields, "name"),
        extras=keep(DIALECT, _others(fields, _KNOWN)),
    )


def _others(fields: Fields, known: frozenset[str]) -> Fields:
    """What only chat understands of a message. Clients send an answer's empty fields back with it; they say nothing."""
    return {name: raw for name, raw in rest(fields, known).items() if bytes(raw) not in _EMPTY}


def _marked(blocks: tuple[Block, ...], fields: Fields) -> tuple[Block, ...]:
    """A cache mark on the message counts for its last block."""
    mark = read_mark(fields.get(MARK))
    if not mark or not blocks:
        return blocks
    return (*blocks[:-1], msgspec.structs.replace(blocks[-1], cache=mark))


def _result(fields: Fields) -> Message:
    result = ToolResult(
        call_id=text_in(fields, "tool_call_id") or text_in(fields, "name"),
        content=tuple(read_content(fields.get("content"))),
        name=text_in(fields, "name"),
        cache=read_mark(fields.get(MARK)),
    )
    return Message(role="tool", blocks=(result,), extras=keep(DIALECT, _others(fields, _KNOWN_RESULT)))


def read_blocks(fields: Fields) -> tuple[Block, ...]:
    """The blocks of a message, of a request or an answer, in this order: reasoning, content, refusal, calls."""
    blocks: list[Block] = [*reasoning.read_reasoning(fields), *read_content(fields.get("content"))]
    refusal = text_of(fields.get("refusal"))
    if refusal:
        blocks.append(Refusal(text=refusal))
    if "tool_calls" in fields:
        blocks += [read_call(raw) for raw in list_of(fields["tool_calls"])]
    old = object_of(fields.get("function_call"))
    if old and (name := text_in(old, "name")):  # Snowflake sends one without a name beside every answer
        blocks.append(ToolCall(id=name, name=name, arguments=text_in(old, "arguments") or "{}"))
    return tuple(blocks)


def read_content(raw: msgspec.Raw | None) -> list[Block]:
    """`content`: a text, or a list of parts."""
    text = text_of(raw)
    if text is not None:
        return [Text(text=text)] if text else []
    return [read_part(item) for item in list_of(raw)]


def write_messages(message: Message, style: Style, lost: list[Dropped], path: str) -> list[Any]:
    """A core message as chat messages.

    Each tool result becomes one of its own, before the rest of its turn. Chat takes nothing but text in a result, so
    that what else there is (a screenshot) follows as the user's.
    """
    lost += dropped(message.extras, DIALECT, path)
    results = [block for block in message.blocks if isinstance(block, ToolResult)]
    if not results:
        return [_write_message(message.role, message.name, message.blocks, style, lost, path)]
    written = [_write_result(block, style, lost, path) for block in results]
    shown = [part for result in results for part in result.content if isinstance(part, Media)]
    others = (*shown, *(block for block in message.blocks if not isinstance(block, ToolResult)))
    if others:
        role: Role = "user" if message.role == "tool" else message.role
        written.append(_write_message(role, message.name, others, style, lost, path))
    return written


def _write_message(
    role: Role, name: str, blocks: tuple[Block, ...], style: Style, lost: list[Dropped], path: str
) -> dict[str, Any]:
    # `developer` is understood by OpenAI alone, which takes `system` for it.
    fields: dict[str, Any] = {"role": "system" if role == "developer" else role}
    fields["content"] = _write_content(blocks, style, lost, path)
    if name and style.more:
        fields["name"] = name
    elif name:
        lost.append(Dropped(path=f"{path}.name", reason="no names of speakers"))
    if role != "assistant":
        fields["content"] = fields["content"] or ""
        return fields
    calls = _write_calls(blocks, style, lost, path)
    if calls:
        fields["tool_calls"] = calls
    thoughts = [block for block in blocks if isinstance(block, Reasoning)]
    if thoughts and style.thoughts:
        _write_reasoning(fields, thoughts, lost, path)
    elif thoughts:
        lost.append(Dropped(path=f"{path}.thinking", reason="no thinking of earlier turns"))
    if fields["content"] is None and not calls:
        fields["content"] = ""
    return fields


def _write_reasoning(fields: dict[str, Any], thoughts: list[Reasoning], lost: list[Dropped], path: str) -> None:
    text = "".join(block.text for block in thoughts)
    if text:
        fields["reasoning_content"] = text
    if any(block.signature or block.encrypted for block in thoughts):
        lost.append(Dropped(path=f"{path}.thinking", reason="signatures are of use only to the model that made them"))


def _write_calls(blocks: tuple[Block, ...], style: Style, lost: list[Dropped], path: str) -> list[Any]:
    calls: list[Any] = []
    for block in blocks:
        if isinstance(block, ToolCall):
            name = style.names.get(block.name) or _fitted(block.name)
            calls.append(write_call(block, style.ids, name=name, seals=style.seals))
            if block.extras:
                unsaid = dropped(block.extras, DIALECT, path)
                lost += [one for one in unsaid if not style.seals or not one.path.endswith(SEAL)]
        elif isinstance(block, Opaque) and _is_call(block):
            calls.append(block.raw)
    return calls


def _fitted(name: str) -> str:
    """The name of a tool that is no longer offered, as chat allows it."""
    return fitted_names((name,), PLAIN_NAME).get(name, name)


def _is_call(block: Block) -> bool:
    return isinstance(block, Opaque) and block.dialect == DIALECT and block.kind == "tool_call"


def _write_result(result: ToolResult, style: Style, lost: list[Dropped], path: str) -> dict[str, Any]:
    texts = tuple(block for block in result.content if not isinstance(block, Media))
    content = _write_content(texts, style, lost, path)
    if content is None:
        content = "(no text)" if result.content else ""
    if result.extras:
        lost += dropped(result.extras, DIALECT, path)
    if result.is_error:  # chat has no mark for a tool that failed
        content = f"Error: {content}" if isinstance(content, str) else [{"type": "text", "text": "Error:"}, *content]
    return {"role": "tool", "tool_call_id": fitted_id(result.call_id, style.ids), "content": content}


def _write_content(blocks: tuple[Block, ...], style: Style, lost: list[Dropped], path: str) -> Any:
    """`content`: a string for one plain text, null for nothing, else a list of parts."""
    parts: list[Any] = []
    texts: list[str] = []
    for block in blocks:
        if isinstance(block, Reasoning | ToolCall | ToolResult) or _is_call(block):
            continue
        if block.extras:
            lost += dropped(block.extras, DIALECT, path)
        part = write_part(block, marks=style.marks)
        if part is None:
            lost.append(Dropped(path=f"{path}.content", reason=f"chat has no place for `{name_of(block)}`"))
            continue
        parts.append(part)
        if isinstance(block, Text) and not (style.marks and block.cache):
            texts.append(block.text)
    if not parts:
        return None
    return texts[0] if len(texts) == len(parts) == 1 else parts
