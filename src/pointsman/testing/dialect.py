"""What a simulated dialect has to say, and the neutral values it says it with.

A dialect reads a request into an `Ask` and prints an `Answer`, whole or as frames; what the model answers, when the
bytes go out and what breaks on the way is decided elsewhere and is the same for every dialect.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from pointsman.core.usage import Usage
from pointsman.testing.limits import Left
from pointsman.testing.script import SimModel
from pointsman.wire.parse import BAD_JSON

Headers = list[tuple[bytes, bytes]]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What arrived. `path` is below the version (`/v1`, `/v1beta`); names of headers are in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Headers = []
    body: bytes = b""

    def header(self, name: bytes) -> str:
        """First value of a header, or empty."""
        return next((value for key, value in self.headers if key == name), b"").decode("latin-1")


class ToolUse(msgspec.Struct, kw_only=True):
    """One call of a tool: `arguments` as JSON text."""

    name: str
    arguments: str

    @property
    def values(self) -> dict[str, Any]:
        """The arguments as an object; empty if they are none."""
        try:
            found = msgspec.json.decode(self.arguments)
        except BAD_JSON:
            return {}
        return found if isinstance(found, dict) else {}


class Offer(msgspec.Struct, kw_only=True):
    """A tool that the client offers."""

    name: str
    schema: dict[str, Any]


class Turn(NamedTuple):
    """One turn of a conversation: `text` is the last thing said in it, all of it where the assistant spoke."""

    role: str
    text: str


def turn(role: str, texts: Sequence[str]) -> Turn:
    """A turn of several texts."""
    return Turn(role, "".join(texts) if role == "assistant" else texts[-1])


class Ask(msgspec.Struct, kw_only=True):
    """A request, as far as it decides the answer.

    Attributes:
        surface: which endpoint, in the dialect's own words.
        model: asked for.
        text: the last thing said, by whom is `last_role`.
        prompt: everything said, in order, as one text; the prompt cache compares its beginnings.
        turns: who said what, in order, without what was said by the system.
        images: how many.
        offers: tools.
        forced: names of tools that must be called; empty leaves it to the prompt.
        may_call: tools are not forbidden.
        parallel: several calls at once are fine.
        named: the caller forced one tool by name.
        schema: answer with JSON of this schema; `{}` is any object; None is text.
        choices: answers wanted; 0 is none at all, where only tokens are counted or vectors are wanted.
        limit: longest answer in tokens.
        stream, usage: stream it; report usage in the stream.
        logprobs: alternatives wanted for each token; None is no log probabilities.
        thinks: a model that can think does so here.
        shows_thoughts: and what it thinks is shown.
        sealed: thoughts are wanted in a form that only their maker reads.
        unsigned: why the history is refused by a model that thinks; empty if it is fine.
        cache: whether beginnings of prompts are kept: by themselves, not at all, or as the request's marks say.
        texts: what vectors are wanted of.
        dimensions: numbers in each vector; 0 leaves it to the model.
        packed: vectors as base64.
        fields: top-level fields of the body.
        echo: fields that the answer repeats.
    """

    surface: str
    model: str
    text: str = ""
    last_role: str = "user"
    prompt: str = ""
    turns: list[Turn] = []
    images: int = 0
    offers: tuple[Offer, ...] = ()
    forced: tuple[str, ...] = ()
    may_call: bool = True
    parallel: bool = True
    named: bool = False
    schema: dict[str, Any] | None = None
    choices: int = 1
    limit: int | None = None
    stream: bool = False
    usage: bool = False
    logprobs: int | None = None
    thinks: bool = True
    shows_thoughts: bool = True
    sealed: bool = False
    unsigned: str = ""
    cache: Literal["auto", "none", "5m", "1h"] = "auto"
    texts: tuple[str, ...] = ()
    dimensions: int = 0
    packed: bool = False
    fields: frozenset[str] = frozenset()
    echo: dict[str, Any] = {}


class Part(msgspec.Struct, kw_only=True):
    """One of the answers: thinking, text and calls in the pieces in which they are streamed."""

    thinking: list[str] = msgspec.field(default_factory=list)
    text: list[str] = msgspec.field(default_factory=list)
    calls: list[ToolUse] = msgspec.field(default_factory=list)
    finish: str = "stop"


class Answer(msgspec.Struct, kw_only=True):
    """What the model answers. `cost` in US dollars is shown only if set."""

    id: str
    created: int
    parts: list[Part]
    usage: Usage | None
    cost: float | None = None
    usage_twice: bool = False


class Mark(enum.IntEnum):
    """What a frame carries."""

    HEAD = 0
    CONTENT = 1
    FINISH = 2
    USAGE = 3
    END = 4


Frame = tuple[Mark, bytes]


class Refusal(Exception):
    """The simulated provider says no.

    Attributes:
        status: of HTTP, as most providers have it.
        code: what is wrong, in OpenAI's word for it; dialects with words of their own translate it.
        message: for people, where the dialect has no words of its own.
        param: the field at fault.
        subject: what it is about, e.g. the model's name.
        wait: seconds until it is worth trying again.
        tail: said after the message, whoever's words that is in.
    """

    def __init__(  # noqa: PLR0913 - a no has that many parts, all but three of them optional
        self,
        status: int,
        code: str,
        message: str,
        param: str | None = None,
        *,
        subject: str = "",
        wait: float = 0.0,
        tail: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.subject = subject
        self.wait = wait
        self.tail = tail


class SimDialect(Protocol):
    """One wire format, from the provider's side."""

    name: str
    version: str
    """The last part of a base URL, e.g. `/v1`."""

    def surface(self, request: Request) -> str:
        """Which endpoint was called; empty if none of this dialect's."""
        ...

    def key(self, request: Request) -> str:
        """The key that the client sent; empty if none."""
        ...

    def read(self, request: Request, surface: str) -> Ask:
        """Read a request.

        Raises:
            Refusal: as the real provider refuses it.
        """
        ...

    def listing(self, request: Request, surface: str, models: Sequence[SimModel]) -> bytes | None:
        """The list of models (or one of them); None if the surface is none.

        Raises:
            Refusal: no such model.
        """
        ...

    def answer_id(self, surface: str, number: int) -> str:
        """What the answer to the request of that number is called."""
        ...

    def headers(self, number: int, left: Sequence[Left], now: int) -> Headers:
        """Headers of that answer: a name for it, and what is left of quotas. `now` in nanoseconds since the epoch."""
        ...

    def content_type(self, ask: Ask) -> bytes:
        """Of the answer."""
        ...

    def whole(self, ask: Ask, answer: Answer, model: SimModel) -> bytes:
        """A whole answer."""
        ...

    def frames(self, ask: Ask, answer: Answer, model: SimModel) -> list[Frame]:
        """A streamed answer, frame by frame, up to its end mark."""
        ...

    def malformed(self, ask: Ask) -> bytes:
        """A frame that breaks off in the middle of its JSON."""
        ...

    def status(self, refusal: Refusal) -> int:
        """The HTTP status with which this dialect's providers say so."""
        ...

    def error(self, refusal: Refusal, request: Request) -> bytes:
        """The body of an error."""
        ...

    def error_frame(self, refusal: Refusal, ask: Ask, answer: Answer, place: int) -> bytes:
        """An error inside a stream, after so many frames."""
        ...
