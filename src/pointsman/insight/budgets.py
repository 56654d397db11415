"""What is used of budgets: the store's accounts beside the limits that are in force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from sqlalchemy import select
from sqlalchemy.engine import Connection

from pointsman.core.budget import Budget, Period, Scope, Unit, window
from pointsman.store.tables import allowances, keys

_MOST = 10_000
_Account = tuple[str, str, str, bool, tuple[str, ...]]


class BudgetUse(msgspec.Struct, frozen=True, kw_only=True):
    """One subject's part of a budget in the period that runs.

    Attributes:
        scope, unit, period: as the budget has them.
        whose: the subject, for people; empty for everybody, and where none of an `each` has used anything yet.
        each: everyone of the scope has one of its own.
        limit, spent, held, left: nano-dollars, tokens or requests. `held` is what processes have taken for calls under
            way or soon to come, and what a process that was killed had taken.
        doubt: how much of `spent` stands in no bill: the most that attempts may have cost which ended without a word on
            it, beyond what was booked for them. Money only.
        resets: nanoseconds since the epoch; None where it never does.
        soft: share from which on calls are made cheaper; 1 is never.
        hard: whether nothing is spent beyond it.
    """

    scope: Scope
    whose: str
    each: bool
    unit: Unit
    period: Period
    limit: int
    spent: int
    held: int
    left: int
    doubt: int
    resets: int | None
    soft: float
    hard: bool


def budgets_in_use(connection: Connection, budgets: Iterable[Budget], now: int, key: str = "") -> list[BudgetUse]:
    """Every budget's accounts, at `now` (nanoseconds since the epoch); with `key` (an id) those of that key alone."""
    query = select(allowances).where(allowances.c.end_ns > now, allowances.c.begin_ns <= now).limit(_MOST)
    used: dict[_Account, tuple[int, int, int]] = {}
    for row in connection.execute(query).mappings():
        account = _account(row["account"])
        if account is not None:
            used[account] = (row["granted"], row["spent"], row["doubt"])
    names: dict[str, str] = {row.id: row.name for row in connection.execute(select(keys.c.id, keys.c.name))}
    found = [use for budget in budgets for use in _uses(budget, used, names, now)]
    return [one for one in found if not key or (one.scope == "key" and one.whose == names.get(key, key))]


def _account(name: str) -> _Account | None:
    """An account by its name in the store; None where that was cut, because it was very long."""
    try:
        scope, unit, period, each, *whose = msgspec.json.decode(name, type=list[str])
    except (msgspec.DecodeError, ValueError):
        return None
    return scope, unit, period, each == "one", tuple(whose)


def _uses(
    budget: Budget, used: Mapping[_Account, tuple[int, int, int]], names: Mapping[str, str], now: int
) -> Iterable[BudgetUse]:
    start = (budget.scope, budget.unit, budget.period, bool(budget.subject))
    found = False
    for account, (granted, spent, doubt) in used.items():
        whose = account[4]
        shown = " ".join(names.get(one, one) for one in whose if one)
        if account[:4] == start and budget.subject in ("", shown, *whose):
            found = True
            yield _use(budget, shown, (granted, spent, doubt), now)
    if not found:
        yield _use(budget, names.get(budget.subject, budget.subject), (0, 0, 0), now)


def _use(budget: Budget, whose: str, used: tuple[int, int, int], now: int) -> BudgetUse:
    granted, spent, doubt = used
    end = window(budget.period, now)[1]
    return BudgetUse(
        scope=budget.scope,
        whose=whose,
        each=not budget.subject and budget.scope != "organisation",
        unit=budget.unit,
        period=budget.period,
        limit=budget.amount,
        spent=spent,
        held=max(granted - spent, 0),
        doubt=doubt,
        left=max(budget.amount - max(granted, spent), 0),
        resets=None if budget.period == "total" else end,
        soft=budget.soft,
        hard=budget.hard,
    )
