"""What a dialect offers to the line.

The line never looks into a body. The caller's dialect reads the request as far as routing and accounting need it. Where
the provider speaks the same dialect, that dialect alone carries the rest, untouched (`Straight`, in `passage`). Where
it speaks another, the request becomes core values and is written anew, and so does the answer on its way back
(`Crossing`). The line sees a `Passage` and does not care which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pointsman.core.chat import Answer, Encoded, Media, Request
from pointsman.core.errors import PointsmanError, UpstreamRefused
from pointsman.core.extent import Extent
from pointsman.core.model import Model, Price
from pointsman.core.ports import Fetched
from pointsman.wire.streams import Relay, Stand, StreamReader, StreamWriter
from pointsman.wire.trip import NO_FILES, AnswerFacts, Heard, Incoming, Outgoing, Surface, Trip


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

    def write_stream_error(self, error: PointsmanError, request_id: str, so_far: bytes = b"") -> bytes:
        """One of our errors as the last event of a stream whose status is already out.

        `so_far`: the answer as far as it has been told, see `streams.so_far_of`.
        """
        ...

    def capped(self, incoming: Incoming, tokens: int) -> Incoming:
        """The request with a limit on the length of each answer, in tokens; it names none itself."""
        ...

    def extent(self, incoming: Incoming) -> Extent:
        """How far a provider may go with the request, as far as it says so itself."""
        ...

    def bounded(self, incoming: Incoming, *, usual: bool, uses: int) -> Incoming:
        """The request with bounds that it leaves open.

        `usual`: it is told to be served the usual way, where `Extent.open` says that this can be told. `uses`: how
        often tools that run at the provider may be used, where `Extent.settable` says so; 0 tells nothing.
        """
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

    def resume(self, told: bytes, incoming: Incoming) -> Stand:
        """A writer that stands behind what a caller has been told, with its ids and numbers.

        `told` is whole events of this dialect, whoever wrote them: a writer of ours, or a provider that speaks it.

        Raises:
            UpstreamRefused, UpstreamGarbage: it cannot be read, or ends with an error.
        """
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

    def prefills(self, model: Model) -> bool:
        """Whether a model is known to go on with an answer whose beginning stands as the last turn of a request."""
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
