"""A stream that goes on with another one, of which the caller has had the beginning."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pointsman.core.chat import (
    Alive,
    AnswerStart,
    Block,
    BlockEnd,
    BlockStart,
    ChoiceEnd,
    Citation,
    Delta,
    Event,
    Reasoning,
    Text,
    UsageReport,
)
from pointsman.core.errors import UpstreamGarbage, UpstreamRefused
from pointsman.core.model import Price
from pointsman.core.outcome import Form
from pointsman.core.usage import Usage
from pointsman.wire.cross_relay import Between, foreign, headed, says_something
from pointsman.wire.forms import Judge
from pointsman.wire.itemised import with_earlier
from pointsman.wire.seams import Seam
from pointsman.wire.streams import Stand, StreamReader
from pointsman.wire.told import Standing
from pointsman.wire.trip import AnswerFacts


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """What a continuation costs.

    Attributes:
        price: of the model that goes on; None is unpriced.
        spent: nano-dollars for what was told before; None is unknown, and then the caller is told no cost.
    """

    price: Price | None = None
    spent: int | None = 0


class Resumed(Between):
    """`streams.Relay` for the rest of an answer.

    Thoughts of the second model are not shown, its first text goes on where the told text stopped, and everything
    else follows as it comes; what was told before is part of `final` and `so_far`. `facts.usage` is what the second
    model used, to be booked for its attempt; what the caller reads is `usage`: that and an estimate of what he had
    been told before.

    Args:
        reader: of the second provider's dialect.
        stand: the caller's writer, where the stream broke.
        seam: joins the texts.
        standing: what the caller has had.
        bill: what it costs.
        made: time and id for a stream whose provider says none.
        judge: says in the end whether the whole is the JSON that was asked for; None where none was.
    """

    def __init__(  # noqa: PLR0913 - what was told, who goes on, and how it is counted
        self,
        reader: StreamReader,
        stand: Stand,
        seam: Seam,
        standing: Standing,
        *,
        bill: Bill,
        made: AnswerStart,
        judge: Judge | None = None,
    ) -> None:
        super().__init__(reader, stand.writer)
        self._stand = stand
        self._seam = seam
        self._bill = bill
        self._made = made
        self._before = standing.tokens
        self._ending = stand.ending
        self._open = stand.text  # the told text while it can grow on, or the text that goes on instead
        self._length = stand.length  # of it when the second model began
        self._following = stand.following
        self._first = -1  # the second model's index of the text that goes on
        self._flows = False  # and it has not ended yet
        self._places: dict[int, int] = {}  # the second model's index of any other block, to the caller's
        self._id = standing.id
        self._model = self._finish = ""
        self._used: Usage | None = None
        self._closed = False
        self._failure: UpstreamRefused | UpstreamGarbage | None = None
        self._judge = judge
        self._form: Form = ""
        if judge is not None:
            judge.add([BlockStart(index=max(stand.text, 0), block=Text(text=standing.text))])

    @property
    def facts(self) -> AnswerFacts:
        """What is known so far: of the second model, but for the answer's id, which is the one that was told."""
        return AnswerFacts(id=self._id, model=self._model, finish=self._finish, usage=self._used, form=self._form)

    @property
    def usage(self) -> Usage | None:
        """What the caller reads in the end: the second model's usage, with an estimate of the first one's output."""
        used, before = self._used, self._before
        if used is None or not before:
            return used
        return msgspec.structs.replace(used, output=used.output + before, estimated=True)

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes, return events in the caller's dialect. Raises as `streams.Relay.feed`."""
        if self._failure is not None:
            raise self._failure
        try:
            return self._write(self._fitted(self._reader.feed(chunk)))
        except (UpstreamRefused, UpstreamGarbage) as failure:
            self._failure = foreign(failure)
            raise self._failure from None

    def close(self) -> bytes:
        """End of the body. Raises as `streams.Relay.close`, and `UpstreamGarbage` where the whole is not the JSON."""
        if self._failure is not None:
            raise self._failure
        if self._closed:
            return b""
        try:
            events = self._fitted(self._reader.close())
        except (UpstreamRefused, UpstreamGarbage) as failure:
            self._failure = foreign(failure)
            raise self._failure from None
        out = self._write(events)
        self._closed = True
        self._check()
        return out + self._writer.close(self.usage, self._cost())

    def _cost(self) -> int | None:
        """Nano-dollars for the whole answer."""
        price, spent = self._bill.price, self._bill.spent
        if price is None or spent is None or self._used is None:
            return None
        cost = price.cost(self._used)
        return None if cost is None else with_earlier(cost, spent)

    def _check(self) -> None:
        """Two halves that each seemed right may be no JSON together: that must not look like an answer."""
        if self._judge is None:
            return
        self._form = self._judge.form()
        if self._form == "broken" and self._finish not in _CUT_SHORT:
            self._failure = UpstreamGarbage("The answer that was continued is not the JSON that was asked for.")
            raise self._failure

    def _write(self, events: list[Event]) -> bytes:
        if not events:
            return b""
        if self._judge is not None:
            self._judge.add(events)
        out = self._writer.write(events)
        if self._ending and any(not isinstance(event, Alive) for event in events):
            out, self._ending = self._ending + out, b""
        return out

    def _fitted(self, events: Sequence[Event]) -> list[Event]:
        """The second model's events as the rest of the first one's."""
        out: list[Event] = []
        for event in events:
            match event:
                case Delta(choice=0):
                    self._delta(event, out)
                case BlockStart(choice=0):
                    self._begin(event, out)
                case BlockEnd(choice=0):
                    self._end(event, out)
                case ChoiceEnd(choice=0):
                    self._join(self._seam.rest(), out)
                    self._stop(out)
                    self._finish = event.finish_raw or event.finish
                    self._has_content = True
                    out.append(event)
                case AnswerStart():
                    self._head(event, out)
                case UsageReport(usage=usage):
                    self._used = usage
                case Alive():
                    out.append(event)
        return out

    def _head(self, event: AnswerStart, out: list[Event]) -> None:
        self._model = event.model
        if not self._stand.begun:
            event = headed(event, self._made)
            self._id = event.id
            out.append(event)

    def _begin(self, event: BlockStart, out: list[Event]) -> None:
        block = event.block
        if isinstance(block, Reasoning):
            self._written += len(block.text)
            return
        if isinstance(block, Text) and self._first < 0:
            self._first, self._flows = event.index, True
            self._say(block.text, out)
            return
        self._join(self._seam.rest(), out)
        if not self._flows:
            self._stop(out)
        self._places[event.index] = self._place(block, out)

    def _place(self, block: Block, out: list[Event]) -> int:
        """A new block of the caller's; returns its index."""
        index = self._following
        self._following += 1
        self._has_content = self._has_content or says_something(block)
        out.append(BlockStart(index=index, block=block))
        return index

    def _delta(self, event: Delta, out: list[Event]) -> None:
        if event.index == self._first:
            if event.field == "text":
                self._say(event.text, out)
            return
        self._written += len(event.text)
        place = self._places.get(event.index)
        if place is not None:
            self._has_content = self._has_content or bool(event.text)
            out.append(msgspec.structs.replace(event, index=place))

    def _say(self, text: str, out: list[Event]) -> None:
        """More of the text that goes on."""
        self._written += len(text)
        self._join(self._seam.take(text), out)

    def _join(self, text: str, out: list[Event]) -> None:
        if not text:
            return
        if self._open < 0:
            self._open, self._length = self._place(Text(text=""), out), 0
        self._has_content = True
        out.append(Delta(index=self._open, field="text", text=text))

    def _end(self, event: BlockEnd, out: list[Event]) -> None:
        if event.index == self._first:
            self._join(self._seam.rest(), out)
            self._flows = False
            moved = self._length - self._seam.cut
            self._stop(out, tuple(_moved(one, moved) for one in event.citations))
        elif event.index in self._places:
            out.append(msgspec.structs.replace(event, index=self._places.pop(event.index)))

    def _stop(self, out: list[Event], citations: tuple[Citation, ...] = ()) -> None:
        """The text that goes on is over."""
        if self._open >= 0:
            out.append(BlockEnd(index=self._open, citations=citations))
            self._open = -1


_CUT_SHORT = frozenset({"length", "max_tokens", "max_output_tokens", "MAX_TOKENS", "model_length"})
"""Words of providers for answers that were too long: of those no half is to be whole."""


def _moved(one: Citation, by: int) -> Citation:
    """A citation counted from the beginning of the whole text; one that rests on repeated text has no place."""
    if not one.end:
        return one
    start, end = one.start + by, one.end + by
    return msgspec.structs.replace(one, start=max(start, 0), end=max(end, 0))
