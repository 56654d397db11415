"""A stream on its way from a provider of one dialect to a caller of another: read into events, written anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from pointsman.core.chat import (
    Answer,
    AnswerStart,
    Block,
    BlockStart,
    ChoiceEnd,
    Delta,
    Event,
    Media,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    UsageReport,
)
from pointsman.core.errors import UpstreamGarbage, UpstreamRefused
from pointsman.core.model import Price
from pointsman.core.usage import Usage
from pointsman.wire.streams import StreamReader, StreamWriter, final_of, so_far_of
from pointsman.wire.trip import AnswerFacts


class Between:
    """What relays from one dialect to another know alike: whoever reads, whoever writes, and how much was written."""

    __slots__ = ("_has_content", "_reader", "_writer", "_written")

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._written = 0
        self._has_content = False

    @property
    def has_content(self) -> bool:
        """Whether an event with content has been returned."""
        return self._has_content

    @property
    def done(self) -> bool:
        """Whether the provider has said that the stream is over."""
        return self._reader.done

    @property
    def written(self) -> int:
        """Characters of model text."""
        return self._written

    @property
    def final(self) -> bytes:
        """See `streams.final_of`."""
        return final_of(self._writer)

    @property
    def so_far(self) -> bytes:
        """See `streams.so_far_of`."""
        return so_far_of(self._writer)


class CrossRelay(Between):
    """`streams.Relay` across two dialects.

    Args:
        reader, writer: of the provider's and of the caller's dialect.
        price: of the model that answers.
        made: time and id for a stream whose provider says none.
    """

    __slots__ = (
        "_closed",
        "_failure",
        "_finish",
        "_id",
        "_made",
        "_model",
        "_price",
        "_usage",
    )

    def __init__(self, reader: StreamReader, writer: StreamWriter, price: Price | None, made: AnswerStart) -> None:
        super().__init__(reader, writer)
        self._price = price
        self._made = made
        self._usage: Usage | None = None
        self._id = self._model = self._finish = ""
        self._closed = False
        self._failure: UpstreamRefused | UpstreamGarbage | None = None

    @property
    def facts(self) -> AnswerFacts:
        """What is known so far."""
        return AnswerFacts(id=self._id, model=self._model, finish=self._finish, usage=self._usage)

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes, return events in the caller's dialect. Raises as `streams.Relay.feed`."""
        if self._failure is not None:
            raise self._failure
        try:
            events = self._reader.feed(chunk)
        except (UpstreamRefused, UpstreamGarbage) as failure:
            self._failure = foreign(failure)
            raise self._failure from None
        if not events:
            return b""
        self._note(self._headed(events))
        return self._writer.write(events)

    def close(self) -> bytes:
        """End of the body. Raises as `streams.Relay.close`."""
        if self._failure is not None:
            raise self._failure
        if self._closed:
            return b""
        try:
            events = self._reader.close()
        except (UpstreamRefused, UpstreamGarbage) as failure:
            self._failure = foreign(failure)
            raise self._failure from None
        self._closed = True
        self._note(self._headed(events))
        usage, price = self._usage, self._price
        cost = price.cost(usage) if price is not None and usage is not None else None
        return self._writer.write(events) + self._writer.close(usage, cost)

    def _headed(self, events: list[Event]) -> list[Event]:
        """With a time and an id in the stream's head, where the provider says none."""
        if self._id:
            return events
        for at, event in enumerate(events):
            if isinstance(event, AnswerStart):
                head = events[at] = headed(event, self._made)
                self._id, self._model = head.id, head.model
                break
        return events

    def _note(self, events: Sequence[Event]) -> None:
        """Remember what accounting needs."""
        for event in events:
            match event:
                case Delta(text=text):
                    if text:
                        self._written += len(text)
                        self._has_content = True
                case BlockStart(block=block):
                    self._written += _size(block)
                    self._has_content = self._has_content or says_something(block)
                case UsageReport(usage=usage):
                    self._usage = usage
                case ChoiceEnd(finish=finish, finish_raw=raw):
                    self._finish = self._finish or raw or finish
                    self._has_content = True


def headed(head: AnswerStart, made: AnswerStart) -> AnswerStart:
    """A stream's head with a time and an id, which every dialect wants and not every provider says."""
    if head.created and head.id:
        return head
    return msgspec.structs.replace(head, id=head.id or made.id, created=head.created or made.created)


def foreign(error: UpstreamRefused | UpstreamGarbage) -> UpstreamRefused | UpstreamGarbage:
    """A provider's error for a caller of another dialect: its meaning and text, without its body."""
    if isinstance(error, UpstreamRefused):
        error.body = b""
    return error


def says_something(block: Block) -> bool:
    """Whether a block's beginning is content already."""
    match block:
        case Text(text=text) | Refusal(text=text):
            return bool(text)
        case Reasoning():
            return bool(block.text or block.encrypted)
    return True


def _size(block: Block) -> int:
    match block:
        case Text(text=text) | Refusal(text=text) | Reasoning(text=text):
            return len(text)
        case ToolCall(arguments=arguments):
            return len(arguments)
        case Media() | Opaque():
            return 0
    return 0


class Known:
    """`streams.StreamReader` for a stream that is known already."""

    done = True

    def __init__(self, events: Iterable[Event]) -> None:
        self._events = list(events)

    def feed(self, chunk: bytes) -> list[Event]:  # noqa: ARG002 - the port's
        """All of it at the first call."""
        events, self._events = self._events, []
        return events

    def close(self) -> list[Event]:
        """Nothing more."""
        return self.feed(b"")


def facts_of(answer: Answer, mark: bytes = b"") -> AnswerFacts:
    """What accounting needs of an answer; `mark` is the caller's dialect's note for `annotate`."""
    first = answer.choices[0] if answer.choices else None
    return AnswerFacts(
        id=answer.id,
        model=answer.model,
        finish=(first.finish_raw or first.finish or "") if first is not None else "",
        usage=answer.usage,
        mark=mark,
    )
