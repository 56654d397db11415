"""Requests of this dialect as core requests. Used only where caller and provider speak different dialects."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.chat import Request, ResponseFormat, Text, Tool, ToolChoice
from pointsman.core.dialects import RESPONSES
from pointsman.core.errors import InvalidRequest
from pointsman.wire.extras import keep
from pointsman.wire.numbers import number, whole
from pointsman.wire.openai_responses.checks import check_request
from pointsman.wire.openai_responses.core_items import Turns, more_tools
from pointsman.wire.openai_responses.request import LOGPROBS, refuse, said
from pointsman.wire.openai_responses.tools import joined, read_tools
from pointsman.wire.parse import as_dict, as_list
from pointsman.wire.raw import Fields, dump, items_of, list_of, object_of, text_in, text_of, value_of
from pointsman.wire.trip import Incoming

_KNOWN = frozenset(
    {
        "model",
        "input",
        "instructions",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "text",
        "max_output_tokens",
        "temperature",
        "top_p",
        "top_logprobs",
        "include",
        "reasoning",
        "stream",
        "user",
        "background",
    }
)
# Hints about how to serve, which change no answer: nothing is lost where they are not understood.
_HINTS = frozenset(
    {
        "store",
        "metadata",
        "client_metadata",
        "prompt_cache_key",
        "prompt_cache_retention",
        "prompt_cache_options",
        "service_tier",
        "truncation",
        "safety_identifier",
        "stream_options",
    }
)
_INCLUDED = frozenset({LOGPROBS, "reasoning.encrypted_content"})
# What stands with the provider, and so cannot be asked of another.
_ELSEWHERE = {
    "previous_response_id": "Send the whole conversation in `input`, or let the gateway store responses: "
    "`responses: {store: true}` in its configuration.",
    "conversation": "Send the whole conversation in `input`.",
    "prompt": "Send the text of the prompt in `instructions` or `input`.",
}
_CHOICES = {"auto": "auto", "none": "none", "required": "required"}


def to_core(incoming: Incoming) -> Request:
    """A request in no dialect. Raises as `port.CallerSide.to_core`."""
    fields = incoming.fields
    _refuse_what_is_elsewhere(fields)
    check_request(fields)
    given = fields.get("input")
    items = [] if given is None else (items_of(given) or [])
    tools = _tools(fields, items)
    choice, chosen = _choice(fields)
    text = object_of(fields.get("text")) or {}
    reasoning = as_dict(value_of(fields.get("reasoning")))
    include = [name for name in as_list(value_of(fields.get("include"))) if isinstance(name, str)]
    effort = reasoning.get("effort")
    turns = Turns({tool.name for tool in tools if not tool.dialect}.__contains__)
    _converse(turns, fields, items)
    return Request(
        model=incoming.model,
        messages=turns.messages(),
        tools=tuple(tool for tool in tools if tool.name in chosen) if chosen else tuple(tools),
        tool_choice=choice,
        response_format=_format(text.get("format")),
        max_output=whole(value_of(fields.get("max_output_tokens"))),
        temperature=number(value_of(fields.get("temperature"))),
        top_p=number(value_of(fields.get("top_p"))),
        logprobs=_logprobs(fields, include),
        reasoning_effort=effort if isinstance(effort, str) else "",
        shows_reasoning=True if reasoning.get("summary") or reasoning.get("generate_summary") else None,
        stream=incoming.stream,
        stream_usage=True,
        user=incoming.user,
        service_tier=text_of(fields.get("service_tier")) or "",
        extras=keep(RESPONSES, _others(fields, text, reasoning, include)),
    )


def _refuse_what_is_elsewhere(fields: Fields) -> None:
    for name, hint in _ELSEWHERE.items():
        if said(fields, name):
            raise InvalidRequest(
                f"`{name}` names something that only a provider of Responses keeps; this model's has none.",
                param=name,
                hint=hint,
            )
    if "background" in fields and value_of(fields["background"]) is True:
        raise InvalidRequest(
            "`background` is only for providers that keep responses; this model's does not.",
            param="background",
            hint="Leave `background` out, and ask for a stream.",
        )


def _converse(turns: Turns, fields: Fields, items: list[msgspec.Raw]) -> None:
    """Instructions and input as messages."""
    if said(fields, "instructions"):
        instructions = text_of(fields["instructions"])
        if instructions is None:
            refuse("instructions", "a string", fields["instructions"])
        if instructions:
            turns.say("system", [Text(text=instructions)])
    text = None if items else text_of(fields.get("input"))
    if text is not None:
        turns.say("user", [Text(text=text)] if text else [])
    for at, raw in enumerate(items):
        turns.add(raw, f"input[{at}]")


def _tools(fields: Fields, items: list[msgspec.Raw]) -> list[Tool]:
    tools = read_tools(list_of(fields["tools"])) if "tools" in fields else []
    return tools + more_tools(items) if items else tools


def _choice(fields: Fields) -> tuple[ToolChoice | None, frozenset[str]]:
    """The choice, and the names of the tools that it allows; none where it allows all."""
    parallel = value_of(fields.get("parallel_tool_calls"))
    parallel = parallel if isinstance(parallel, bool) else None
    none = None if parallel is None else ToolChoice(parallel=parallel)
    raw = fields.get("tool_choice")
    if raw is None:
        return none, frozenset()
    word = text_of(raw)
    if word is not None:
        return (ToolChoice(mode=_CHOICES[word], parallel=parallel) if word in _CHOICES else none), frozenset()  # type: ignore[arg-type]  # the modes stand in the table
    named = object_of(raw) or {}
    kind = text_in(named, "type")
    if kind == "allowed_tools":
        names = frozenset(_chosen(object_of(one) or {}) for one in list_of(named.get("tools")))
        mode = text_in(named, "mode")
        return ToolChoice(mode="required" if mode == "required" else "auto", parallel=parallel), names
    if kind in ("function", "custom", "local_shell"):
        return ToolChoice(mode="named", name=_chosen(named), parallel=parallel), frozenset()
    return none, frozenset()


def _chosen(fields: Fields) -> str:
    """The name of a tool that is chosen or allowed; those that run at the provider have none but their type."""
    return joined(text_in(fields, "namespace"), text_in(fields, "name")) or text_in(fields, "type")


def _format(raw: msgspec.Raw | None) -> ResponseFormat | None:
    fields = object_of(raw)
    kind = text_in(fields, "type") if fields else ""
    if kind == "json_object":
        return ResponseFormat(kind="json")
    if fields is None or kind != "json_schema":
        return ResponseFormat() if kind == "text" else None
    strict = value_of(fields.get("strict"))
    return ResponseFormat(
        kind="json_schema",
        name=text_in(fields, "name"),
        description=text_in(fields, "description"),
        schema=fields.get("schema"),
        strict=strict if isinstance(strict, bool) else None,
    )


def _logprobs(fields: Fields, include: list[str]) -> int | None:
    most = whole(value_of(fields.get("top_logprobs"))) or 0
    return most if most or LOGPROBS in include else None


def _others(fields: Fields, text: Fields, reasoning: dict[str, Any], include: list[str]) -> Fields:
    """The fields that only this dialect understands and that say something."""
    others: Fields = {}
    if not (_KNOWN | _HINTS).issuperset(fields):
        others = {
            name: raw
            for name, raw in fields.items()
            if name not in _KNOWN and name not in _HINTS and name not in _ELSEWHERE and bytes(raw) != b"null"
        }
    others |= {f"text.{name}": raw for name, raw in text.items() if name != "format" and said(text, name)}
    for name, value in reasoning.items():
        if name not in ("effort", "summary", "generate_summary") and value is not None:
            others[f"reasoning.{name}"] = dump(value)
    asked = [name for name in include if name not in _INCLUDED]
    if asked:
        others["include"] = dump(asked)
    raw = fields.get("tool_choice")
    if raw is not None and _choice({"tool_choice": raw})[0] is None and bytes(raw) != b"null":
        others["tool_choice"] = raw  # a tool that runs at the provider
    return others
