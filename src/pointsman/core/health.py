"""What is known of the health of those who are asked: values, and the port to the book that keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, Protocol

import msgspec

from pointsman.core.failure import FailureKind, State, Target
from pointsman.core.model import TimeLimits
from pointsman.core.ports import Headers

Cause = Literal["failures", "errors", "slow", "unreachable", "pause", "key", "model", "limits", "time", "answered", ""]
"""Of a state, for machines. `failures`: several in a row. `errors`: their share. `slow`: the first token takes long.
`unreachable`: the provider as a whole. `pause`: it asked for one. `key`, `model`: the provider does not take the key,
or does not have the model. `limits`: its headers say that a budget is used up. `time`: enough has passed. `answered`:
well again. Empty: never was anything else."""


class AttemptEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended, as far as it says something of who was asked.

    Attributes:
        failure: what went wrong; None where it answered to its end.
        neutral: nothing can be told of its health, e.g. the caller left or another attempt was quicker.
        outpaced: another attempt was quicker: its first content would have taken longer than `duration`.
        retry_after: seconds that the provider asked for.
        stream: whether the answer was to be streamed.
        connect: nanoseconds until there was a connection, where a new one was made.
        first_token: nanoseconds from sending until the first content; of a whole answer, until it was there.
        widest: nanoseconds of the longest silence between two pieces, where that was measured; of a stream that
            stalled, of the silence that ended it.
        duration: nanoseconds from `begin` to the end. Tells attempts that began before a breaker's last change, whose
            ends say nothing of now, from those that began since.
        headers: of the answer, names in lower case.
        check: it was a check of ours, whose times teach nothing about answers.
    """

    failure: FailureKind | None = None
    neutral: bool = False
    outpaced: bool = False
    retry_after: float | None = None
    stream: bool = False
    connect: int | None = None
    first_token: int | None = None
    widest: int | None = None
    duration: int = 0
    headers: Headers = ()
    check: bool = False


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """A target's state has changed. `at` is nanoseconds since the epoch, `why` for people."""

    target: Target
    before: State
    after: State
    at: int
    why: str
    cause: Cause = ""


class Load(NamedTuple):
    """How busy a target is: attempts in flight, and seconds until the first token as a mean that remembers peaks.

    The mean is 0.0 where nothing was measured, and fades while nobody asks.
    """

    in_flight: int = 0
    first_token: float = 0.0


class Headroom(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider's headers last said of a budget.

    Attributes:
        kind: `requests`, `tokens`, `input-tokens`, `output-tokens`.
        limit: the whole budget; None where it was not told.
        remaining: what is left of it.
        reset: seconds until it is whole again; None where it was not told.
    """

    kind: str
    limit: int | None
    remaining: int
    reset: float | None


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """Time limits in seconds as learned, before those configured bound them; None until there are enough samples."""

    connect: float | None = None
    first_token: float | None = None
    whole_answer: float | None = None
    between_pieces: float | None = None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """All that the book knows of a target at one moment, for pages and the command line.

    Attributes:
        target: who.
        state, cause, why: how it is, and since what.
        since: nanoseconds since the epoch of the last change, or of the first attempt.
        next_probe: seconds until it is asked again; None where it is asked now.
        in_flight: attempts under way.
        attempts, error_share: those of the last 60 seconds that say something, and the share of failures among them.
        first_token_p50, first_token_p95: seconds, of streams if there were any, else of whole answers; None if neither.
        learned: its time limits.
        headroom: what is left of its budgets.
    """

    target: Target
    state: State
    cause: Cause
    why: str
    since: int
    next_probe: float | None
    in_flight: int
    attempts: int
    error_share: float
    first_token_p50: float | None
    first_token_p95: float | None
    learned: Learned
    headroom: tuple[Headroom, ...]


class Health(Protocol):
    """The book of health. `now` is always monotonic nanoseconds. Nothing here waits or raises."""

    def version(self, now: int) -> int:
        """Changes whenever `states` does."""
        ...

    def states(self, now: int) -> Mapping[Target, State]:
        """Every target that is not well (`closed`). The same object as long as `version` is the same."""
        ...

    def begin(self, target: Target, now: int, *, anyway: bool = False) -> float:
        """An attempt wants to begin: 0.0 lets it, and it counts as in flight until `end`.

        Otherwise nothing has begun, and it is the number of seconds after which asking again makes sense. `anyway`:
        nobody else is left, and who rests since it failed may be asked before its time, one call at a time.
        """
        ...

    def heard(self, target: Target, began: int, now: int) -> None:
        """The first content has come of a stream whose attempt began then: whoever rested is well again."""
        ...

    def usual(self, target: Target, share: float, *, stream: bool) -> float | None:
        """Seconds within which so large a share of answers begins (of whole ones: is there); None where unknown."""
        ...

    def passed(self, target: Target, now: int) -> bool:
        """Whether an attempt that was answered to its end is over with that: no `end` needs to tell of it.

        It is where the target is well, its times are known, and one of its answers was looked at moments ago.
        """
        ...

    def end(self, target: Target, end: AttemptEnd, now: int) -> None:
        """The attempt that `begin` let through is over, unless `passed` said so."""
        ...

    def load(self, target: Target, now: int, *, stream: bool) -> Load:
        """How busy it is and how soon it answers."""
        ...

    def limits(self, target: Target, configured: TimeLimits, *, stream: bool, thinks: bool) -> TimeLimits:
        """The time limits for an attempt: learned from the target's own past, within those configured.

        `thinks`: the model thinks before it answers, so that its first token takes long.
        """
        ...


def speeds(health: Health, targets: Iterable[Target], *, stream: bool) -> dict[Target, float]:
    """Seconds within which half of the answers of each target begin (of whole ones: are there), where that is known.

    A model is as quick with one key as with another: of several the least is taken for all.
    """
    known: dict[tuple[str, str], float] = {}
    asked = tuple(targets)
    for target in asked:
        usual = health.usual(target, 0.5, stream=stream)
        if usual is not None:
            there = target[:2]
            known[there] = min(usual, known.get(there, usual))
    return {target: known[target[:2]] for target in asked if target[:2] in known}
