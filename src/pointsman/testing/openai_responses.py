"""The dialect `openai-responses` from the provider's side: responses, counts of tokens, the list of models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pointsman.core.usage import Usage
from pointsman.testing.dialect import Answer, Ask, Frame, Headers, Mark, Part, Refusal, Request, ToolUse
from pointsman.testing.limits import Left
from pointsman.testing.openai_common import answer_headers, bearer, error_body, models_listing, models_surface
from pointsman.testing.responses_asks import own_seal, padding, read_response
from pointsman.testing.script import SimModel
from pointsman.testing.words import fragments

_encode = msgspec.json.Encoder().encode
_SURFACES = {"/responses": "responses", "/responses/input_tokens": "count"}
_ITEM = dict[str, Any]


class OpenAIResponses:
    """`openai-responses`."""

    name = "openai-responses"
    version = "/v1"

    def surface(self, request: Request) -> str:
        """Which endpoint was called."""
        return _SURFACES.get(request.path, "") if request.method == "POST" else models_surface(request)

    def key(self, request: Request) -> str:
        """The bearer token."""
        return bearer(request)

    def listing(self, request: Request, surface: str, models: Sequence[SimModel]) -> bytes | None:
        """`GET /models` and `/models/{id}`."""
        return models_listing(request, models) if surface == "models" else None

    def read(self, request: Request, surface: str) -> Ask:
        """Read a request."""
        return read_response(request, surface)

    def answer_id(self, _surface: str, number: int) -> str:
        """What the answer is called."""
        return f"resp_sim{number:020d}"

    def headers(self, number: int, left: Sequence[Left], _now: int) -> Headers:
        """`x-request-id` and `x-ratelimit-…`."""
        return answer_headers(number, left)

    def content_type(self, ask: Ask) -> bytes:
        """An event stream, or JSON."""
        return b"text/event-stream; charset=utf-8" if ask.stream else b"application/json"

    def whole(self, ask: Ask, answer: Answer, model: SimModel) -> bytes:
        """A response, or the count of tokens."""
        if ask.surface == "count":
            tokens = answer.usage.input if answer.usage else 0
            return _encode({"object": "response.input_tokens", "input_tokens": tokens})
        body = _response(ask, answer, _items(ask, answer, model))
        return _encode({**body, "billing": {"payer": "developer"}})  # only whole ones say so

    def frames(self, ask: Ask, answer: Answer, model: SimModel) -> list[Frame]:
        """Events from `response.created` to `response.completed` or `response.incomplete`, which is also the end."""
        events = _Events(ask)
        for kind in ("response.created", "response.in_progress"):
            events.add(Mark.HEAD, kind, response=_response(ask, answer, [], status="in_progress"))
        items, part = _items(ask, answer, model), answer.parts[0]
        for index, item in enumerate(items):
            match item["type"]:
                case "reasoning":
                    events.reasoning(index, item, part.thinking)
                case "message":
                    step = max(model.pace.tokens_per_event, 1)
                    pieces = ["".join(part.text[at : at + step]) for at in range(0, len(part.text), step)]
                    events.message(index, item, pieces)
                case _:
                    events.call(index, item)
        last = _response(ask, answer, items)
        events.add(Mark.FINISH, f"response.{last['status']}", response=last)
        return events.frames

    def malformed(self, _ask: Ask) -> bytes:
        """A delta that breaks off."""
        return b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","del\n\n'

    def status(self, refusal: Refusal) -> int:
        """A model that there is not is a wrong value here, and no wrong address."""
        return 400 if refusal.code == "model_not_found" and refusal.subject else refusal.status

    def error(self, refusal: Refusal, _request: Request) -> bytes:
        """`{"error": {message, type, param, code}}`."""
        if refusal.code == "model_not_found" and refusal.subject:
            message = f"The requested model '{refusal.subject}' does not exist."
            refusal = Refusal(400, refusal.code, message, "model")
        return error_body(refusal)

    def error_frame(self, refusal: Refusal, ask: Ask, answer: Answer, place: int) -> bytes:
        """A `response.failed`."""
        failed = _response(ask, answer, [], status="failed")
        failed["error"] = {"code": refusal.code, "message": refusal.message}
        return _event("response.failed", {"response": failed, "sequence_number": place})


def _event(kind: str, body: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), _encode({"type": kind, **body}))


def _response(ask: Ask, answer: Answer, items: list[_ITEM], status: str = "") -> dict[str, Any]:
    """A response with every field that OpenAI's have. Without a status it is over."""
    cut = bool(answer.parts) and answer.parts[0].finish == "length"
    over, echo = not status, ask.echo
    status = status or ("incomplete" if cut else "completed")
    return {
        "id": answer.id,
        "object": "response",
        "created_at": answer.created,
        "status": status,
        "background": False,
        "completed_at": answer.created if status == "completed" else None,
        "error": None,
        "frequency_penalty": 0.0,
        "incomplete_details": {"reason": "max_output_tokens"} if over and cut else None,
        "instructions": echo.get("instructions"),
        "max_output_tokens": ask.limit,
        "max_tool_calls": None,
        "model": ask.model,
        "output": items,
        "parallel_tool_calls": echo.get("parallel_tool_calls", True),
        "presence_penalty": 0.0,
        "previous_response_id": None,
        "prompt_cache_key": None,
        "prompt_cache_retention": None,
        "reasoning": {"effort": None, "summary": None, **(echo.get("reasoning") or {})},
        "safety_identifier": None,
        "service_tier": "default" if over else "auto",
        "store": echo.get("store", True),
        "temperature": echo.get("temperature", 1.0),
        "text": {"format": {"type": "text"}, "verbosity": "medium", **(echo.get("text") or {})},
        "tool_choice": echo.get("tool_choice", "auto"),
        "tools": echo.get("tools", []),
        "top_logprobs": 0,
        "top_p": echo.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": _usage(answer.usage, answer.cost) if over and answer.usage else None,
        "user": None,
        "metadata": echo.get("metadata", {}),
    }


