"""What a dialect offers to the line.

The line never looks into a body. The caller's dialect reads the request as far as routing and accounting need it. Where
the provider speaks the same dialect, that dialect alone carries the rest, untouched (`Straight`, in `passage`). Where
it speaks another, the request becomes core values and is written anew, and so does the answer on its way back
(`Crossing`). The line sees a `Passage` and does not care which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, Protocol

import msgspec

from pointsman.core.chat import Answer, Dropped, Encoded, Event, Media, Request
from pointsman.core.errors import PointsmanError, UpstreamRefused
from pointsman.core.model import Model, Price
from pointsman.core.outcome import Form
from pointsman.core.plan import Needs
from pointsman.core.ports import Fetched
from pointsman.core.usage import Usage

Surface = Literal[
    "chat.completions",
    "completions",
    "responses",
    "messages",
    "messages.count_tokens",
    "gemini.generate",
    "gemini.count_tokens",
    "responses.input_tokens",
    "embeddings",
    "passthrough",
]
"""What a caller called."""
COUNTING: frozenset[Surface] = frozenset({"messages.count_tokens", "gemini.count_tokens", "responses.input_tokens"})
"""Those that ask for a number of tokens and for nothing else."""


NO_FILES: Mapping[str, Fetched] = MappingProxyType({})


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """A caller's request, read as far as routing and accounting need.

    Attributes:
        surface: what was called.
        model: the name the caller asked for.
        stream: whether the answer is to be streamed.
        needs: what it asks of a model.
        fields: every top-level field in the caller's order, raw.
        shows_usage: whether the caller wants usage in the stream (asked upstream anyway, hidden if not wanted).
        user: the caller's label for its end user, if sent.
        query: what has to go along in the request line to a provider of the same dialect.
        array: the stream is to be one JSON array, not events.
    """

    surface: Surface
    model: str
    stream: bool
    needs: Needs
    fields: dict[str, msgspec.Raw]
    shows_usage: bool = False
    user: str = ""
    query: str = ""
    array: bool = False


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A request as the provider gets it.

    Attributes:
        path: below the provider's base URL, with the query where there is one.
        body: as it is sent.
        dropped: what could not be said.
        dialect: what it is written in; empty means the provider's main one.
        headers: what the request needs besides the provider's and the model's.
        tool_names: a tool's name as sent, to its name at the caller, where they differ.
        answer_tool: name of a tool of ours whose call is the structured answer; empty where there is none.
    """

    path: str
    body: bytes
    dropped: tuple[Dropped, ...] = ()
    dialect: str = ""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    tool_names: Mapping[str, str] = msgspec.field(default_factory=dict)
    answer_tool: str = ""


class AnswerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What accounting needs of an answer. `usage` None: the provider sent none.

    `mark` is the dialect's own note for `annotate`; opaque to everybody else. `form` is said where JSON was asked for.
    """

    id: str = ""
    model: str = ""
    finish: str = ""
    usage: Usage | None = None
    mark: bytes = b""
    form: Form = ""


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer, ready for the caller: the body in its dialect, what accounting needs, what could not be said."""

    body: bytes
    facts: AnswerFacts
    dropped: tuple[Dropped, ...] = ()


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


class Spoken(Protocol):
    """What the line asks of the dialect that a caller speaks, whoever answers."""

    @property
    def name(self) -> str:
        """The dialect's name, e.g. `openai-chat`."""
        ...

    def read_request(self, body: bytes, surface: Surface, path: str = "", query: str = "") -> Incoming:
        """Read a caller's request. Some dialects say in path and query which model, and whether streamed.

        Raises:
            InvalidJson, InvalidRequest: with the path of the field (`param`) and what was expected there.
        """
        ...

    def annotate(self, body: bytes, cost: int | None, facts: AnswerFacts | None = None) -> bytes:
        """A whole answer with `usage.cost` (US dollars) added; unchanged if there is no usage or no cost.

        `facts` are what was found in it; with them the body need not be read again.
        """
        ...

    def write_error(self, error: PointsmanError, request_id: str) -> bytes:
        """One of our errors as a body of this dialect."""
        ...

    def write_stream_error(self, error: PointsmanError, request_id: str) -> bytes:
        """One of our errors as the last event of a stream whose status is already out."""
        ...

    def keep_alive(self, *, begun: bool = True) -> bytes:
        """What tells a caller in a stream that we are alive, and says nothing else.

        `begun`: whether an event of the answer has gone out; some clients take nothing but comments before the first.
        """
        ...


