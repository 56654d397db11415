"""Budgets as the configuration and keys say them, as the purse counts them."""

from __future__ import annotations

from pointsman.config import schema
from pointsman.core.budget import Budget, Scope, parse_limit
from pointsman.core.key import BudgetRow

_NAMED: tuple[Scope, ...] = ("team", "project", "key", "user", "route")


def budget(said: schema.Budget) -> Budget:
    """One of the configuration, which has been checked.

    Raises:
        ValueError: its limit cannot be read.
    """
    amount, unit, period = parse_limit(said.limit)
    scope: Scope = said.each or "organisation"
    subject = ""
    for name in _NAMED:
        if named := getattr(said, name):
            scope, subject = name, named
    return Budget(scope=scope, subject=subject, unit=unit, amount=amount, period=period, soft=said.soft, hard=said.hard)


def of_key(row: BudgetRow) -> Budget:
    """One that came with a key."""
    soft = 1.0 if row.soft is None else row.soft
    return Budget(scope=row.scope, subject=row.subject, unit=row.unit, amount=row.limit, period=row.period, soft=soft)
