"""Requests of this dialect as core requests, and back. Used only where caller and provider speak different dialects."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.chat import Block, Dropped, Message, Request, ResponseFormat, ToolCall
from pointsman.core.dialects import MESSAGES
from pointsman.core.model import Model
from pointsman.wire.anthropic_messages.checks import check_request
from pointsman.wire.anthropic_messages.claude import Takes, takes
from pointsman.wire.anthropic_messages.core_messages import read_messages
from pointsman.wire.anthropic_messages.core_tools import (
    NO_OFFER,
    Offer,
    needs_answer_tool,
    read_choice,
    read_format,
    read_tools,
    write_format,
    write_tools,
)
from pointsman.wire.anthropic_messages.core_turns import Conversation, fit_marks, flat
from pointsman.wire.anthropic_messages.media import FILES_BETA
from pointsman.wire.anthropic_messages.outgoing import COUNT_PATH, HEADERS, PATH
from pointsman.wire.anthropic_messages.thinking import SILENT, Bounds, Thinking, read_thinking, wanted, write_thinking
from pointsman.wire.cache_marks import NAME as MARK
from pointsman.wire.cache_marks import read_mark
from pointsman.wire.extras import keep, own
from pointsman.wire.losses import dropped, untiered
from pointsman.wire.numbers import number, whole
from pointsman.wire.openai_chat.outgoing import fit
from pointsman.wire.parse import as_dict, as_list
from pointsman.wire.raw import Fields, dump, object_of, rest, value_of
from pointsman.wire.tool_names import LONG_NAME, fitted_names
from pointsman.wire.trip import Incoming, Outgoing

_encode = msgspec.json.Encoder().encode
_NULL = msgspec.Raw(b"null")
_KNOWN = frozenset(
    {
        "model",
        "max_tokens",
        "messages",
        "system",
        "tools",
        "tool_choice",
        "stream",
        "stop_sequences",
        "temperature",
        "top_p",
        "top_k",
        MARK,
    }
)
_PARTLY = frozenset({"thinking", "output_config", "output_format", "metadata"})
_COUNTED = ("model", "messages", "system", "tools", "tool_choice", "thinking", "output_config")
"""The fields that the endpoint for counting takes."""
_USUAL_LIMIT = 4_096
_MOST_UNASKED, _MOST_THOUGHT = 32_000, 64_000  # longest answer where the caller names no limit
_JSON = "Answer with one JSON object and nothing else: no words around it, no code fence."


def to_core(incoming: Incoming) -> Request:
    """A request in no dialect. Raises as `port.CallerSide.to_core`."""
    fields = incoming.fields
    get = fields.get
    check_request(fields)
    output = as_dict(value_of(get("output_config"))) if "output_config" in fields else {}
    thought = read_thinking(get("thinking"), output, shown=takes(incoming.model).shows)
    limit = whole(value_of(get("max_tokens")))
    extras = _others(fields, thought.left)
    choice = read_choice(get("tool_choice"))
    if choice is None and bytes(get("tool_choice", _NULL)) != b"null":
        extras = {**extras, "tool_choice": fields["tool_choice"]}  # of a kind that is new
    return Request(
        model=incoming.model,
        messages=_marked(read_messages(fields), fields),
        tools=read_tools(get("tools")),
        tool_choice=choice,
        response_format=_format(fields),
        max_output=limit,
        stop=tuple([word for word in as_list(value_of(get("stop_sequences"))) if isinstance(word, str)]),
        temperature=number(value_of(get("temperature"))),
        top_p=number(value_of(get("top_p"))),
        top_k=whole(value_of(get("top_k"))),
        reasoning_effort=thought.effort,
        reasoning_budget=thought.budget,
        shows_reasoning=thought.shows,
        stream=incoming.stream,
        stream_usage=True,
        user=incoming.user,
        extras=keep(MESSAGES, extras) if extras else (),
    )


def _format(fields: Fields) -> ResponseFormat | None:
    output = object_of(fields.get("output_config")) or {}
    return read_format(object_of(output.get("format")) or object_of(fields.get("output_format")))


def _others(fields: Fields, thinking: Fields | None) -> Fields:
    """What only this dialect understands: whole fields, and what is left of those that others understand in part."""
    if _KNOWN.issuperset(fields):
        return {}
    left: Fields = {
        name: raw
        for name, raw in fields.items()
        if name not in _KNOWN and name not in _PARTLY and bytes(raw) != b"null"
    }
    inner = {
        "thinking": thinking or {},
        "output_config": rest(object_of(fields.get("output_config")) or {}, ("effort", "format")),
        "metadata": rest(object_of(fields.get("metadata")) or {}, ("user_id",)),
    }
    return left | {name: dump(value) for name, value in inner.items() if value}


def _marked(messages: tuple[Message, ...], fields: Fields) -> tuple[Message, ...]:
    """A cache mark on the whole request counts for the last block of its last message."""
    mark = read_mark(fields.get(MARK)) if MARK in fields else ""
    if not mark or not messages or not messages[-1].blocks:
        return messages
    last: tuple[Block, ...] = messages[-1].blocks
    marked = (*last[:-1], msgspec.structs.replace(last[-1], cache=last[-1].cache or mark))
    return (*messages[:-1], msgspec.structs.replace(messages[-1], blocks=marked))


def from_core(request: Request, model: Model) -> Outgoing:
    """A request for `model`, fitted to it. Raises as `port.ProviderSide.from_core`."""
    return _outgoing(request, model, counting=False)


def count_from_core(request: Request, model: Model) -> Outgoing:
    """The question how many tokens a request has. Raises as `from_core`."""
    return _outgoing(request, model, counting=True)


def _outgoing(request: Request, model: Model, *, counting: bool) -> Outgoing:
    lost: list[Dropped] = []
    if request.extras or request.service_tier:
        lost += (*dropped(request.extras, MESSAGES, ""), *untiered(request))
    offered = [tool.name for tool in request.tools if not tool.dialect]
    called = _called(request)
    names = fitted_names((*offered, *called), LONG_NAME) if offered or called else {}
    able = takes(model.upstream)
    talk = Conversation(model.upstream, able, names, lost)
    talk.add(request.messages)
    offer = write_tools(request, names, able, lost) if request.tools or request.response_format else NO_OFFER
    fields = _write(request, model, able, talk, offer)
    if counting:
        fields = {name: fields[name] for name in _COUNTED if name in fields}
        model = msgspec.structs.replace(model, params=())
        lost = []  # nothing of an answer is lost by counting
    fitted, refused = fit(fields, model, asks_usage=False)
    return Outgoing(
        path=COUNT_PATH if counting else PATH,
        body=_encode(fitted),
        dropped=(*lost, *refused),
        dialect=MESSAGES,
        headers=(*HEADERS, (b"anthropic-beta", FILES_BETA)) if talk.files else HEADERS,
        tool_names={sent: name for name, sent in names.items()} if names else {},
        answer_tool=offer.answer_tool,
        answer_field=offer.answer_field,
    )


def _called(request: Request) -> list[str]:
    """The names of the tools that were called so far, some of which may be offered no longer."""
    return [block.name for message in request.messages for block in message.blocks if isinstance(block, ToolCall)]


def _write(request: Request, model: Model, able: Takes, talk: Conversation, offer: Offer) -> dict[str, Any]:
    lost = talk.lost
    mine = own(request.extras, MESSAGES) if request.extras else {}
    limit = _limit(request, model, lost)
    thinking = SILENT
    if wanted(request) is not None:
        thinking = write_thinking(request, model, able, Bounds(limit, offer.forced, talk.broken), lost)
    talk.end(prefill=able.prefill and not thinking.on)
    output = _output(request, able, thinking, talk, answer_tool=offer.answer_tool)
    _fit_marks(talk, offer)
    fields: dict[str, Any] = {"model": model.upstream, "max_tokens": limit}
    if talk.system:
        fields["system"] = flat(talk.system)
    fields["messages"] = [{"role": turn["role"], "content": flat(turn["content"])} for turn in talk.turns]
    fields |= offer.fields
    if thinking.config is not None or "thinking" in mine:
        fields["thinking"] = {**(thinking.config or {}), **(object_of(mine.pop("thinking", None)) or {})}
    if "output_config" in mine:
        output |= object_of(mine.pop("output_config")) or {}
    if output:
        fields["output_config"] = output
    fields |= _sampling(request, able, thinking, lost)
    _write_rest(fields, request, mine, lost)
    _leave_out(request, lost)
    fields |= mine
    return fields


def _fit_marks(talk: Conversation, offer: Offer) -> None:
    """Cache marks in the order of the prompt: tools, system prompt, turns."""
    tools = offer.fields.get("tools")
    marks = [tool for tool in tools if isinstance(tool, dict) and MARK in tool] if tools else []
    if not marks and not talk.marks:
        return
    system = {id(block) for block in talk.system}
    in_system = [value for value in talk.marks if id(value) in system]
    in_turns = [value for value in talk.marks if id(value) not in system]
    fit_marks([*marks, *in_system, *in_turns], talk.lost)


def _limit(request: Request, model: Model, lost: list[Dropped]) -> int:
    """The longest answer, which this dialect wants to be told: the caller's, else what the model may write."""
    asked = request.max_output
    if asked is not None and asked > 0:
        if not model.max_output or asked <= model.max_output:
            return asked
        lost.append(Dropped(path="max_tokens", reason=f"{model.name} writes at most {model.max_output}, not {asked}"))
        return model.max_output
    if model.params:
        usual = whole(value_of(dict(model.params).get("max_tokens")))
        if usual is not None and usual > 0:
            return usual
    most = _MOST_THOUGHT if wanted(request) else _MOST_UNASKED
    return min(model.max_output, most) if model.max_output else _USUAL_LIMIT


