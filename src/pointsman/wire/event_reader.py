"""Streams of events from a provider, read for callers of another dialect: what the readers of all dialects share."""

from __future__ import annotations

from typing import Protocol

from pointsman.core.chat import Alive, BlockStart, ChoiceEnd, Delta, Event
from pointsman.core.errors import UpstreamCut, UpstreamGarbage, UpstreamRefused
from pointsman.wire import sse
from pointsman.wire.cross_relay import says_something
from pointsman.wire.parse import BAD_JSON, loads, loads_object
from pointsman.wire.refusals import refusal_in


class Frames(Protocol):
    """Collects bytes and gives back whole events, joined."""

    def take(self, chunk: bytes) -> bytes:
        """Everything up to the last complete event."""
        ...

    def rest(self) -> bytes:
        """What is left when the body has ended."""
        ...


class EventReader:
    """`streams.StreamReader`, but for what a dialect's events mean: see the methods below `What a dialect says`."""

    mark = b""
    """An event's data that is no JSON and stands at the end, where the dialect has one."""

    def __init__(self, frames: Frames | None = None) -> None:
        self._frames = frames or sse.Frames()
        self._done = False
        self._failure: UpstreamRefused | UpstreamGarbage | None = None

    # What a dialect says

    def _event(self, name: bytes, data: bytes, events: list[Event]) -> None:
        """Take one event that holds something, and add what it means to `events`. Sets `_done` where it is the last.

        Raises:
            UpstreamRefused, UpstreamGarbage: as `streams.StreamReader.feed`.
        """
        raise NotImplementedError

    def _marked(self) -> None:
        """The end mark has come."""
        self._done = True

    def _complete(self) -> bool:
        """Whether the answer has ended as this dialect's answers do."""
        return self._done

    def _owed(self, events: list[Event]) -> None:
        """Add what is still owed once the answer is complete."""

    # What the relay sees

    @property
    def done(self) -> bool:
        """Whether the provider has said that the stream is over."""
        return self._done

    @property
    def complete(self) -> bool:
        """Whether the answer has ended as this dialect's answers do, though its end mark may be missing."""
        return self._complete()

    def feed(self, chunk: bytes) -> list[Event]:
        """See `streams.StreamReader.feed`. What came before an error is the caller's; the error is raised next time."""
        if self._failure is not None:
            raise self._failure
        events: list[Event] = []
        if self._done:
            return events
        complete = self._frames.take(chunk)
        for frame in sse.split(complete) if complete else ():
            try:
                self._frame(frame, events)
            except (UpstreamRefused, UpstreamGarbage) as failure:
                if not any(_is_content(event) for event in events):
                    raise
                self._failure = failure
                break
            if self.done:
                break
        return events

    def close(self) -> list[Event]:
        """See `streams.StreamReader.close`."""
        if self._failure is not None:
            raise self._failure
        events: list[Event] = []
        rest = self._frames.rest()
        if rest.strip() and not self._done:
            self._last(rest, events)
        if not self._complete():
            raise UpstreamCut("The provider's stream ended before the answer did.")
        self._owed(events)
        return events

    # How

    def _last(self, rest: bytes, events: list[Event]) -> None:
        """An event without its blank line, which the body's end completes if it is whole."""
        _, data = sse.fields(rest)
        if data is None and rest.lstrip().startswith(b":"):
            return
        if data is None and rest.lstrip().startswith(b"{"):
            refused = refusal_in(loads_object(rest, "stream"), rest)  # an error as a plain body
            raise refused or UpstreamGarbage("The provider sent a plain JSON body where a stream was announced.")
        if data is None or not self.mark or data.strip() != self.mark:
            try:
                loads(data or b"")
            except BAD_JSON:
                raise UpstreamCut("The provider's stream ended in the middle of an event.") from None
        self._frame(rest, events)

    def _frame(self, frame: bytes, events: list[Event]) -> None:
        name, data = sse.fields(frame)
        if not data or not (data := data.strip()):
            events.append(Alive())
        elif self.mark and data == self.mark:
            self._marked()
        else:
            self._event(name, data, events)


def _is_content(event: Event) -> bool:
    """Whether an event says something, so that it is the caller's whatever comes after it."""
    if isinstance(event, BlockStart):
        return says_something(event.block)
    return isinstance(event, ChoiceEnd) or (isinstance(event, Delta) and bool(event.text))
