"""Chat requests as core requests, and back. Used only where caller and provider speak different dialects."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.chat import Dropped, Message, Request, ResponseFormat, Tool, ToolChoice
from pointsman.core.model import Ability, Model
from pointsman.wire.cache_marks import NAME as MARK
from pointsman.wire.cache_marks import read_mark, write_mark
from pointsman.wire.extras import keep, own
from pointsman.wire.losses import dropped, untiered
from pointsman.wire.numbers import number, whole
from pointsman.wire.openai_chat import custom
from pointsman.wire.openai_chat.checks import check_request
from pointsman.wire.openai_chat.core_messages import Style, read_messages, write_messages
from pointsman.wire.openai_chat.earlier import takes_seals, takes_thoughts
from pointsman.wire.openai_chat.outgoing import fit
from pointsman.wire.openai_chat.request import DIALECT
from pointsman.wire.parse import as_dict, as_list
from pointsman.wire.raw import Fields, list_of, object_of, rest, text_in, text_of, value_of
from pointsman.wire.tool_names import CHAT_ID, PLAIN_NAME, Grammar, fitted_names
from pointsman.wire.trip import Incoming, Outgoing

VERBOSITY = "text.verbosity"
"""The name of Responses for what chat calls `verbosity`."""
_NUMBERS = ("temperature", "top_p", "presence_penalty", "frequency_penalty")
_COUNTS = ("top_k", "seed")
_KNOWN = frozenset(
    {
        "model",
        "messages",
        "tools",
        "functions",
        "tool_choice",
        "function_call",
        "parallel_tool_calls",
        "response_format",
        "max_completion_tokens",
        "max_tokens",
        "stop",
        "n",
        "logprobs",
        "top_logprobs",
        "reasoning_effort",
        "reasoning",
        "thinking",
        "stream",
        "stream_options",
        "user",
        *_NUMBERS,
        *_COUNTS,
    }
)
# Objects of which we understand some fields.
_PARTLY: dict[str, frozenset[str]] = {
    "reasoning": frozenset({"effort", "max_tokens", "enabled", "exclude"}),
    "thinking": frozenset({"type", "budget_tokens"}),
    "response_format": frozenset({"type", "json_schema"}),
    "stream_options": frozenset({"include_usage", "include_obfuscation"}),
}
_WHOLE = _KNOWN - {*_PARTLY, "tool_choice", "function_call"}
# Hints about how to serve, which change no answer: nothing is lost where they are not understood.
_SHARED = ("store", "metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier")
_HINTS = frozenset({*_SHARED, "service_tier", "usage"})


def to_core(incoming: Incoming) -> Request:
    """A chat request in no dialect. Raises as `port.CallerSide.to_core`.

    What the caller did not say is not looked for: most requests say little, and each one that crosses pays for this.
    """
    fields = incoming.fields
    check_request(fields)
    said: dict[str, Any] = {"model": incoming.model, "messages": read_messages(fields.get("messages"))}
    if names := fields.keys() & _PLAIN:
        said |= _plain({name: value_of(fields[name]) for name in names})
    if "tools" in fields or "functions" in fields:
        said["tools"] = _tools(fields)
        said["tool_choice"] = _choice(fields)
    if "response_format" in fields:
        said["response_format"] = _format(fields["response_format"])
    if incoming.stream:
        said |= {"stream": True, "stream_usage": incoming.shows_usage}
    if incoming.user:
        said["user"] = incoming.user
    if not _WHOLE.issuperset(fields):
        if others := _others(fields):
            said["extras"] = keep(DIALECT, others)
        said["service_tier"] = text_of(fields.get("service_tier")) or ""
        said["hints"] = {name: fields[name] for name in _SHARED if name in fields and bytes(fields[name]) != b"null"}
    return Request(**said)


_PLAIN = frozenset(
    {
        "stop",
        "max_completion_tokens",
        "max_tokens",
        "n",
        "top_logprobs",
        "logprobs",
        "reasoning_effort",
        "reasoning",
        "thinking",
        *_NUMBERS,
        *_COUNTS,
    }
)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """What numbers and words ask for, under the names of the core."""
    said: dict[str, Any] = {name: number(values[name]) for name in _NUMBERS if name in values}
    said |= {name: whole(values[name]) for name in _COUNTS if name in values}
    limit = whole(values.get("max_completion_tokens"))
    said["max_output"] = limit if limit is not None else whole(values.get("max_tokens"))
    if "stop" in values:
        stop = values["stop"]
        words = [stop] if isinstance(stop, str) else as_list(stop)
        said["stop"] = tuple(word for word in words if isinstance(word, str))
    if (n := whole(values.get("n"))) is not None:
        said["choices"] = n
    if values.get("logprobs") is True:
        said["logprobs"] = whole(values.get("top_logprobs")) or 0
    if not _THINKING.isdisjoint(values):
        said["reasoning_effort"], said["reasoning_budget"] = _thinking(values)
        said["shows_reasoning"] = False if as_dict(values.get("reasoning")).get("exclude") is True else None
    return said


_THINKING = frozenset({"reasoning_effort", "reasoning", "thinking"})


def _others(fields: Fields) -> Fields:
    """The fields that only chat understands and that say something."""
    others = {
        name: raw for name, raw in fields.items() if name not in _KNOWN and name not in _HINTS and bytes(raw) != b"null"
    }
    for name, known in _PARTLY.items():
        inner = (object_of(fields[name]) if name in fields else None) or {}
        others |= {f"{name}.{one}": raw for one, raw in rest(inner, known).items() if bytes(raw) != b"null"}
    for name in ("tool_choice", "function_call"):
        if name in fields and bytes(fields[name]) != b"null" and _choice({name: fields[name]}) is None:
            others[name] = fields[name]  # of a kind that only chat has
    return others


def _thinking(values: dict[str, Any]) -> tuple[str, int | None]:
    """Effort and budget: OpenAI's `reasoning_effort`, OpenRouter's `reasoning`, Anthropic's `thinking` in chat."""
    effort, budget = values.get("reasoning_effort"), None
    wide = as_dict(values.get("reasoning"))
    if not effort and wide:
        effort, budget = wide.get("effort"), whole(wide.get("max_tokens"))
        if wide.get("enabled") is False:
            budget = 0
    thinking = as_dict(values.get("thinking"))
    if thinking.get("type") == "enabled":
        budget = whole(thinking.get("budget_tokens"))
        budget = -1 if budget is None else budget
    elif thinking.get("type") == "disabled":
        budget = 0
    elif thinking.get("type") == "adaptive":
        budget = -1
    return (effort if isinstance(effort, str) else ""), budget


