"""What a provider's recorded answer says, read without our wire code: the values that everything else is held to.

One reader for each dialect, of plain JSON, written after the providers' documentation and what the recordings show.
Where a record is itself odd, the reader decides by the documentation and says so beside the line.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

STOP, LENGTH, CALLS, FILTER = "stop", "length", "tool_calls", "content_filter"
REFUSAL, PAUSE, ERROR = "refusal", "pause", "error"


@dataclass(frozen=True)
class Call:
    """A call of a tool of the caller's.

    Attributes:
        name: of the tool.
        arguments: their JSON value.
        whole: whether they are JSON; they are not where a limit cut them off.
        space: where the name belongs, in the dialect that has such places; others may put it before the name.
    """

    name: str
    arguments: Any
    whole: bool = True
    space: str = ""


@dataclass(frozen=True)
class Choice:
    """One answer.

    Attributes:
        text: what a person reads of it, the words of a refusal included.
        reasoning: the thinking that can be read; several where more than one reading is right.
        sealed: there is thinking that only its maker can read, or that it has signed.
        calls: in order.
        foreign: calls that the caller has to serve and that only this dialect knows (computer use, shells).
        finish: why it ended; several where more than one reading is right.
        cited: addresses that have to be among its sources.
        may_cite: further addresses that may be.
        spans: addresses with the words that rest on them, where it is said which.
        images: pictures in it.
        may_say: words beside the text that may stand behind it where there is no other place for them.
    """

    text: str = ""
    reasoning: tuple[str, ...] = ("",)
    sealed: bool = False
    calls: tuple[Call, ...] = ()
    foreign: tuple[str, ...] = ()
    finish: frozenset[str] = frozenset()
    cited: frozenset[str] = frozenset()
    may_cite: frozenset[str] = frozenset()
    spans: frozenset[tuple[str, str]] = frozenset()
    images: int = 0
    may_say: str = ""


@dataclass(frozen=True)
class Usage:
    """Tokens: `input` with all that was cached, `output` with reasoning. None: the record contradicts itself there."""

    input: int | None = 0
    cache_read: int | None = 0
    cache_write: int | None = 0
    output: int | None = 0
    reasoning: int | None = 0


@dataclass(frozen=True)
class Failure:
    """An error: the statuses that it may have at the caller, and what it says; `cut` is an answer that stops short."""

    statuses: frozenset[int] = frozenset()
    text: str = ""
    cut: bool = False


@dataclass(frozen=True)
class Facts:
    """All of it. `unfit` says why a record is no answer at all, or not one."""

    choices: tuple[Choice, ...] = ()
    usage: Usage | None = None
    failure: Failure | None = None
    unfit: str = ""
    notes: tuple[str, ...] = field(default=())


def call_of(name: str, arguments: Any, space: str = "") -> Call:
    """A call whose arguments are a JSON text (empty: none) or the value itself."""
    if arguments is None or (isinstance(arguments, str) and not arguments.strip()):
        return Call(name, {}, space=space)
    if not isinstance(arguments, str):
        return Call(name, arguments, space=space)
    try:
        return Call(name, json.loads(arguments), space=space)
    except ValueError:
        return Call(name, arguments, whole=False, space=space)


def finish_of(word: str, calls: tuple[Call, ...]) -> frozenset[str]:
    """A clean stop with calls waits for their results, whatever the provider's word for it (gotcha 3)."""
    return frozenset({CALLS if calls and word == STOP else word})
