"""What a caller is told whose budget has not enough."""

from __future__ import annotations

import datetime as dt

from pointsman.core.budget import Account
from pointsman.core.errors import BudgetExceeded, RateLimited
from pointsman.core.money import usd_text

_NANO = 1_000_000_000


def refusal(account: Account, needed: int | None, now: int) -> BudgetExceeded | RateLimited:
    """The error for a call that an account has not enough for: which budget, how much is left, when it resets."""
    budget = account.budget
    unit, left = budget.unit, account.open
    has = f"{usd_text(left)} usd" if unit == "usd" else f"{left:,} {unit}"
    needs = ""
    if needed is not None:
        amount = f"{usd_text(needed)} usd" if unit == "usd" else f"{needed:,} {unit}"
        needs = f", and this request may need up to {amount}"
    seconds = None if budget.period == "total" else max((account.end - now) / _NANO, 0.0)
    ends = "it does not reset" if seconds is None else f"it resets at {_moment(account.end)}"
    if unit == "requests":
        what = f"The limit is reached ({budget.name}); {ends}"
    else:
        what = f"The budget has {has} left ({budget.name}){needs}; {ends}"
    if budget.rate:
        return RateLimited(what, retry_after=seconds, hint="wait, or ask for less")
    return BudgetExceeded(what, hint="ask for fewer tokens (`max_tokens`), or have the budget raised")


def _moment(at: int) -> str:
    return dt.datetime.fromtimestamp(at // _NANO, tz=dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
