"""Core requests as requests of this dialect. Used only where caller and provider speak different dialects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from pointsman.core.chat import (
    Block,
    Dropped,
    Media,
    Message,
    Opaque,
    Reasoning,
    Refusal,
    Request,
    ResponseFormat,
    Text,
    ToolCall,
    ToolResult,
)
from pointsman.core.dialects import RESPONSES
from pointsman.core.model import Ability, Model
from pointsman.wire.extras import own
from pointsman.wire.losses import dropped, name_of, unnamed
from pointsman.wire.openai_chat.core_requests import VERBOSITY, effort_of
from pointsman.wire.openai_chat.outgoing import fit
from pointsman.wire.openai_responses.content import write_part
from pointsman.wire.openai_responses.outgoing import COUNT_PATH, PATH
from pointsman.wire.openai_responses.request import LOGPROBS
from pointsman.wire.openai_responses.seals import own_make
from pointsman.wire.openai_responses.tools import Kind, write_call, write_tools
from pointsman.wire.raw import Fields
from pointsman.wire.tool_names import PLAIN_NAME, RESPONSES_ID, fitted_id, fitted_names, made_id
from pointsman.wire.trip import Outgoing

ENCRYPTED = "reasoning.encrypted_content"
SUMMARY = "reasoning.summary"
"""A model's `refuses` may name it."""
_FEWEST = 16
"""Tokens; OpenAI refuses a limit below."""
_ABSENT = ("top_k", "presence_penalty", "frequency_penalty", "seed")
_COUNTED = frozenset(
    {"model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning"}
)
"""What the question for a number of tokens takes."""
_FAMILY = re.compile(r"(?:.*[./])?([a-z]+)")
_encode = msgspec.json.Encoder().encode


class _Style(msgspec.Struct, frozen=True, kw_only=True):
    """How a request is to be written.

    Attributes:
        names: tools' other names.
        kinds: what is no function, by its name at the caller.
        model: as the provider calls it.
        callers: the name of the tool that a call with this id calls.
    """

    names: Mapping[str, str]
    kinds: Mapping[str, Kind]
    model: str
    callers: Mapping[str, str]


def from_core(request: Request, model: Model) -> Outgoing:
    """A request for `model`, fitted to it. Raises as `port.ProviderSide.from_core`."""
    lost: list[Dropped] = []
    fields, names = _write(request, model, lost)
    fitted, refused = fit(fields, model, asks_usage=False)
    return Outgoing(
        path=PATH,
        body=_encode(fitted),
        dropped=(*lost, *refused),
        dialect=RESPONSES,
        tool_names={sent: name for name, sent in names.items()},
    )


def count_from_core(request: Request, model: Model) -> Outgoing:
    """The question how many tokens a request has."""
    fields, _ = _write(request, model, [])
    fitted = {name: value for name, value in fields.items() if name in _COUNTED}
    return Outgoing(path=COUNT_PATH, body=_encode({**fitted, "model": model.upstream}), dialect=RESPONSES)


def _write(request: Request, model: Model, lost: list[Dropped]) -> tuple[dict[str, Any], Mapping[str, str]]:
    calls = [block for message in request.messages for block in message.blocks if isinstance(block, ToolCall)]
    offered = [tool.name for tool in request.tools if not tool.dialect]
    names = fitted_names((*offered, *(call.name for call in calls)), PLAIN_NAME)
    tools, kinds = write_tools(request.tools, names, lost)
    callers = {call.id: call.name for call in calls}
    style = _Style(names=names, kinds=kinds, model=model.upstream, callers=callers)
    instructions, messages = _instructions(request.messages)
    if not messages:  # an input there has to be
        instructions, messages = "", request.messages
    fields: dict[str, Any] = {"model": model.upstream}
    fields |= {"instructions": instructions} if instructions else {}
    fields["input"] = _write_input(messages, len(request.messages) - len(messages), style, lost)
    if tools:
        fields["tools"] = tools
        _write_choice(fields, request, style)
    extras = own(request.extras, RESPONSES)
    fields |= _write_text(request, extras)
    fields |= _write_reasoning(request, model, fields["input"], extras, lost)
    fields |= _write_numbers(request, lost)
    fields |= {name: raw for name, raw in extras.items() if "." not in name and name != "include"}
    fields["store"] = False
    fields |= request.hints
    if request.stream:
        fields["stream"] = True
    for at, message in enumerate(request.messages[: len(request.messages) - len(messages)]):
        lost += unnamed(message, f"messages[{at}]")
        for one in (message, *message.blocks):
            lost += dropped(one.extras, RESPONSES, f"messages[{at}]") if one.extras else ()
    lost += _lost(request)
    return fields, names


