"""Chat requests as core requests, and back. Used only where caller and provider speak different dialects."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from pointsman.core.chat import Dropped, Encoded, Message, Request, ResponseFormat, Tool, ToolChoice
from pointsman.core.model import Model
from pointsman.wire.extras import FORM, hints_of, keep, own, remembered, remembering, shape_hints, shaped, tuck, untuck
from pointsman.wire.losses import dropped
from pointsman.wire.openai_chat.core_messages import read_message, write_messages
from pointsman.wire.openai_chat.outgoing import fit
from pointsman.wire.openai_chat.request import DIALECT, read_request
from pointsman.wire.parse import as_list
from pointsman.wire.raw import Fields, dump, list_of, object_of, rest, text_in, text_of, value_of

_NUMBERS = ("temperature", "top_p", "presence_penalty", "frequency_penalty")
_COUNTS = ("top_k", "seed")
_MOST = 1 << 63
_KNOWN = frozenset(
    {
        "model",
        "messages",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "max_completion_tokens",
        "max_tokens",
        "stop",
        "n",
        "logprobs",
        "top_logprobs",
        "reasoning_effort",
        "stream",
        "stream_options",
        "user",
        *_NUMBERS,
        *_COUNTS,
    }
)


def decode_request(body: bytes) -> Request:
    """A chat request in no dialect. Raises as `port.Dialect.read_request`."""
    incoming = read_request(body, "chat.completions")
    fields = incoming.fields
    request = _read(fields)
    written = {name: dump(value) for name, value in _write(request, []).items()}
    hints = shape_hints(fields, written, _KNOWN - {"messages"})
    return msgspec.structs.replace(request, extras=keep(DIALECT, rest(fields, _KNOWN), hints=hints))


def encode_request(request: Request, model: Model) -> Encoded:
    """A request for `model`, fitted to it as a request of this dialect would be.

    Raises:
        UnsupportedParameter: a refused field under the policy `refuse`.
    """
    lost = dropped(request.extras, DIALECT, "")
    fields = {**_write(request, lost), **own(request.extras, DIALECT)}
    as_it_stood = shaped(fields, hints_of(request.extras, DIALECT))
    if as_it_stood != fields:
        raws = {name: dump(value) for name, value in as_it_stood.items()}
        if _read(raws) == msgspec.structs.replace(request, extras=()):
            fields = dict(raws)
    fitted, refused = fit(fields, model, asks_usage=request.stream and not request.stream_usage)
    return Encoded(body=msgspec.json.encode(fitted), dropped=(*lost, *refused))


def _read(fields: Fields) -> Request:
    """The core values of a request, without extras."""
    values: dict[str, Any] = {name: value_of(fields.get(name)) for name in _PLAIN}
    stop = values["stop"]
    limit = _integer(values["max_completion_tokens"])
    options = values["stream_options"]
    n = _integer(values["n"])
    return Request(
        model=text_in(fields, "model"),
        messages=tuple(read_message(raw, f"messages[{i}]") for i, raw in enumerate(list_of(fields.get("messages")))),
        tools=tuple(_tool(raw) for raw in list_of(fields.get("tools"))),
        tool_choice=_choice(fields),
        response_format=_format(fields.get("response_format")),
        max_output=limit if limit is not None else _integer(values["max_tokens"]),
        stop=(stop,) if isinstance(stop, str) else tuple(word for word in as_list(stop) if isinstance(word, str)),
        choices=1 if n is None else n,
        logprobs=(_integer(values["top_logprobs"]) or 0) if values["logprobs"] is True else None,
        reasoning_effort=values["reasoning_effort"] if isinstance(values["reasoning_effort"], str) else "",
        stream=values["stream"] is True,
        stream_usage=isinstance(options, dict) and options.get("include_usage") is True,
        user=text_in(fields, "user"),
        temperature=_number(values["temperature"]),
        top_p=_number(values["top_p"]),
        presence_penalty=_number(values["presence_penalty"]),
        frequency_penalty=_number(values["frequency_penalty"]),
        top_k=_integer(values["top_k"]),
        seed=_integer(values["seed"]),
    )


_PLAIN = (
    "stop",
    "max_completion_tokens",
    "max_tokens",
    "stream_options",
    "n",
    "top_logprobs",
    "logprobs",
    "reasoning_effort",
    "stream",
    *_NUMBERS,
    *_COUNTS,
)


def _number(value: Any) -> float | None:
    """A number that can be written again; any other stays where it stood, as its dialect's own."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    whole = _integer(value)
    return None if whole is None else float(whole)


