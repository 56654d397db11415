"""`check_provider`: plays a caller against a provider and reports what it does, check by check.

It is for a provider that somebody wants to add, and for ours: the simulator and the gateway pass it too. A check says
`yes`, `no` (it does not do this: a fact to configure, no fault) or `odd` (it does, in a way that the dialect does not
allow).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec

from pointsman.core.errors import ConfigError
from pointsman.testing.caller import Caller, Heard

Verdict = Literal["yes", "no", "odd"]
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


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was tried."""

    name: str
    verdict: Verdict
    detail: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider does.

    Attributes:
        base_url: who was asked.
        dialect: how.
        model: which model.
        checks: in the order tried.
    """

    base_url: str
    dialect: str
    model: str
    checks: tuple[Check, ...]

    def __getitem__(self, name: str) -> Check:
        """The check of that name. Raises KeyError: none."""
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(name)

    @property
    def sound(self) -> bool:
        """Whether it answers, whole and streamed, and does nothing odd."""
        return all(self[name].verdict == "yes" for name in ("whole", "stream")) and not self.odd

    @property
    def odd(self) -> tuple[Check, ...]:
        """What the dialect does not allow."""
        return tuple(check for check in self.checks if check.verdict == "odd")

    def render(self) -> str:
        """For people."""
        lines = [f"{self.base_url} ({self.dialect}), model {self.model}"]
        lines += [f"  {check.verdict:3}  {check.name:16} {check.detail}".rstrip() for check in self.checks]
        return "\n".join(lines)


async def check_provider(
    base_url: str, dialect: str = "openai-chat", *, model: str = "", key: str = "", patience: float = 60.0
) -> Report:
    """Play a caller against a provider: about fifteen small requests, one after the other.

    Args:
        base_url: what stands before `/chat/completions`.
        dialect: only `openai-chat` for now.
        model: which one to ask; the first that it lists, if empty.
        key: sent as a bearer token if not empty.
        patience: longest silence in seconds; a check that meets it is `no`.

    Raises:
        ConfigError: not an address, an unknown dialect, or no model named and none listed.
    """
    if dialect != "openai-chat":
        raise ConfigError(f"no checks for the dialect {dialect!r}", hint="there are some for: openai-chat")
    caller = Caller(base_url, key, patience)
    listed = await caller.get("/models")
    names = [str(card.get("id")) for card in listed.json.get("data") or () if isinstance(card, dict)]
    if not model and not names:
        raise ConfigError(f"{base_url} lists no models", hint="name one")
    asker = _Asker(caller, model or names[0])
    shown = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
    checks = [Check(name="models", verdict="yes" if names else "no", detail=shown or f"status {listed.status}")]
    for name, probe in _PROBES.items():
        verdict, detail = await probe(asker)
        checks.append(Check(name=name, verdict=verdict, detail=detail))
    return Report(base_url=base_url, dialect=dialect, model=asker.model, checks=tuple(checks))


class _Asker:
    """Sends chat requests to one model."""

    def __init__(self, caller: Caller, model: str) -> None:
        self.caller = caller
        self.model = model

    async def chat(self, text: str = "Say hello.", **fields: Any) -> Heard:
        messages = [{"role": "user", "content": text}]
        body = {"model": self.model, "messages": messages, "max_tokens": 64, **fields}
        return await self.caller.post("/chat/completions", body)


_Found = tuple[Verdict, str]


def _refused(heard: Heard) -> _Found:
    return "no", f"status {heard.status}: {heard.text[:120]}" if heard.status else heard.text


def _message(heard: Heard) -> dict[str, Any]:
    choices = heard.json.get("choices") or [{}]
    return choices[0].get("message") or {}


async def _whole(asker: _Asker) -> _Found:
    heard = await asker.chat()
    if heard.status != 200:
        return _refused(heard)
    body = heard.json
    choice = (body.get("choices") or [{}])[0]
    missing = [name for name in ("id", "object", "created", "model", "choices") if name not in body]
    if missing or "finish_reason" not in choice or not isinstance(_message(heard).get("content"), str):
        return "odd", f"missing {missing or 'finish_reason or content'}"
    return "yes", f"finish {choice['finish_reason']}, {heard.arrivals[-1]:.3f} s"


async def _usage(asker: _Asker) -> _Found:
    usage = (await asker.chat()).json.get("usage")
    if not usage:
        return "no", "no usage in whole answers"
    total = usage.get("prompt_tokens", 0) + usage.get("completion_tokens", 0)
    if total != usage.get("total_tokens"):
        return "odd", f"prompt + completion is {total}, total_tokens is {usage.get('total_tokens')}"
    return "yes", f"{usage['prompt_tokens']} in, {usage['completion_tokens']} out"


async def _stream(asker: _Asker) -> _Found:
    heard = await asker.chat(stream=True)
    if heard.status != 200:
        return _refused(heard)
    if "text/event-stream" not in heard.content_type:
        return "odd", f"content type {heard.content_type}"
    if any(not chunk for chunk in heard.chunks):
        return "odd", "an event that is no JSON object"
    finishes = [f for c in heard.chunks for choice in c.get("choices") or () if (f := choice.get("finish_reason"))]
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


async def _stream_usage(asker: _Asker) -> _Found:
    asked = await asker.chat(stream=True, stream_options={"include_usage": True})
    if asked.status != 200:
        return _refused(asked)
    place = _usage_place(asked)
    unasked = _usage_place(await asker.chat(stream=True))
    tail = f"; unasked too, {unasked}" if unasked else ""
    return ("yes", place + tail) if place else ("no", "not sent though asked for")


def _judge_calls(calls: list[dict[str, Any]]) -> _Found:
    if not calls:
        return "no", "no tool was called"
    function = calls[0].get("function") or {}
    try:
        arguments = msgspec.json.decode(function.get("arguments") or "")
    except msgspec.DecodeError:
        return "odd", f"arguments are no JSON: {str(function.get('arguments'))[:80]}"
    if not isinstance(arguments, dict) or not {"city", "days"} <= set(arguments):
        return "odd", f"arguments do not fit the schema: {arguments}"
    return ("yes", f"{function.get('name')}({arguments})") if calls[0].get("id") else ("odd", "a call without an id")


async def _tools(asker: _Asker) -> _Found:
    heard = await asker.chat("Weather in Paris, 3 days?", tools=[_TOOL], tool_choice="required")
    return _judge_calls(_message(heard).get("tool_calls") or []) if heard.status == 200 else _refused(heard)


async def _stream_tools(asker: _Asker) -> _Found:
    heard = await asker.chat("Weather in Paris, 3 days?", tools=[_TOOL], tool_choice="required", stream=True)
    if heard.status != 200:
        return _refused(heard)
    calls: dict[int, dict[str, Any]] = {}
    for chunk in heard.chunks:
        for choice in chunk.get("choices") or ():
            for piece in (choice.get("delta") or {}).get("tool_calls") or ():
                if "index" not in piece:
                    return "odd", "a piece of a call without an index"
                call = calls.setdefault(piece["index"], {"id": "", "function": {"name": "", "arguments": ""}})
                call["id"] = call["id"] or piece.get("id") or ""
                for field in ("name", "arguments"):
                    call["function"][field] += (piece.get("function") or {}).get(field) or ""
    return _judge_calls([calls[index] for index in sorted(calls)])


async def _schema(asker: _Asker) -> _Found:
    form = {"type": "json_schema", "json_schema": {"name": "trip", "strict": True, "schema": _SCHEMA}}
    heard = await asker.chat("A trip to Paris for 3 days, as JSON.", response_format=form, max_tokens=200)
    return _judge_json(heard, {"city", "days"}) if heard.status == 200 else _refused(heard)


async def _json_mode(asker: _Asker) -> _Found:
    form = {"type": "json_object"}
    heard = await asker.chat("A trip to Paris, as JSON.", response_format=form, max_tokens=200)
    return _judge_json(heard, set()) if heard.status == 200 else _refused(heard)


def _judge_json(heard: Heard, needed: set[str]) -> _Found:
    content = _message(heard).get("content") or ""
    try:
        value = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return "no", f"no JSON: {content[:80]}"
    return ("yes", content[:80]) if isinstance(value, dict) and needed <= set(value) else ("no", content[:80])


async def _limit(asker: _Asker) -> _Found:
    heard = await asker.chat("Count to a hundred.", max_tokens=3)
    if heard.status != 200:
        return _refused(heard)
    finish = (heard.json.get("choices") or [{}])[0].get("finish_reason")
    return ("yes", "finish length") if finish == "length" else ("no", f"finish {finish}")


async def _choices(asker: _Asker) -> _Found:
    heard = await asker.chat(n=2)
    made = len(heard.json.get("choices") or ())
    return _refused(heard) if heard.status != 200 else ("yes" if made == 2 else "no", f"{made} for n=2")


async def _logprobs(asker: _Asker) -> _Found:
    heard = await asker.chat(logprobs=True, top_logprobs=2)
    found = ((heard.json.get("choices") or [{}])[0].get("logprobs") or {}).get("content")
    return _refused(heard) if heard.status != 200 else ("yes" if found else "no", "")


async def _image(asker: _Asker) -> _Found:
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": _PIXEL}}]
    heard = await asker.chat(messages=[{"role": "user", "content": parts}])
    return ("yes", "") if heard.status == 200 else _refused(heard)


async def _completions(asker: _Asker) -> _Found:
    body = {"model": asker.model, "prompt": "Once upon a time", "max_tokens": 8}
    heard = await asker.caller.post("/completions", body)
    text = (heard.json.get("choices") or [{}])[0].get("text")
    return ("yes", "") if heard.status == 200 and isinstance(text, str) else _refused(heard)


async def _unknown_model(asker: _Asker) -> _Found:
    heard = await asker.chat(model="no-such-model")
    if heard.status == 200:
        return "no", "any model name is answered"
    return _judge_error(heard)


async def _bad_json(asker: _Asker) -> _Found:
    return _judge_error(await asker.caller.post("/chat/completions", b'{"model": '))


def _judge_error(heard: Heard) -> _Found:
    error = heard.json.get("error")
    if not 400 <= heard.status < 500:
        return "odd", f"status {heard.status} for a caller's mistake"
    shaped = isinstance(error, dict) and isinstance(error.get("message"), str)
    return ("yes", f"status {heard.status}") if shaped else ("odd", f"status {heard.status}: {heard.text[:80]}")


_PROBES: dict[str, Callable[[_Asker], Awaitable[_Found]]] = {
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
