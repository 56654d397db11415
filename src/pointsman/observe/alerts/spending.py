"""Which alerts on cost are due: from outcomes, from sums of the ledger, and from prices. Does no I/O.

Single calls are heard as they end (`record`); what is spent over time is what the ledger has, of all processes that
write to it, looked at every minute (`look`). What is estimated or unpriced is said beside the figures.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Protocol

import msgspec

from pointsman.core.money import NANOS_PER_USD, usd_text
from pointsman.core.outcome import Outcome
from pointsman.observe.alerts.alert import Details, Kind, MoneyRules, nanos

_REST = {"call_cost": nanos(900), "unpriced_model": nanos(86_400)}
"""What has not come again for so long is over."""
_CENT = NANOS_PER_USD // 100


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What was spent, in nano-dollars.

    Attributes:
        hour: in the last hour.
        usual: in an hour of the week before that, on average; None where less than a day of it is known.
        month: since the month began (UTC).
        name: of the month, `2026-11`.
        gone, left: hours of the month.
        unpriced: calls of the last hour whose cost is unknown.
    """

    hour: int
    usual: int | None
    month: int
    name: str
    gone: float
    left: float
    unpriced: int = 0


class Matters(Protocol):
    """Who keeps troubles, and tells of them once: the engine."""

    def begin(self, kind: Kind, subject: str, at: int, says: str, details: Details) -> None:
        """It is wrong."""
        ...

    def end(self, kind: Kind, subject: str, at: int) -> None:
        """It is not wrong any more."""
        ...

    def news(self, kind: Kind, subject: str, at: int, says: str, details: Details) -> None:
        """Something happened that has no end."""
        ...


