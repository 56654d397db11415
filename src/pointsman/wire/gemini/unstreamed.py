"""A whole answer to a request for a stream, as the stream that was asked for: one event, since a chunk is an answer."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.wire.gemini.answer import chunks_of
from pointsman.wire.gemini.ends import word_of
from pointsman.wire.gemini.framing import Framing, event
from pointsman.wire.parse import as_dict, as_list
from pointsman.wire.raw import Fields, list_of, object_of

_encode = msgspec.json.Encoder().encode
_STOP = {"finishReason": "STOP"}


def as_stream(body: bytes) -> bytes:
    """The events of an answer, or of a stream that came as one array. Raises as `port.BothSides.read_answer`."""
    chunks = chunks_of(body)
    if body.lstrip().startswith(b"["):
        return Framing().take(body)
    return event(body if _ended(chunks[0]) else _with_end(object_of(body), body))


def _ended(answer: dict[str, Any]) -> bool:
    candidates = as_list(answer.get("candidates"))
    if not candidates:
        return bool(answer.get("promptFeedback"))
    return all(word_of(as_dict(one).get("finishReason")) for one in candidates)


def _with_end(fields: Fields | None, body: bytes) -> bytes:
    """An answer that does not say that it has ended, which in a stream would be one that was cut off."""
    if fields is None:
        return body
    found = [object_of(raw) or {} for raw in list_of(fields.get("candidates"))]
    ended = [one if "finishReason" in one else {**one, **_STOP} for one in found]
    return _encode({**fields, "candidates": ended})
