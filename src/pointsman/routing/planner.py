"""The planner: a route, a request's needs and the facts give a plan.

Until a learned router exists there are three strategies: `fixed` (a model called by name), `chain` (a route's models in
their order) and `cheapest` (of a pool's models that fit, the one with the lowest expected price; the rest follow as
fallbacks, other providers first, because a provider that failed once is likely to fail again).
"""

from __future__ import annotations

import datetime as dt

from pointsman.core.errors import ContextTooLong, NoCandidate, PointsmanError, UnsupportedParameter
from pointsman.core.model import Model
from pointsman.core.money import PICOS_PER_NANO
from pointsman.core.plan import Dropped, Facts, Needs, Plan, Step
from pointsman.routing.directory import Directory, Route
from pointsman.routing.filters import lacking

_TYPICAL_OUTPUT = 400
"""Tokens of an answer where the caller set no limit: near the median of recorded chat answers; only ranks models."""
_WARN_DAYS = 30
_NANOS_PER_DAY = 86_400_000_000_000


class Planner:
    """Plans over one directory; satisfies the line's `Router`."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self._day = -1
        self._today = ""

    def plan(self, asked: str, needs: Needs, *, now: int, draw: float) -> Plan:
        """Decide. Raises as `line.parts.Router.plan`."""
        facts = Facts(now=now, today=self._date(now), draw=draw, unavailable=self.directory.unavailable)
        return plan(self.directory, self.directory.resolve(asked), needs, facts)

    def _date(self, now: int) -> str:
        day = now // _NANOS_PER_DAY
        if day != self._day:
            self._day, self._today = day, iso_date(now)
        return self._today


def iso_date(now: int) -> str:
    """The UTC date of a time in nanoseconds since the epoch."""
    return dt.datetime.fromtimestamp(now / 1e9, tz=dt.UTC).date().isoformat()


def plan(directory: Directory, route: Route, needs: Needs, facts: Facts) -> Plan:
    """The plan of one call. Pure.

    Raises:
        NoCandidate, ContextTooLong, UnsupportedParameter: nothing is left after the filters.
    """
    fit: list[Model] = []
    dropped: list[Dropped] = []
    warnings: list[str] = []
    for listed in route.models:
        model = _in_force(directory, listed, facts, warnings) if listed.retires else listed
        lack = lacking(model, needs, facts)
        if lack is None:
            fit.append(model)
        else:
            dropped.append(lack)
    if not fit:
        raise nothing_left(route, dropped)
    if route.kind == "pool":
        strategy, (fit, reason) = "cheapest", _cheapest(fit, needs)
    elif route.kind == "try":
        strategy, reason = "chain", "first of the chain" + (" that fits" if dropped else "")
    else:
        strategy, reason = "fixed", "asked for by name"
    return Plan(
        route=route.name,
        strategy=strategy,
        steps=tuple([Step(model=m, start="after_failure" if i else "at_once") for i, m in enumerate(fit)]),
        dropped=tuple(dropped),
        reason=reason,
        policy=directory.policy,
        retries=route.retries,
        warnings=tuple(warnings),
    )


def expected_cost(model: Model, needs: Needs) -> int | None:
    """Nano-dollars that the request will probably cost on `model`; None if unpriced."""
    price = model.price
    if price is None:
        return None
    output = min(needs.output_tokens or _TYPICAL_OUTPUT, _TYPICAL_OUTPUT) * needs.choices
    return (needs.input_tokens * price.input + output * price.output + price.request) // PICOS_PER_NANO


def _cheapest(models: list[Model], needs: Needs) -> tuple[list[Model], str]:
    if len(models) == 1:
        return models, "the only one that fits"
    costs = {model.name: expected_cost(model, needs) for model in models}

    def rank(model: Model) -> tuple[bool, bool, int]:
        cost = costs[model.name]
        return (model.demonstration, cost is None, cost or 0)

    ordered = sorted(models, key=rank)
    first = ordered[0]
    # Stable sort: others first, then the first's own siblings, each group by price.
    rest = sorted(ordered[1:], key=lambda m: (m.demonstration, m.provider.name == first.provider.name))
    cost = costs[first.name]
    price = ", unpriced" if cost is None else ""
    return [first, *rest], f"cheapest of {len(models)} that fit{price}"


def _in_force(directory: Directory, model: Model, facts: Facts, warnings: list[str]) -> Model:
    """The model itself, or its successor once it is retired; a warning from 30 days before."""
    if model.retires > facts.today:
        left = (dt.date.fromisoformat(model.retires) - dt.date.fromisoformat(facts.today)).days
        if left <= _WARN_DAYS:
            heir = f", then {model.replaced_by} answers in its place" if model.replaced_by else ""
            warnings.append(f"{model.name} retires on {model.retires}{heir}")
        return model
    successor = directory.successor(model)
    if successor is None:
        return model
    warnings.append(f"{model.name} retired on {model.retires}; {successor.upstream} answers in its place")
    return successor


def nothing_left(route: Route, dropped: list[Dropped]) -> PointsmanError:
    """The error for a plan without steps: whose fault it is depends on why the models were dropped."""
    why = "; ".join(f"{d.model}: {d.detail}" for d in dropped) or "the pool is empty"
    reasons = {d.reason for d in dropped}
    what = f"No model of `{route.name}` can serve this request ({why})"
    if reasons == {"context"}:
        return ContextTooLong(what, hint="shorten the input or add a model with a larger context window")
    if reasons and reasons <= {"ability", "context"}:
        return UnsupportedParameter(
            what, hint="choose a route with a model that can; `pointsman models` shows abilities"
        )
    hint = "set the variable and reload" if "credentials" in reasons else "`pointsman check` says more"
    return NoCandidate(what, hint=hint)
