"""Budgets as values: what may be used, by whom, in which time. Counting is in `access/purse.py` alone.

A budget limits money, tokens or requests of one *scope* in one *period*. Periods follow the calendar in UTC, so that
everybody who counts agrees on where one ends.
"""

from __future__ import annotations

import calendar
import dataclasses
import datetime as dt
import re
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Literal, NamedTuple, get_args

import msgspec

from pointsman.core.money import NANOS_PER_USD, usd_text

Scope = Literal["organisation", "team", "project", "key", "user", "session", "route"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
Unit = Literal["usd", "tokens", "requests"]
Period = Literal["minute", "hour", "day", "week", "month", "total"]
PERIODS: tuple[Period, ...] = get_args(Period)

_NANO = 1_000_000_000
_SECONDS: dict[Period, int] = {"minute": 60, "hour": 3_600, "day": 86_400, "week": 7 * 86_400}
_MONDAY = 4 * 86_400
"""1970-01-05 was a Monday; seconds since the epoch."""
_FOREVER = 2**63 - 1
_MOST = 2**62
_LIMIT = re.compile(
    r"\s*(?P<mark>\$)?\s*(?P<amount>[0-9][0-9_,]*(?:\.[0-9]+)?)\s*(?P<thousand>[km])?\s*"
    r"(?P<unit>usd|dollars?|tokens?|requests?|calls?)?\s*(?:(?:/|\s+per\s+|\s+a\s+)\s*(?P<period>[a-z]+))?\s*",
    re.IGNORECASE,
)
_UNITS: dict[str, Unit] = {
    "usd": "usd",
    "dollar": "usd",
    "dollars": "usd",
    "token": "tokens",
    "tokens": "tokens",
    "request": "requests",
    "requests": "requests",
    "call": "requests",
    "calls": "requests",
}
_SPELLED: dict[str, Period] = {
    **{period: period for period in PERIODS},
    "m": "minute",
    "min": "minute",
    "h": "hour",
    "d": "day",
    "daily": "day",
    "w": "week",
    "weekly": "week",
    "mo": "month",
    "monthly": "month",
    "ever": "total",
}
_SHOWN = "`5usd/day`, `500 usd/month`, `20usd` (in all), `60 requests/minute`, `100k tokens/minute`"


class Payer(NamedTuple):
    """Whose call it is, for every scope that a budget can have. Empty where it is nobody's.

    A tuple, since each call looks up its accounts by it.
    """

    key: str = ""
    key_name: str = ""
    team: str = ""
    project: str = ""
    user: str = ""
    session: str = ""
    route: str = ""


class Granted(msgspec.Struct, frozen=True):
    """What the store says of an account: what was granted `now`, and what is `left` to grant."""

    now: int
    left: int


class Wanted(msgspec.Struct, frozen=True):
    """What the store is asked to grant of one account, within its limit in one period (nanoseconds since the epoch).

    `needs` is what calls lack, in the order of their coming. `known`: so much was used already, whatever was granted.
    """

    account: str
    begin: int
    end: int
    limit: int
    needs: tuple[int, ...] = ()
    known: int = 0

    def grant(self, granted: int, part: int) -> Granted:
        """What is granted now if so much was until now: needs that fit one after another, and a `part` of what is left.

        Nothing where none of the needs fits: a call that cannot be made must not take from those that can.
        """
        left = max(self.limit - granted, 0)
        needed = 0
        for need in self.needs:
            if need <= left - needed:
                needed += need
        now = max(needed, left // part) if needed or not self.needs else 0
        return Granted(now, left - now)


class Budget(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A limit on one scope in one period.

    Attributes:
        scope: what kind of thing it binds.
        subject: which of them; empty: each of them has one of its own. Nothing for `organisation`.
        unit, amount: nano-dollars for `usd`.
        period: the calendar's, in UTC; `total` never ends.
        soft: share of the amount from which on the cheapest permitted model is asked first; 1 is never.
        hard: nothing is spent beyond it; else it only makes calls cheaper beyond `soft`, and warns.
    """

    scope: Scope
    amount: int
    unit: Unit = "usd"
    period: Period = "total"
    subject: str = ""
    soft: float = 1.0
    hard: bool = True

    @property
    def rate(self) -> bool:
        """Whether it limits a rate (who meets it comes back soon, 429) rather than a bill (402)."""
        return self.unit != "usd" or self.period in ("minute", "hour")

    @cached_property
    def digits(self) -> bytes:
        """The amount as a header says it."""
        return b"%d" % self.amount

    @property
    def name(self) -> str:
        """The budget for people: `key ci: 5 usd a day`."""
        whose = (
            f"{self.scope} {self.subject}".strip()
            if self.subject or self.scope == "organisation"
            else (f"each {self.scope}")
        )
        return f"{whose}: {self.said}"

    @property
    def said(self) -> str:
        """The limit alone: `5 usd a day`."""
        amount = usd_text(self.amount) if self.unit == "usd" else f"{self.amount:,}"
        return f"{amount} {self.unit} {every(self.period)}"

    def whose(self, payer: Payer) -> tuple[str, ...] | None:
        """Whose account a call counts to; None where it counts to none."""
        scope, subject = self.scope, self.subject
        if scope == "organisation":
            return ()
        found = str(getattr(payer, scope))
        if not found or (subject not in ("", found) and not (scope == "key" and subject == payer.key_name)):
            return None
        # A user belongs to whoever named him, and a session too: two teams may both have a user `1`.
        if scope == "user":
            return (payer.team or payer.key, found)
        return (payer.key, found) if scope == "session" else (found,)


@dataclasses.dataclass(slots=True, eq=False)
class Account:
    """One subject's part of one budget in one period. Amounts in the budget's unit.

    `leased` is what this process may spend, of which it has `spent`, `held` and `free`; `told` is how much of `spent`
    the store knows. `left` is what the store could still grant when it was last asked. `limit` is the budget's amount
    as it was last looked at. `back` is what is no longer leased here and the store still has to hear of; below 0 it is
    what was used as leased while the store was away. `doubt` is how much of what is not told yet is booked and in no
    bill. `whose` is the subject, as `Budget.whose` names it; `ends` is `end` as it is told, once it was.

    No struct, whose fields take longer to set; `held` follows from the others, as each call sets what is here.

    A limit on tokens is `brief` where it is by the minute or hour: there what is likely is held, and `risk` is how much
    more the calls that hold it may come to, see `access.purse`.
    """

    id: str
    budget: Budget
    begin: int
    end: int
    leased: int = 0
    spent: int = 0
    free: int = 0
    told: int = 0
    left: int = 0
    asked: bool = False
    used: int = 0
    hard: bool = True
    brief: bool = False
    risk: int = 0
    limit: int = 0
    back: int = 0
    whose: tuple[str, ...] = ()
    doubt: int = 0
    ends: bytes = b""

    @property
    def held(self) -> int:
        """What calls under way have set aside."""
        return self.leased - self.spent - self.free

    def lease(self, amount: int) -> None:
        """So much more may be spent here, or less where it is below 0."""
        self.leased += amount
        self.free += amount

    @property
    def open(self) -> int:
        """What is left as far as this process knows: what it can hold, and what the store could grant."""
        return max(self.free + self.left, 0)


class Group(msgspec.Struct, eq=False):
    """The accounts that calls of one kind count to, by unit, until the first of their periods ends (nanoseconds).

    `soft`: one of them makes calls cheaper before it is used up. `bounded`: one of them is a hard budget of money.
    `asked`: what is left of each was asked for.
    """

    every: tuple[Account, ...]
    usd: tuple[Account, ...]
    tokens: tuple[Account, ...]
    requests: tuple[Account, ...]
    until: int
    soft: bool
    bounded: bool
    asked: bool = False


def group(accounts: tuple[Account, ...]) -> Group:
    """The same, by unit."""
    by_unit = {unit: tuple([one for one in accounts if one.budget.unit == unit]) for unit in get_args(Unit)}
    return Group(
        every=accounts,
        usd=by_unit["usd"],
        tokens=by_unit["tokens"],
        requests=by_unit["requests"],
        until=min(one.end for one in accounts),
        soft=any(one.budget.soft < 1 for one in accounts),
        bounded=any(one.budget.hard for one in by_unit["usd"]),
    )


class Hold(msgspec.Struct, eq=False):
    """What one call has set aside in each account that it counts to: nano-dollars, tokens, requests; settled once.

    `brief` is how many tokens it holds in limits by the minute or hour, and `risk` how many more it may come to.
    """

    group: Group
    usd: int
    tokens: int
    requests: int = 1
    settled: bool = False
    brief: int = 0
    risk: int = 0


def every(period: Period) -> str:
    """A period in a sentence: `a day`, `an hour`, `in all`."""
    return {"total": "in all", "hour": "an hour"}.get(period, f"a {period}")


def window(period: Period, now: int) -> tuple[int, int]:
    """Begin and end (excluded) of the period that `now` is in; all in nanoseconds since the epoch.

    Weeks begin on Monday. `total` has begun at 0 and never ends.
    """
    if period == "total":
        return 0, _FOREVER
    seconds = now // _NANO
    if period == "month":
        day = dt.datetime.fromtimestamp(seconds, tz=dt.UTC)
        first = int(dt.datetime(day.year, day.month, 1, tzinfo=dt.UTC).timestamp())
        return first * _NANO, (first + calendar.monthrange(day.year, day.month)[1] * 86_400) * _NANO
    length = _SECONDS[period]
    offset = _MONDAY if period == "week" else 0
    begin = (seconds - offset) // length * length + offset
    return begin * _NANO, (begin + length) * _NANO


def parse_limit(text: str) -> tuple[int, Unit, Period]:
    """Read a limit as people write it: `5usd/day`, `$500/month`, `60 requests/minute`, `100k tokens/hour`, `60rpm`.

    Without a unit it is US dollars, without a period it is for good.

    Raises:
        ValueError: what is wrong with it, and how one looks.
    """
    text = text.strip()
    short = re.fullmatch(r"([0-9][0-9_,]*(?:\.[0-9]+)?\s*[km]?)\s*([rt])p([mhd])", text, re.IGNORECASE)
    if short:
        unit = "requests" if short[2].lower() == "r" else "tokens"
        text = f"{short[1]} {unit}/{ {'m': 'minute', 'h': 'hour', 'd': 'day'}[short[3].lower()] }"
    found = _LIMIT.fullmatch(text)
    if found is None or len(text) > 100:
        raise ValueError(f"not a limit: {text[:60]!r}; write it like {_SHOWN}")
    unit_said = (found["unit"] or "").lower()
    if found["mark"] and unit_said and _UNITS[unit_said] != "usd":
        raise ValueError(f"both dollars and {unit_said} in {text!r}")
    return _amount(found, _UNITS.get(unit_said, "usd"), text), _UNITS.get(unit_said, "usd"), _period(found["period"])


def _period(said: str | None) -> Period:
    if said is None:
        return "total"
    period = _SPELLED.get(said.lower())
    if period is None:
        raise ValueError(f"not a period: {said!r}; one of {', '.join(PERIODS)}")
    return period


def _amount(found: re.Match[str], unit: Unit, text: str) -> int:
    try:
        amount = Decimal(found["amount"].replace(",", "").replace("_", ""))
    except InvalidOperation:
        raise ValueError(f"not a number in {text!r}") from None
    amount *= {"k": 1_000, "m": 1_000_000}.get((found["thousand"] or "").lower(), 1)
    amount *= NANOS_PER_USD if unit == "usd" else 1
    if amount != amount.to_integral_value():
        least = "a nano-dollar" if unit == "usd" else f"one of the {unit}"
        raise ValueError(f"finer than {least}: {text!r}")
    if not amount:
        raise ValueError(f"a limit must be above 0: {text!r}; to block a key, revoke it")
    if not amount < _MOST:
        most = usd_text(_MOST) if unit == "usd" else f"{_MOST:,}"
        raise ValueError(f"a limit must be below {most} {unit}: {text!r}")
    return int(amount)
