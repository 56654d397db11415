"""A provider's stream of this dialect as core events.

What a block of a kind unknown to other dialects is made of may come in pieces; it is put together and told whole.
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
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    UsageReport,
)
from pointsman.core.errors import UpstreamGarbage
from pointsman.wire.anthropic_messages.core_answers import maker_of, meaning, refusal_text
from pointsman.wire.anthropic_messages.core_parts import arguments_of, read_block, read_citations
from pointsman.wire.anthropic_messages.schemas import answer_in
from pointsman.wire.anthropic_messages.usage import later, usage_of
from pointsman.wire.event_reader import EventReader
from pointsman.wire.event_relay import read_event
from pointsman.wire.parse import BAD_JSON, as_count, as_dict, as_list, as_text, loads
from pointsman.wire.raw import dump
from pointsman.wire.trip import Outgoing


class MessagesReader(EventReader):
    """`streams.StreamReader` for messages."""

    def __init__(self, outgoing: Outgoing) -> None:
        super().__init__()
        self._names = outgoing.tool_names
        self._answer_tool = outgoing.answer_tool
        self._answer_field = outgoing.answer_field
        self._held: list[Event] = []  # text that would spoil a structured answer, until it is known whether one comes
        self._blocks: dict[int, _Open] = {}
        self._count = 0
        self._calls = False
        self._answered = False
        self._maker = ""
        self._sums: dict[str, Any] = {}
        self._end: ChoiceEnd | None = None
        self._begun = False

    def _event(self, name: bytes, data: bytes, events: list[Event]) -> None:
        value = read_event(name, data)
        match value.get("type"):
            case "content_block_delta":
                self._delta(value, events)
            case "content_block_start":
                self._start(value, events)
            case "content_block_stop":
                block = self._blocks.pop(as_count(value.get("index")), None)
                if block is not None:
                    block.end(self._out(block, events))
            case "message_start":
                self._begin(as_dict(value.get("message")), events)
            case "message_delta":
                self._message_delta(value, events)
            case "message_stop":
                self._stop(events)
            case _:
                events.append(Alive())

    def _begin(self, message: dict[str, Any], events: list[Event]) -> None:
        if self._begun:
            raise UpstreamGarbage("The provider began a second answer in the middle of the first.")
        self._begun = True
        model = as_text(message.get("model"))
        self._maker = maker_of(model)
        self._sums = later(self._sums, message.get("usage"))
        events.append(AnswerStart(id=as_text(message.get("id")), model=model))
        for index, block in enumerate(as_list(message.get("content"))):  # none has been seen that did not begin empty
            self._start({"index": index, "content_block": block}, events)

    def _head(self, events: list[Event]) -> None:
        """A head for streams that come without one."""
        if not self._begun:
            self._begin({}, events)

    def _start(self, value: dict[str, Any], events: list[Event]) -> None:
        self._head(events)
        place = as_count(value.get("index"))
        before = self._blocks.pop(place, None)
        if before is not None:
            before.end(self._out(before, events))
        block = self._blocks[place] = self._opened(as_dict(value.get("content_block")))
        block.start(self._out(block, events))

    def _opened(self, fields: dict[str, Any]) -> _Open:
        index, kind = self._count, fields.get("type")
        self._count += 1
        if kind == "text":
            return _Open(index, Text(text=as_text(fields.get("text"))), as_list(fields.get("citations")))
        if kind == "thinking":
            text, signature = as_text(fields.get("thinking")), as_text(fields.get("signature"))
            return _Open(index, Reasoning(text=text, signature=signature, maker=self._maker))
        if kind == "tool_use":
            return self._call(index, fields)
        return _Whole(index, fields, self._maker)

    def _call(self, index: int, fields: dict[str, Any]) -> _Open:
        known = read_block(dump({**fields, "input": {}}), self._maker)
        given = fields.get("input")
        begun = arguments_of(dump(given)) if given else ""
        name = as_text(fields.get("name"))
        if not isinstance(known, ToolCall):
            return _Whole(index, fields, self._maker)
        if self._answer_tool and name == self._answer_tool:
            self._answered = True
            self._held.clear()
            return _Wrapped(index, begun, self._answer_field) if self._answer_field else _Answer(index, begun)
        self._calls = True
        call = msgspec.structs.replace(known, name=self._names.get(name, name), arguments="")
        return _Call(index, call, begun)

    def _out(self, block: _Open, events: list[Event]) -> list[Event]:
        """Where events of a block go: text is held back while a structured answer may still come in its place."""
        if not self._answer_tool or not isinstance(block.block, Text) or isinstance(block, _Answer):
            return events
        return [] if self._answered else self._held

    def _delta(self, value: dict[str, Any], events: list[Event]) -> None:
        block = self._blocks.get(as_count(value.get("index")))
        delta = value.get("delta")
        if block is None or not isinstance(delta, dict):
            raise UpstreamGarbage("The provider sent more of a block that had not begun.")
        block.grow(delta, self._out(block, events) if self._answer_tool else events)

    def _message_delta(self, value: dict[str, Any], events: list[Event]) -> None:
        self._head(events)
        self._sums = later(self._sums, value.get("usage"))
        delta = as_dict(value.get("delta"))
        word = delta.get("stop_reason")
        if not isinstance(word, str):
            return
        self._end_blocks(events)
        refusal = refusal_text(delta.get("stop_details"))
        if refusal:
            index, self._count = self._count, self._count + 1
            block: Block = Refusal(text="")
            events.append(BlockStart(index=index, block=block))
            events.append(Delta(index=index, field="text", text=refusal))
            events.append(BlockEnd(index=index))
        finish = meaning(word, calls=self._calls)
        self._end = ChoiceEnd(finish=finish, finish_raw=word, stop_sequence=as_text(delta.get("stop_sequence")))

    def _end_blocks(self, events: list[Event]) -> None:
        for block in self._blocks.values():
            block.end(self._out(block, events))
        self._blocks.clear()
        if not self._answered:
            events += self._held
        self._held.clear()

    def _stop(self, events: list[Event]) -> None:
        self._head(events)
        self._done = True
        self._end_blocks(events)
        events.append(self._end or ChoiceEnd(finish=meaning(None, calls=self._calls)))
        usage = usage_of(self._sums) if self._sums else None
        if usage is not None:
            events.append(UsageReport(usage=usage))


class _Open:
    """A block on its way: text or thinking."""

    def __init__(self, index: int, block: Block, citations: list[Any] | None = None) -> None:
        self.index = index
        self.block = block
        self._citations: list[Any] = list(citations or ())
        self._length = len(block.text) if isinstance(block, Text) else 0

    def start(self, events: list[Event]) -> None:
        """It begins."""
        events.append(BlockStart(index=self.index, block=self.block))

    def grow(self, delta: dict[str, Any], events: list[Event]) -> None:
        """More of it comes."""
        match delta.get("type"):
            case "text_delta":
                text = delta.get("text")
            case "thinking_delta":
                text = delta.get("thinking")
            case "signature_delta":
                signature = delta.get("signature")
                if isinstance(signature, str) and isinstance(self.block, Reasoning):
                    events.append(Delta(index=self.index, field="signature", text=signature))
                return
            case "citations_delta":
                self._citations.append(delta.get("citation"))
                return
            case _:
                return
        if isinstance(text, str) and text:
            self._length += len(text)
            events.append(Delta(index=self.index, field="text", text=text))

    def end(self, events: list[Event]) -> None:
        """It is complete."""
        events.append(BlockEnd(index=self.index, citations=read_citations(self._citations, self._length)))


class _Call(_Open):
    """A call on its way; `begun` is input that stood in its beginning already."""

    def __init__(self, index: int, block: Block, begun: str) -> None:
        super().__init__(index, block)
        self._begun = begun
        self._some = False

    def grow(self, delta: dict[str, Any], events: list[Event]) -> None:
        piece = delta.get("partial_json")
        if isinstance(piece, str) and piece:
            self._some = True
            events.append(Delta(index=self.index, field=self._field, text=piece))

    def end(self, events: list[Event]) -> None:
        if not self._some:
            events.append(Delta(index=self.index, field=self._field, text=self._begun or "{}"))
        events.append(BlockEnd(index=self.index))

    @property
    def _field(self) -> Any:
        return "arguments"


class _Answer(_Call):
    """The call of a tool of ours, which is the structured answer: its input is told as text."""

    def __init__(self, index: int, begun: str) -> None:
        super().__init__(index, Text(text=""), begun)

    @property
    def _field(self) -> Any:
        return "text"


class _Wrapped(_Answer):
    """An answer that is a field of the call's input: it can be told when the input is whole."""

    def __init__(self, index: int, begun: str, field: str) -> None:
        super().__init__(index, begun)
        self._name = field
        self._pieces: list[str] = []

    def grow(self, delta: dict[str, Any], events: list[Event]) -> None:  # noqa: ARG002 - as other blocks
        self._pieces.append(as_text(delta.get("partial_json")))

    def end(self, events: list[Event]) -> None:
        written = "".join(self._pieces) or self._begun or "{}"
        events.append(Delta(index=self.index, field="text", text=answer_in(written, self._name)))
        events.append(BlockEnd(index=self.index))


class _Whole(_Open):
    """A block that is told when it is complete."""

    def __init__(self, index: int, fields: dict[str, Any], maker: str) -> None:
        super().__init__(index, Refusal(text=""))
        self._fields = dict(fields)
        self._maker = maker
        self._written = ""

    def start(self, events: list[Event]) -> None:
        pass

    def grow(self, delta: dict[str, Any], events: list[Event]) -> None:  # noqa: ARG002 - as other blocks
        for name, value in delta.items():
            if name == "partial_json" and isinstance(value, str):
                self._written += value
            elif name == "citation":
                self._fields["citations"] = [*as_list(self._fields.get("citations")), value]
            elif isinstance(value, str) and name != "type":
                self._fields[name] = as_text(self._fields.get(name)) + value
            elif name != "type":
                self._fields[name] = value

    def end(self, events: list[Event]) -> None:
        if self._written:
            try:
                self._fields["input"] = loads(self._written.encode("utf-8", "replace"))
            except BAD_JSON:
                self._fields["input"] = self._written
        block = read_block(dump(self._fields), self._maker)
        events.append(BlockStart(index=self.index, block=block))
        events.append(BlockEnd(index=self.index))
