"""A whole answer to a request for a stream, as the stream that was asked for. Every field of the answer goes along."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.errors import UpstreamGarbage
from pointsman.wire.anthropic_messages.answer import read_answer
from pointsman.wire.raw import Fields, list_of, object_of, rest, text_in, text_of, whole_object
from pointsman.wire.trip import AnswerFacts

_LATE = ("stop_reason", "stop_sequence", "stop_details", "container")
"""What a stream says about its answer in the end."""
_encode = msgspec.json.Encoder().encode
_NULL, _EMPTY = msgspec.Raw(b"null"), msgspec.Raw(b'""')
_NONE, _NO_INPUT = msgspec.Raw(b"[]"), msgspec.Raw(b"{}")


def answer_fields(body: bytes) -> tuple[AnswerFacts, Fields]:
    """What accounting knows of an answer, and its fields, raw. Raises as `port.BothSides.read_answer`."""
    facts = read_answer(body)  # raises for errors and for what is no answer
    fields = whole_object(body)
    if fields is None or "content" not in fields:
        raise UpstreamGarbage("The provider's answer has no list `content`, or numbers that JSON does not know.")
    return facts, fields


def as_stream(body: bytes) -> bytes:
    """The events of a whole answer. Raises as `port.BothSides.as_stream`."""
    _, fields = answer_fields(body)
    message = {**rest(fields, (*_LATE, "context_management")), "content": _NONE}
    out = [event("message_start", {"message": {**message, "stop_reason": None, "stop_sequence": None}})]
    for index, raw in enumerate(list_of(fields["content"])):
        out += _block(index, raw)
    late: dict[str, Any] = {"stop_reason": _NULL, "stop_sequence": _NULL}
    late |= {name: fields[name] for name in _LATE if name in fields}
    end: dict[str, Any] = {"delta": late, "usage": fields.get("usage", _NO_INPUT)}
    end |= {"context_management": fields["context_management"]} if "context_management" in fields else {}
    return b"".join((*out, event("message_delta", end), event("message_stop", {})))


def event(kind: str, fields: dict[str, Any]) -> bytes:
    """An event as this dialect writes it."""
    data = _encode({"type": kind, **fields})
    if data.find(b"\n") >= 0 or data.find(b"\r") >= 0:  # JSON that came with line breaks, which would end the event
        data = msgspec.json.format(data, indent=-1)
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


def _block(index: int, raw: msgspec.Raw) -> list[bytes]:
    """A block's beginning, what is in it, and its end."""
    fields = object_of(raw)
    start, deltas = _split(fields) if fields is not None else (raw, [])
    return [
        event("content_block_start", {"index": index, "content_block": start}),
        *(event("content_block_delta", {"index": index, "delta": delta}) for delta in deltas),
        event("content_block_stop", {"index": index}),
    ]


def _split(fields: Fields) -> tuple[Any, list[dict[str, Any]]]:
    """A block as it begins, and the deltas that make it what it is."""
    kind = text_in(fields, "type")
    if kind == "text" and text_of(fields.get("text")) is not None:
        start = {**fields, "text": _EMPTY} | ({"citations": _NONE} if "citations" in fields else {})
        cited = [{"type": "citations_delta", "citation": one} for one in list_of(fields.get("citations"))]
        return start, [*cited, {"type": "text_delta", "text": fields["text"]}]
    if kind == "thinking" and text_of(fields.get("thinking")) is not None:
        deltas: list[dict[str, Any]] = [{"type": "thinking_delta", "thinking": fields["thinking"]}]
        if text_in(fields, "signature"):
            deltas.append({"type": "signature_delta", "signature": fields["signature"]})
        return {**fields, "thinking": _EMPTY, "signature": _EMPTY}, deltas
    if kind.endswith("tool_use") and object_of(fields.get("input")) is not None:
        written = bytes(fields["input"]).decode()
        return {**fields, "input": _NO_INPUT}, [{"type": "input_json_delta", "partial_json": written}]
    return fields, []