def _lost(request: Request) -> list[Dropped]:
    """What this dialect has no field for."""
    lost = [one for one in dropped(request.extras, RESPONSES, "") if one.path != "verbosity"]
    lost += [
        Dropped(path=name, reason=f"Responses has no `{name}`")
        for name in _ABSENT
        if getattr(request, name) is not None
    ]
    lost += [Dropped(path="stop", reason="Responses has no `stop`")] if request.stop else []
    lost += [Dropped(path="n", reason="Responses gives one answer")] if request.choices > 1 else []
    return lost


def _instructions(messages: tuple[Message, ...]) -> tuple[str, tuple[Message, ...]]:
    """The system's text in front of the conversation, and the rest."""
    texts: list[str] = []
    for at, message in enumerate(messages):
        if message.role not in ("system", "developer") or not all(isinstance(one, Text) for one in message.blocks):
            return "\n\n".join(texts), messages[at:]
        texts += [block.text for block in message.blocks if isinstance(block, Text) and block.text]
    return "\n\n".join(texts), ()


def _write_input(messages: tuple[Message, ...], first: int, style: _Style, lost: list[Dropped]) -> list[Any]:
    items: list[Any] = []
    for at, message in enumerate(messages, first):
        path = f"messages[{at}]"
        if message.extras:
            lost += dropped(message.extras, RESPONSES, path)
        lost += unnamed(message, path)
        if message.role == "assistant":
            _write_assistant(message, style, lost, path, items)
            continue
        items += [_write_result(block, style, lost, path) for block in message.blocks if isinstance(block, ToolResult)]
        parts = _write_parts([b for b in message.blocks if not isinstance(b, ToolResult)], lost, path, assistant=False)
        raws = [part for part in parts if isinstance(part, msgspec.Raw)]
        parts = [part for part in parts if not isinstance(part, msgspec.Raw)]
        role = "user" if message.role == "tool" else message.role
        if parts:
            items.append({"type": "message", "role": role, "content": parts})
        items += raws
    return items


def _write_parts(blocks: list[Block], lost: list[Dropped], path: str, *, assistant: bool) -> list[Any]:
    parts: list[Any] = []
    for block in blocks:
        if block.extras:
            lost += dropped(block.extras, RESPONSES, path)
        part = write_part(block, assistant=assistant)
        if part is None:
            lost.append(Dropped(path=f"{path}.content", reason=f"Responses has no place for `{name_of(block)}` here"))
        else:
            parts.append(part)
    return parts


def _write_assistant(message: Message, style: _Style, lost: list[Dropped], path: str, items: list[Any]) -> None:
    """The assistant's turn as items, in the order of its blocks; neighbouring texts share one."""
    said: list[Block] = []

    def flush() -> None:
        parts = _write_parts(said, lost, path, assistant=True)
        if parts:
            items.append({"type": "message", "role": "assistant", "content": parts})
        said.clear()

    for block in message.blocks:
        if isinstance(block, Text | Refusal):
            said.append(block)
            continue
        flush()
        item = _write_item(block, style)
        if item is not None:
            items.append(item)
            lost += dropped(block.extras, RESPONSES, path) if block.extras else ()
        elif not isinstance(block, Reasoning) or block.text or block.encrypted or block.signature:
            reason = "thinking is of use only to the model that made it"
            if not isinstance(block, Reasoning):
                reason = f"Responses has no item for `{name_of(block)}`"
            lost.append(Dropped(path=f"{path}.{name_of(block)}", reason=reason))
    flush()


def _write_item(block: Block, style: _Style) -> Any:
    match block:
        case ToolCall():
            return _write_call(block, style)
        case Reasoning():
            return _write_thought(block, style.model)
        case Media(kind="image") if block.data:
            made = made_id(block.data, 0, RESPONSES_ID).removeprefix("call_")
            return {"type": "image_generation_call", "id": f"ig_{made}", "status": "completed", "result": block.data}
        case Opaque(dialect=dialect, raw=raw) if dialect == RESPONSES:
            return raw
    return None


def _write_call(call: ToolCall, style: _Style) -> dict[str, Any]:
    fitted = msgspec.structs.replace(
        call, id=fitted_id(call.id, RESPONSES_ID), name=style.names.get(call.name, call.name)
    )
    return write_call(fitted, style.kinds.get(call.name))


def _write_thought(block: Reasoning, model: str) -> dict[str, Any] | None:
    """Thinking of a model of this dialect, for one that can read it; None for any other."""
    if block.signature or not _readable(block.maker, model):
        return None
    if not block.encrypted and not (block.maker and block.text):
        return None  # text of unknown make
    summary = [{"type": "summary_text", "text": block.text}] if block.text and block.summary else []
    item: dict[str, Any] = {"type": "reasoning", "summary": summary}
    item |= {"content": [{"type": "reasoning_text", "text": block.text}]} if block.text and not block.summary else {}
    return item | ({"encrypted_content": block.encrypted} if block.encrypted else {})


