"""Tools that callers offer, and calls of them.

Three kinds that no other dialect knows become functions there, and their calls are turned back: custom tools, whose
input is free text; the local shell; and the functions in a namespace (Codex puts each MCP server's tools into one),
whose names are joined. Nobody has to remember anything: what a name stands for is read again from the caller's request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from pointsman.core.chat import Dropped, Tool, ToolCall
from pointsman.core.dialects import RESPONSES
from pointsman.wire.custom_tools import GRAMMAR, INPUT_SCHEMA, arguments_of, free_text, with_grammar
from pointsman.wire.extras import keep, own
from pointsman.wire.losses import dropped
from pointsman.wire.parse import BAD_JSON, loads
from pointsman.wire.raw import Fields, list_of, object_of, rest, text_in, text_of, value_of

SHELL_SCHEMA = msgspec.Raw(
    b'{"type":"object","properties":{"command":{"type":"array","items":{"type":"string"},"description":"The command '
    b'and its arguments."},"working_directory":{"type":"string"},"timeout_ms":{"type":"integer"}},'
    b'"required":["command"]}'
)
_NO_SCHEMA = msgspec.Raw(b'{"type":"object","properties":{}}')
_SHELL = "local_shell"
_SHELL_WORDS = "Runs a command in a shell on the user's machine and returns its output."
_HARMLESS = ("defer_loading", "async", "allowed_callers", "output_schema")
"""Says how a function may be found and called, which changes nothing where it is offered plainly."""
_SPECIAL = (b'"custom"', b'"local_shell"', b'"namespace"')
_encode = msgspec.json.Encoder().encode


class Kind(NamedTuple):
    """What a function's name stands for at the caller.

    Attributes:
        item: the type of the item that calls it.
        name: as the caller knows it.
        namespace: which it is in; empty for most.
    """

    item: str
    name: str
    namespace: str = ""


def read_tools(raws: Iterable[msgspec.Raw], namespace: str = "") -> list[Tool]:
    """Tools as the core has them; those that run at the provider are kept as they are written."""
    tools: list[Tool] = []
    for raw in raws:
        fields = object_of(raw) or {}
        kind = text_in(fields, "type")
        if kind == "function":
            tools.append(_function(fields, namespace))
        elif kind == "custom":
            tools.append(_custom(fields, namespace))
        elif kind == _SHELL:
            tools.append(Tool(name=_SHELL, description=_SHELL_WORDS, schema=SHELL_SCHEMA))
        elif kind == "namespace":
            tools += read_tools(list_of(fields.get("tools")), text_in(fields, "name"))
        else:
            tools.append(Tool(name=kind, dialect=RESPONSES, raw=raw))
    return tools


def _function(fields: Fields, namespace: str) -> Tool:
    schema = fields.get("parameters")
    strict = value_of(fields.get("strict"))
    known = ("type", "name", "description", "parameters", "strict", *_HARMLESS)
    return Tool(
        name=joined(namespace, text_in(fields, "name")),
        description=text_in(fields, "description"),
        schema=schema if schema is not None and object_of(schema) is not None else _NO_SCHEMA,
        strict=strict if isinstance(strict, bool) else None,
        extras=keep(RESPONSES, rest(fields, known)),
    )


def _custom(fields: Fields, namespace: str) -> Tool:
    """A tool with free text for its input. A grammar cannot be kept to elsewhere, but it can be told."""
    words = text_in(fields, "description")
    form = object_of(fields.get("format")) or {}
    extras = rest(fields, ("type", "name", "description", *_HARMLESS))
    if text_in(form, "type") == "grammar":
        syntax, definition = text_in(form, "syntax"), text_in(form, "definition")
        words = with_grammar(words, syntax, definition)
    else:
        extras.pop("format", None)
    name = joined(namespace, text_in(fields, "name"))
    return Tool(name=name, description=words, schema=INPUT_SCHEMA, extras=keep(RESPONSES, extras))


def joined(namespace: str, name: str) -> str:
    """The name of a function in a namespace, for those who know of none."""
    if not namespace:
        return name
    return f"{namespace}{name}" if namespace.endswith("__") else f"{namespace}__{name}"


def name_of_call(fields: Fields, offered: Callable[[str], bool]) -> str:
    """The joined name of the tool that an item calls. A tool that was searched for has a namespace of its own name."""
    name, namespace = text_in(fields, "name"), text_in(fields, "namespace")
    if not namespace:
        return name
    whole = joined(namespace, name)
    return name if not offered(whole) and offered(name) else whole


def kinds_of(fields: Fields) -> Mapping[str, Kind]:
    """What the names of those tools of a request stand for that are no plain functions."""
    found: dict[str, Kind] = {}
    for raw in _lists(fields):
        if any(bytes(raw).find(name) >= 0 for name in _SPECIAL):
            _kinds(list_of(raw), "", found)
    return found


def _lists(fields: Fields) -> list[msgspec.Raw]:
    """Every list of tools in a request."""
    lists = [fields["tools"]] if "tools" in fields else []
    given = fields.get("input")
    if given is not None and bytes(given).find(b'"additional_tools"') >= 0:
        items = [object_of(raw) or {} for raw in list_of(given)]
        lists += [item["tools"] for item in items if text_in(item, "type") == "additional_tools" and "tools" in item]
    return lists


def _kinds(raws: Iterable[msgspec.Raw], namespace: str, found: dict[str, Kind]) -> None:
    for raw in raws:
        fields = object_of(raw) or {}
        kind, name = text_in(fields, "type"), text_in(fields, "name")
        if kind == "namespace":
            _kinds(list_of(fields.get("tools")), name, found)
        elif kind == "custom":
            found.setdefault(joined(namespace, name), Kind("custom_tool_call", name, namespace))
        elif kind == _SHELL:
            found.setdefault(_SHELL, Kind("local_shell_call", _SHELL))
        elif kind == "function" and namespace:
            found.setdefault(joined(namespace, name), Kind("function_call", name, namespace))


def read_call(fields: Fields, kind: str, offered: Callable[[str], bool]) -> ToolCall:
    """A call of a function, of a custom tool or of the local shell."""
    call_id = text_in(fields, "call_id") or text_in(fields, "id")
    if kind == "custom_tool_call":
        arguments = arguments_of(text_in(fields, "input"))
        return ToolCall(id=call_id, name=name_of_call(fields, offered), arguments=arguments)
    if kind == "local_shell_call":
        action = rest(object_of(fields.get("action")) or {}, ("type",))
        return ToolCall(id=call_id, name=_SHELL, arguments=_encode(action).decode())
    arguments = text_of(fields.get("arguments")) or ""
    if not arguments.strip():
        raw = fields.get("arguments")  # some servers send the object itself
        arguments = bytes(raw).decode() if raw is not None and object_of(raw) is not None else "{}"
    return ToolCall(id=call_id, name=name_of_call(fields, offered), arguments=arguments)


def write_call(call: ToolCall, kind: Kind | None) -> dict[str, Any]:
    """An item that calls a tool, without its id and status."""
    if kind is None:
        return {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments}
    head: dict[str, Any] = {"type": kind.item, "call_id": call.id}
    if kind.item == "local_shell_call":
        return {**head, "action": _action(call.arguments)}
    name = {"name": kind.name, **({"namespace": kind.namespace} if kind.namespace else {})}
    if kind.item == "custom_tool_call":
        return {**head, **name, "input": free_text(call.arguments)}
    return {**head, **name, "arguments": call.arguments}


def _action(arguments: str) -> dict[str, Any]:
    try:
        value = loads(arguments.encode("utf-8", "replace"))
    except BAD_JSON:
        value = None
    given = value if isinstance(value, dict) else {"command": [arguments] if arguments else []}
    command = given.get("command")
    words = [str(word) for word in command] if isinstance(command, list) else [str(command)] if command else []
    env = given.get("env")
    return {"type": "exec", **given, "command": words, "env": env if isinstance(env, dict) else {}}


def write_tools(
    tools: Iterable[Tool], names: Mapping[str, str], lost: list[Dropped]
) -> tuple[list[Any], dict[str, Kind]]:
    """Tools as a provider of this dialect gets them, and which of them are no functions."""
    written: list[Any] = []
    kinds: dict[str, Kind] = {}
    for at, tool in enumerate(tools):
        if tool.dialect == RESPONSES:
            written.append(tool.raw)
        elif tool.dialect:
            lost.append(Dropped(path=f"tools[{at}]", reason=f"`{tool.name}` runs at providers of {tool.dialect} only"))
        else:
            lost += dropped(tool.extras, RESPONSES, f"tools[{at}]")
            written.append(_write_tool(tool, names.get(tool.name, tool.name), kinds))
    return written, kinds


def _write_tool(tool: Tool, name: str, kinds: dict[str, Kind]) -> dict[str, Any]:
    schema, extras = bytes(tool.schema), own(tool.extras, RESPONSES)
    if schema == bytes(SHELL_SCHEMA) and tool.name == _SHELL:
        kinds[tool.name] = Kind("local_shell_call", _SHELL)
        return {"type": _SHELL}
    text = tool.description.partition(GRAMMAR)[0] if "format" in extras else tool.description
    words = {"description": text} if text else {}
    if schema == bytes(INPUT_SCHEMA):
        kinds[tool.name] = Kind("custom_tool_call", name)
        return {"type": "custom", "name": name, **words, **extras}
    # Here `strict` is on where nothing is said, and refuses most schemas that were not written for it.
    return {"type": "function", "name": name, **words, "parameters": tool.schema, "strict": bool(tool.strict), **extras}
