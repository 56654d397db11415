"""The single tries of `check_provider`, each a small request and what its answer shows.

A provider may answer anything at all. Whatever it is, a try ends in a verdict and never in an exception of its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from pointsman.testing.caller import Caller, Heard, object_in
from pointsman.wire.parse import as_dict, as_list, as_text

Verdict = Literal["yes", "no", "odd"]
Found = tuple[Verdict, str]
"""A verdict and what was seen, for people."""

_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
_TOOL = {"type": "function", "function": {"name": "get_weather", "description": "Weather.", "parameters": _SCHEMA}}
_PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)


class Asker:
    """Sends chat requests to one model."""

    def __init__(self, caller: Caller, model: str) -> None:
        self.caller = caller
        self.model = model

    async def chat(self, text: str = "Say hello.", **fields: Any) -> Heard:
        """Ask, with further fields of the body."""
        messages = [{"role": "user", "content": text}]
        body = {"model": self.model, "messages": messages, "max_tokens": 64, **fields}
        return await self.caller.post("/chat/completions", body)


def _refused(heard: Heard) -> Found:
    return "no", f"status {heard.status}: {heard.text[:120]}" if heard.status else heard.text


def _choice(heard: Heard) -> dict[str, Any]:
    """The first choice of a whole answer; empty if there is none, as below."""
    return as_dict(next(iter(as_list(heard.json.get("choices"))), None))


def _message(heard: Heard) -> dict[str, Any]:
    return as_dict(_choice(heard).get("message"))


def _pieces(heard: Heard) -> list[dict[str, Any]]:
    """The choices of a stream's events, in order."""
    return [as_dict(choice) for chunk in heard.chunks for choice in as_list(chunk.get("choices"))]


async def _whole(asker: Asker) -> Found:
    heard = await asker.chat()
    if heard.status != 200:
        return _refused(heard)
    body = heard.json
    choice = _choice(heard)
    missing = [name for name in ("id", "object", "created", "model", "choices") if name not in body]
    if missing or "finish_reason" not in choice or not isinstance(_message(heard).get("content"), str):
        return "odd", f"missing {missing or 'finish_reason or content'}"
    return "yes", f"finish {choice['finish_reason']}, {heard.arrivals[-1]:.3f} s"


