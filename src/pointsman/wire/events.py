"""Between whole answers and streams of core events, both ways."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pointsman.core.chat import (
    Answer,
    AnswerStart,
    Block,
    BlockEnd,
    BlockStart,
    Choice,
    ChoiceEnd,
    Delta,
    Event,
    Logprobs,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    UsageReport,
)
from pointsman.core.usage import Usage
from pointsman.wire.raw import dump, list_of, object_of


def events_of(answer: Answer) -> list[Event]:
    """A whole answer as the stream that it could have been."""
    events: list[Event] = [AnswerStart(id=answer.id, model=answer.model, created=answer.created)]
    for choice in answer.choices:
        for index, block in enumerate(choice.blocks):
            events += _events_of_block(choice.index, index, block)
        if choice.logprobs is not None:
            events.append(Logprobs(choice=choice.index, raw=choice.logprobs))
        events.append(
            ChoiceEnd(
                choice=choice.index,
                finish=choice.finish or "stop",
                finish_raw=choice.finish_raw,
                stop_sequence=choice.stop_sequence,
            )
        )
    if answer.usage is not None:
        events.append(UsageReport(usage=answer.usage))
    return events


def _events_of_block(choice: int, index: int, block: Block) -> list[Event]:
    end = BlockEnd(choice=choice, index=index, extras=block.extras)
    bare: Block
    match block:
        case Text(text=text):
            bare, grown = Text(text=""), [("text", text)]
            end = msgspec.structs.replace(end, citations=block.citations)
        case Refusal(text=text):
            bare, grown = Refusal(text=""), [("text", text)]
        case Reasoning():
            bare = Reasoning(summary=block.summary, maker=block.maker)
            grown = [("text", block.text), ("signature", block.signature), ("encrypted", block.encrypted)]
        case ToolCall():
            # What a call carries (Gemini's signature) is written where it begins, as streams have it.
            bare = ToolCall(id=block.id, name=block.name, arguments="", extras=block.extras)
            end = BlockEnd(choice=choice, index=index)
            grown = [("arguments", block.arguments)]
        case _:
            return [BlockStart(choice=choice, index=index, block=block), BlockEnd(choice=choice, index=index)]
    deltas = [Delta(choice=choice, index=index, field=field, text=text) for field, text in grown if text]  # type: ignore[arg-type]  # the names stand above
    return [BlockStart(choice=choice, index=index, block=bare), *deltas, end]


class Assembly:
    """Puts a stream of events together to the answer that it was."""

    def __init__(self) -> None:
        self._head = AnswerStart(id="", model="")
        self._blocks: dict[int, dict[int, Block]] = {}
        self._ends: dict[int, ChoiceEnd] = {}
        self._logprobs: dict[int, list[msgspec.Raw]] = {}
        self._usage: Usage | None = None

    def add(self, events: Iterable[Event]) -> None:
        """Take more events."""
        for event in events:
            match event:
                case AnswerStart():
                    self._head = event
                case BlockStart(choice=choice, index=index, block=block):
                    self._blocks.setdefault(choice, {})[index] = block
                case Delta():
                    self._grow(event)
                case BlockEnd():
                    self._end(event)
                case Logprobs(choice=choice, raw=raw):
                    self._logprobs.setdefault(choice, []).extend(list_of((object_of(raw) or {}).get("content")))
                case ChoiceEnd(choice=choice):
                    self._ends[choice] = event
                case UsageReport(usage=usage):
                    self._usage = usage

    def _grow(self, event: Delta) -> None:
        blocks = self._blocks[event.choice]
        block = blocks[event.index]
        grown = getattr(block, event.field) + event.text
        blocks[event.index] = msgspec.structs.replace(block, **{event.field: grown})

    def _end(self, event: BlockEnd) -> None:
        blocks = self._blocks[event.choice]
        block = blocks[event.index]
        if isinstance(block, Text) and event.citations:
            block = msgspec.structs.replace(block, citations=(*block.citations, *event.citations))
        if isinstance(block, ToolCall) and not block.arguments:
            block = msgspec.structs.replace(block, arguments="{}")
        blocks[event.index] = msgspec.structs.replace(block, extras=(*block.extras, *event.extras))

    def answer(self) -> Answer:
        """The answer so far."""
        found = sorted({*self._blocks, *self._ends})
        return Answer(
            id=self._head.id,
            model=self._head.model,
            created=self._head.created,
            choices=tuple(self._choice(choice) for choice in found),
            usage=self._usage,
        )

    def _choice(self, choice: int) -> Choice:
        end = self._ends.get(choice)
        tokens = self._logprobs.get(choice)
        return Choice(
            index=choice,
            blocks=tuple(block for _, block in sorted(self._blocks.get(choice, {}).items())),
            finish=end.finish if end else None,
            finish_raw=end.finish_raw if end else "",
            stop_sequence=end.stop_sequence if end else "",
            logprobs=dump({"content": tokens}) if tokens else None,
        )