def _output(
    request: Request, able: Takes, thinking: Thinking, talk: Conversation, *, answer_tool: str
) -> dict[str, Any]:
    """`output_config`; a form that the model has no word for is asked for in the system prompt."""
    output: dict[str, Any] = {"effort": thinking.effort} if thinking.effort and able.effort else {}
    form = request.response_format
    if form is None or form.kind == "text" or answer_tool:
        return output
    written = write_format(form, talk.lost) if not needs_answer_tool(request, able) else None
    if written is not None:
        return {**output, "format": written}
    talk.system.append({"type": "text", "text": _JSON})
    talk.lost.append(Dropped(path="response_format", reason="JSON without a schema can only be asked for in words"))
    return output


def _sampling(request: Request, able: Takes, thinking: Thinking, lost: list[Dropped]) -> dict[str, Any]:
    """Temperature and its like, as far as the model takes them: the newest take none, and thinking forbids most."""
    said: dict[str, Any] = {}
    if request.temperature is not None:
        said["temperature"] = request.temperature
    if request.top_p is not None:
        said["top_p"] = request.top_p
    if request.top_k is not None:
        said["top_k"] = request.top_k
    if not said:
        return said
    if said.get("temperature", 0) > 1:
        lost.append(Dropped(path="temperature", reason="1 is the highest; it is taken for that"))
        said["temperature"] = 1.0
    if not able.samples:
        return _without(said, said.get("temperature") == 1, "the model takes no sampling parameters", lost)
    if thinking.on:
        fine = {"top_p": said["top_p"]} if 0.95 <= said.get("top_p", 0) <= 1 and "temperature" not in said else {}
        gone = {name: value for name, value in said.items() if name not in fine}
        return fine | _without(gone, gone.get("temperature") == 1, "not taken while the model thinks", lost)
    if "temperature" in said and "top_p" in said:
        lost.append(Dropped(path="top_p", reason="only one of `temperature` and `top_p` is taken"))
        del said["top_p"]
    return said


