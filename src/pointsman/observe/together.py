"""Calls that went as planned, as nearly all do, are counted and handed on together.

What watches for trouble needs to know soon how many there were, and nothing else of them. Any other call is handed on
at once, after those before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pointsman.core.outcome import Outcome
from pointsman.core.plan import Plan

_MOST = 1_000


class Watcher(Protocol):
    """Who watches for trouble."""

    def record(self, outcome: Outcome) -> None:
        """Take one outcome."""
        ...

    def well(self, plan: Plan, count: int, at: int) -> None:
        """So many calls of a plan were answered by its first step, until then (nanoseconds since the epoch)."""
        ...


class Together:
    """A `Recorder` in front of those who watch.

    Args:
        now: nanoseconds since the epoch.
        watchers: in this order.
    """

    def __init__(self, now: Callable[[], int], *watchers: Watcher) -> None:
        self._now = now
        self._watchers = watchers
        self._counts: dict[int, _Count] = {}  # by the identity of plans, which are remembered for calls that are alike

    def record(self, outcome: Outcome) -> None:
        """Count a call that went as planned; hand on any other."""
        plan = outcome.plan
        if plan is None or not outcome.smooth or plan.preferred:
            self.hand_on()
            for watcher in self._watchers:
                watcher.record(outcome)
        elif (known := self._counts.get(id(plan))) is not None:
            known.count += 1
        else:
            self._begin(plan)

    def hand_on(self) -> None:
        """Tell of all that were counted. To be called every second or so."""
        if not self._counts:
            return
        counts, self._counts = self._counts, {}
        at = self._now()
        for each in counts.values():
            for watcher in self._watchers:
                watcher.well(each.plan, each.count, at)

    def _begin(self, plan: Plan) -> None:
        if len(self._counts) >= _MOST:
            self.hand_on()
        self._counts[id(plan)] = _Count(plan)


class _Count:
    """Of one plan, which is kept so that its identity stays its own."""

    __slots__ = ("count", "plan")

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.count = 1
