"""Which alerts are due: from changes of health and outcomes of calls, with time handed in. Does no I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pointsman.core.advice import reconsider
from pointsman.core.failure import Target
from pointsman.core.health import Transition
from pointsman.core.outage import is_down
from pointsman.core.outcome import Outcome
from pointsman.core.plan import Plan
from pointsman.observe.alerts.alert import Alert, Details, Kind, Thresholds, nanos
from pointsman.observe.alerts.matter import Matter
from pointsman.observe.alerts.rates import Rate, left_behind
from pointsman.observe.transitions import shown

_MOST_MATTERS = 2_000
_UNANSWERED = frozenset({"failed", "stale"})
_OURS = frozenset({"internal_error", "store_unavailable", "overloaded", "fetch_failed"})
"""Failures of the gateway itself: they say nothing of a route's models."""


class _Route:
    """What is known of one route. `unanswered`: calls in a row that nobody could answer."""

    __slots__ = ("rate", "unanswered")

    def __init__(self, window: int) -> None:
        self.rate = Rate(window)
        self.unanswered = 0


class Alerts:
    """Hears transitions (`hear`), outcomes (`record`, a `Recorder`) and time (`tick`), and tells `tell` what is due.

    Used on one event loop; `tell` must not wait. Nothing here raises into the path of a call.
    """

    def __init__(self, tell: Callable[[Alert], None], rules: Thresholds | None = None) -> None:
        self._tell = tell
        self._rules = rules or Thresholds()
        self._routes: dict[str, _Route] = {}
        self._matters: dict[tuple[Kind, str], Matter] = {}
        self._down: set[Target] = set()
        self._fresh: dict[Target, Transition] = {}  # models that went down since the last tick
        self._looked = 0

    def configure(self, rules: Thresholds, routes: Iterable[str]) -> None:
        """Thresholds, and the routes that there are: callers invent names, so no others are watched."""
        same = rules.window == self._rules.window
        before, self._rules = self._routes, rules
        self._routes = {
            name: before[name] if same and name in before else _Route(nanos(rules.window)) for name in routes
        }

    def hear(self, transition: Transition) -> None:
        """Take a change of health, of a target or of a whole provider (a target without a model).

        That a model is down is told with the next `tick`: if its provider is down then, that is told for all of them.
        """
        target, at = transition.target, transition.at
        was = target in self._down
        down = is_down(transition.after, transition.cause, was=was)
        if down == was:
            return
        (self._down.add if down else self._down.discard)(target)
        if not down:
            self._fresh.pop(target, None)
            self.end("breaker_open" if target.upstream else "provider_down", shown(target), at)
        elif target.upstream:
            self._fresh[target] = transition
        else:
            says = f"provider {shown(target)} is down: {transition.why}"
            self.begin("provider_down", shown(target), at, says, _details(transition))

    def record(self, outcome: Outcome) -> None:
        """Take the outcome of a call."""
        plan, attempts = outcome.plan, outcome.attempts
        route = self._routes.get(plan.route) if plan is not None else None
        if plan is None or route is None:
            return
        at = outcome.started + outcome.duration
        if outcome.status != "ok" and (outcome.status not in _UNANSWERED or outcome.error in _OURS):
            return
        left = left_behind(outcome)
        if attempts:
            route.rate.add(at, left)
        self._answered(plan.route, route, outcome, at)
        if left is not None:
            self._rate(plan.route, at)

    def well(self, plan: Plan, count: int, at: int) -> None:
        """See `together.Watcher.well`."""
        route = self._routes.get(plan.route)
        if route is not None:
            route.rate.add(at, None, count)
            self._answers(plan.route, route, at)

    def tick(self, now: int) -> None:
        """Time has passed (nanoseconds since the epoch): recoveries, reminders. To be called every second or so."""
        fresh, self._fresh = self._fresh, {}
        for target, transition in fresh.items():
            if Target(target.provider, "") not in self._down:
                says = f"{shown(target)} is not asked for now: {transition.why}"
                self.begin("breaker_open", shown(target), transition.at, says, _details(transition))
        rates = now - self._looked >= _LOOK_NS or now < self._looked
        if rates:
            self._looked = now
        for (kind, subject), matter in tuple(self._matters.items()):
            if rates and kind == "failover_rate" and matter.wrong:
                self._rate(subject, now)
            self._send(matter.tick(now, self._rules))
            if matter.rests(now, self._rules):
                del self._matters[kind, subject]

    def _answered(self, name: str, route: _Route, outcome: Outcome, at: int) -> None:
        """Judge whether a route answers at all."""
        if outcome.status in _UNANSWERED:
            route.unanswered += 1
            if route.unanswered >= self._rules.down_after:
                self.begin("route_down", name, at, *_unanswered(name, route.unanswered, outcome))
        else:
            self._answers(name, route, at)

    def _answers(self, name: str, route: _Route, at: int) -> None:
        if route.unanswered:
            route.unanswered = 0
            self.end("route_down", name, at)

    def _rate(self, name: str, now: int) -> None:
        """Judge a route's failovers."""
        rules, route = self._rules, self._routes.get(name)
        calls, failovers, primary = route.rate.counts(now) if route is not None else (0, 0, "")
        if calls < rules.least_calls or failovers < rules.failover_share * calls:
            self.end("failover_rate", name, now)
            return
        when = f"in the last {round(rules.window / 60)} minutes"
        details: Details = {"route": name, "model": primary, "failovers": failovers, "calls": calls}
        self.begin("failover_rate", name, now, reconsider(name, primary, failovers, calls, when), details)

    def begin(self, kind: Kind, subject: str, at: int, says: str, details: Details) -> None:
        """Something is wrong: told once, until `end`."""
        matter = self._matters.get((kind, subject))
        if matter is None:
            if kind not in self._rules.kinds or len(self._matters) >= _MOST_MATTERS:
                return
            matter = self._matters[kind, subject] = Matter(kind, subject)
        self._send(matter.begin(at, says, details, self._rules))

    def news(self, kind: Kind, subject: str, at: int, says: str, details: Details) -> None:
        """Something happened that has no end: told as it is."""
        if kind in self._rules.kinds:
            self._tell(
                Alert(kind=kind, state="firing", subject=subject, summary=says, at=at, since=at, details=details)
            )

    def end(self, kind: Kind, subject: str, at: int) -> None:
        """It is not wrong any more; that is told once it has rested."""
        matter = self._matters.get((kind, subject))
        if matter is not None:
            matter.end(at)

    def _send(self, alert: Alert | None) -> None:
        if alert is not None:
            self._tell(alert)


_LOOK_NS = 10_000_000_000
"""How often a route that fails over too much is judged anew without a call."""


def _details(transition: Transition) -> Details:
    provider, model, key = transition.target
    said = {"provider": provider, "model": model, "key": key, "why": transition.why, "cause": transition.cause}
    return {name: text for name, text in said.items() if text}


def _unanswered(name: str, count: int, outcome: Outcome) -> tuple[str, Details]:
    """What is said of a route that answers nobody: codes only, for a provider's words may hold a caller's."""
    tried = ", ".join(f"{attempt.model}: {attempt.error}" for attempt in outcome.attempts[-5:])
    why = f" ({tried})" if tried else f" ({outcome.error})"
    says = f"all models of route {name} are down: nobody could answer the last {count} calls{why}"
    return says, {"route": name, "calls": count, "error": outcome.error, "call": outcome.id}