class CallerSide(Spoken, Protocol):
    """What a dialect does for those who call in it and are answered in another."""

    def to_core(self, incoming: Incoming) -> Request:
        """A request in no dialect. Raises as `read_request`, for what routing had not looked at."""
        ...

    def with_system(self, incoming: Incoming, before: str, after: str) -> Incoming:
        """A request with text before and after its system text; every other byte of it stays. Empty text adds nothing.

        Where the surface has no system text, or it is of no shape that is known, the request is the same.
        """
        ...

    def write_answer(self, answer: Answer, incoming: Incoming) -> Encoded:
        """An answer for a caller, and what this dialect cannot say of it."""
        ...

    def writer(self, incoming: Incoming) -> StreamWriter:
        """A writer for one stream."""
        ...

    def write_count(self, tokens: int) -> bytes:
        """The answer to the question how many tokens a request has."""
        ...


class Refusing(Protocol):
    """Reads what providers say when they say no."""

    def read_error(
        self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes, now: int | None = None
    ) -> UpstreamRefused:
        """What a provider's error answer means; never raises, whatever the body is.

        `now` (nanoseconds since the epoch) helps to read dates where the answer has none of its own.
        """
        ...


class ProviderSide(Refusing, Protocol):
    """What a dialect does for providers that speak it and answer callers of another."""

    @property
    def name(self) -> str:
        """The dialect's name, e.g. `openai-chat`."""
        ...

    @property
    def counts(self) -> bool:
        """Whether its providers say how many tokens a request has."""
        ...

    def from_core(self, request: Request, model: Model) -> Outgoing:
        """A request for `model`, and what this dialect cannot say of it.

        Raises:
            UnsupportedParameter: the model refuses a field and its policy is `refuse`.
        """
        ...

    def needs_data(self, media: Media) -> bool:
        """Whether a file that stands in a request as a URL has to be sent as data: providers cannot follow the URL."""
        ...

    def count_from_core(self, request: Request, model: Model) -> Outgoing | None:
        """The question how many tokens a request has; None where `counts` is False."""
        ...

    def read_count(self, body: bytes) -> int:
        """The answer to it. Raises as `read_whole`."""
        ...

    def read_whole(self, body: bytes, outgoing: Outgoing) -> Answer:
        """A whole answer in no dialect.

        Raises:
            UpstreamGarbage: not an answer of this dialect (also truncated JSON).
            UpstreamRefused: an error in a 200.
        """
        ...

    def reader(self, outgoing: Outgoing) -> StreamReader:
        """A reader for one stream."""
        ...


class BothSides(Spoken, Refusing, Protocol):
    """What a dialect does where caller and provider both speak it: bytes pass."""

    def write_request(self, incoming: Incoming, model: Model) -> Outgoing:
        """A caller's request for a model of the same dialect.

        Fields stay untouched but for the model's name, the model's default parameters, asked-for usage in streams,
        and parameters that the model refuses.

        Raises:
            UnsupportedParameter: the model refuses a field and its policy is `refuse`.
        """
        ...

    def read_answer(self, body: bytes) -> AnswerFacts:
        """Account for a whole answer. Raises as `ProviderSide.read_whole`."""
        ...

    def relay(self, incoming: Incoming, price: Price | None) -> Relay:
        """A relay for one streamed answer from a provider of the same dialect."""
        ...

    def as_stream(self, body: bytes, incoming: Incoming) -> bytes:
        """A whole answer as the events of the stream that the caller asked for. Raises as `read_answer`."""
        ...


class Dialect(BothSides, CallerSide, ProviderSide, Protocol):
    """One wire format, in both directions, whole and streamed."""


class Trip(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt's request, as it came and as it went out, with what its answer needs to be read by.

    Attributes:
        price: of the model that was asked; None is unpriced.
        now: nanoseconds since the epoch, for answers that must say when they were made.
    """

    incoming: Incoming
    outgoing: Outgoing
    price: Price | None = None
    now: int = 0


class Passage(Protocol):
    """How one call's request gets to a provider and its answer back: straight, or across dialects."""

    @property
    def counts(self) -> bool:
        """Whether the provider can be asked how many tokens a request has."""
        ...

    def estimate(self, tokens: int) -> bytes:
        """The answer to that question where `counts` is False and we have to say a number of our own."""
        ...

    def wants(self, incoming: Incoming) -> Sequence[str]:
        """The URLs of a request whose files `write_request` has to be given."""
        ...

    def write_request(self, incoming: Incoming, model: Model, files: Mapping[str, Fetched] = NO_FILES) -> Outgoing:
        """The request as the provider gets it. Raises as `BothSides.write_request`."""
        ...

    def read_answer(self, body: bytes, trip: Trip) -> Heard:
        """A whole answer for the caller. Raises as `ProviderSide.read_whole`."""
        ...

    def relay(self, trip: Trip) -> Relay:
        """A relay for one streamed answer."""
        ...

    def relay_whole(self, body: bytes, trip: Trip) -> tuple[Relay, bytes]:
        """A whole answer to a request for a stream: a relay that is through with it, and what the caller gets.

        Raises as `read_answer`.
        """
        ...

    def read_error(
        self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes, now: int | None = None
    ) -> UpstreamRefused:
        """What a provider's error answer means; see `ProviderSide.read_error`."""
        ...
