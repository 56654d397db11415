"""A provider's Responses stream as core events.

Deltas are told as they come. What an item is in the end, its last event says, and so does the whole response: what of
it had not been told is told then, so that servers which send only finished items, or only the response, are understood.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.chat import (
    Alive,
    AnswerStart,
    Block,
    BlockEnd,
    BlockStart,
    ChoiceEnd,
    Delta,
    Event,
    Logprobs,
    Media,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    UsageReport,
)
from pointsman.core.dialects import RESPONSES
from pointsman.wire.event_reader import EventReader
from pointsman.wire.event_relay import read_event
from pointsman.wire.extras import keep
from pointsman.wire.openai_responses.answer import failure_in
from pointsman.wire.openai_responses.content import ANNOTATIONS, read_annotations
from pointsman.wire.openai_responses.core_answers import Place, created_of, maker_of, meaning, read_item, word_in
from pointsman.wire.openai_responses.relay import DONE, ENDS, FAILED
from pointsman.wire.openai_responses.stream_events import TypedEvent, read_typed
from pointsman.wire.openai_responses.usage import usage_of
from pointsman.wire.raw import Fields, dump, list_of, object_of, text_in, value_of
from pointsman.wire.services import fees_in_items, served, service_of
from pointsman.wire.tool_names import made_id
from pointsman.wire.trip import Outgoing

_GROWN = {
    "response.output_text.delta": "part",
    "response.refusal.delta": "part",
    "response.function_call_arguments.delta": "call",
    "response.reasoning_summary_text.delta": "summary",
    "response.reasoning_text.delta": "content",
    "response.reasoning.delta": "content",  # vLLM and other servers of open models
}
_ADDED = "response.output_item.added"
_ITEM_DONE = "response.output_item.done"
_NOTE = "response.output_text.annotation.added"
_ALIVE = (".in_progress", ".searching", ".interpreting", ".generating", ".queued")


class ResponsesReader(EventReader):
    """`streams.StreamReader` for Responses."""

    mark = DONE

    def __init__(self, outgoing: Outgoing) -> None:
        super().__init__()
        self._outgoing = outgoing
        self._items: dict[int, _Item] = {}
        self._head: AnswerStart | None = None
        self._model = ""
        self._count = 0
        self._calls = False

    def _marked(self) -> None:
        """OpenRouter's mark, behind the last event; where none came before it, the stream was cut."""

    def _event(self, name: bytes, data: bytes, events: list[Event]) -> None:
        event = read_typed(name, data)
        kind = event.type or name.decode("latin-1")
        place = _GROWN.get(kind)
        if place is not None:
            self._grow(place, event, events)
        elif kind == "error" or name == b"error" or bytes(event.error) not in (b"", b"null"):
            read_event(b"error", data)
        elif kind in (_ITEM_DONE, _ADDED):
            self._item(kind, event, events)
        elif kind == _NOTE:
            opened = self._of(event.output_index, events).blocks.get(Place("part", event.content_index))
            if opened is not None:
                opened.notes.append(event.annotation)
        elif len(memoryview(event.response)) > len(b"null"):
            self._response(kind, event, events)
        elif not kind.startswith("response.") or kind.endswith(_ALIVE):
            events.append(Alive())

    def _start(self, fields: Fields, events: list[Event]) -> None:
        self._model = text_in(fields, "model")
        self._head = AnswerStart(
            id=text_in(fields, "id"), model=self._model, created=created_of(value_of(fields.get("created_at")))
        )
        events.append(self._head)

    def _of(self, index: int, events: list[Event]) -> _Item:
        if self._head is None:
            self._start({}, events)
        item = self._items.get(index)
        if item is None:
            item = self._items[index] = _Item()
        return item

    def _grow(self, place: str, event: TypedEvent, events: list[Event]) -> None:
        item = self._of(event.output_index, events)
        if not event.delta or item.ended:
            return
        where = Place(place, event.content_index if place == "part" else 0)
        opened = item.blocks.get(where)
        if opened is None:
            block = _block(place, event.type, maker_of(self._model))
            if block is None:  # arguments of a call that was not announced: its last event tells them
                return
            opened = self._open(item, where, block, events)
        text = event.delta
        if place == "summary":
            text = opened.paragraph(event.summary_index) + text
        elif place == "content":
            text = opened.paragraph(event.content_index) + text
        opened.told += len(text)
        events.append(Delta(index=opened.index, field="arguments" if place == "call" else "text", text=text))
        if len(memoryview(event.logprobs)) > len(b"[]"):
            item.weighed = True
            events.append(Logprobs(raw=dump({"content": list_of(event.logprobs)})))

    def _open(self, item: _Item, place: Place, block: Block, events: list[Event]) -> _Open:
        opened = item.blocks[place] = _Open(self._count)
        self._count += 1
        events.append(BlockStart(index=opened.index, block=block))
        return opened

    def _item(self, kind: str, event: TypedEvent, events: list[Event]) -> None:
        item = self._of(event.output_index, events)
        if kind == _ITEM_DONE:
            self._settle(event.output_index, event.item, events)
            return
        fields = object_of(event.item) or {}
        name = text_in(fields, "name")
        if text_in(fields, "type") == "function_call" and name and Place("call") not in item.blocks:
            called = self._outgoing.tool_names.get(name, name)
            call_id = text_in(fields, "call_id") or text_in(fields, "id") or made_id(name, event.output_index)
            block = ToolCall(id=call_id, name=called, arguments="")
            opened = self._open(item, Place("call"), block, events)
            begun = text_in(fields, "arguments")
            if begun and begun != "{}":
                opened.told = len(begun)
                events.append(Delta(index=opened.index, field="arguments", text=begun))
        elif text_in(fields, "type") not in ("function_call", "message"):
            events.append(Alive())

    def _settle(self, index: int, raw: msgspec.Raw, events: list[Event]) -> None:
        """An item is complete: what of it has not been told, and the ends of its blocks."""
        item = self._of(index, events)
        if item.ended:
            return
        item.ended = True
        whole = read_item(raw, index, maker_of(self._model), self._outgoing)
        for place, block in whole.blocks.items():
            opened = item.blocks.pop(place, None)
            if opened is None:
                opened = self._open(item, place, _bare(block), events)
                item.blocks.pop(place)
            self._rest(opened, block, events)
            self._calls = self._calls or isinstance(block, ToolCall)
        self._abandon(item, events)
        if whole.logprobs and not item.weighed:
            events.append(Logprobs(raw=dump({"content": whole.logprobs})))

    def _abandon(self, item: _Item, events: list[Event]) -> None:
        """Blocks that the finished item does not hold, or whose item never finished."""
        for place, opened in item.blocks.items():
            self._calls = self._calls or place.kind == "call"
            if place.kind == "call" and not opened.told:
                events.append(Delta(index=opened.index, field="arguments", text="{}"))
            events.append(_end(opened))
        item.blocks.clear()

    def _rest(self, opened: _Open, block: Block, events: list[Event]) -> None:
        """What of a block has not been told, and its end."""
        index, end = opened.index, BlockEnd(index=opened.index)
        match block:
            case Text():
                self._tail(opened, "text", block.text, events)
                known = block.citations or block.extras
                end = BlockEnd(index=index, citations=block.citations, extras=block.extras) if known else _end(opened)
            case Refusal():
                self._tail(opened, "text", block.text, events)
            case ToolCall():
                self._tail(opened, "arguments", block.arguments, events)
            case Reasoning():
                self._tail(opened, "text", block.text, events)
                if block.encrypted:
                    events.append(Delta(index=index, field="encrypted", text=block.encrypted))
            case Media() | Opaque():
                pass
        events.append(end)

    def _tail(self, opened: _Open, field: Any, text: str, events: list[Event]) -> None:
        if len(text) > opened.told:
            events.append(Delta(index=opened.index, field=field, text=text[opened.told :]))

    def _response(self, kind: str, event: TypedEvent, events: list[Event]) -> None:
        """An event about the whole answer."""
        fields = object_of(event.response) or {}
        if kind == FAILED or text_in(fields, "status") == "failed":
            refused = failure_in({"status": "failed", "error": value_of(fields.get("error"))})
            if refused is not None:
                raise refused
        if self._head is None:
            self._start(fields, events)
        if kind not in ENDS:
            if kind.endswith(_ALIVE):
                events.append(Alive())
            return
        self._model = self._model or text_in(fields, "model")
        for index, raw in enumerate(list_of(fields.get("output"))):
            self._settle(index, raw, events)
        for item in self._items.values():
            self._abandon(item, events)
        self._end(kind, fields, events)

    def _end(self, kind: str, fields: Fields, events: list[Event]) -> None:
        self._done = True
        usage = value_of(fields.get("usage"))
        used = usage_of(usage) if isinstance(usage, dict) and usage else None
        service = service_of(value_of(fields.get("service_tier")))
        used = served(used, service, fees_in_items(list_of(fields.get("output"))))
        if "status" not in fields or text_in(fields, "status") == "in_progress":
            fields = {**fields, "status": dump(kind.rpartition(".")[2])}
        word = word_in(fields)
        finish = meaning(text_in(fields, "status"), word, calls=self._calls)
        events.append(ChoiceEnd(finish=finish or "stop", finish_raw=word))
        if used is not None:
            events.append(UsageReport(usage=used))


