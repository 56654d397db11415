"""Hedging: a second request when the first takes unusually long, so that a slow tail is not the caller's.

Dean and Barroso, The Tail at Scale, CACM 56(2), 2013: a second request after the 95th percentile costs about 5 % more
load and takes most of the tail away. Here its cost is held to a share of what the route spends, in money where the
models have prices, else in calls.

The same is done, on every route and at no such cost, where whoever is asked may well hang (`in_doubt`): there the
second request is one that would be sent anyway, once the first is given up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pointsman.core.failure import FailureKind, State, Target
from pointsman.core.model import Model
from pointsman.core.plan import Hedge, Needs, Plan, Step, expected_cost
from pointsman.line.failover import Tried

SHARE = 0.95
"""The second request starts when so many answers would have begun."""
LEAST = 0.05
"""Seconds that the first one has in any case."""
UNLEARNED = 30.0
"""Seconds that one has for a whole answer which may hang, where it is not known yet what is usual for it."""
_HANGS: frozenset[FailureKind] = frozenset({"silent", "stalled", "too_long", "connect_timeout"})
"""Failures that took a call's time: the next one may not take as much again."""
_SAVED = 20.0
"""The most that is saved up: so many hedges of the price of the last one."""


class Hedges:
    """What routes may still spend on hedges. One for all configurations in force; bounded by the names of routes."""

    def __init__(self, most: int = 4096) -> None:
        self._saved: dict[str, float] = {}
        self._most = most

    def earn(self, route: str, hedge: Hedge, price: float) -> None:
        """A call of a route began whose first request will probably cost so much."""
        if len(self._saved) >= self._most:
            self._saved.clear()
        self._saved[route] = min(self._saved.get(route, 0.0) + hedge.extra * price, _SAVED * max(price, 1e-12))

    def spend(self, route: str, price: float) -> bool:
        """Whether a hedge of that price may be sent; it is paid for then."""
        saved = self._saved.get(route, 0.0)
        if saved < price:
            return False
        self._saved[route] = saved - price
        return True


def in_doubt(step: Step, tried: Sequence[Tried], states: Mapping[Target, State]) -> bool:
    """Whether one may well hang: it failed and nobody knows yet if it is back, or the call has waited in vain before.

    Such a one does not get all the time of its limits while others are well: after what is usual for it the next is
    asked besides, whatever the route says of hedges.
    """
    return states.get(step.target) == "half_open" or any(one.kind in _HANGS for one in tried)


def worth(plan: Plan, model: Model, needs: Needs) -> float:
    """What a request will probably cost: nano-dollars, or 1 for each call where not all models are priced."""
    if any(step.model.price is None for step in plan.steps):
        return 1.0
    return float(expected_cost(model, needs) or 0)


def allowed(hedge: Hedge | None, needs: Needs) -> bool:
    """Whether a call may be sent twice: not one with tools, whose effects could come twice, unless that is allowed."""
    return not needs.tools or (hedge is not None and hedge.tools)