def _usage(usage: Usage, cost: float | None) -> dict[str, Any]:
    body: dict[str, Any] = {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cache_read},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total,
    }
    return body if cost is None else {**body, "cost": cost}


def _items(ask: Ask, answer: Answer, model: SimModel) -> list[_ITEM]:
    """The output: thoughts, then the calls or the message."""
    part, tail = answer.parts[0], answer.id[-12:]
    items: list[_ITEM] = []
    if part.thinking:
        shown = ask.shows_thoughts and model.thinking is not None and model.thinking.field != "hidden"
        summary = [_summary("".join(part.thinking))] if shown else []
        item = {"id": f"rs_{tail}00", "type": "reasoning", "summary": summary}
        items.append({**item, "encrypted_content": own_seal(ask.model)} if ask.sealed else item)
    for call in part.calls:
        items.append(_call(f"{tail}{len(items):02d}", call))
    if not part.calls:
        items.append(_message(f"msg_{tail}{len(items):02d}", part))
    return items


def _summary(text: str) -> dict[str, Any]:
    return {"type": "summary_text", "text": text}


def _call(name: str, call: ToolUse) -> _ITEM:
    return {
        "id": f"fc_{name}",
        "type": "function_call",
        "status": "completed",
        "arguments": call.arguments,
        "call_id": f"call_{name}",
        "name": call.name,
    }


def _message(name: str, part: Part) -> _ITEM:
    status = "incomplete" if part.finish == "length" else "completed"
    content = [_text("".join(part.text))]
    return {"id": name, "type": "message", "status": status, "content": content, "role": "assistant"}


def _text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


class _Events:
    """The numbered events of one stream."""

    def __init__(self, ask: Ask) -> None:
        self.frames: list[Frame] = []
        self._hides = (ask.echo.get("stream_options") or {}).get("include_obfuscation") is not False

    def add(self, mark: Mark, kind: str, **body: Any) -> None:
        """One event."""
        self.frames.append((mark, _event(kind, {**body, "sequence_number": len(self.frames)})))

    def reasoning(self, index: int, item: _ITEM, thoughts: list[str]) -> None:
        """An item of thoughts, with its summary if that is shown."""
        self._item("added", index, {**item, "summary": []})
        for number, part in enumerate(item["summary"]):
            at = {"item_id": item["id"], "output_index": index, "summary_index": number}
            self.add(Mark.HEAD, "response.reasoning_summary_part.added", **at, part=_summary(""))
            self._deltas("response.reasoning_summary_text", at, thoughts)
            self.add(Mark.HEAD, "response.reasoning_summary_text.done", **at, text=part["text"])
            self.add(Mark.HEAD, "response.reasoning_summary_part.done", **at, part=part)
        self._item("done", index, item)

    def message(self, index: int, item: _ITEM, pieces: list[str]) -> None:
        """An item of text."""
        self._item("added", index, {**item, "status": "in_progress", "content": []})
        at = {"item_id": item["id"], "output_index": index, "content_index": 0}
        part = item["content"][0]
        self.add(Mark.HEAD, "response.content_part.added", **at, part=_text(""))
        self._deltas("response.output_text", {**at, "logprobs": []}, pieces)
        self.add(Mark.HEAD, "response.output_text.done", **at, logprobs=[], text=part["text"])
        self.add(Mark.HEAD, "response.content_part.done", **at, part=part)
        self._item("done", index, item)

    def call(self, index: int, item: _ITEM) -> None:
        """An item of a call."""
        self._item("added", index, {**item, "status": "in_progress", "arguments": ""})
        at = {"item_id": item["id"], "output_index": index}
        self._deltas("response.function_call_arguments", at, fragments(item["arguments"]))
        self.add(Mark.HEAD, "response.function_call_arguments.done", **at, arguments=item["arguments"])
        self._item("done", index, item)

    def _item(self, what: str, index: int, item: _ITEM) -> None:
        self.add(Mark.HEAD, f"response.output_item.{what}", output_index=index, item=item)

    def _deltas(self, kind: str, at: dict[str, Any], pieces: list[str]) -> None:
        """Deltas are most of a stream, so what they share is printed once."""
        kind = f"{kind}.delta"
        head = b'event: %b\ndata: %b,"delta":' % (kind.encode(), _encode({"type": kind, **at})[:-1])
        for piece in pieces:
            hidden = b',"obfuscation":"%b"' % padding(piece).encode() if self._hides else b""
            body = b'%b%b%b,"sequence_number":%d}\n\n' % (head, _encode(piece), hidden, len(self.frames))
            self.frames.append((Mark.CONTENT, body))