def _readable(maker: str, model: str) -> bool:
    """Whether a model can read what the maker has encrypted: not that of another house (`grok`, `gpt`), or of none."""
    if maker == RESPONSES:
        return True
    families = [_FAMILY.match(name.lower()) for name in (maker.removeprefix(RESPONSES + "/"), model)]
    return own_make(maker) and None not in families and len({one[1] for one in families if one}) == 1


def _write_result(result: ToolResult, style: _Style, lost: list[Dropped], path: str) -> dict[str, Any]:
    kind = style.kinds.get(style.callers.get(result.call_id, ""))
    call_id = fitted_id(result.call_id, RESPONSES_ID)
    lost += dropped(result.extras, RESPONSES, path) if result.extras else ()
    parts = _write_parts(list(result.content), lost, path, assistant=False)
    if result.is_error:  # there is no mark for a tool that failed
        parts = [{"type": "input_text", "text": "Error: "}, *parts]
    output: Any = parts
    if not result.content:
        output = "Error" if result.is_error else ""
    elif len(result.content) == 1 and isinstance(only := result.content[0], Text):
        output = f"Error: {only.text}" if result.is_error else only.text
    item = f"{kind.item}_output" if kind is not None else "function_call_output"
    return {"type": item, "call_id": call_id, "output": output}


def _write_choice(fields: dict[str, Any], request: Request, style: _Style) -> None:
    choice = request.tool_choice
    if choice is None:
        return
    if choice.mode == "named":
        kind = style.kinds.get(choice.name)
        name = {"name": style.names.get(choice.name, choice.name)}
        if kind is None:
            fields["tool_choice"] = {"type": "function", **name}
        else:
            fields["tool_choice"] = {"type": "custom", **name} if "custom" in kind.item else {"type": "local_shell"}
    elif choice.mode != "auto" or choice.parallel is None:
        fields["tool_choice"] = choice.mode
    if choice.parallel is not None:
        fields["parallel_tool_calls"] = choice.parallel


def _write_text(request: Request, extras: Fields) -> dict[str, Any]:
    text: dict[str, Any] = {}
    wanted = request.response_format
    if wanted is not None and wanted.kind != "text":
        text["format"] = _write_format(wanted)
    verbosity = extras.get(VERBOSITY) or next(
        (extra.fields["verbosity"] for extra in request.extras if "verbosity" in extra.fields), None
    )
    text |= {"verbosity": verbosity} if verbosity is not None else {}
    text |= {name.partition(".")[2]: raw for name, raw in extras.items() if name.startswith("text.")}
    return {"text": text} if text else {}


def _write_format(wanted: ResponseFormat) -> dict[str, Any]:
    if wanted.kind == "json":
        return {"type": "json_object"}
    value: dict[str, Any] = {"type": "json_schema", "name": wanted.name or "answer"}
    value |= {"description": wanted.description} if wanted.description else {}
    value |= {"strict": wanted.strict} if wanted.strict is not None else {}
    return {**value, "schema": wanted.schema if wanted.schema is not None else {}}


def _write_reasoning(
    request: Request, model: Model, items: list[Any], extras: Fields, lost: list[Dropped]
) -> dict[str, Any]:
    """How much to think and what to show of it, and thinking in a form that outlives a provider that keeps nothing."""
    effort = effort_of(request, model, lost)
    value: dict[str, Any] = {"effort": effort} if effort else {}
    thinks = model.abilities is None or Ability.REASONING in model.abilities
    if request.shows_reasoning and thinks:
        if SUMMARY in model.refused_params:  # OpenAI shows summaries to organizations that it has verified
            lost.append(Dropped(path=SUMMARY, reason=f"{model.name} does not take it"))
        else:
            value["summary"] = "auto"
    value |= {name.partition(".")[2]: raw for name, raw in extras.items() if name.startswith("reasoning.")}
    fields: dict[str, Any] = {"reasoning": value} if value else {}
    include = [LOGPROBS] if request.logprobs is not None else []
    sure = model.abilities is not None and Ability.REASONING in model.abilities
    if effort != "none" and (sure or value or any("encrypted_content" in item for item in items if type(item) is dict)):
        include.append(ENCRYPTED)
    more = extras.get("include")
    include += [name for name in msgspec.json.decode(more) if name not in include] if more is not None else []
    return fields | ({"include": include} if include else {})


def _write_numbers(request: Request, lost: list[Dropped]) -> dict[str, Any]:
    most = request.max_output
    if most is not None and most < _FEWEST:
        lost.append(Dropped(path="max_tokens", reason=f"Responses has limits from {_FEWEST} on"))
        most = _FEWEST
    plain = {
        "max_output_tokens": most,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_logprobs": request.logprobs or None,
        "user": request.user or None,
        "service_tier": request.service_tier or None,
    }
    return {name: value for name, value in plain.items() if value is not None}
