"""What is known of the health of those who are asked: values, and the port to the book that keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from pointsman.core.failure import FailureKind, State, Target
from pointsman.core.model import TimeLimits
from pointsman.core.ports import Headers


class AttemptEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended, as far as it says something of who was asked.

    Attributes:
        failure: what went wrong; None where it answered to its end.
        neutral: nothing can be told, e.g. the caller left or another attempt was quicker.
        retry_after: seconds that the provider asked for.
        stream: whether the answer was to be streamed.
        first_token: nanoseconds from sending until the first content; of a whole answer, until it was there.
        widest: nanoseconds of the longest silence between two pieces, where that was measured.
        duration: nanoseconds from sending to the end.
        headers: of the answer, names in lower case.
    """

    failure: FailureKind | None = None
    neutral: bool = False
    retry_after: float | None = None
    stream: bool = False
    first_token: int | None = None
    widest: int | None = None
    duration: int = 0
    headers: Headers = ()


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """A target's state has changed. `at` is nanoseconds since the epoch, `why` for people."""

    target: Target
    before: State
    after: State
    at: int
    why: str


class Health(Protocol):
    """The book of health. `now` is always monotonic nanoseconds. Nothing here waits or raises."""

    @property
    def version(self) -> int:
        """Changes whenever `states` does."""
        ...

    def states(self, now: int) -> Mapping[Target, State]:
        """Every target that is not well (`closed`). The same object as long as `version` is the same."""
        ...

    def begin(self, target: Target, now: int) -> float:
        """An attempt wants to begin: 0.0 lets it, and it counts as in flight until `end`.

        Otherwise nothing has begun, and it is the number of seconds after which asking again makes sense.
        """
        ...

    def end(self, target: Target, end: AttemptEnd, now: int) -> None:
        """The attempt that `begin` let through is over."""
        ...

    def limits(self, target: Target, configured: TimeLimits, *, stream: bool, thinks: bool) -> TimeLimits:
        """The time limits for an attempt: learned from the target's own past, within those configured.

        `thinks`: the model thinks before it answers, so that its first token takes long.
        """
        ...
