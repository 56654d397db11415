"""Events of a provider's stream, typed: decoded by compiled code, which is most of what reading a stream costs."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from pointsman.core.errors import UpstreamGarbage
from pointsman.wire.event_relay import read_event
from pointsman.wire.parse import BAD_JSON, as_count, as_text, loads


class TypedEvent(msgspec.Struct):
    """An event; what is large stays raw until somebody asks."""

    type: str = ""
    delta: str = ""
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    item: msgspec.Raw = msgspec.Raw(b"")
    response: msgspec.Raw = msgspec.Raw(b"")
    logprobs: msgspec.Raw = msgspec.Raw(b"")
    annotation: msgspec.Raw = msgspec.Raw(b"")
    error: msgspec.Raw = msgspec.Raw(b"")


_EVENT = msgspec.json.Decoder(TypedEvent)


def read_typed(name: bytes, data: bytes) -> TypedEvent:
    """An event.

    Raises:
        UpstreamGarbage, UpstreamRefused: it is none.
    """
    data = sound(data)
    try:
        return _EVENT.decode(data)
    except (ValueError, RecursionError):
        return _odd(name, data)


def sound(data: bytes) -> bytes:
    """JSON whose strings are text: bytes that are no UTF-8 are replaced, so that what stands around them is read."""
    if data.isascii():
        return data
    try:
        data.decode()
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace").encode()
    return data


def _odd(name: bytes, data: bytes) -> TypedEvent:
    """An event whose fields are of odd types, or that holds halves of characters. Raises as `read_typed`."""
    value = read_event(name, data)
    text = json.dumps(value.get("delta"), ensure_ascii=False) if "delta" in value else '""'
    delta = text.encode("utf-8", "replace").decode()
    return TypedEvent(
        type=as_text(value.get("type")),
        delta=as_text(loads(delta.encode())),
        output_index=as_count(value.get("output_index")),
        content_index=as_count(value.get("content_index")),
        summary_index=as_count(value.get("summary_index")),
        **{
            field: _sound(value.get(field))
            for field in ("item", "response", "logprobs", "annotation")
            if value.get(field) is not None
        },
    )


def _sound(value: Any) -> msgspec.Raw:
    """JSON without halves of characters, and without numbers that it does not know."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except BAD_JSON:
        raise UpstreamGarbage("The provider's stream holds numbers that JSON does not know.") from None
    return msgspec.Raw(text.encode("utf-8", "replace"))
