"""Whose turn it is: the steps of a plan put in order for one call, where several can serve it equally well. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby

import msgspec

from pointsman.core.failure import State, Target
from pointsman.core.health import Load
from pointsman.core.plan import Balance, Plan, Step
from pointsman.routing.balance import Candidate, Toss, picked


class Drawn:
    """More randomness from the one number that a call has drawn, so that its plan can be made again."""

    def __init__(self, draw: float) -> None:
        self._state = draw

    def random(self) -> float:
        """A number in [0, 1): the first is the draw itself."""
        drawn = self._state
        self._state = (drawn * 997.0 + 0.618_033_988_749_895) % 1.0
        return drawn


LoadOf = Callable[[Target], Load]


def turned(plan: Plan, toss: Toss, load: LoadOf, states: Mapping[Target, State], weights: Mapping[str, float]) -> Plan:
    """The plan with its steps in the order of its balance, and each model's keys in theirs.

    Args:
        plan: as it is for all calls of its kind.
        toss: what makes this call differ.
        load: how busy a target is.
        states: of those that are not well.
        weights: by model's name; 1 where nothing is said.
    """
    groups = [list(steps) for _, steps in groupby(plan.steps, key=lambda step: step.model.name)]
    # What a provider remembers of a prompt is kept for each of its accounts.
    among: Balance = "sticky" if plan.balance == "sticky" else "least_busy"
    steps = [by_key for group in groups for by_key in _ordered(among, group, toss, load, states, {})]
    if plan.balance:
        firsts = {step.model.name: step for step in reversed(steps)}
        order = _ordered(plan.balance, list(firsts.values()), toss, load, states, weights)
        place = {step.model.name: at for at, step in enumerate(order)}
        steps.sort(key=lambda step: place[step.model.name])
    head = msgspec.structs.replace(steps[0], start="at_once")
    rest = [msgspec.structs.replace(step, start="after_failure") if step.start == "at_once" else step for step in steps]
    return msgspec.structs.replace(plan, steps=(head, *rest[1:]), probe=states.get(head.target) == "half_open")


def _ordered(
    balance: Balance,
    steps: list[Step],
    toss: Toss,
    load: LoadOf,
    states: Mapping[Target, State],
    weights: Mapping[str, float],
) -> list[Step]:
    if len(steps) == 1:
        return steps
    by_target = {step.target: step for step in steps}
    candidates = [
        Candidate(
            target,
            weight=weights.get(step.model.name, 1.0),
            load=load(target),
            state=states.get(target, "closed"),
        )
        for target, step in by_target.items()
    ]
    return [by_target[candidate.target] for candidate in picked(balance, candidates, toss)]
