"""The planner: a route, a request's needs and the facts give a plan.

Until a learned router exists there are three strategies: `fixed` (a model called by name), `chain` (a route's models in
their order) and `cheapest` (of a pool's models that fit, the one with the lowest expected price; the rest follow as
fallbacks, see `order`).
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise

import msgspec

from pointsman.core.errors import (
    BudgetExceeded,
    ContextTooLong,
    Forbidden,
    NoCandidate,
    PointsmanError,
    UnknownModel,
    UnsupportedParameter,
)
from pointsman.core.extent import PLAIN, Extent
from pointsman.core.failure import State, Target
from pointsman.core.health import Health, Load, speeds
from pointsman.core.model import Model
from pointsman.core.plan import (
    NO_SPEEDS,
    Dropped,
    Facts,
    Needs,
    Plan,
    Step,
    Sticky,
    expected_cost,
    targets_of,
)
from pointsman.core.scope import Allow, permits, told
from pointsman.routing.balance import Toss
from pointsman.routing.directory import Directory, Route
from pointsman.routing.filters import lacking, spoken, window_limit
from pointsman.routing.order import by_health, stand_ins, standing
from pointsman.routing.turns import Drawn, turned

_WARN_DAYS = 30
_NANOS_PER_DAY = 86_400_000_000_000
_MAX_MADE = 4096
_SHOWN = 80
SessionOf = Callable[[Sticky], str]


def _none(_by: Sticky) -> str:
    return ""


class Planner:
    """Plans over one directory; satisfies the line's `Router`.

    A plan is a pure function of the route, the needs and the facts, and most of the needs decide nothing: what matters
    is the set of abilities, and which context windows are too small. So plans are remembered by that, within bounds,
    for routes whose order by price is the same for every request.
    """

    def __init__(self, directory: Directory, health: Health | None = None, monotonic: Callable[[], int] = int) -> None:
        self.directory = directory
        self._health = health
        self._monotonic = monotonic
        self._day = -1
        self._today = ""
        self._shapes: dict[str, _Shape] = {}
        self._made: dict[tuple[str, str, int, int, str, bool, Allow], Plan] = {}
        self._version = 0
        self._turn = 0

    def within(  # noqa: PLR0913 - the port's
        self,
        asked: str,
        needs: Needs,
        *,
        now: int,
        draw: float,
        funds: int | None,
        extent: Extent,
        frugal: bool,
        allow: Allow,
    ) -> Plan:
        """Decide on what is left of budgets. Raises as `line.parts.Router.within`."""
        route = self.directory.resolve(asked)
        return self._fresh(route, needs, now, draw, allow, funds=funds, extent=extent, frugal=frugal)

    def plan(
        self, asked: str, needs: Needs, *, now: int, draw: float, session: SessionOf = _none, allow: Allow = ()
    ) -> Plan:
        """Decide. Raises as `line.parts.Router.plan`."""
        shape = self._shapes.get(asked)
        if shape is None:
            shape = self._learn(asked, allow)
        health = self._health
        if health is not None and (version := health.version(self._monotonic())) != self._version:
            self._version = version
            self._made.clear()
        if shape.steady:
            size = bisect_left(shape.windows, needs.input_tokens)
            key = (asked, needs.dialect, int(needs.abilities), size, self._date(now), needs.stream, allow)
            made = self._made.get(key)
            if made is None:
                made = self._fresh(shape.route, needs, now, draw, allow)
                if len(self._made) >= _MAX_MADE:
                    self._made.clear()
                self._made[key] = made
        else:
            made = self._fresh(shape.route, needs, now, draw, allow)
        if not shape.turns:
            return made
        self._turn += 1
        route = shape.route
        toss = Toss(Drawn(draw), self._turn, session(route.sticky) if route.balance == "sticky" else "")
        return turned(made, toss, partial(self._load, needs), self._states(), route.weights)

    def _fresh(  # noqa: PLR0913 - what a plan follows from
        self,
        route: Route,
        needs: Needs,
        now: int,
        draw: float,
        allow: Allow,
        *,
        funds: int | None = None,
        extent: Extent = PLAIN,
        frugal: bool = False,
    ) -> Plan:
        states = self._states()
        facts = Facts(
            now=now,
            today=self._date(now),
            draw=draw,
            unavailable=self.directory.unavailable,
            states=states,
            speeds=self._speeds(route, needs) if states and _by_price(route) else NO_SPEEDS,
            funds=funds,
            extent=extent,
            frugal=frugal,
            allow=() if permits(allow, route.name) else allow,  # a name that is allowed opens all that it leads to
        )
        return plan(self.directory, route, needs, facts)

    def _states(self) -> Mapping[Target, State]:
        return self._health.states(self._monotonic()) if self._health is not None else {}

    def _speeds(self, route: Route, needs: Needs) -> Mapping[Target, float]:
        if self._health is None:
            return NO_SPEEDS
        targets = [target for model in route.models for target in targets_of(model)]
        return speeds(self._health, targets, stream=needs.stream)

    def _load(self, needs: Needs, target: Target) -> Load:
        return Load() if self._health is None else self._health.load(target, self._monotonic(), stream=needs.stream)

    def _learn(self, asked: str, allow: Allow) -> _Shape:
        try:
            route = self.directory.resolve(asked)
        except UnknownModel:
            if allow:  # what there is besides is not its business
                raise not_permitted(asked, allow) from None
            raise
        shape = _Shape(
            route=route,
            windows=tuple(sorted(window_limit(model) for model in route.models if model.context)),
            steady=route.kind != "pool" or bool(route.balance) or steady(route.models),
            turns=bool(route.balance) or any(model.provider.keys for model in route.models),
        )
        if len(self._shapes) >= _MAX_MADE:
            self._shapes.clear()
        self._shapes[asked] = shape
        return shape

    def _date(self, now: int) -> str:
        day = now // _NANOS_PER_DAY
        if day != self._day:
            self._day, self._today = day, iso_date(now)
        return self._today


class _Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What of a route decides which plan a request gets: the sizes at which a model drops out, in tokens."""

    route: Route
    windows: tuple[int, ...]
    steady: bool
    turns: bool


