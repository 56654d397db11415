"""Tools, and how they are to be used, in both directions."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.chat import Dropped, Request, Tool, ToolChoice
from pointsman.core.model import Model
from pointsman.wire.extras import keep, own
from pointsman.wire.gemini.core_parts import Style
from pointsman.wire.gemini.models import before_3
from pointsman.wire.gemini.names import DIALECT, camel, fields_of, null, objects_of
from pointsman.wire.gemini.schemas import read_openapi, write_arguments
from pointsman.wire.losses import dropped
from pointsman.wire.parse import as_list
from pointsman.wire.raw import Fields, dump, rest, text_in, value_of

_KNOWN = ("name", "description", "parameters", "parametersJsonSchema")
_MODES = ("MODE_UNSPECIFIED", "AUTO", "ANY", "NONE")
CALLING = "toolConfig.functionCallingConfig."


def read_tools(raw: msgspec.Raw | None) -> tuple[Tool, ...]:
    """Functions; and every built-in tool as it is written."""
    tools: list[Tool] = []
    for item in objects_of(raw):
        for name, one in (fields_of(item) or {}).items():
            if name == "functionDeclarations":
                tools += [_read_function(function) for function in objects_of(one)]
            elif not null(one):
                tools.append(Tool(name=name, dialect=DIALECT, raw=dump({name: one})))
    return tuple(tools)


def _read_function(raw: msgspec.Raw) -> Tool:
    fields = fields_of(raw) or {}
    schema = fields.get("parametersJsonSchema")
    if schema is None or null(schema):
        old = fields.get("parameters")
        schema = msgspec.Raw(b"{}") if old is None or null(old) else read_openapi(old, camel)
    left = {name: one for name, one in rest(fields, _KNOWN).items() if not null(one)}
    return Tool(
        name=text_in(fields, "name"),
        description=text_in(fields, "description"),
        schema=schema,
        extras=keep(DIALECT, left),
    )


def read_choice(raw: msgspec.Raw | None) -> tuple[ToolChoice | None, Fields]:
    """`toolConfig` as a choice, and what of it only Gemini understands, under dotted names."""
    config = fields_of(raw)
    if not config:
        return None, {}
    calling = fields_of(config.get("functionCallingConfig")) or {}
    left: Fields = {
        f"toolConfig.{name}": one for name, one in rest(config, ("functionCallingConfig",)).items() if not null(one)
    }
    left |= {f"{CALLING}{name}": one for name, one in rest(calling, ("mode",)).items() if not null(one)}
    value = value_of(calling.get("mode"))
    mode = value.upper() if isinstance(value, str) else _MODES[value] if value in (1, 2, 3) else ""
    if mode == "ANY":
        names = [name for name in as_list(value_of(calling.get("allowedFunctionNames"))) if isinstance(name, str)]
        if len(names) == 1:
            left.pop(f"{CALLING}allowedFunctionNames")
            return ToolChoice(mode="named", name=names[0]), left
        return ToolChoice(mode="required"), left
    if mode == "NONE":
        return ToolChoice(mode="none"), left
    if mode == "VALIDATED":
        left[f"{CALLING}mode"] = calling["mode"]
    return (ToolChoice(mode="auto") if mode else None), left


def write_tools(request: Request, model: Model, style: Style, lost: list[Dropped]) -> list[Any]:
    """`tools`: all functions in one object, as Google wants them, and built-in ones each in its own."""
    functions: list[Any] = []
    others: list[Any] = []
    for at, tool in enumerate(request.tools):
        if not tool.dialect:
            functions.append(_write_function(tool, style, lost, f"tools[{at}]"))
        elif tool.dialect == DIALECT:
            others.append((f"tools[{at}]", tool))
        else:
            lost.append(Dropped(path=f"tools[{at}]", reason=f"`{tool.name}` runs at providers of {tool.dialect} only"))
    written: list[Any] = [{"functionDeclarations": functions}] if functions else []
    for path, tool in others:
        if functions and before_3(model):
            lost.append(Dropped(path=path, reason=f"{model.name} takes no `{tool.name}` beside functions"))
        else:
            written.append(tool.raw)
    return written


def _write_function(tool: Tool, style: Style, lost: list[Dropped], path: str) -> dict[str, Any]:
    lost += dropped(tool.extras, DIALECT, path)
    function: dict[str, Any] = {"name": style.names.get(tool.name, tool.name)}
    function |= {"description": tool.description} if tool.description else {}
    schema = write_arguments(tool.schema, lost, f"{path}.parameters")
    function |= {"parametersJsonSchema": schema} if schema is not None else {}
    if tool.strict:
        lost.append(Dropped(path=f"{path}.strict", reason="Gemini has no strict functions"))
    return function | own(tool.extras, DIALECT)


def write_choice(choice: ToolChoice | None, style: Style, lost: list[Dropped]) -> dict[str, Any]:
    """`functionCallingConfig`; empty where the model may do as it likes."""
    if choice is None:
        return {}
    if choice.parallel is False:
        lost.append(Dropped(path="parallel_tool_calls", reason="Gemini may always call several functions at once"))
    match choice.mode:
        case "none":
            return {"mode": "NONE"}
        case "required":
            return {"mode": "ANY"}
        case "named":
            return {"mode": "ANY", "allowedFunctionNames": [style.names.get(choice.name, choice.name)]}
    return {}
