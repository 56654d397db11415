"""How many of a route's calls failed over, over the last minutes."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from pointsman.core.outcome import Outcome

_SLOTS = 60


class Rate:
    """Counts in slots of a sixtieth of the window, so that what is old is let go of in steps.

    Args:
        window: nanoseconds.
    """

    def __init__(self, window: int) -> None:
        self._width = max(1, window // _SLOTS)
        self._start = self._end = 0  # of the slot that is counted in
        self._calls = 0
        self._left: dict[str, int] = {}
        self._slots: deque[_Slot] = deque()  # those before it

    def add(self, now: int, left: str | None, count: int = 1) -> None:
        """Count calls that ended at `now`; `left` is the model that one had to leave, None if it did not."""
        if not self._start <= now < self._end:
            self._turn(now)
        self._calls += count
        if left is not None:
            self._left[left] = self._left.get(left, 0) + 1

    def counts(self, now: int) -> tuple[int, int, str]:
        """Calls and failovers of the window that ends at `now`, and the model that most of these left."""
        if now >= self._end:
            self._turn(now)
        calls, left = self._calls, dict(self._left)
        for slot in self._slots:
            calls += slot.calls
            for model, count in slot.left.items():
                left[model] = left.get(model, 0) + count
        return calls, sum(left.values()), max(left, key=lambda model: left[model], default="")

    def _turn(self, now: int) -> None:
        """Another slot, and what is too old goes."""
        width, slots = self._width, self._slots
        if self._start - width <= now < self._start:  # calls end a little out of order
            return
        if now < self._start:  # the clock was set back
            slots.clear()
        elif self._calls:
            slots.append(_Slot(self._start, self._calls, self._left))
        self._calls, self._left = 0, {}
        self._start = now - now % width
        self._end = self._start + width
        while slots and slots[0].start < self._start - _SLOTS * width:
            slots.popleft()


class _Slot(NamedTuple):
    start: int
    calls: int
    left: dict[str, int]


def left_behind(outcome: Outcome) -> str | None:
    """The model that a call was meant for and had to leave; None where it did not.

    It failed over if more than one attempt was made, or if another model answered than would have if all were well.
    """
    plan, attempts = outcome.plan, outcome.attempts
    if plan is None or not attempts:
        return None
    first = plan.preferred or plan.steps[0].model.name
    begun = min(attempts, key=lambda attempt: attempt.number)  # who was called off ended before who answered
    if outcome.failed_over or begun.model != first:
        return first
    return None
