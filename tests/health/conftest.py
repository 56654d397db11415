"""A book of health on a clock that a test sets."""

from __future__ import annotations

import pytest

from pointsman.core.clock import SystemDraw
from pointsman.core.failure import State, Target
from pointsman.core.health import AttemptEnd, Transition
from pointsman.health.book import Book

SECOND = 1_000_000_000
EPOCH = 1_700_000_000 * SECOND


class Ward:
    """A book, the time of day, and what the book told."""

    def __init__(self, **settings) -> None:
        self.now = 0.0
        self.told: list[Transition] = []
        self.book = Book(SystemDraw(7), lambda: EPOCH + self.nanos, [self.told.append], **settings)

    @property
    def nanos(self) -> int:
        return round(self.now * SECOND)

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def begin(self, target: Target) -> float:
        return self.book.begin(target, self.nanos)

    def end(self, target: Target, failure=None, took: float = 0.0, **more) -> None:
        took_nanos = round(took * SECOND)
        for name in ("first_token", "widest", "connect"):
            if name in more:
                more[name] = round(more[name] * SECOND)
        self.book.end(target, AttemptEnd(failure=failure, duration=took_nanos, **more), self.nanos)

    def attempt(self, target: Target, failure=None, took: float = 0.1, **more) -> None:
        """One attempt after which `took` seconds have passed; it has to be let through."""
        assert self.begin(target) == 0.0
        self.wait(took)
        self.end(target, failure, took, **more)

    def state(self, target: Target) -> State:
        return self.book.states(self.nanos).get(target, "closed")

    def rest(self, target: Target) -> float:
        """Wait until the target may be asked again: how long that was, in seconds."""
        before = self.now
        for _ in range(100):
            left = self.begin(target)
            if not left:
                self.end(target, neutral=True)
                return self.now - before
            self.wait(left)
        raise AssertionError("never asked again")


@pytest.fixture
def ward() -> Ward:
    return Ward()


@pytest.fixture
def make_ward():
    return Ward
