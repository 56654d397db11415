"""Tools, the choice among them and the form of the answer, between this dialect and the core."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from pointsman.core.chat import Dropped, Request, ResponseFormat, Tool, ToolChoice
from pointsman.core.dialects import MESSAGES
from pointsman.wire.anthropic_messages.claude import Takes
from pointsman.wire.anthropic_messages.schemas import ANSWER_FIELD, input_schema, strict_schema, wrapped
from pointsman.wire.cache_marks import NAME as MARK
from pointsman.wire.cache_marks import read_mark, write_mark
from pointsman.wire.extras import keep, own
from pointsman.wire.losses import dropped
from pointsman.wire.raw import Fields, list_of, object_of, rest, text_in, value_of

ANSWER_TOOL = "give_final_answer"
_MOST_STRICT = 20
_KNOWN_TOOL = ("type", "name", "description", "input_schema", "strict", MARK)
_MODES = {"auto": "auto", "any": "required", "none": "none", "tool": "named"}
_WORDS = {"auto": "auto", "required": "any", "none": "none", "named": "tool"}
_ANSWER_WORDS = "Gives the answer. Call it once, in the end, in the place of an answer in words."


def read_tools(raw: msgspec.Raw | None) -> tuple[Tool, ...]:
    """Functions; any other kind of tool is kept as it is written, under its type."""
    return tuple([_read_tool(item) for item in list_of(raw)]) if raw is not None else ()


def _read_tool(raw: msgspec.Raw) -> Tool:
    fields = object_of(raw) or {}
    kind = text_in(fields, "type")
    if kind not in ("", "custom"):
        return Tool(name=kind, dialect=MESSAGES, raw=raw, cache=read_mark(fields.get(MARK)))
    strict = value_of(fields.get("strict"))
    return Tool(
        name=text_in(fields, "name"),
        description=text_in(fields, "description"),
        schema=fields.get("input_schema", msgspec.Raw(b"{}")),
        strict=strict if isinstance(strict, bool) else None,
        cache=read_mark(fields.get(MARK)),
        extras=keep(MESSAGES, rest(fields, _KNOWN_TOOL)) if len(fields) > 3 else (),
    )


def read_choice(raw: msgspec.Raw | None) -> ToolChoice | None:
    """Whether tools may, must or must not be called."""
    fields = object_of(raw)
    mode = _MODES.get(text_in(fields, "type")) if fields else None
    if not fields or mode is None:
        return None
    alone = value_of(fields.get("disable_parallel_tool_use"))
    return ToolChoice(
        mode=mode,  # type: ignore[arg-type]  # the words stand above
        name=text_in(fields, "name") if mode == "named" else "",
        parallel=not alone if isinstance(alone, bool) else None,
    )


def read_format(fields: Fields | None) -> ResponseFormat | None:
    """Structured output, as `output_config.format` says it."""
    if not fields or text_in(fields, "type") != "json_schema":
        return None
    return ResponseFormat(kind="json_schema", schema=fields.get("schema"))


class Offer(NamedTuple):
    """Tools as they are sent.

    Attributes:
        fields: `tools` and `tool_choice`, where there are any.
        forced: a call is forced.
        answer_tool: the tool of ours whose call is the structured answer.
        answer_field: where in its input, if that is not all of the answer.
    """

    fields: Mapping[str, Any]
    forced: bool = False
    answer_tool: str = ""
    answer_field: str = ""


NO_OFFER = Offer(MappingProxyType({}))


def needs_answer_tool(request: Request, takes: Takes) -> bool:
    """Whether a schema can be kept to only by the call of a tool of ours, since the model has no such formats."""
    wanted = request.response_format
    return wanted is not None and wanted.kind == "json_schema" and wanted.schema is not None and not takes.schemas


def write_tools(request: Request, names: Mapping[str, str], takes: Takes, lost: list[Dropped]) -> Offer:
    """The tools of a request and the choice among them; `names` are those to send where they differ."""
    tools: list[Any] = []
    strict = 0
    for at, tool in enumerate(request.tools):
        path = f"tools[{at}]"
        if tool.dialect == MESSAGES:
            tools.append(tool.raw)
        elif tool.dialect:
            lost.append(Dropped(path=path, reason=f"`{tool.name}` runs at providers of {tool.dialect} only"))
        else:
            strict += bool(tool.strict)
            enforced = bool(tool.strict) and takes.schemas and strict <= _MOST_STRICT
            if tool.strict and not enforced:
                reason = (
                    f"at most {_MOST_STRICT} tools are strict" if takes.schemas else "the model enforces no schemas"
                )
                lost.append(Dropped(path=f"{path}.strict", reason=reason))
            tools.append(_write_tool(tool, names.get(tool.name, tool.name), path, lost, strict=enforced))
    answer_tool = answer_field = ""
    if needs_answer_tool(request, takes):
        answer_tool = _free_name({names.get(tool.name, tool.name) for tool in request.tools})
        ours, answer_field = _answer_tool(answer_tool, request.response_format, lost)
        tools.append(ours)
    if not tools:
        return NO_OFFER
    return _chosen(request, tools, names, takes, lost, answer_tool)._replace(answer_field=answer_field)


def _free_name(taken: set[str]) -> str:
    """A name for the tool of ours that none of the caller's has."""
    name = ANSWER_TOOL
    while name in taken:
        name += "_"
    return name


