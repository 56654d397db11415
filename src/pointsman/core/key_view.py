"""A key as people and programs are shown it: the command line and the HTTP API say the same. Never a secret."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from pointsman.core.key import FILE_IDS, BudgetRow, KeyRow
from pointsman.core.money import usd_text

_NANO = 1_000_000_000
ACTIVE = "active"
CLOSED = "closed"
"""Of a key that has not ended and opens nothing all the same."""


def key_view(row: KeyRow, budgets: Iterable[BudgetRow], now: int, why: str = "") -> dict[str, Any]:
    """A key as plain data; `now` and all times of it are nanoseconds since the epoch, shown as UTC.

    `why` says why it opens nothing, where it has not ended.
    """
    state = state_of(row, now)
    return {
        "id": row.id,
        "name": row.name,
        "prefix": row.prefix,
        "state": CLOSED if why and state == ACTIVE else state,
        "why": why if state == ACTIVE else "",
        "origin": "file" if row.id.startswith(FILE_IDS) else "store",
        "team": row.team,
        "project": row.project,
        "allow": list(row.allow),
        "parallel": row.parallel,
        "role": row.role,
        "budgets": [amount_text(one) for one in budgets],
        "created": day(row.created) if row.created else None,
        "expires": day(row.expires) if row.expires else None,
        "former": [{"prefix": one.prefix, "until": day(one.until)} for one in row.former if one.until > now],
    }


def state_of(row: KeyRow, now: int) -> str:
    """`active`, `expired` or `revoked`."""
    if row.revoked is not None:
        return "revoked"
    return ACTIVE if row.active(now) else "expired"


def amount_text(one: BudgetRow) -> str:
    """A budget as it is written: `5usd/day`, `100requests/minute`."""
    return f"{usd_text(one.limit) if one.unit == 'usd' else one.limit}{one.unit}/{one.period}"


def day(nanos: int) -> str:
    """A moment, in UTC to the second."""
    return dt.datetime.fromtimestamp(nanos / _NANO, tz=dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
