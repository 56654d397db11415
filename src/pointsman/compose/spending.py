"""Looks at what was spent, once a minute, in a thread: for alerts on cost, and only where a limit or a budget is."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pointsman.core.budget import Budget
from pointsman.core.clock import Clock
from pointsman.core.errors import PointsmanError
from pointsman.observe.alerts.spending import Figures, Spending

if TYPE_CHECKING:
    from pointsman.insight.queries import Questions

_log = logging.getLogger("pointsman.alerts")
_EVERY = 60.0
_HOUR = 3_600_000_000_000
_WEEK = 168
_LEAST_HOURS = 24


class SpendKeeper:
    """Asks the ledger. What is long past is added up once an hour, the rest each time.

    Args:
        questions: the ledger's reading side; called in a thread.
        spending: hears the figures.
        clock: where time comes from.
        budgets: those in force.
        every: seconds between two looks.
    """

    def __init__(
        self,
        questions: Callable[[], Questions],
        spending: Spending,
        clock: Clock,
        budgets: Callable[[], Sequence[Budget]] = tuple,
        every: float = _EVERY,
    ) -> None:
        self._budgets = budgets
        self._told: set[str] = set()  # budgets that were in use when somebody last looked
        self._questions = questions
        self._spending = spending
        self._clock = clock
        self._every = every
        self._until = 0  # all before that is in the two sums
        self._usual: int | None = None
        self._month = 0
        self._began = 0  # of the month that was added up

    async def run(self) -> None:
        """Look, until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            await self.look()

    async def look(self) -> None:
        """Look once; a store that is away is asked again next time."""
        now = self._clock.now()
        budgets = [one for one in self._budgets() if one.unit == "usd" and one.amount]
        try:
            if self._spending.wants_figures:
                self._spending.look(await asyncio.to_thread(self._figures, now), now)
            if budgets or self._told:
                self._tell(await asyncio.to_thread(self._uses, budgets, now), now)
        except PointsmanError as error:
            _log.debug("what was spent is not known now: %s", error)

    def _tell(self, uses: Mapping[str, tuple[int, int]], now: int) -> None:
        """How much of budgets is used; of one that nobody has used in this period, nothing is."""
        for name, (spent, limit) in uses.items():
            self._spending.budget_used(name, spent / limit, limit, now)
        for name in self._told - uses.keys():
            self._spending.budget_used(name, 0.0, 0, now)
        self._told = set(uses)

    def _uses(self, budgets: Sequence[Budget], now: int) -> dict[str, tuple[int, int]]:
        """Budgets of money in use, by name: nano-dollars spent in the period that runs, and their limit."""
        found = {}
        for budget in budgets:
            for use in self._questions().budgets([budget], now):
                if use.spent:
                    found[f"{use.scope} {use.whose}".strip() + f": {budget.said}"] = (use.spent, use.limit)
        return found

    def _figures(self, now: int) -> Figures:
        questions = self._questions()
        month, following = month_of(now)
        if now - self._until >= _HOUR or now < self._until or month != self._began:
            self._add_up(questions, now, month)
        [hour] = questions.series(now - _HOUR, now, 1)
        [since] = questions.series(self._until, now + 1, 1)
        return Figures(
            hour=hour.cost,
            usual=self._usual,
            month=self._month + since.cost,
            name=dt.datetime.fromtimestamp(month / 1e9, tz=dt.UTC).strftime("%Y-%m"),
            gone=(now - month) / _HOUR,
            left=(following - now) / _HOUR,
            unpriced=hour.unpriced,
        )

    def _add_up(self, questions: Questions, now: int, month: int) -> None:
        """The week before the last hour, and the month until now."""
        end = now - _HOUR
        costs = [one.cost for one in questions.series(end - _WEEK * _HOUR, end, _WEEK)]
        first = next((at for at, cost in enumerate(costs) if cost), _WEEK)
        known = _WEEK - first
        self._usual = sum(costs) // known if known >= _LEAST_HOURS else None
        self._month = questions.series(month, now, 1)[0].cost if now > month else 0
        self._until, self._began = now, month


def month_of(now: int) -> tuple[int, int]:
    """When the month of a moment begins and when the next does, in UTC; all in nanoseconds since the epoch."""
    at = dt.datetime.fromtimestamp(now / 1e9, tz=dt.UTC)
    begins = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (begins + dt.timedelta(days=32)).replace(day=1)
    return int(begins.timestamp()) * 1_000_000_000, int(following.timestamp()) * 1_000_000_000
