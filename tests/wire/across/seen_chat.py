"""Chat completions as a strict client reads them: https://platform.openai.com/docs/api-reference/chat."""

from __future__ import annotations

from typing import Any

from wire.across.breaches import Breaches
from wire.across.frames import DONE, Sse, fields, items, text

_FINISHES = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call", "error"})
_HEAD = {"id": str, "object": str, "created": int, "model": str, "choices": list}


def whole(body: dict[str, Any], breaches: Breaches) -> None:
    """Check a whole answer."""
    breaches.types(body, **_HEAD)
    breaches.check(body.get("object") == "chat.completion", "`object` is not chat.completion")
    breaches.check(body.get("id"), "the answer has no id")
    breaches.check(body.get("created"), "the answer has no time")
    for at, one in enumerate(items(body.get("choices"))):
        choice, message = fields(one), fields(fields(one).get("message"))
        breaches.check(choice.get("index") == at, "choices are not counted from 0")
        breaches.check(choice.get("finish_reason") in _FINISHES, f"finish_reason {choice.get('finish_reason')!r}")
        breaches.types(message, role=str, content=(str, None))
        calls = items(message.get("tool_calls"))
        breaches.check(message.get("tool_calls") is None or calls, "`tool_calls` is an empty list")
        for call in calls:
            _call(fields(call), breaches)
        waits = choice.get("finish_reason") != "stop" or not calls
        breaches.check(waits, "finish_reason stop, and calls that wait for their results")
        ids = [fields(call).get("id") for call in calls]
        breaches.check(len(set(ids)) == len(ids), "two calls with one id")
    if body.get("usage") is not None:
        _usage(fields(body["usage"]), breaches)


def _call(call: dict[str, Any], breaches: Breaches) -> None:
    breaches.types(call, id=str, type=str)
    breaches.check(call.get("id") and call.get("type") == "function", "a call without id or of another type")
    breaches.types(fields(call.get("function")), name=str, arguments=str)


def _usage(usage: dict[str, Any], breaches: Breaches) -> None:
    breaches.types(usage, prompt_tokens=int, completion_tokens=int, total_tokens=int)
    total = usage.get("prompt_tokens", 0) + usage.get("completion_tokens", 0)
    breaches.check(usage.get("total_tokens") == total, "total_tokens is not the sum")


def gathered(events: list[Sse], breaches: Breaches, cut: bool) -> dict[str, Any]:
    """A stream as the answer that it stands for."""
    chunks = _framed(events, breaches, cut)
    answer: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        breaches.types(chunk, **_HEAD)
        breaches.check(chunk.get("object") == "chat.completion.chunk", "`object` is not chat.completion.chunk")
        for name in ("id", "created", "model"):
            breaches.check(answer.setdefault(name, chunk.get(name)) == chunk.get(name), f"`{name}` changes")
        breaches.check("usage" not in answer, "a chunk after the usage")
        if chunk.get("usage") is not None:
            breaches.check(chunk.get("choices") == [], "usage in a chunk with choices")
            answer["usage"] = chunk["usage"]
        for one in items(chunk.get("choices")):
            _grow(fields(one), choices, breaches)
    breaches.check(sorted(choices) == list(range(len(choices))), "choices are not counted from 0")
    for choice in choices.values():
        breaches.check(cut or choice["finish_reason"], "a choice without an end")
        if not choice["message"]["tool_calls"]:
            del choice["message"]["tool_calls"]
    return {**answer, "object": "chat.completion", "choices": [choices[at] for at in sorted(choices)]}


def _framed(events: list[Sse], breaches: Breaches, cut: bool) -> list[dict[str, Any]]:
    """The chunks between the stream's ends."""
    if not cut:
        breaches.check(events and events[-1].data == DONE, "the last event is not [DONE]")
    breaches.check(sum(event.data == DONE for event in events) == (0 if cut else 1), "not one [DONE]")
    breaches.check(not any(event.name for event in events), "an event with a name")
    chunks = [event.value for event in events if event.data != DONE]
    breaches.check(all(isinstance(chunk, dict) for chunk in chunks), "an event that is no JSON object")
    return [fields(chunk) for chunk in chunks]


def _grow(piece: dict[str, Any], choices: dict[int, dict[str, Any]], breaches: Breaches) -> None:
    breaches.types(piece, index=int, delta=dict)
    breaches.check("finish_reason" in piece, "a piece of a choice without finish_reason")
    index, delta = piece.get("index", 0), fields(piece.get("delta"))
    if index not in choices:
        breaches.check(delta.get("role") == "assistant", "the first delta has no role")
        message: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": []}
        choices[index] = {"index": index, "message": message, "finish_reason": None}
    choice = choices[index]
    breaches.check(choice["finish_reason"] is None, "something after the end of a choice")
    choice["finish_reason"] = piece.get("finish_reason")
    message = choice["message"]
    for name in ("content", "refusal", "reasoning_content"):
        if isinstance(said := delta.get(name), str):
            message[name] = text(message.get(name)) + said
    for name in ("annotations", "images", "thinking_blocks"):
        if delta.get(name):
            message[name] = [*items(message.get(name)), *delta[name]]
    for call in items(delta.get("tool_calls")):
        _grow_call(message["tool_calls"], fields(call), breaches)


def _grow_call(calls: list[dict[str, Any]], piece: dict[str, Any], breaches: Breaches) -> None:
    breaches.types(piece, index=int)
    index, function = piece.get("index", 0), fields(piece.get("function"))
    if index == len(calls):
        breaches.check(piece.get("id") and piece.get("type") == "function", "a call begins without id or type")
        breaches.check(function.get("name") and "arguments" in function, "a call begins without name or arguments")
        calls.append({**piece, "function": {"name": function.get("name"), "arguments": ""}})
    elif index > len(calls):
        breaches.check(False, "calls are not counted from 0")
        return
    else:
        breaches.check(not function.get("name"), "a call is named twice")
        breaches.check(piece.get("id") in (None, calls[index]["id"]), "a call's id changes")
    calls[index]["function"]["arguments"] += text(function.get("arguments"))