class Spending:
    """Hears what calls cost. Used on one event loop; nothing here raises into the path of a call."""

    def __init__(self, matters: Matters) -> None:
        self._matters = matters
        self._rules = MoneyRules()
        self._dear = sys.maxsize
        self._last: dict[tuple[Kind, str], int] = {}
        self._month = ""

    def configure(self, rules: MoneyRules, priced: Mapping[str, bool], now: int) -> None:
        """Limits, and which models have a price: one that has got one is unpriced no more."""
        self._rules = rules
        self._dear = sys.maxsize if rules.call is None else rules.call
        for kind, subject in tuple(self._last):
            if kind == "unpriced_model" and priced.get(subject):
                self._over(kind, subject, now)

    @property
    def wants_figures(self) -> bool:
        """Whether anybody wants to know what is spent over time."""
        rules = self._rules
        return rules.per_hour is not None or rules.times_usual is not None or rules.month is not None

    def record(self, outcome: Outcome) -> None:
        """Take the outcome of a call."""
        cost = outcome.cost
        if cost is None:
            if outcome.attempts:
                self._unpriced(outcome)
        elif cost > self._dear:
            self._dearly(outcome, cost)

    def look(self, found: Figures, now: int) -> None:
        """Judge what was spent over time."""
        self._rate(found, now)
        self._forecast(found, now)

    def budget_used(self, name: str, share: float, limit: int, now: int) -> None:
        """How much of a budget is used: for whoever keeps budgets, as often as that changes.

        Args:
            name: the budget, for people.
            share: used of it in this period; over 1 where it was overrun.
            limit: nano-dollars.
            now: nanoseconds since the epoch.
        """
        for threshold in self._rules.budget_shares:
            subject = f"{name} at {100 * threshold:g} %"
            if share >= threshold:
                says = f"budget {name}: {share:.1%} of {dollars(limit)} are used"
                details: Details = {"budget": name, "share": round(share, 4), "limit_usd": limit / NANOS_PER_USD}
                self._matters.begin("budget_used", subject, now, says, details)
            else:
                self._matters.end("budget_used", subject, now)

    def repriced(self, model: str, old: str, new: str, now: int) -> None:
        """A model in use has another price; both for people."""
        says = f"the price of {model} has changed: {old} -> {new} (US dollars per million tokens)"
        self._matters.news("price_change", model, now, says, {"model": model, "old": old, "new": new})

    def tick(self, now: int) -> None:
        """Time has passed: what has not come again is over."""
        for (kind, subject), last in tuple(self._last.items()):
            if now - last >= _REST[kind]:
                self._over(kind, subject, last + _REST[kind])

    def _unpriced(self, outcome: Outcome) -> None:
        at = outcome.started + outcome.duration
        for attempt in outcome.attempts:
            if attempt.cost is None and attempt.usage is not None:
                model = attempt.model
                if self._is_new("unpriced_model", model, at):
                    says = f"{model} at {attempt.provider} is used and has no price: what it costs is in no total"
                    details: Details = {"model": model, "provider": attempt.provider, "call": outcome.id}
                    self._matters.begin("unpriced_model", model, at, says, details)

    def _dearly(self, outcome: Outcome, cost: int) -> None:
        at, served = outcome.started + outcome.duration, outcome.attempts[-1] if outcome.attempts else None
        model = served.model if served is not None else ""
        if not self._is_new("call_cost", model, at):
            return
        about = "about " if outcome.usage is not None and outcome.usage.estimated else ""
        says = f"one call to {model} cost {about}{dollars(cost)}, the limit is {dollars(self._dear)}: {outcome.id}"
        details: Details = {"model": model, "call": outcome.id, "cost_usd": cost / NANOS_PER_USD, "key": outcome.key}
        self._matters.begin("call_cost", model, at, says, details)

    def _rate(self, found: Figures, now: int) -> None:
        rules, limits = self._rules, list[tuple[int, str]]()
        if rules.per_hour is not None:
            limits.append((rules.per_hour, f"the limit is {dollars(rules.per_hour)}"))
        if rules.times_usual is not None and found.usual:
            most = int(rules.times_usual * found.usual)
            limits.append(
                (most, f"usual are {dollars(found.usual)}, and {rules.times_usual:g} times that is the limit")
            )
        limit, why = min(limits, default=(sys.maxsize, ""))
        if found.hour <= limit:
            self._matters.end("spend_rate", _ALL, now)
            return
        says = f"{dollars(found.hour)} were spent in the last hour: {why}{_beside(found.unpriced)}"
        details: Details = {"hour_usd": found.hour / NANOS_PER_USD, "limit_usd": limit / NANOS_PER_USD}
        self._matters.begin("spend_rate", _ALL, now, says, details)

    def _forecast(self, found: Figures, now: int) -> None:
        limit = self._rules.month
        if self._month and (limit is None or self._month != found.name):
            self._matters.end("spend_forecast", self._month, now)
            self._month = ""
        if limit is None:
            return
        expected = forecast(found)
        if expected <= limit:
            self._matters.end("spend_forecast", found.name, now)
            return
        self._month = found.name
        says = (
            f"{found.name} will cost about {dollars(expected)} if it goes on so, {dollars(limit)} are planned: "
            f"{dollars(found.month)} are spent{_beside(found.unpriced)}"
        )
        details: Details = {
            "month": found.name,
            "forecast_usd": expected / NANOS_PER_USD,
            "spent_usd": found.month / NANOS_PER_USD,
            "limit_usd": limit / NANOS_PER_USD,
        }
        self._matters.begin("spend_forecast", found.name, now, says, details)

    def _is_new(self, kind: Kind, subject: str, at: int) -> bool:
        key = (kind, subject)
        new = key not in self._last and len(self._last) < _MOST
        if new or key in self._last:
            self._last[key] = at
        return new

    def _over(self, kind: Kind, subject: str, at: int) -> None:
        del self._last[kind, subject]
        self._matters.end(kind, subject, at)


_ALL = "this installation"
_MOST = 1_000


def forecast(found: Figures) -> int:
    """Nano-dollars that a month will have cost: what is spent, and what its rest will cost at the usual rate.

    The usual rate is the trailing week's; before a day of that is known, the month's own, and in its first hour nothing
    is foretold beyond what is spent.
    """
    if found.usual is not None:
        return found.month + int(found.usual * found.left)
    return found.month + (int(found.month / found.gone * found.left) if found.gone >= 1 else 0)


def dollars(amount: int) -> str:
    """Nano-dollars as people read them: to the cent where there are cents, else in full."""
    return f"${amount / NANOS_PER_USD:,.2f}" if amount >= _CENT or not amount else f"${usd_text(amount)}"


def _beside(unpriced: int) -> str:
    return f"; {unpriced:,} calls without a price are not in it" if unpriced else ""
