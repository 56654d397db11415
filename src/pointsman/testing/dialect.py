"""What a simulated dialect has to say, and the neutral values it says it with.

A dialect reads a request into an `Ask` and prints an `Answer`, whole or as frames; what the model answers, when the
bytes go out and what breaks on the way is decided elsewhere and is the same for every dialect.
"""

from __future__ import annotations

import enum
from typing import Any, Protocol

import msgspec

from pointsman.core.usage import Usage
from pointsman.testing.script import SimModel


class ToolUse(msgspec.Struct, kw_only=True):
    """One call of a tool: `arguments` as JSON text."""

    name: str
    arguments: str


class Offer(msgspec.Struct, kw_only=True):
    """A tool that the client offers."""

    name: str
    schema: dict[str, Any]


class Ask(msgspec.Struct, kw_only=True):
    """A request, as far as it decides the answer.

    Attributes:
        surface: which endpoint, in the dialect's own words.
        model: asked for.
        text: the last thing said, by whom is `last_role`.
        prompt: everything said, in order, as one text; the prompt cache compares its beginnings.
        images: how many.
        offers: tools.
        forced: names of tools that must be called; empty leaves it to the prompt.
        may_call: tools are not forbidden.
        parallel: several calls at once are fine.
        named: the caller forced one tool by name.
        schema: answer with JSON of this schema; `{}` is any object; None is text.
        choices: answers wanted.
        limit: longest answer in tokens.
        stream, usage: stream it; report usage in the stream.
        logprobs: alternatives wanted for each token; None is no log probabilities.
        fields: top-level fields of the body.
    """

    surface: str
    model: str
    text: str = ""
    last_role: str = "user"
    prompt: str = ""
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
    fields: frozenset[str] = frozenset()


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
    """The simulated provider says no: HTTP status, its own code, words, and the field at fault."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param


class SimDialect(Protocol):
    """One wire format, from the provider's side."""

    name: str

    def surface(self, method: str, path: str) -> str:
        """Which endpoint a path (below `/v1`) is; empty if none of this dialect's."""
        ...

    def key(self, headers: list[tuple[bytes, bytes]]) -> str:
        """The key that the client sent; empty if none."""
        ...

    def read(self, body: bytes, surface: str) -> Ask:
        """Read a request.

        Raises:
            Refusal: as the real provider refuses it.
        """
        ...

    def listing(self, surface: str, path: str, models: tuple[SimModel, ...]) -> bytes | None:
        """The list of models (or one of them); None if the surface is none.

        Raises:
            Refusal: no such model.
        """
        ...

    def whole(self, ask: Ask, answer: Answer, model: SimModel) -> bytes:
        """A whole answer."""
        ...

    def frames(self, ask: Ask, answer: Answer, model: SimModel) -> list[Frame]:
        """A streamed answer, frame by frame, up to its end mark."""
        ...

    def error(self, refusal: Refusal) -> bytes:
        """The body of an error."""
        ...

    def error_frame(self, refusal: Refusal) -> bytes:
        """An error inside a stream."""
        ...
