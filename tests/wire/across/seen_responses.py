"""OpenAI's Responses as a strict client reads them: https://platform.openai.com/docs/api-reference/responses-streaming."""

from __future__ import annotations

from typing import Any

from wire.across.breaches import Breaches
from wire.across.frames import DONE, Sse, fields, items, text

_ENDS = {"response.completed": "completed", "response.incomplete": "incomplete", "response.failed": "failed"}
_TEXTS = {  # where the text of a delta grows, and what its `done` event calls it
    "response.output_text": "text",
    "response.refusal": "refusal",
    "response.reasoning_text": "text",
    "response.reasoning_summary_text": "text",
    "response.function_call_arguments": "arguments",
}


def whole(body: dict[str, Any], breaches: Breaches) -> None:
    """Check a whole response."""
    breaches.types(body, id=str, object=str, created_at=(int, float), model=str, output=list, status=str)
    breaches.check(body.get("object") == "response", "`object` is not response")
    breaches.check(body.get("id"), "the answer has no id")
    breaches.check(body.get("created_at"), "the answer has no time")
    for name in ("error", "incomplete_details", "instructions", "metadata", "tools", "tool_choice", "text"):
        breaches.check(name in body, f"`{name}` is missing")
    incomplete = body.get("status") == "incomplete"
    breaches.check(bool(body.get("incomplete_details")) == incomplete, "incomplete_details and status disagree")
    ids = [fields(item).get("id") for item in items(body.get("output"))]
    breaches.check(all(ids) and len(set(ids)) == len(ids), "items without an id, or two with one")
    for item in items(body.get("output")):
        _item(fields(item), breaches)
    calls = [item["call_id"] for item in items(body.get("output")) if fields(item).get("call_id")]
    breaches.check(len(set(calls)) == len(calls), "two calls with one id")
    if body.get("usage") is not None:
        _usage(fields(body["usage"]), breaches)


def _item(item: dict[str, Any], breaches: Breaches) -> None:
    match item.get("type"):
        case "message":
            breaches.types(item, id=str, role=str, status=str, content=list)
            for part in items(item.get("content")):
                said = fields(part)
                if said.get("type") == "output_text":
                    breaches.types(said, text=str, annotations=list)
                else:
                    breaches.check(said.get("type") == "refusal", f"a part `{said.get('type')}` in a message")
        case "function_call":
            breaches.types(item, id=str, call_id=str, name=str, arguments=str, status=str)
            breaches.check(item.get("call_id"), "a call without an id")
        case "reasoning":
            breaches.types(item, id=str, summary=list)
        case kind:
            breaches.check(isinstance(kind, str), "an item without a type")


def _usage(usage: dict[str, Any], breaches: Breaches) -> None:
    breaches.types(usage, input_tokens=int, output_tokens=int, total_tokens=int)
    breaches.types(usage, input_tokens_details=dict, output_tokens_details=dict)
    total = usage.get("input_tokens", 0) + usage.get("output_tokens", 0)
    breaches.check(usage.get("total_tokens") == total, "total_tokens is not the sum")


