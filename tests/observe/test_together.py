"""Calls that went as planned are counted together; trouble is told at once, in its order."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.outcome import Outcome
from pointsman.core.plan import Plan
from pointsman.observe.together import Together


class Log:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, int]] = []

    def record(self, outcome: Outcome) -> None:
        self.lines.append((outcome.status, 1))

    def well(self, plan: Plan, count: int, at: int) -> None:
        assert at == 77
        self.lines.append((plan.route, count))


def test_smooth_calls_are_told_by_their_number_and_route(make: Any) -> None:
    log = Log()
    together = Together(lambda: 77, log)
    other = msgspec.structs.replace(make.PLAN, route="other")
    for plan in (make.PLAN, other, make.PLAN):
        together.record(make.outcome(plan=plan, smooth=True))
    assert not log.lines
    together.hand_on()
    together.hand_on()
    assert log.lines == [(make.PLAN.route, 2), ("other", 1)]


def test_trouble_comes_at_once_and_after_those_before_it(make: Any) -> None:
    log = Log()
    together = Together(lambda: 77, log)
    together.record(make.outcome(plan=make.PLAN, smooth=True))
    together.record(make.outcome(plan=make.PLAN, status="failed"))
    assert log.lines == [(make.PLAN.route, 1), ("failed", 1)]


def test_a_call_that_had_to_begin_with_another_model_is_no_smooth_one(make: Any) -> None:
    log = Log()
    together = Together(lambda: 77, log)
    together.record(make.outcome(plan=msgspec.structs.replace(make.PLAN, preferred="better"), smooth=True))
    together.record(make.outcome(plan=None))
    assert [count for _, count in log.lines] == [1, 1]


def test_plans_are_counted_within_bounds(make: Any) -> None:
    log = Log()
    together = Together(lambda: 77, log)
    for number in range(1_500):
        together.record(make.outcome(plan=msgspec.structs.replace(make.PLAN, route=f"r{number}"), smooth=True))
    together.hand_on()
    assert len(log.lines) == 1_500