def _chosen(
    request: Request,
    tools: list[Any],
    names: Mapping[str, str],
    takes: Takes,
    lost: list[Dropped],
    answer_tool: str,
) -> Offer:
    choice = request.tool_choice or ToolChoice()
    mode, name = choice.mode, names.get(choice.name, choice.name)
    if answer_tool and mode in ("auto", "none"):
        # The answer itself is a call; where the caller has tools too, the model may call one of those first.
        mode, name = ("required", "") if len(tools) > 1 and mode == "auto" else ("named", answer_tool)
    forced = mode in ("required", "named")
    if forced and not takes.forces:
        lost.append(Dropped(path="tool_choice", reason="the model refuses to be forced; it is left to its choice"))
        mode, forced = "auto", False
    fields: dict[str, Any] = {"tools": tools}
    if mode != "auto" or choice.parallel is False:
        value: dict[str, Any] = {"type": _WORDS[mode]}
        value |= {"name": name} if mode == "named" else {}
        value |= {"disable_parallel_tool_use": True} if choice.parallel is False and mode != "none" else {}
        fields["tool_choice"] = value
    return Offer(fields, forced, answer_tool)


def _write_tool(tool: Tool, name: str, path: str, lost: list[Dropped], *, strict: bool) -> dict[str, Any]:
    lost += dropped(tool.extras, MESSAGES, path)
    schema = input_schema(tool.schema, f"{path}.input_schema", lost)
    value: dict[str, Any] = {"name": name}
    value |= {"description": tool.description} if tool.description else {}
    value["input_schema"] = strict_schema(schema, f"{path}.input_schema", lost) if strict else schema
    value |= {"strict": True} if strict else {}
    return {**value, **own(tool.extras, MESSAGES), **write_mark(tool.cache)}


def _answer_tool(name: str, wanted: ResponseFormat | None, lost: list[Dropped]) -> tuple[dict[str, Any], str]:
    """The tool whose call is the answer, and the field of its input that holds an answer that is no object."""
    schema = wanted.schema if wanted is not None and wanted.schema is not None else msgspec.Raw(b"{}")
    words = wanted.description if wanted is not None and wanted.description else ""
    outer = wrapped(schema)
    tool = {
        "name": name,
        "description": f"{_ANSWER_WORDS} {words}".strip(),
        "input_schema": outer or input_schema(schema, "response_format.schema", lost),
    }
    return tool, ANSWER_FIELD if outer is not None else ""


def write_format(wanted: ResponseFormat, lost: list[Dropped]) -> dict[str, Any] | None:
    """`output_config.format`; None where the form can only be asked for in words."""
    if wanted.kind != "json_schema" or wanted.schema is None:
        return None
    return {"type": "json_schema", "schema": strict_schema(wanted.schema, "response_format.schema", lost)}