class _Stream:
    """What has come so far."""

    def __init__(self, breaches: Breaches) -> None:
        self.breaches = breaches
        self.started: list[str] = []
        self.items: dict[int, dict[str, Any]] = {}
        self.done: dict[int, dict[str, Any]] = {}
        self.parts: set[tuple[Any, ...]] = set()
        self.grown: dict[tuple[Any, ...], str] = {}
        self.last: dict[str, Any] | None = None
        self.answer_id = ""

    def take(self, kind: str, value: dict[str, Any]) -> None:
        check = self.breaches.check
        check(self.last is None, "an event after the end")
        if kind in ("response.created", "response.in_progress") or kind in _ENDS:
            self._response(kind, fields(value.get("response")))
            return
        check("response.created" in self.started, "response.created is not first")
        if kind == "response.output_item.added":
            self._added(value)
        elif kind == "response.output_item.done":
            self._done(value)
        elif kind in (
            "response.content_part.added",
            "response.reasoning_summary_part.added",
        ):
            self._of_item(kind, value)
            self.parts.add(self._place(value))
        elif kind in ("response.content_part.done", "response.reasoning_summary_part.done"):
            self._of_item(kind, value)
            said = fields(value.get("part"))
            whole_text = text(said.get("text")) + text(said.get("refusal"))
            check(self.grown.get(self._place(value), "") == whole_text, f"`{kind}` with another text than its deltas")
        elif kind == "response.output_text.annotation.added":
            self._of_item(kind, value)
        elif (base := kind.rpartition(".")[0]) in _TEXTS:
            self._text(base, kind, value)
        else:
            check(kind.startswith("response."), f"an event `{kind}`")

    def _response(self, kind: str, response: dict[str, Any]) -> None:
        check = self.breaches.check
        if kind in _ENDS:
            self.last = response
            check(response.get("status") == _ENDS[kind], f"`{kind}` with status {response.get('status')}")
            check(not set(self.items) - set(self.done), "an item that does not end")
        else:
            expected = [] if kind == "response.created" else ["response.created"]
            check(self.started == expected, f"`{kind}` out of order")
            check(response.get("status") == "in_progress", f"`{kind}` with status {response.get('status')}")
            check(response.get("output") == [], f"`{kind}` with output")
            self.started.append(kind)
        self.answer_id = self.answer_id or text(response.get("id"))
        check(response.get("id") == self.answer_id, "the answer's id changes")

    def _added(self, value: dict[str, Any]) -> None:
        index, item = value.get("output_index"), fields(value.get("item"))
        self.breaches.check(index == len(self.items), "items are not counted from 0")
        self.breaches.check(item.get("id"), "an item without an id")
        self.items[index if isinstance(index, int) else -1] = item

    def _done(self, value: dict[str, Any]) -> None:
        index, item = value.get("output_index"), fields(value.get("item"))
        known = self.items.get(index) if isinstance(index, int) else None
        self.breaches.check(known is not None and index not in self.done, "an item ends that was not open")
        for name in ("id", "type", "call_id", "name"):
            self.breaches.check(fields(known).get(name) == item.get(name), f"an item's `{name}` changes")
        self.done[index if isinstance(index, int) else -1] = item

    def _of_item(self, kind: str, value: dict[str, Any]) -> None:
        known = fields(self.items.get(value.get("output_index", -1)))
        self.breaches.check(known and known.get("id") == value.get("item_id"), f"`{kind}` for an unknown item")
        self.breaches.check(value.get("output_index") not in self.done, f"`{kind}` for an item that has ended")

    def _place(self, value: dict[str, Any]) -> tuple[Any, ...]:
        return value.get("output_index"), value.get("content_index"), value.get("summary_index")

    def _text(self, base: str, kind: str, value: dict[str, Any]) -> None:
        self._of_item(kind, value)
        place = self._place(value)
        if base != "response.function_call_arguments":
            self.breaches.check(place in self.parts, f"`{kind}` for a part that was not begun")
        if kind.endswith(".delta"):
            self.breaches.types(value, delta=str)
            self.grown[place] = self.grown.get(place, "") + text(value.get("delta"))
        else:
            same = self.grown.get(place, "") == value.get(_TEXTS[base])
            self.breaches.check(same, f"`{kind}` with another text than its deltas")


def gathered(events: list[Sse], breaches: Breaches, cut: bool) -> dict[str, Any]:
    """A stream as the response that it stands for: what the last event holds has to be what came before."""
    stream = _Stream(breaches)
    for at, event in enumerate(events):
        value = fields(event.value)
        breaches.check(event.data != DONE, "[DONE]")
        breaches.check(event.name == value.get("type"), f"event `{event.name}` with data of type `{value.get('type')}`")
        breaches.check(value.get("sequence_number") == at, "sequence_number does not count")
        stream.take(text(value.get("type")), value)
    done = [stream.done[at] for at in sorted(stream.done)]
    if stream.last is None:
        breaches.check(cut, "no last event")
        open_items = [stream.done.get(at) or _so_far(stream, at) for at in sorted(stream.items)]
        return {"status": "completed", "output": open_items}
    breaches.check(stream.last.get("output") == done, "the last event holds other items than came")
    for at, item in stream.done.items():
        _agrees(stream, at, item)
    return stream.last


def _agrees(stream: _Stream, at: int, item: dict[str, Any]) -> None:
    """What an item says in the end is what its deltas said."""
    said = "".join(grown for place, grown in sorted(stream.grown.items(), key=str) if place[0] == at)
    if item.get("type") in ("message", "reasoning"):
        parts = [*items(item.get("summary")), *items(item.get("content"))]
        told = "".join(text(fields(part).get("text")) + text(fields(part).get("refusal")) for part in parts)
    elif item.get("type") == "function_call":
        told = text(item.get("arguments"))
    else:
        return
    stream.breaches.check(sorted(said) == sorted(told), "an item says something else than its deltas")


def _so_far(stream: _Stream, at: int) -> dict[str, Any]:
    """An item that an error cut off."""
    item = {**stream.items[at]}
    grown = "".join(said for place, said in sorted(stream.grown.items(), key=str) if place[0] == at)
    if item.get("type") == "message":
        item["content"] = [{"type": "output_text", "text": grown}]
    elif item.get("type") == "function_call":
        item["arguments"] = grown
    elif item.get("type") == "reasoning":
        item["summary"] = [{"type": "summary_text", "text": grown}]
    return item
