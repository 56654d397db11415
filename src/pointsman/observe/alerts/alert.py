"""An alert as a value: what every channel is given, and when one is due."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from pointsman.core.advice import AlertKind

Kind = Literal[AlertKind, "test"]
State = Literal["firing", "reminder", "flapping", "resolved"]
Severity = Literal["critical", "warning", "info"]
KINDS: tuple[Kind, ...] = get_args(AlertKind)
NEWS: frozenset[Kind] = frozenset(("test", "price_change"))
"""What has no end, so that whoever keeps incidents closes them at once."""
SEVERITY: Mapping[Kind, Severity] = {
    "breaker_open": "warning",
    "provider_down": "critical",
    "route_down": "critical",
    "failover_rate": "warning",
    "spend_rate": "warning",
    "spend_forecast": "warning",
    "call_cost": "warning",
    "unpriced_model": "info",
    "price_change": "info",
    "budget_used": "warning",
    "reconciliation_drift": "warning",
    "test": "info",
}
Details = dict[str, str | int | float]


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a person should know.

    Attributes:
        kind: what kind of trouble.
        state: `firing`: it begins. `reminder`: it goes on. `flapping`: it comes and goes, and is told once until it
            rests. `resolved`: it is over.
        subject: who is in trouble: `provider/model`, a provider or a route.
        summary: one line for people.
        at: when this is said, nanoseconds since the epoch.
        since: when the trouble began.
        until: when it ended; None while it lasts.
        times: how often it began since it was first told.
        details: the figures behind it, for machines.
    """

    kind: Kind
    state: State
    subject: str
    summary: str
    at: int
    since: int
    until: int | None = None
    times: int = 1
    details: Details = {}

    @property
    def key(self) -> str:
        """The same for all alerts of one trouble, and no other's at the same time."""
        return f"pointsman/{self.kind}/{self.subject}"

    @property
    def severity(self) -> Severity:
        """How bad it is; what is over is not."""
        return "info" if self.state == "resolved" else SEVERITY[self.kind]


class MoneyRules(msgspec.Struct, frozen=True, kw_only=True):
    """When an alert on cost is due. Amounts in nano-dollars; None is never.

    Attributes:
        per_hour: spent in an hour.
        times_usual: the same, as a multiple of an hour's average of the week before.
        call: for one call.
        month: for a calendar month, held against the forecast of its end.
        budget_shares: of a budget, from which on its use is told.
    """

    per_hour: int | None = None
    times_usual: float | None = None
    call: int | None = None
    month: int | None = None
    budget_shares: tuple[float, ...] = (0.8, 1.0)


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """When an alert is due. Times in seconds.

    Attributes:
        kinds: which are told at all.
        failover_share: of a route's calls, from which on its primary should be reconsidered; 0 to 1.
        window: over how long.
        least_calls: fewer calls in that time say nothing.
        down_after: calls of a route in a row that nobody could answer.
        settle: how long a trouble has to be over before that is told.
        reminder: how often it is told again while it lasts.
        flaps: beginnings within `flap_window` that make it one that flaps.
        flap_window: also how long it has to rest before that is over.
        money: for alerts on cost.
    """

    kinds: tuple[Kind, ...] = KINDS
    failover_share: float = 0.10
    window: float = 900.0
    least_calls: int = 20
    down_after: int = 3
    settle: float = 60.0
    reminder: float = 14_400.0
    flaps: int = 3
    flap_window: float = 600.0
    money: MoneyRules = MoneyRules()


def nanos(seconds: float) -> int:
    """Seconds in nanoseconds."""
    return int(seconds * 1e9)


def length(duration: int) -> str:
    """Nanoseconds as people say them: `42 s`, `4 min 10 s`, `3 h 5 min`, `2 d 4 h`."""
    seconds = max(0, round(duration / 1e9))
    for unit, size, lesser, part in (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            return f"{whole} {unit} {rest // part} {lesser}" if rest // part else f"{whole} {unit}"
    return f"{seconds} s"