def steady(models: tuple[Model, ...]) -> bool:
    """Whether the order of models by price is the same for every request.

    It is not if one model of a pair is cheaper to read for and dearer to write.
    """
    prices = [(m.price.input, m.price.output, m.price.request) for m in models if m.price is not None]
    prices.sort()
    return all(left[1] <= right[1] and left[2] <= right[2] and left != right for left, right in pairwise(prices))


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
        raise nothing_left(route, dropped, needs, facts.allow)
    if facts.frugal and len(fit) > 1:
        strategy, (fit, reason) = "cheapest", _cheapest(fit, needs)
        reason += ", as a budget is nearly used up"
    elif route.balance:
        strategy, reason = "balanced", f"{route.balance.replace('_', ' ')} of {len(fit)} that fit"
    elif route.kind == "pool":
        strategy, (fit, reason) = "cheapest", _cheapest(fit, needs)
    elif route.kind == "try":
        strategy, reason = "chain", "first of the chain" + (" that fits" if dropped else "")
    else:
        strategy, reason = "fixed", "asked for by name"
    steps = by_health(_steps(fit, needs, ranked=_by_price(route)), facts.states, facts.speeds)
    return Plan(
        route=route.name,
        strategy=strategy,
        steps=steps,
        dropped=tuple(dropped),
        reason=reason,
        policy=directory.policy,
        retries=route.retries,
        preferred=fit[0].name if steps[0].model is not fit[0] and not route.balance else "",
        patience=route.patience,
        on_cut=route.on_cut,
        balance=route.balance,
        hedge=route.hedge,
        probe=facts.states.get(steps[0].target) == "half_open",
        warnings=tuple(warnings),
    )


def _by_price(route: Route) -> bool:
    return route.kind == "pool" and not route.balance


def _steps(models: list[Model], needs: Needs, *, ranked: bool) -> list[Step]:
    """A step for each model, and for each of its provider's keys; `ranked`: the others stand in for the first."""
    return [
        Step(
            model=model,
            dialect=spoken(model.provider, needs),
            key=key,
            stands=standing(models[0], model) if ranked and model is not models[0] else "",
        )
        for model in models
        for key in model.provider.keys or ("",)
    ]


def _cheapest(models: list[Model], needs: Needs) -> tuple[list[Model], str]:
    if len(models) == 1:
        return models, "the only one that fits"
    costs = {model.name: expected_cost(model, needs) for model in models}

    def rank(model: Model) -> tuple[bool, bool, int]:
        cost = costs[model.name]
        return (model.demonstration, cost is None, cost or 0)

    first, *others = sorted(models, key=rank)
    cost = costs[first.name]
    price = ", unpriced" if cost is None else ""
    return [first, *stand_ins(first, others)], f"cheapest of {len(models)} that fit{price}"


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


def not_permitted(asked: str, allow: Allow) -> Forbidden:
    """The error for a name that a key may not use."""
    shown = asked if len(asked) <= _SHOWN else f"{asked[:_SHOWN]}…"
    return Forbidden(f"This key may not use `{shown}`", hint=f"it may use {told(allow)}", param="model")


def nothing_left(route: Route, dropped: list[Dropped], needs: Needs, allow: Allow = ()) -> PointsmanError:
    """The error for a plan without steps: whose fault it is depends on why the models were dropped."""
    permitted = [one for one in dropped if one.reason != "permission"]
    if dropped and not permitted:
        return not_permitted(route.name, allow)
    dropped = permitted
    if not dropped:
        return NoCandidate(
            f"`{route.name}` has no models: none is ready on this gateway",
            hint="set a provider's key, start a local model server, or `pointsman pull`; `pointsman doctor` says more",
        )
    why = "; ".join(f"{d.model}: {d.detail}" for d in dropped)
    reasons = {d.reason for d in dropped}
    what = f"No model of `{route.name}` can serve this request ({why})"
    if reasons == {"context"}:
        what = f"{what[:-1]}; the request has about {needs.input_tokens:,} tokens)"
        return ContextTooLong(what, hint="shorten the input or add a model with a larger context window")
    if "budget" in reasons:
        return BudgetExceeded(what, hint="ask for fewer tokens (`max_tokens`), or have the budget raised")
    if reasons and reasons <= {"ability", "context"}:
        return UnsupportedParameter(
            what, hint="choose a route with a model that can; `pointsman models` shows abilities"
        )
    hint = "set the variable and restart" if "credentials" in reasons else "`pointsman check` says more"
    return NoCandidate(what, hint=hint)
