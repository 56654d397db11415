"""Custom tools of callers as the functions that stand for them, and calls of those as the caller's own again."""

from __future__ import annotations

from typing import Any

from pointsman.core.chat import Block, Opaque, Tool, ToolCall
from pointsman.core.dialects import CHAT, RESPONSES
from pointsman.wire.custom_tools import INPUT_SCHEMA, arguments_of, free_text, with_grammar
from pointsman.wire.extras import keep
from pointsman.wire.raw import Fields, dump, list_of, object_of, text_in, text_of

_KIND = "custom"
_MARK = b'"custom"'


def read_tool(fields: Fields) -> Tool | None:
    """A custom tool; None where it is something else. Responses says what its grammar is in almost the same words."""
    inner = object_of(fields.get(_KIND))
    name = text_of(inner.get("name")) if inner else None
    if inner is None or not name:
        return None
    words, form = text_in(inner, "description"), object_of(inner.get("format")) or {}
    grammar = object_of(form.get("grammar"))
    extras: Fields = {}
    if grammar is not None:
        words = with_grammar(words, text_in(grammar, "syntax"), text_in(grammar, "definition"))
        extras = {"format": dump({"type": "grammar", **grammar})}
    return Tool(name=name, description=words, schema=INPUT_SCHEMA, extras=keep(RESPONSES, extras))


def read_call(block: Block) -> Block:
    """A call of a custom tool, which had been kept as it is; any other block as it is."""
    if not isinstance(block, Opaque) or block.dialect != CHAT or block.kind != "tool_call":
        return block
    fields = object_of(block.raw) or {}
    inner = object_of(fields.get(_KIND))
    name = text_of(inner.get("name")) if inner else None
    if inner is None or not name:
        return block
    return ToolCall(id=text_in(fields, "id"), name=name, arguments=arguments_of(text_in(inner, "input")))


def names_of(fields: Fields) -> frozenset[str]:
    """The names of the custom tools that a caller offers."""
    tools = fields.get("tools")
    if tools is None or bytes(tools).find(_MARK) < 0:
        return frozenset()
    found = [read_tool(object_of(raw) or {}) for raw in list_of(tools)]
    return frozenset(tool.name for tool in found if tool is not None)


def write_call(call: ToolCall) -> dict[str, Any]:
    """A call as a caller that offers it as a custom tool reads it."""
    return {"id": call.id, "type": _KIND, _KIND: {"name": call.name, "input": free_text(call.arguments)}}