def _integer(value: Any) -> int | None:
    """As `_number`, for whole ones: JSON has them of any size, the encoder up to 64 bits."""
    return value if type(value) is int and -_MOST <= value < _MOST else None


def _tool(raw: msgspec.Raw) -> Tool:
    """A function; any other kind of tool is kept as it is written, under its type."""
    fields = object_of(raw) or {}
    function = object_of(fields.get("function"))
    if function is None:
        return Tool(name=text_in(fields, "type"), extras=keep(DIALECT, {}, hints={FORM: raw}))
    extras = rest(fields, ("type", "function"))
    tuck(extras, "function", rest(function, ("name", "description", "parameters", "strict")))
    tool = Tool(
        name=text_in(function, "name"),
        description=text_in(function, "description"),
        schema=function.get("parameters", msgspec.Raw(b"{}")),
        strict=_flag(function.get("strict")),
        extras=keep(DIALECT, extras),
    )
    return remembering(tool, raw, _write_tool(tool), DIALECT)


def _flag(raw: msgspec.Raw | None) -> bool | None:
    value = value_of(raw)
    return value if isinstance(value, bool) else None


def _write_tool(tool: Tool) -> Any:
    raw = remembered(tool, _tool, DIALECT)
    if raw is not None:
        return raw
    extras = own(tool.extras, DIALECT)
    left = untuck(extras, "function")
    function: dict[str, Any] = {"name": tool.name}
    function |= {"description": tool.description} if tool.description else {}
    function["parameters"] = tool.schema
    function |= {"strict": tool.strict} if tool.strict is not None else {}
    return {"type": "function", "function": {**function, **left}, **extras}


def _choice(fields: Fields) -> ToolChoice | None:
    parallel = _flag(fields.get("parallel_tool_calls"))
    raw = fields.get("tool_choice")
    word = text_of(raw)
    if word in ("auto", "none", "required"):
        return ToolChoice(mode=word, parallel=parallel)  # type: ignore[arg-type]  # narrowed by the test above
    named = object_of(raw)
    function = object_of(named.get("function")) if named else None
    if function:
        return ToolChoice(mode="named", name=text_in(function, "name"), parallel=parallel)
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
        schema=inner.get("schema"),
        strict=_flag(inner.get("strict")),
    )


def _write(request: Request, lost: list[Dropped]) -> dict[str, Any]:
    """The fields of a request in their usual shape."""
    fields: dict[str, Any] = {"model": request.model, "messages": _write_turns(request.messages, lost)}
    if request.tools:
        for at, tool in enumerate(request.tools):
            lost += dropped(tool.extras, DIALECT, f"tools[{at}]")
        fields["tools"] = [_write_tool(tool) for tool in request.tools]
    if request.tool_choice is not None:
        fields |= _write_choice(request.tool_choice)
    if request.response_format is not None:
        fields["response_format"] = _write_format(request.response_format)
    plain: dict[str, Any] = {name: getattr(request, name) for name in (*_NUMBERS, *_COUNTS)}
    plain |= {"max_completion_tokens": request.max_output, "user": request.user or None}
    plain |= {"stop": list(request.stop) or None, "reasoning_effort": request.reasoning_effort or None}
    plain["n"] = request.choices if request.choices != 1 else None
    fields |= {name: value for name, value in plain.items() if value is not None}
    if request.logprobs is not None:
        fields["logprobs"] = True
        fields |= {"top_logprobs": request.logprobs} if request.logprobs else {}
    if request.stream:
        fields["stream"] = True
    if request.stream_usage:
        fields["stream_options"] = {"include_usage": True}
    if request.reasoning_budget is not None:
        lost.append(Dropped(path="reasoning_budget", reason="chat has no token budget for thinking"))
    return fields


def _write_turns(messages: tuple[Message, ...], lost: list[Dropped]) -> list[Any]:
    return [turn for at, message in enumerate(messages) for turn in write_messages(message, lost, f"messages[{at}]")]


def _write_choice(choice: ToolChoice) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if choice.mode == "named":
        fields["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
    elif choice.mode != "auto" or choice.parallel is None:
        fields["tool_choice"] = choice.mode
    if choice.parallel is not None:
        fields["parallel_tool_calls"] = choice.parallel
    return fields


def _write_format(wanted: ResponseFormat) -> dict[str, Any]:
    if wanted.kind == "text":
        return {"type": "text"}
    if wanted.kind == "json":
        return {"type": "json_object"}
    inner: dict[str, Any] = {"name": wanted.name or "answer"}
    inner |= {"strict": wanted.strict} if wanted.strict is not None else {}
    inner |= {"schema": wanted.schema} if wanted.schema is not None else {}
    return {"type": "json_schema", "json_schema": inner}
