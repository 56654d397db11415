"""What is agreed on with a key when it is made or changed, and how people write it. Pure.

The command line, the HTTP API and the configuration read the same words: `5usd/day`, `60requests/minute`, `90d`, `24h`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from pointsman.core.budget import Period, Unit, every, parse_limit
from pointsman.core.errors import InvalidRequest
from pointsman.core.key import CALLING, ROLES, Role
from pointsman.core.scope import MOST, PATTERN, Allow

_SECOND = 1_000_000_000
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_SPAN = re.compile(r"([0-9]{1,9})([smhdw]?)")
LONGEST_SECONDS = 100 * 366 * 86_400
_LABEL_CHARS = 100
MOST_PARALLEL = 1_000_000


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """A limit of money (nano-dollars), tokens or requests in each period."""

    limit: int
    period: Period
    unit: Unit = "usd"


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a key is to be, see `core.key.KeyRow`; `expires` in nanoseconds since the epoch.

    Raises:
        InvalidRequest: something of it cannot be.
    """

    team: str = ""
    project: str = ""
    allow: Allow = ()
    parallel: int = 0
    role: Role = "caller"
    expires: int | None = None
    budgets: tuple[Amount, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        check_label(self.team, "team")
        check_label(self.project, "project")
        check_allow(self.allow)
        check_parallel(self.parallel)
        check_budgets(self.budgets)
        check_role(self.role)
        check_use(self.role, self)


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What of a key is to change; `UNSET` stays as it is. Team, project and role never change."""

    allow: Allow | msgspec.UnsetType = msgspec.UNSET
    parallel: int | msgspec.UnsetType = msgspec.UNSET
    expires: int | msgspec.UnsetType | None = msgspec.UNSET
    budgets: tuple[Amount, ...] | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.allow is not msgspec.UNSET:
            check_allow(self.allow)
        if self.parallel is not msgspec.UNSET:
            check_parallel(self.parallel)
        if self.budgets is not msgspec.UNSET:
            check_budgets(self.budgets)


def check_label(text: str, name: str, *, needed: bool = False) -> None:
    """Refuse what is no name of a key, team or project."""
    if (text or needed) and (not text.strip() or len(text) > _LABEL_CHARS or not text.isprintable()):
        what = "a key needs a name" if needed else f"`{name}` is a name"
        raise InvalidRequest(f"{what} of 1 to {_LABEL_CHARS} printable characters", param=name)


def check_allow(allow: Allow) -> None:
    """Refuse what names no route and no model."""
    if len(allow) > MOST:
        raise InvalidRequest(f"a key may name at most {MOST} routes and models", param="allow", hint="use `*`")
    for one in allow:
        if not PATTERN.fullmatch(one):
            raise InvalidRequest(
                f"`{one[:60]}` names no route and no model",
                param="allow",
                hint="a name, or one with `*` for any text: `auto`, `anthropic/*`",
            )


def check_parallel(parallel: int) -> None:
    """Refuse a number of calls that cannot be."""
    if not 0 <= parallel <= MOST_PARALLEL:
        raise InvalidRequest(f"`parallel` is a whole number from 0 (no limit) to {MOST_PARALLEL:,}", param="parallel")


def check_budgets(budgets: Iterable[Amount]) -> None:
    """Refuse two budgets of one unit and period: the smaller one would be the only one."""
    kinds = [(one.unit, one.period) for one in budgets]
    for unit, period in kinds:
        if kinds.count((unit, period)) > 1:
            what = f"there are two budgets of {unit} {every(period)}"
            raise InvalidRequest(what, param="budgets", hint="keep the smaller")


def check_role(role: str) -> None:
    """Refuse what is no role."""
    if role not in ROLES:
        raise InvalidRequest(f"`role` is one of {', '.join(ROLES)}; not {role[:40]!r}", param="role")


def check_use(role: Role, said: object) -> None:
    """Refuse limits on calls for a key that makes none: whoever says them takes them for limits on what it sees."""
    if role in CALLING:
        return
    for name in ("allow", "parallel", "budgets", "team", "project"):
        if getattr(said, name, None):
            hint = f"leave `{name}` out; a {role} key sees the whole gateway, or make a key of the role caller"
            raise InvalidRequest(
                f"a key of the role {role} calls no model: `{name}` limits nothing", param=name, hint=hint
            )


def read_amount(text: str) -> Amount:
    """A budget as people write it: `5usd/day`, `100requests/minute`, `100k tokens/hour`; `100usd` is for good.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        limit, unit, period = parse_limit(text)
    except ValueError as error:
        message, _, hint = str(error).partition("; ")
        raise InvalidRequest(message, param="budgets", hint=hint) from None
    return Amount(limit=limit, period=period, unit=unit)


def read_span(text: str | int, name: str, *, unit: str = "d", least: int = 1, hint: str = "") -> int:
    """A length of time in nanoseconds: `90d`, `24h`, `30m`; a bare number is so many of `unit`.

    Raises:
        InvalidRequest: it is none, or shorter than `least` seconds, or longer than a hundred years.
    """
    found = _SPAN.fullmatch(str(text).strip())
    seconds = int(found[1]) * _UNITS[found[2] or unit] if found else -1
    if not least <= seconds <= LONGEST_SECONDS:
        raise InvalidRequest(f"`{name}` is a length of time such as 90d, 24h or 30m", param=name, hint=hint)
    return seconds * _SECOND
