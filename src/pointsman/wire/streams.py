"""What a stream passes through: a relay on its way to the caller; across two dialects, a reader and a writer in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from pointsman.core.chat import Event
from pointsman.core.usage import Usage
from pointsman.wire.trip import AnswerFacts


class Relay(Protocol):
    """One stream on its way to the caller. Fed with the provider's bytes in any split."""

    @property
    def facts(self) -> AnswerFacts:
        """What is known so far; final after `close`."""
        ...

    @property
    def has_content(self) -> bool:
        """Whether an event with content has been returned by `feed` (the commit point lies before it)."""
        ...

    @property
    def done(self) -> bool:
        """Whether the provider has said, in the dialect's own words, that the stream is over: read no further."""
        ...

    @property
    def written(self) -> int:
        """Characters of model text (content, reasoning, arguments) seen so far, for estimates after a cut."""
        ...

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes, return the bytes that the caller gets now: complete events only, perhaps none.

        Raises:
            UpstreamRefused: the provider sent an error event.
            UpstreamGarbage: an event that is none in this dialect.
        """
        ...

    def close(self) -> bytes:
        """The provider's body ended properly at the HTTP level; returns what is still owed to the caller.

        Raises:
            UpstreamCut: the answer was not complete.
            UpstreamRefused, UpstreamGarbage: as `feed`, for an unfinished last event.
        """
        ...


def final_of(stream: object) -> bytes:
    """The whole answer that a relay's or a writer's stream was, as its dialect tells it unstreamed, cost included.

    Empty before its end, and in dialects that tell no such thing.
    """
    final: bytes = getattr(stream, "final", b"")
    return final


def so_far_of(stream: object) -> bytes:
    """The whole answer as far as a relay or a writer has told it: what `final_of` is, for an end that is an error.

    Empty before its beginning, and in dialects whose errors repeat no answer.
    """
    so_far: bytes = getattr(stream, "so_far", b"")
    return so_far


class StreamReader(Protocol):
    """A provider's stream as core events. Fed with its bytes in any split."""

    @property
    def done(self) -> bool:
        """Whether the provider has said that the stream is over: read no further."""
        ...

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that are complete now.

        Raises:
            UpstreamRefused: the provider sent an error event.
            UpstreamGarbage: an event that is none in this dialect.
        """
        ...

    def close(self) -> list[Event]:
        """The body ended: the events still owed. Every choice has its `ChoiceEnd` by then.

        Raises:
            UpstreamCut: the answer was not complete.
            UpstreamRefused, UpstreamGarbage: as `feed`, for an unfinished last event.
        """
        ...


class StreamWriter(Protocol):
    """Core events as a caller's stream."""

    def write(self, events: Sequence[Event]) -> bytes:
        """What the caller gets for these events, perhaps nothing. `UsageReport`s are for `close` alone."""
        ...

    def close(self, usage: Usage | None, cost: int | None) -> bytes:
        """The proper end of the stream, with usage and cost (nano-dollars) where the caller is to see them."""
        ...


class Stand(NamedTuple):
    """A writer that stands where a stream broke: what it writes now goes on with what the caller has had.

    Attributes:
        writer: the writer.
        begun: the answer's head has been told.
        text: the core's index of the text that is open and can grow on; -1 where there is none.
        length: characters told of that text.
        following: the first index that no block has.
        ending: bytes that end whatever else is open; they come before anything that follows.
        owed: the answer was told to its end, and this is all that is missing of its stream; None where it was not.
        unfinished: what has begun that nobody but its own provider can end, for people; empty where there is nothing.
    """

    writer: StreamWriter
    begun: bool = False
    text: int = -1
    length: int = 0
    following: int = 0
    ending: bytes = b""
    owed: bytes | None = None
    unfinished: str = ""


class Around:
    """`Relay` around another, and in everything the same, but for what a subclass changes."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    @property
    def facts(self) -> AnswerFacts:
        """See `Relay.facts`."""
        return self._relay.facts

    @property
    def has_content(self) -> bool:
        """See `Relay.has_content`."""
        return self._relay.has_content

    @property
    def done(self) -> bool:
        """See `Relay.done`."""
        return self._relay.done

    @property
    def written(self) -> int:
        """See `Relay.written`."""
        return self._relay.written

    @property
    def final(self) -> bytes:
        """See `final_of`."""
        return final_of(self._relay)

    @property
    def so_far(self) -> bytes:
        """See `so_far_of`."""
        return so_far_of(self._relay)

    def feed(self, chunk: bytes) -> bytes:
        """See `Relay.feed`."""
        return self._relay.feed(chunk)

    def close(self) -> bytes:
        """See `Relay.close`."""
        return self._relay.close()
