"""A whole answer to a request for a stream, as the stream that was asked for.

Some servers ignore `stream` for some models. The answer is complete, so the caller gets it, in events: each choice as
one delta, its end, usage where asked for, `[DONE]`. Every field of the answer and of its choices goes along.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.wire.openai_chat.core_answers import answer_fields, with_text
from pointsman.wire.raw import Fields, list_of, object_of, rest
from pointsman.wire.trip import Incoming

_DONE = b"data: [DONE]\n\n"
_ENCODER = msgspec.json.Encoder()


def as_stream(body: bytes, incoming: Incoming) -> bytes:
    """The events of a whole answer. Raises as `port.Dialect.read_answer`."""
    fields = answer_fields(body)
    if incoming.surface == "completions":
        shown = fields if incoming.shows_usage else rest(fields, ("usage",))
        return _event(shown) + _DONE
    head: dict[str, Any] = {
        **rest(fields, ("choices", "usage", "object")),
        "object": "chat.completion.chunk",
    }
    out = []
    for raw in list_of(fields.get("choices")):
        choice = object_of(raw) or {}
        more = rest(choice, ("message", "delta", "finish_reason", "index"))
        index = choice.get("index", msgspec.Raw(b"0"))
        delta = _delta(object_of(choice.get("message")))
        out.append(_event({**head, "choices": [{"index": index, "delta": delta, **more, "finish_reason": None}]}))
        end = {"index": index, "delta": {}, "finish_reason": choice.get("finish_reason", msgspec.Raw(b'"stop"'))}
        out.append(_event({**head, "choices": [end]}))
    if incoming.shows_usage and "usage" in fields:
        out.append(_event({**head, "choices": [], "usage": fields["usage"]}))
    return b"".join((*out, _DONE))


def _delta(message: Fields | None) -> dict[str, Any]:
    """A message as one delta; its tool calls get the index that deltas need."""
    delta: dict[str, Any] = dict(with_text(message or {}))
    calls = [object_of(raw) or {} for raw in list_of(delta.get("tool_calls"))]
    if calls:
        delta["tool_calls"] = [{"index": at, **rest(call, ("index",))} for at, call in enumerate(calls)]
    return delta


def _event(value: Any) -> bytes:
    return b"data: " + _ENCODER.encode(value) + b"\n\n"
