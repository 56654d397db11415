"""Streams that are judged on their way: a judge listens, and what passes is not touched."""

from __future__ import annotations

import msgspec

from pointsman.core.chat import Event
from pointsman.core.errors import PointsmanError
from pointsman.core.outcome import Form
from pointsman.wire.forms import Judge
from pointsman.wire.streams import Around, Relay, StreamReader
from pointsman.wire.trip import AnswerFacts


class Overheard:
    """`streams.StreamReader` that lets a judge listen."""

    def __init__(self, reader: StreamReader, judge: Judge) -> None:
        self._reader = reader
        self._judge = judge

    @property
    def done(self) -> bool:
        """Whether the provider has said that the stream is over."""
        return self._reader.done

    def feed(self, chunk: bytes) -> list[Event]:
        """See `streams.StreamReader.feed`."""
        events = self._reader.feed(chunk)
        self._judge.add(events)
        return events

    def close(self) -> list[Event]:
        """See `streams.StreamReader.close`."""
        events = self._reader.close()
        self._judge.add(events)
        return events


class JudgedRelay(Around):
    """`streams.Relay` that knows in the end what form the answer has.

    Args:
        relay: passes the stream on.
        judge: listens.
        reader: reads for the judge, where the relay does not.
    """

    def __init__(self, relay: Relay, judge: Judge, reader: StreamReader | None = None) -> None:
        super().__init__(relay)
        self._judge = judge
        self._reader = reader
        self._form: Form = ""

    @property
    def facts(self) -> AnswerFacts:
        """What is known so far."""
        facts = self._relay.facts
        return msgspec.structs.replace(facts, form=self._form) if self._form else facts

    def feed(self, chunk: bytes) -> bytes:
        """See `streams.Relay.feed`."""
        out = self._relay.feed(chunk)
        if self._reader is not None:
            self._listen(self._reader, chunk)
        return out

    def close(self) -> bytes:
        """See `streams.Relay.close`."""
        out = self._relay.close()
        if self._reader is not None:
            self._listen(self._reader, None)
            self._reader = None
        if not self._form:
            self._form = self._judge.form()
        return out

    def _listen(self, reader: StreamReader, chunk: bytes | None) -> None:
        """What only the judge finds wrong is not the caller's trouble."""
        try:
            self._judge.add(reader.close() if chunk is None else reader.feed(chunk))
        except PointsmanError:
            self._judge.over = True
        if self._judge.over:
            self._reader = None
