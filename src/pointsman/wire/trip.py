"""The values of one trip through a dialect: a request as it came and as it went out, and what came back.

`port` says who reads and writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import msgspec

from pointsman.core.chat import Dropped
from pointsman.core.model import Price
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
    "check",
]
"""What a caller called; `check` is the gateway itself, that asks a model whether it answers."""
COUNTING: frozenset[Surface] = frozenset({"messages.count_tokens", "gemini.count_tokens", "responses.input_tokens"})
"""Those that ask for a number of tokens and for nothing else."""


NO_FILES: Mapping[str, Fetched] = MappingProxyType({})

Seamed = Literal["", "prefill", "instruction"]


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
        details: whether the caller wants to be told what the cost is made of.
        call: the call's id, for dialects that make the ids in an answer of it; empty where there is none.
        typed: `"type"` may stand in its body, which parts of messages have that are no plain texts.
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
    details: bool = False
    call: str = ""
    typed: bool = True


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
        answer_field: the field of that call's input which is the answer; empty where all of the input is.
        seam: how somebody else's answer is to be gone on with: from its text as the beginning of the model's own, or
            by an instruction; empty where nothing of it was told, or where this is no continuation.
    """

    path: str
    body: bytes
    dropped: tuple[Dropped, ...] = ()
    dialect: str = ""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    tool_names: Mapping[str, str] = msgspec.field(default_factory=dict)
    answer_tool: str = ""
    answer_field: str = ""
    seam: Seamed = ""


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