async def _usage(asker: Asker) -> Found:
    usage = (await asker.chat()).json.get("usage")
    if not usage:
        return "no", "no usage in whole answers"
    counts: list[Any] = [as_dict(usage).get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")]
    if not all(type(count) is int for count in counts):
        return "odd", f"counts are missing or no numbers: {str(usage)[:80]}"
    prompt, completion, total = counts
    if prompt + completion != total:
        return "odd", f"prompt + completion is {prompt + completion}, total_tokens is {total}"
    return "yes", f"{prompt} in, {completion} out"


async def _stream(asker: Asker) -> Found:
    heard = await asker.chat(stream=True)
    if heard.status != 200:
        return _refused(heard)
    if "text/event-stream" not in heard.content_type:
        return "odd", f"content type {heard.content_type}"
    if any(not chunk for chunk in heard.chunks):
        return "odd", "an event that is no JSON object"
    finishes = [finish for piece in _pieces(heard) if (finish := piece.get("finish_reason"))]
    if not finishes:
        return "odd", "no finish reason"
    done = "" if "[DONE]" in heard.events else ", no [DONE]"
    return "yes", f"{len(heard.chunks)} events, finish {finishes[-1]}, first byte {heard.arrivals[0]:.3f} s{done}"


def _usage_place(heard: Heard) -> str:
    with_usage = [chunk for chunk in heard.chunks if chunk.get("usage")]
    if not with_usage:
        return ""
    if len(with_usage) > 1:
        return f"in {len(with_usage)} events"
    return "in the finishing event" if with_usage[0].get("choices") else "in an event of its own"


async def _stream_usage(asker: Asker) -> Found:
    asked = await asker.chat(stream=True, stream_options={"include_usage": True})
    if asked.status != 200:
        return _refused(asked)
    place = _usage_place(asked)
    unasked = _usage_place(await asker.chat(stream=True))
    tail = f"; unasked too, {unasked}" if unasked else ""
    return ("yes", place + tail) if place else ("no", "not sent though asked for")


def _judge_calls(calls: list[dict[str, Any]]) -> Found:
    if not calls:
        return "no", "no tool was called"
    function = as_dict(calls[0].get("function"))
    arguments = object_in(as_text(function.get("arguments")))
    if arguments is None:
        return "odd", f"arguments are no JSON object: {str(function.get('arguments'))[:80]}"
    if not {"city", "days"} <= set(arguments):
        return "odd", f"arguments do not fit the schema: {str(arguments)[:80]}"
    return ("yes", f"{function.get('name')}({arguments})") if calls[0].get("id") else ("odd", "a call without an id")


async def _tools(asker: Asker) -> Found:
    heard = await asker.chat("Weather in Paris, 3 days?", tools=[_TOOL], tool_choice="required")
    calls = [as_dict(call) for call in as_list(_message(heard).get("tool_calls"))]
    return _judge_calls(calls) if heard.status == 200 else _refused(heard)


async def _stream_tools(asker: Asker) -> Found:
    heard = await asker.chat("Weather in Paris, 3 days?", tools=[_TOOL], tool_choice="required", stream=True)
    if heard.status != 200:
        return _refused(heard)
    calls: dict[int, dict[str, Any]] = {}
    deltas = [as_dict(piece.get("delta")) for piece in _pieces(heard)]
    for part in (as_dict(part) for delta in deltas for part in as_list(delta.get("tool_calls"))):
        index, said = part.get("index"), as_dict(part.get("function"))
        if type(index) is not int:
            return "odd", "a piece of a call without an index"
        call = calls.setdefault(index, {"id": "", "function": {"name": "", "arguments": ""}})
        call["id"] = call["id"] or as_text(part.get("id"))
        for field in ("name", "arguments"):
            call["function"][field] += as_text(said.get(field))
    return _judge_calls([calls[index] for index in sorted(calls)])


async def _schema(asker: Asker) -> Found:
    form = {"type": "json_schema", "json_schema": {"name": "trip", "strict": True, "schema": _SCHEMA}}
    heard = await asker.chat("A trip to Paris for 3 days, as JSON.", response_format=form, max_tokens=200)
    return _judge_json(heard, {"city", "days"}) if heard.status == 200 else _refused(heard)


async def _json_mode(asker: Asker) -> Found:
    form = {"type": "json_object"}
    heard = await asker.chat("A trip to Paris, as JSON.", response_format=form, max_tokens=200)
    return _judge_json(heard, set()) if heard.status == 200 else _refused(heard)


def _judge_json(heard: Heard, needed: set[str]) -> Found:
    content = as_text(_message(heard).get("content"))
    value = object_in(content)
    if value is None:
        return "no", f"no JSON object: {content[:80]}"
    return ("yes" if needed <= set(value) else "no", content[:80])


async def _limit(asker: Asker) -> Found:
    heard = await asker.chat("Count to a hundred.", max_tokens=3)
    if heard.status != 200:
        return _refused(heard)
    finish = _choice(heard).get("finish_reason")
    return ("yes", "finish length") if finish == "length" else ("no", f"finish {finish}")


async def _choices(asker: Asker) -> Found:
    heard = await asker.chat(n=2)
    made = len(as_list(heard.json.get("choices")))
    return _refused(heard) if heard.status != 200 else ("yes" if made == 2 else "no", f"{made} for n=2")


async def _logprobs(asker: Asker) -> Found:
    heard = await asker.chat(logprobs=True, top_logprobs=2)
    found = as_dict(_choice(heard).get("logprobs")).get("content")
    return _refused(heard) if heard.status != 200 else ("yes" if found else "no", "")


async def _image(asker: Asker) -> Found:
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": _PIXEL}}]
    heard = await asker.chat(messages=[{"role": "user", "content": parts}])
    return ("yes", "") if heard.status == 200 else _refused(heard)


async def _completions(asker: Asker) -> Found:
    body = {"model": asker.model, "prompt": "Once upon a time", "max_tokens": 8}
    heard = await asker.caller.post("/completions", body)
    text = _choice(heard).get("text")
    return ("yes", "") if heard.status == 200 and isinstance(text, str) else _refused(heard)


async def _unknown_model(asker: Asker) -> Found:
    heard = await asker.chat(model="no-such-model")
    if heard.status == 200:
        return "no", "any model name is answered"
    return _judge_error(heard)


async def _bad_json(asker: Asker) -> Found:
    return _judge_error(await asker.caller.post("/chat/completions", b'{"model": '))


def _judge_error(heard: Heard) -> Found:
    error = heard.json.get("error")
    if not 400 <= heard.status < 500:
        return "odd", f"status {heard.status} for a caller's mistake"
    shaped = isinstance(error, dict) and isinstance(error.get("message"), str)
    return ("yes", f"status {heard.status}") if shaped else ("odd", f"status {heard.status}: {heard.text[:80]}")


PROBES: dict[str, Callable[[Asker], Awaitable[Found]]] = {
    "whole": _whole,
    "usage": _usage,
    "stream": _stream,
    "stream_usage": _stream_usage,
    "tools": _tools,
    "stream_tools": _stream_tools,
    "json_schema": _schema,
    "json_object": _json_mode,
    "max_tokens": _limit,
    "n": _choices,
    "logprobs": _logprobs,
    "image": _image,
    "completions": _completions,
    "unknown_model": _unknown_model,
    "bad_json": _bad_json,
}
"""What is tried, by name and in order."""
