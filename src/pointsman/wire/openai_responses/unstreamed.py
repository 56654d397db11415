"""A whole answer to a request for a stream, as the stream that was asked for.

Some servers ignore `stream` for some models. The answer is complete, so the caller gets it, in events; the last of them
holds it as it came.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.errors import UpstreamGarbage
from pointsman.wire.openai_responses.answer import is_count, read_answer
from pointsman.wire.openai_responses.frames import frame
from pointsman.wire.raw import Fields, list_of, object_of, rest, text_in, whole_object

_EMPTY = msgspec.Raw(b"[]")
_ONGOING = msgspec.Raw(b'"in_progress"')
_ENDS = {
    "incomplete": "response.incomplete",
    "queued": "response.queued",
    "in_progress": "response.in_progress",
    "cancelled": "response.cancelled",
}


def as_stream(body: bytes) -> bytes:
    """The events of a whole answer. Raises as `port.BothSides.read_answer`."""
    fields = answer_fields(body)
    events = _Events()
    head = {
        **rest(fields, ("usage", "completed_at", "output_text")),
        "status": _ONGOING,
        "output": _EMPTY,
        "usage": None,
    }
    events.add("response.created", response=head)
    events.add("response.in_progress", response=head)
    for at, raw in enumerate(list_of(fields.get("output"))):
        _item(at, raw, events)
    events.add(_ENDS.get(text_in(fields, "status"), "response.completed"), response=fields)
    return b"".join(events.out)


def answer_fields(body: bytes) -> Fields:
    """The fields of an answer, raw. Raises as `port.BothSides.read_answer`."""
    read_answer(body)  # raises for errors and for what is no answer
    fields = whole_object(body)
    if fields is None:
        raise UpstreamGarbage("The provider's answer holds numbers that JSON does not know.")
    if is_count(fields):
        raise UpstreamGarbage("The provider's answer is a number of tokens.")
    return fields


class _Events:
    """Events in a row."""

    def __init__(self) -> None:
        self.out: list[bytes] = []

    def add(self, kind: str, **fields: Any) -> None:
        """The next one."""
        self.out.append(frame(kind, len(self.out), fields))


def _item(at: int, raw: msgspec.Raw, events: _Events) -> None:
    item = object_of(raw) or {}
    where = {"output_index": at, "item_id": text_in(item, "id")}
    kind = text_in(item, "type")
    bare: dict[str, Any] = dict(item)
    bare |= {"status": _ONGOING} if "status" in item else {}
    bare |= {name: _EMPTY for name in ("content", "summary") if name in item}
    bare |= {name: "" for name in ("arguments", "input") if name in item and kind in _GROWING}
    events.add("response.output_item.added", output_index=at, item=bare)
    if kind == "message":
        for place, part in enumerate(list_of(item.get("content"))):
            _part(part, {**where, "content_index": place}, events)
    elif kind == "reasoning":
        for place, part in enumerate(list_of(item.get("summary"))):
            _summary(part, {**where, "summary_index": place}, events)
        for place, part in enumerate(list_of(item.get("content"))):
            text = text_in(object_of(part) or {}, "text")
            events.add("response.reasoning_text.delta", **where, content_index=place, delta=text)
            events.add("response.reasoning_text.done", **where, content_index=place, text=text)
    elif kind in _GROWING:
        name, event = _GROWING[kind]
        text = text_in(item, name)
        events.add(f"{event}.delta", **where, delta=text)
        events.add(f"{event}.done", **where, **{name: text})
    events.add("response.output_item.done", output_index=at, item=raw)


_GROWING = {
    "function_call": ("arguments", "response.function_call_arguments"),
    "custom_tool_call": ("input", "response.custom_tool_call_input"),
}


def _part(raw: msgspec.Raw, where: dict[str, Any], events: _Events) -> None:
    part = object_of(raw) or {}
    name = "refusal" if text_in(part, "type") == "refusal" else "text"
    event = "response.refusal" if name == "refusal" else "response.output_text"
    logprobs = {"logprobs": part.get("logprobs", _EMPTY)} if name == "text" else {}
    bare: dict[str, Any] = {**part, **({"annotations": _EMPTY} if "annotations" in part else {}), name: ""}
    bare |= {"logprobs": _EMPTY} if "logprobs" in part else {}
    events.add("response.content_part.added", **where, part=bare)
    if name in part:
        events.add(f"{event}.delta", **where, delta=part[name], **logprobs)
    for at, note in enumerate(list_of(part.get("annotations"))):
        events.add("response.output_text.annotation.added", **where, annotation_index=at, annotation=note)
    if name in part:
        events.add(f"{event}.done", **where, **{name: part[name]}, **logprobs)
    events.add("response.content_part.done", **where, part=raw)


def _summary(raw: msgspec.Raw, where: dict[str, Any], events: _Events) -> None:
    part = object_of(raw) or {}
    text = text_in(part, "text")
    events.add("response.reasoning_summary_part.added", **where, part={**part, "text": ""})
    events.add("response.reasoning_summary_text.delta", **where, delta=text)
    events.add("response.reasoning_summary_text.done", **where, text=text)
    events.add("response.reasoning_summary_part.done", **where, part=raw)