def _tools(fields: Fields) -> tuple[Tool, ...]:
    """Functions, also old ones; any other kind of tool is kept as it is written, under its type."""
    tools = [_tool(raw) for raw in list_of(fields.get("tools"))] if "tools" in fields else []
    if "functions" in fields:
        tools += [_function(found, {}) for raw in list_of(fields["functions"]) if (found := object_of(raw))]
    return tuple(tools)


def _tool(raw: msgspec.Raw) -> Tool:
    fields = object_of(raw) or {}
    function = object_of(fields.get("function"))
    if function is None:
        return custom.read_tool(fields) or Tool(name=text_in(fields, "type"), dialect=DIALECT, raw=raw)
    return _function(function, fields)


def _function(function: Fields, outer: Fields) -> Tool:
    extras = rest(outer, ("type", "function", MARK)) | rest(
        function, ("name", "description", "parameters", "strict", MARK)
    )
    return Tool(
        name=text_in(function, "name"),
        description=text_in(function, "description"),
        schema=function.get("parameters", msgspec.Raw(b"{}")),
        strict=_flag(function.get("strict")),
        cache=read_mark(outer.get(MARK) or function.get(MARK)),
        extras=keep(DIALECT, extras),
    )


def _flag(raw: msgspec.Raw | None) -> bool | None:
    value = value_of(raw)
    return value if isinstance(value, bool) else None


def _choice(fields: Fields) -> ToolChoice | None:
    parallel = _flag(fields.get("parallel_tool_calls"))
    raw = fields.get("tool_choice") or fields.get("function_call")
    if raw is None:
        return None if parallel is None else ToolChoice(parallel=parallel)
    word = text_of(raw)
    if word in ("auto", "none", "required"):
        return ToolChoice(mode=word, parallel=parallel)  # type: ignore[arg-type]  # narrowed by the test above
    if word == "any":  # Mistral's word
        return ToolChoice(mode="required", parallel=parallel)
    named = object_of(raw) or {}
    name = text_in(object_of(named.get("function")) or object_of(named.get("custom")) or named, "name")
    if name:
        return ToolChoice(mode="named", name=name, parallel=parallel)
    return None if parallel is None else ToolChoice(parallel=parallel)


