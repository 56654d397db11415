"""What a dialect offers to the line.

The line never looks into a body. It asks the caller's dialect to read the request as far as routing and accounting
need it, to write it for the chosen model, to account for the answer on its way back, and to print our errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from pointsman.core.chat import Answer, Dropped, Encoded, Request
from pointsman.core.errors import PointsmanError, UpstreamRefused
from pointsman.core.model import Model, Price
from pointsman.core.plan import Needs
from pointsman.core.usage import Usage

Surface = Literal["chat.completions", "completions"]
"""What a caller called; later work adds `responses`, `messages`, `embeddings` …"""


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
    """

    surface: Surface
    model: str
    stream: bool
    needs: Needs
    fields: dict[str, msgspec.Raw]
    shows_usage: bool = False
    user: str = ""


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A request as the provider gets it: path below the provider's base URL, body, and what was dropped."""

    path: str
    body: bytes
    dropped: tuple[Dropped, ...] = ()


class AnswerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What accounting needs of an answer. `usage` None: the provider sent none.

    `mark` is the dialect's own note for `annotate`; opaque to everybody else.
    """

    id: str = ""
    model: str = ""
    finish: str = ""
    usage: Usage | None = None
    mark: bytes = b""


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


class Dialect(Protocol):
    """One wire format."""

    @property
    def name(self) -> str:
        """The dialect's name, e.g. `openai-chat`."""
        ...

    def read_request(self, body: bytes, surface: Surface) -> Incoming:
        """Read a caller's request.

        Raises:
            InvalidJson, InvalidRequest: with the path of the field (`param`) and what was expected there.
        """
        ...

    def write_request(self, incoming: Incoming, model: Model) -> Outgoing:
        """Write it for a model of the same dialect.

        Fields stay untouched but for the model's name, the model's default parameters, asked-for usage in streams,
        and parameters that the model refuses.

        Raises:
            UnsupportedParameter: the model refuses a field and its policy is `refuse`.
        """
        ...

    def read_answer(self, body: bytes) -> AnswerFacts:
        """Account for a whole answer.

        Raises:
            UpstreamGarbage: not an answer of this dialect (also truncated JSON).
            UpstreamRefused: an error in a 200.
        """
        ...

    def annotate(self, body: bytes, cost: int | None, facts: AnswerFacts | None = None) -> bytes:
        """The same answer with `usage.cost` (US dollars) added; unchanged if there is no usage or no cost.

        `facts` are what `read_answer` found in it; with them the body need not be read again.
        """
        ...

    def relay(self, incoming: Incoming, price: Price | None) -> Relay:
        """A relay for one streamed answer from a provider of the same dialect."""
        ...

    def as_stream(self, body: bytes, incoming: Incoming) -> bytes:
        """A whole answer as the events of the stream that the caller asked for. Raises as `read_answer`."""
        ...

    def read_error(
        self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes, now: int | None = None
    ) -> UpstreamRefused:
        """What a provider's error answer means; never raises, whatever the body is.

        `now` (nanoseconds since the epoch) helps to read dates where the answer has none of its own.
        """
        ...

    def write_error(self, error: PointsmanError, request_id: str) -> bytes:
        """One of our errors as a body of this dialect."""
        ...

    def write_stream_error(self, error: PointsmanError, request_id: str) -> bytes:
        """One of our errors as the last event of a stream whose status is already out."""
        ...

    def decode_request(self, body: bytes) -> Request:
        """A request in no dialect. Raises as `read_request`."""
        ...

    def encode_request(self, request: Request, model: Model) -> Encoded:
        """A request for `model` from a request in no dialect."""
        ...

    def decode_answer(self, body: bytes) -> Answer:
        """An answer in no dialect. Raises as `read_answer`."""
        ...

    def encode_answer(self, answer: Answer) -> Encoded:
        """An answer for a caller from an answer in no dialect."""
        ...
