"""The dialect `anthropic-messages` from the provider's side: messages, counts of tokens, the list of models."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from pointsman.core.usage import Usage
from pointsman.testing.anthropic_asks import read_messages
from pointsman.testing.dialect import Answer, Ask, Frame, Headers, Mark, Part, Refusal, Request, ToolUse
from pointsman.testing.limits import Left
from pointsman.testing.script import SimModel
from pointsman.testing.seals import seal
from pointsman.testing.words import fragments

_encode = msgspec.json.Encoder().encode
_SURFACES = {"/messages": "messages", "/messages/count_tokens": "count"}
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_WORDS = {
    "invalid_api_key": "invalid x-api-key",
    "no_api_key": "x-api-key header is required",
    "insufficient_quota": "Your credit balance is too low to access the Anthropic API.",
    "content_filter": "Output blocked by content filtering policy",
    "rate_limit_exceeded": "This request would exceed your organization's rate limit.",
    "overloaded_error": "Overloaded",
    "prefill_refused": (
        "This model does not support assistant message prefill. The conversation must end with a user message."
    ),
    "server_error": "Internal server error",
}
_STOPS = {"stop": "end_turn", "length": "max_tokens"}
_PING = b'event: ping\ndata: {"type": "ping"}\n\n'


class AnthropicMessages:
    """`anthropic-messages`."""

    name = "anthropic-messages"
    version = "/v1"

    def surface(self, request: Request) -> str:
        """Which endpoint was called."""
        if request.method == "POST":
            return _SURFACES.get(request.path, "")
        return "models" if request.path == "/models" or request.path.startswith("/models/") else ""

    def key(self, request: Request) -> str:
        """`x-api-key`, or a bearer token."""
        return request.header(b"x-api-key") or request.header(b"authorization").removeprefix("Bearer ")

    def listing(self, request: Request, surface: str, models: Sequence[SimModel]) -> bytes | None:
        """`GET /models` and `/models/{id}`."""
        if surface != "models":
            return None
        cards = [_card(model) for model in models]
        if wanted := request.path.removeprefix("/models").strip("/"):
            for card in cards:
                if card["id"] == wanted:
                    return _encode(card)
            raise Refusal(404, "model_not_found", "", subject=wanted)
        first, last = (models[0].name, models[-1].name) if models else (None, None)
        return _encode({"data": cards, "has_more": False, "first_id": first, "last_id": last})

    def read(self, request: Request, surface: str) -> Ask:
        """Read a request."""
        return read_messages(request, surface)

    def answer_id(self, _surface: str, number: int) -> str:
        """What the answer is called."""
        return f"msg_sim{number:020d}"

    def headers(self, number: int, left: Sequence[Left], now: int) -> Headers:
        """`request-id` and `anthropic-ratelimit-…`."""
        made = [(b"request-id", b"req_sim%020d" % number)]
        for each in left:
            kind = b"anthropic-ratelimit-%b-" % each.kind.encode()
            then = datetime.fromtimestamp(now / 1e9, UTC) + timedelta(seconds=each.reset)
            made += [
                (kind + b"limit", b"%d" % each.limit),
                (kind + b"remaining", b"%d" % each.left),
                (kind + b"reset", then.strftime("%Y-%m-%dT%H:%M:%SZ").encode()),
            ]
        return made

    def content_type(self, ask: Ask) -> bytes:
        """An event stream, or JSON."""
        return b"text/event-stream; charset=utf-8" if ask.stream else b"application/json"

    def whole(self, ask: Ask, answer: Answer, model: SimModel) -> bytes:
        """A message, or the count of tokens."""
        if ask.surface == "count":
            return _encode({"input_tokens": answer.usage.input if answer.usage else 0})
        part = answer.parts[0]
        blocks: list[dict[str, Any]] = [
            {"type": "thinking", "thinking": text, "signature": signature}
            for text, signature in _thoughts(ask, part, model)
        ]
        if part.text:
            blocks.append({"type": "text", "text": "".join(part.text)})
        for number, call in enumerate(part.calls):
            blocks.append({**_call(answer, number, call), "input": call.values})
        return _encode(_message(ask, answer, blocks, _stop(part), answer.usage))

    def frames(self, ask: Ask, answer: Answer, model: SimModel) -> list[Frame]:
        """Events from `message_start` to `message_stop`."""
        part = answer.parts[0]
        usage = answer.usage and msgspec.structs.replace(answer.usage, output=1, reasoning=0)
        start = {"type": "message_start", "message": _message(ask, answer, [], None, usage)}
        blocks = _Blocks()
        for text, signature in _thoughts(ask, part, model):
            blocks.thinking(part.thinking if text else [], signature)
        if part.text:
            step = max(model.pace.tokens_per_event, 1)
            blocks.text(["".join(part.text[at : at + step]) for at in range(0, len(part.text), step)])
        for number, call in enumerate(part.calls):
            blocks.call({**_call(answer, number, call), "input": {}}, call.arguments)
        end: dict[str, Any] = {"type": "message_delta", "delta": {"stop_reason": _stop(part), "stop_sequence": None}}
        if answer.usage is not None:
            end["usage"] = _usage_at_end(answer.usage, answer.cost)
        ends = [(Mark.FINISH, _event(end))] * (2 if answer.usage_twice else 1)
        stop = (Mark.END, _event({"type": "message_stop"}))
        return [(Mark.HEAD, _event(start)), *blocks.frames, *ends, stop]

    def malformed(self, _ask: Ask) -> bytes:
        """A delta that breaks off."""
        return b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"del\n\n'

    def status(self, refusal: Refusal) -> int:
        """As it is."""
        return refusal.status

    def error(self, refusal: Refusal, _request: Request) -> bytes:
        """`{"type": "error", "error": {type, message}, "request_id"}`."""
        return _encode(_error(refusal))

    def error_frame(self, refusal: Refusal, _ask: Ask, _answer: Answer, _place: int) -> bytes:
        """An `error` event."""
        return _event(_error(refusal))


def _event(body: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (body["type"].encode(), _encode(body))


def _error(refusal: Refusal) -> dict[str, Any]:
    message = _WORDS.get(refusal.code, refusal.message)
    if refusal.subject and refusal.code in {"model_not_found", "model_retired"}:
        message = f"model: {refusal.subject}"
    elif refusal.code == "context_length_exceeded":
        tokens, _, most = refusal.subject.partition("/")
        message = f"prompt is too long: {tokens or 200_001} tokens > {most or 200_000} maximum"
    kind = "overloaded_error" if refusal.code == "overloaded_error" else _TYPES.get(refusal.status, "api_error")
    if refusal.code == "insufficient_quota":
        kind = "billing_error"
    error = {"type": kind, "message": message + refusal.tail}
    return {"type": "error", "error": error, "request_id": "req_simulated"}


def _card(model: SimModel) -> dict[str, Any]:
    return {
        "type": "model",
        "id": model.name,
        "display_name": model.name,
        "created_at": "2023-11-14T22:13:20Z",
        "max_input_tokens": model.context,
        "max_tokens": model.context,
    }


def _message(
    ask: Ask, answer: Answer, blocks: list[dict[str, Any]], stop: str | None, usage: Usage | None
) -> dict[str, Any]:
    body = {
        "model": ask.model,
        "id": answer.id,
        "type": "message",
        "role": "assistant",
        "content": blocks,
        "stop_reason": stop,
        "stop_sequence": None,
    }
    return body if usage is None else {**body, "usage": _usage(usage, answer.cost)}


def _usage(usage: Usage, cost: float | None) -> dict[str, Any]:
    written = usage.cache_write + usage.cache_write_1h
    body: dict[str, Any] = {
        "input_tokens": usage.input - usage.cache_read - written,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.output,
        "service_tier": "standard",
    }
    if usage.reasoning:
        body["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return body if cost is None else {**body, "cost": cost}


def _usage_at_end(usage: Usage, cost: float | None) -> dict[str, Any]:
    body = _usage(usage, cost)
    return {name: value for name, value in body.items() if name not in {"cache_creation", "service_tier"}}


def _stop(part: Part) -> str:
    return "tool_use" if part.calls else _STOPS[part.finish]


def _thoughts(ask: Ask, part: Part, model: SimModel) -> list[tuple[str, str]]:
    """The thinking block, if there is one: what is shown of it, and its signature."""
    if not part.thinking:
        return []
    shown = ask.shows_thoughts and model.thinking is not None and model.thinking.field != "hidden"
    text = "".join(part.thinking) if shown else ""
    return [(text, seal(ask.model, text))]


def _call(answer: Answer, number: int, call: ToolUse) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{answer.id[-12:]}{number:02d}", "name": call.name}


class _Blocks:
    """The frames of content blocks, one block after the other."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self._index = 0

    def thinking(self, pieces: list[str], signature: str) -> None:
        """A block of thoughts."""
        self._begin({"type": "thinking", "thinking": "", "signature": ""})
        self._deltas("thinking_delta", "thinking", pieces)
        self._deltas("signature_delta", "signature", [signature])
        self._end()

    def text(self, pieces: list[str]) -> None:
        """A block of text."""
        self._begin({"type": "text", "text": ""})
        self._deltas("text_delta", "text", pieces)
        self._end()

    def call(self, block: dict[str, Any], arguments: str) -> None:
        """A block of one call. The first piece is empty, and nothing else comes of a call without arguments."""
        self._begin(block)
        pieces = [""] if arguments == "{}" else ["", *fragments(arguments)]
        self._deltas("input_json_delta", "partial_json", pieces)
        self._end()

    def _begin(self, block: dict[str, Any]) -> None:
        start = {"type": "content_block_start", "index": self._index, "content_block": block}
        self.frames.append((Mark.HEAD, _event(start)))
        if not self._index:
            self.frames.append((Mark.HEAD, _PING))

    def _deltas(self, kind: str, field: str, pieces: list[str]) -> None:
        head = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":'
        head %= (self._index, kind.encode(), field.encode())
        self.frames += [(Mark.CONTENT, b"%b%b}}\n\n" % (head, _encode(piece))) for piece in pieces]

    def _end(self) -> None:
        self.frames.append((Mark.HEAD, _event({"type": "content_block_stop", "index": self._index})))
        self._index += 1
