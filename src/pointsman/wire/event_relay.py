"""Streams of events on their way from a provider to a caller, both speaking one dialect: what all of them share.

Bytes are forwarded as they come. An event is parsed only where something may stand in it that the gateway has to know:
the first few with text, and those that a dialect's `_marked` finds by a handful of searches over the whole chunk. A
false alarm costs one parse and never changes a byte.
"""

from __future__ import annotations

from typing import Any

from pointsman.core.errors import UpstreamCut, UpstreamGarbage, UpstreamRefused
from pointsman.core.model import Price
from pointsman.core.usage import Usage
from pointsman.wire import sse
from pointsman.wire.parse import BAD_JSON, loads, loads_object
from pointsman.wire.refusals import refusal_in, refusal_of
from pointsman.wire.trip import AnswerFacts, Incoming

_SAMPLES = 4  # events with text that are parsed before the stream is taken for an ordinary one
_SAMPLE_EVERY = 16  # feeds, of which one is sampled to estimate the text in those that are not looked at
_SAMPLE_STEP = 4096  # bytes of one feed, for each of which one event is sampled


class EventRelay:
    """`streams.Relay`, but for what a dialect's events mean: see the methods that raise `NotImplementedError`.

    Attributes that a dialect sets while it takes events: `_id`, `_model`, `_finish`, `_usage`, `_has_content`, `_done`.
    """

    __slots__ = (
        "_bytes",
        "_done",
        "_failure",
        "_finish",
        "_frames",
        "_has_content",
        "_id",
        "_model",
        "_plain",
        "_price",
        "_sampled",
        "_sampled_text",
        "_seen",
        "_text",
        "_until",
        "_usage",
        "_warm",
    )

    def __init__(self, incoming: Incoming, price: Price | None) -> None:  # noqa: ARG002 - every dialect gets it
        self._frames = sse.Frames()
        self._price = price
        self._plain = False  # from here on only marked events are looked at
        self._has_content = self._done = False
        self._failure: UpstreamRefused | UpstreamGarbage | None = None
        self._id = self._model = self._finish = ""
        self._usage: Usage | None = None
        self._warm = _SAMPLES
        self._seen = 0  # events parsed
        self._text = 0  # characters of text in them
        self._bytes = 0  # size of the events that were not looked at
        self._until = 1  # feeds until one of them is sampled
        self._sampled = self._sampled_text = 0  # size of the sampled events and characters of text in them

    # What a dialect says

    def _marked(self, events: bytes) -> bool:
        """Whether something that the gateway has to know may stand in these events."""
        raise NotImplementedError

    def _take(self, name: bytes, value: dict[str, Any]) -> int:
        """Remember what accounting needs of an event; returns the characters of model text in it.

        Raises:
            UpstreamRefused: the provider's way to say that it failed.
        """
        raise NotImplementedError

    def _characters(self, value: dict[str, Any]) -> int:
        """Characters of model text in an event, nothing remembered."""
        raise NotImplementedError

    def _shown(self, event: bytes, data: bytes, value: dict[str, Any]) -> bytes:  # noqa: ARG002 - for dialects
        """What the caller gets of an event that was looked at: itself, or with the cost in it, or nothing."""
        return event

    def _complete(self) -> bool:
        """Whether the answer has ended as this dialect's answers do."""
        return self._done

    # What the line sees

    @property
    def facts(self) -> AnswerFacts:
        """What is known so far."""
        return AnswerFacts(id=self._id, model=self._model, finish=self._finish, usage=self._usage)

    @property
    def has_content(self) -> bool:
        """Whether an event with content has been returned."""
        return self._has_content

    @property
    def done(self) -> bool:
        """Whether the provider has said that the stream is over; what comes after it is not passed on."""
        return self._done

    @property
    def written(self) -> int:
        """Characters of model text: exact for events that were looked at, by their share in samples for the others."""
        return self._text + (self._bytes * self._sampled_text // self._sampled if self._sampled else 0)

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes, return complete events. Raises as `streams.Relay.feed`."""
        if self._failure is not None:
            raise self._failure
        if self._done:
            return b""
        events = self._frames.take(chunk)
        if not events:
            return events
        if self._plain and not self._marked(events):
            return self._pass(events)
        return self._look(events)

    def close(self) -> bytes:
        """End of the body. Raises as `streams.Relay.close`."""
        if self._failure is not None:
            raise self._failure
        rest = self._frames.rest()
        if self._done:
            rest = b""
        owed = self._last(rest) if rest.strip() else rest
        if not self._complete():
            raise UpstreamCut("The provider's stream ended before the answer did.")
        return owed

    # How

    def _pass(self, events: bytes) -> bytes:
        """Events that are not looked at."""
        self._bytes += len(events)
        self._until -= 1
        if self._until <= 0 or len(events) > _SAMPLE_STEP:
            self._sample(events)
        return events

    def _look(self, events: bytes) -> bytes:
        """Go through the events one by one."""
        committed = self._has_content
        out: list[bytes] = []
        for event in sse.split(events):
            if self._plain and not self._marked(event):
                out.append(self._pass(event))
                continue
            try:
                out.append(self._event(event))
            except (UpstreamRefused, UpstreamGarbage) as failure:
                if not committed:
                    raise  # nothing with content has left: another provider may still answer
                self._failure = failure  # what came before the error is the caller's; it is raised next time
                break
            if self._done:
                break
        return b"".join(out)

    def _last(self, rest: bytes) -> bytes:
        """An event without its blank line, which the body's end completes if it is whole."""
        _, data = sse.fields(rest)
        if data is None and rest.lstrip().startswith(b":"):
            return rest
        if data is None and rest.lstrip().startswith(b"{"):
            refused = refusal_in(loads_object(rest, "stream"), rest)  # an error as a plain body
            raise refused or UpstreamGarbage("The provider sent a plain JSON body where a stream was announced.")
        if not self._ends(data):
            try:
                loads(data or b"")
            except BAD_JSON:
                raise UpstreamCut("The provider's stream ended in the middle of an event.") from None
        return self._event(rest)

    def _ends(self, data: bytes | None) -> bool:  # noqa: ARG002 - for dialects
        """Whether an event's data are an end mark that is no JSON."""
        return False

    def _event(self, event: bytes) -> bytes:
        """One event, looked at; returns what the caller gets of it."""
        name, data = sse.fields(event)
        if not data or not (data := data.strip()):
            return event
        if self._ends(data):
            self._done = True
            return event
        value = read_event(name, data)
        self._seen += 1
        text = self._take(name, value)
        self._text += text
        if text and not self._plain:
            self._measure(len(event), text)
            self._warm -= 1
            self._plain = self._warm <= 0
        return self._shown(event, data, value)

    def _sample(self, events: bytes) -> None:
        """Measure one of some events that are not looked at, every few kilobytes; odd ones are left out."""
        self._until = _SAMPLE_EVERY
        blank = b"\r\n\r\n" if events.find(b"\r\n\r\n") >= 0 else b"\n\n"
        for at in range(0, len(events), _SAMPLE_STEP):
            start = events.find(blank, at) + len(blank) if at else 0
            event = events[start : events.find(blank, start) + len(blank)]
            _, data = sse.fields(event)
            try:
                value = loads(data) if data else None
            except BAD_JSON:
                continue
            if data and isinstance(value, dict) and (text := self._characters(value)):
                self._measure(len(event), text)

    def _measure(self, size: int, text: int) -> None:
        """Take an event as a sample of how much of its bytes is text."""
        self._sampled += size
        self._sampled_text += text


def read_event(name: bytes, data: bytes) -> dict[str, Any]:
    """The object in an event.

    Raises:
        UpstreamRefused: it is an error.
        UpstreamGarbage: it is none.
    """
    try:
        value = loads(data)
    except BAD_JSON as error:
        if name == b"error":
            raise refusal_of(data.decode("utf-8", "replace"), data) from None
        raise UpstreamGarbage(f"The provider sent an event that is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise UpstreamGarbage("The provider sent an event that is not a JSON object.")
    refused = refusal_in(value, data)
    if refused is None and name == b"error":
        refused = refusal_of(value, data)
    if refused is not None:
        raise refused
    return value