def _format(raw: msgspec.Raw | None) -> ResponseFormat | None:
    fields = object_of(raw)
    kind = text_of(fields.get("type")) if fields else None
    if kind == "json_object":
        return ResponseFormat(kind="json")
    if fields is None or kind != "json_schema":
        return ResponseFormat() if kind == "text" else None
    inner = object_of(fields.get("json_schema")) or {}
    return ResponseFormat(
        kind="json_schema",
        name=text_in(inner, "name"),
        description=text_in(inner, "description"),
        schema=inner.get("schema"),
        strict=_flag(inner.get("strict")),
    )


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """In what a family of providers differs from OpenAI, whose dialect it speaks.

    Attributes:
        dialect: its name.
        ids: what ids of calls may look like.
        renamed: fields that have another name there.
        required: its word for "a tool must be called".
        more: it takes what is not OpenAI's: thoughts of earlier turns, signatures, names of speakers.
        prefix: as in `Style`.
    """

    dialect: str = DIALECT
    ids: Grammar = CHAT_ID
    renamed: tuple[tuple[str, str], ...] = ()
    required: str = "required"
    more: bool = True
    prefix: bool = False


_OPENAI = Manner()


def from_core(request: Request, model: Model, manner: Manner = _OPENAI) -> Outgoing:
    """A request for `model`, fitted to it as a request of this dialect would be.

    Raises:
        UnsupportedParameter: a refused field under the policy `refuse`.
    """
    # Of Responses' hints none goes along: many servers of chat refuse every field that they do not know, and clients
    # such as Codex send some with each request.
    lost = [one for one in dropped(request.extras, DIALECT, "") if one.path != VERBOSITY or not manner.more]
    lost += untiered(request) if not manner.more else ()
    names = fitted_names((tool.name for tool in request.tools if not tool.dialect), PLAIN_NAME)
    marks = model.provider.cache_marks
    style = Style(
        names=names,
        marks=marks,
        ids=manner.ids,
        more=manner.more,
        thoughts=manner.more and takes_thoughts(model),
        seals=manner.more and takes_seals(model),
        prefix=manner.prefix,
    )
    fields = _write(request, model, style, lost)
    if request.extras:
        for name, raw in own(request.extras, DIALECT).items():
            if "." in name:  # of an object that is written anew
                lost.append(Dropped(path=name, reason="not known here"))
            else:
                fields[name] = raw
    if manner.more:
        fields |= _serving(request)
    if fields.get("tool_choice") == "required":
        fields["tool_choice"] = manner.required
    for name, there in manner.renamed:
        if name in fields:
            fields[there] = fields.pop(name)
    fitted, refused = fit(fields, model, asks_usage=request.stream)
    return Outgoing(
        path="/chat/completions",
        body=msgspec.json.encode(fitted),
        dropped=(*lost, *refused),
        dialect=manner.dialect,
        tool_names={sent: name for name, sent in names.items()},
    )


def _serving(request: Request) -> dict[str, Any]:
    """What Responses says of how to serve a request and how much to say, as chat does."""
    fields: dict[str, Any] = {}
    if request.service_tier not in ("", "auto"):
        fields["service_tier"] = request.service_tier
    for extra in request.extras:
        if VERBOSITY in extra.fields:
            fields["verbosity"] = extra.fields[VERBOSITY]
    return fields