class _Item:
    """An output item on its way: its open blocks by place."""

    __slots__ = ("blocks", "ended", "weighed")

    def __init__(self) -> None:
        self.blocks: dict[Place, _Open] = {}
        self.ended = self.weighed = False


class _Open:
    """A block that has begun: how many characters of it were told, which paragraph is being told, annotations."""

    __slots__ = ("_at", "index", "notes", "told")

    def __init__(self, index: int) -> None:
        self.index = index
        self.told = 0
        self.notes: list[msgspec.Raw] = []
        self._at = -1

    def paragraph(self, at: int) -> str:
        """What stands between the last paragraph and this one."""
        new = self._at not in (-1, at)
        self._at = at
        return "\n\n" if new else ""


def _end(opened: _Open) -> BlockEnd:
    """The end of a block of which nothing is known but what came on the way."""
    if not opened.notes:
        return BlockEnd(index=opened.index)
    citations, others = read_annotations(dump(opened.notes))
    extras = keep(RESPONSES, {ANNOTATIONS: dump(others)} if others else {})
    return BlockEnd(index=opened.index, citations=citations, extras=extras)


def _block(place: str, kind: str, maker: str) -> Block | None:
    """An empty block for text that comes unannounced."""
    match place:
        case "part":
            return Refusal(text="") if kind == "response.refusal.delta" else Text(text="")
        case "summary" | "content":
            return Reasoning(summary=place == "summary", maker=maker)
    return None


def _bare(block: Block) -> Block:
    """A block without what grows."""
    match block:
        case Text():
            return Text(text="")
        case Refusal():
            return Refusal(text="")
        case Reasoning(summary=summary, maker=maker):
            return Reasoning(summary=summary, maker=maker)
        case ToolCall(id=call_id, name=name):
            return ToolCall(id=call_id, name=name, arguments="")
    return block
