"""Where a budget begins that comes after its period has begun: at what the ledger has of its scope since then.

One that was in force when the period began has counted everything itself. So the ledger is read only in the period in
which this process started, or in which the budget came: once for everybody of a scope, and once more for one subject
whose budget came later. Sums are kept in labels as the ledger has them (see `label`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Protocol

from pointsman.core.budget import Account, Budget, Period, Scope

Used = tuple[int, int, int]
_Kind = tuple[Scope, str, Period, str]
_PATIENCE = 30.0
"""Seconds that a call waits for the ledger to be added up; only the first ones after a start, or after a change."""
_UNITS = {"usd": 0, "tokens": 1, "requests": 2}


class Past(Protocol):
    """Sums over the ledger: nano-dollars, tokens, requests. Does I/O; raises `StoreUnavailable`."""

    def every(self, scope: Scope, begin: int) -> Mapping[tuple[str, ...], Used]:
        """Of each of a scope since a moment (nanoseconds since the epoch)."""
        ...

    def of(self, scope: Scope, whose: tuple[str, ...], begin: int) -> Used:
        """Of one subject."""
        ...


class Beginnings:
    """Which budgets are in force since when, and what their scopes had used before. For one event loop."""

    def __init__(self, past: Past) -> None:
        self._past = past
        self._since: dict[str, dict[_Kind, int]] = {}
        self._sums: dict[tuple[Scope, Period, int], tuple[int, asyncio.Task[Mapping[tuple[str, ...], Used]]]] = {}

    def force(self, source: str, budgets: Iterable[Budget], now: int) -> set[_Kind]:
        """Note the budgets of one source that are in force from now on; those of them that were not before."""
        before = self._since.get(source, {})
        after = {_kind(one): before.get(_kind(one), now) for one in budgets}
        self._since[source] = after
        return after.keys() - before.keys()

    async def known(self, account: Account, now: int) -> int:
        """What the ledger has of an account's scope and period, if anything may be uncounted; else 0.

        Raises:
            StoreUnavailable: the store does not answer.
            TimeoutError: not in time.
        """
        budget, begin = account.budget, account.begin
        kind = _kind(budget)
        since = max((kinds.get(kind, 0) for kinds in self._since.values()), default=0)
        if since <= begin:
            return 0
        unit = _UNITS[budget.unit]
        async with asyncio.timeout(_PATIENCE):
            at, task = self._reading(budget, begin, now)
            if at < since and budget.subject and budget.scope != "user":  # whose users those are, the sums of all say
                return (await asyncio.to_thread(self._past.of, budget.scope, account.whose, begin))[unit]
            if at < since:
                self._sums.pop((budget.scope, budget.period, begin))
                _, task = self._reading(budget, begin, now)
            sums = await asyncio.shield(task)
        return sums.get(account.whose, (0, 0, 0))[unit]

    def _reading(
        self, budget: Budget, begin: int, now: int
    ) -> tuple[int, asyncio.Task[Mapping[tuple[str, ...], Used]]]:
        key = (budget.scope, budget.period, begin)
        found = self._sums.get(key)
        if found is not None and not _failed(found[1]):
            return found
        for old in [one for one in self._sums if one[:2] == key[:2]]:
            del self._sums[old]
        task = asyncio.create_task(asyncio.to_thread(self._past.every, budget.scope, begin), name="past spend")
        made = self._sums[key] = (now, task)
        return made


def of_kind(budget: Budget, kinds: set[_Kind]) -> bool:
    """Whether a budget is one of these."""
    return _kind(budget) in kinds


def _failed(task: asyncio.Task[Mapping[tuple[str, ...], Used]]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _kind(budget: Budget) -> _Kind:
    return budget.scope, budget.unit, budget.period, budget.subject