def _write(request: Request, model: Model, style: Style, lost: list[Dropped]) -> dict[str, Any]:
    fields: dict[str, Any] = {"model": request.model, "messages": _write_turns(request.messages, style, lost)}
    if request.tools:
        _write_tools(fields, request, style, lost)
    if request.response_format is not None and request.response_format.kind != "text":
        fields["response_format"] = _write_format(request.response_format)
    plain: dict[str, Any] = {name: getattr(request, name) for name in (*_NUMBERS, "seed")}
    plain |= {"max_completion_tokens": request.max_output, "user": request.user or None}
    plain |= {"stop": list(request.stop) or None, "reasoning_effort": effort_of(request, model, lost) or None}
    plain["n"] = request.choices if request.choices != 1 else None
    fields |= {name: value for name, value in plain.items() if value is not None}
    if request.top_k is not None:
        lost.append(Dropped(path="top_k", reason="chat has no `top_k`"))
    if request.logprobs is not None:
        fields["logprobs"] = True
        fields |= {"top_logprobs": request.logprobs} if request.logprobs else {}
    if request.stream:
        fields["stream"] = True
    return fields


def _write_turns(messages: tuple[Message, ...], style: Style, lost: list[Dropped]) -> list[Any]:
    turns = [
        turn for at, message in enumerate(messages) for turn in write_messages(message, style, lost, f"messages[{at}]")
    ]
    if style.prefix and turns and turns[-1].get("role") == "assistant":
        turns[-1]["prefix"] = True
    return turns


def _write_tools(fields: dict[str, Any], request: Request, style: Style, lost: list[Dropped]) -> None:
    tools: list[Any] = []
    for at, tool in enumerate(request.tools):
        if tool.dialect == DIALECT:
            tools.append(tool.raw)
        elif tool.dialect:
            lost.append(Dropped(path=f"tools[{at}]", reason=f"`{tool.name}` runs at providers of {tool.dialect} only"))
        else:
            lost += dropped(tool.extras, DIALECT, f"tools[{at}]")
            tools.append(_write_tool(tool, style))
    if not tools:
        return
    fields["tools"] = tools
    choice = request.tool_choice
    if choice is None:
        return
    if choice.mode == "named":
        fields["tool_choice"] = {"type": "function", "function": {"name": style.names.get(choice.name, choice.name)}}
    elif choice.mode != "auto" or choice.parallel is None:
        fields["tool_choice"] = choice.mode
    if choice.parallel is not None:
        fields["parallel_tool_calls"] = choice.parallel


_EMPTY = frozenset({b"", b"{}", b"null"})
_NO_PARAMETERS = msgspec.Raw(b'{"type":"object","properties":{}}')


def _write_tool(tool: Tool, style: Style) -> dict[str, Any]:
    function: dict[str, Any] = {"name": style.names.get(tool.name, tool.name)}
    function |= {"description": tool.description} if tool.description else {}
    # A function without a schema takes nothing; OpenAI wants it said.
    function["parameters"] = _NO_PARAMETERS if bytes(tool.schema) in _EMPTY else tool.schema
    function |= {"strict": tool.strict} if tool.strict is not None else {}
    return {"type": "function", "function": function, **(write_mark(tool.cache) if style.marks else {})}


# Where one dialect thinks in tokens and another in words: the budgets that OpenRouter's table gives the efforts, turned
# round (shares of the longest answer; https://openrouter.ai/docs/use-cases/reasoning-tokens).
_EFFORTS = ((1_024, "minimal"), (6_000, "low"), (16_000, "medium"))


def effort_of(request: Request, model: Model, lost: list[Dropped]) -> str:
    """The effort, also from a budget of tokens, which chat does not have."""
    if model.abilities is not None and Ability.REASONING not in model.abilities:
        if request.reasoning_effort or request.reasoning_budget:
            lost.append(Dropped(path="reasoning_effort", reason=f"{model.name} does not think"))
        return ""
    if request.reasoning_effort or request.reasoning_budget is None:
        return request.reasoning_effort
    if request.reasoning_budget == 0:
        return ""  # what does not think by itself needs no word, and what does would refuse `none`
    if request.reasoning_budget < 0:
        return "medium"
    return next((word for most, word in _EFFORTS if request.reasoning_budget <= most), "high")


def _write_format(wanted: ResponseFormat) -> dict[str, Any]:
    if wanted.kind == "json":
        return {"type": "json_object"}
    inner: dict[str, Any] = {"name": wanted.name or "answer"}
    inner |= {"description": wanted.description} if wanted.description else {}
    inner |= {"strict": wanted.strict} if wanted.strict is not None else {}
    inner |= {"schema": wanted.schema} if wanted.schema is not None else {}
    return {"type": "json_schema", "json_schema": inner}