def _without(said: dict[str, Any], usual: bool, reason: str, lost: list[Dropped]) -> dict[str, Any]:
    """Nothing of it; a temperature that is the usual one is not missed."""
    lost += [Dropped(path=name, reason=reason) for name in said if name != "temperature" or not usual]
    return {}


def _write_rest(fields: dict[str, Any], request: Request, mine: Fields, lost: list[Dropped]) -> None:
    """Stop strings, label and stream."""
    if request.stop:
        words = [word for word in request.stop if word.strip()]
        if len(words) < len(request.stop):
            lost.append(Dropped(path="stop", reason="stop strings of white space alone are refused"))
        fields |= {"stop_sequences": words} if words else {}
    if request.user or "metadata" in mine:
        label = {"user_id": request.user} if request.user else {}
        fields["metadata"] = {**label, **(object_of(mine.pop("metadata", None)) or {})}
    if request.stream:
        fields["stream"] = True


def _leave_out(request: Request, lost: list[Dropped]) -> None:
    """What has no place here, by name."""
    if request.choices > 1:
        lost.append(Dropped(path="n", reason="one answer to a request"))
    if request.logprobs is not None:
        lost.append(_unsaid("logprobs"))
    if request.seed is not None:
        lost.append(_unsaid("seed"))
    if request.presence_penalty:  # 0 is what there is without
        lost.append(_unsaid("presence_penalty"))
    if request.frequency_penalty:
        lost.append(_unsaid("frequency_penalty"))


def _unsaid(name: str) -> Dropped:
    return Dropped(path=name, reason=f"messages have no `{name}`")
