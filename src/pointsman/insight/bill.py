"""The bill: what was spent in a period, over all providers, by whatever name. Sums over attempts, in exact integers.

An attempt is what a provider bills, so the bill is made of attempts, whatever became of them; the call that an attempt
belongs to says who pays, and when. A call lies in the period in which it began, with all of its attempts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import ColumnElement, Select, and_, case, func, literal_column, not_, select
from sqlalchemy.engine import Connection

from pointsman.core.clock import encode_id
from pointsman.core.errors import CallerError, CallerGone, GatewayError, InvalidRequest, Outpaced, codes
from pointsman.insight.periods import Period
from pointsman.store.tables import attempts, calls, keys

By = Literal["provider", "model", "key", "team", "project", "user", "session", "route", "tag"]
EVERY: tuple[By, ...] = ("provider", "model", "key", "team", "project", "user", "session", "route", "tag")
MOST_LINES = 10_000
OTHERS = "(others)"
_RANDOM_BITS = 80
_SLACK_NS = 1_000_000_000  # an id is made a little before its call's time is noted
_TAGS_AT_ONCE = 100_000
_OURS = sorted((codes(CallerError) | codes(GatewayError)) - {CallerGone.code})
"""Attempts that were ended by nobody else. A code that is not known (any more) counts as the provider's failure."""
_KINDS = ("input", "cache_read", "cache_write", "cache_write_1h", "output", "reasoning", "input_audio", "output_audio")


class Spend(msgspec.Struct, frozen=True, kw_only=True):
    """What a set of attempts cost. Money in nano-dollars; every figure is a plain sum, so that parts add up.

    Attributes:
        calls: each counts once, where its last attempt is.
        attempts: requests to providers; all that follow are some of them. Of those that brought no whole answer each is
            one of `failed`, `left`, `stopped` and `hedged`, by who ended it.
        failed: the provider: it could not be reached, refused, or broke off. `failed_cost` is what they cost
            nevertheless, as of the next three.
        left: the caller, who went away before the end.
        stopped: the gateway, which was being stopped, or has a defect.
        hedged: the gateway, because another of the same call was quicker.
        estimated: with tokens counted by us, and `estimated_cost` their part of the cost.
        unpriced: brought an answer and have no cost, because no price or no usage is known, or were passed through and
            ended early. Their cost is not 0, it is unknown, and stands in no sum.
        unknown: ended with an error, and whether they cost anything is not known.
        input: tokens, cached ones included; the kinds behind it are parts of it, those behind `output` of that.
        cost: of all attempts that have one.
    """

    calls: int = 0
    attempts: int = 0
    failed: int = 0
    left: int = 0
    stopped: int = 0
    hedged: int = 0
    estimated: int = 0
    unpriced: int = 0
    unknown: int = 0
    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    input_audio: int = 0
    output_audio: int = 0
    cost: int = 0
    failed_cost: int = 0
    left_cost: int = 0
    stopped_cost: int = 0
    hedged_cost: int = 0
    estimated_cost: int = 0

    def __add__(self, other: Spend) -> Spend:
        return Spend(**{name: getattr(self, name) + getattr(other, name) for name in FIGURES})

    def __sub__(self, other: Spend) -> Spend:
        return Spend(**{name: getattr(self, name) - getattr(other, name) for name in FIGURES})


FIGURES: tuple[str, ...] = Spend.__struct_fields__
ENDED = ("failed", "left", "stopped", "hedged")
"""Who ended attempts that brought no whole answer; each has a cost, as `failed_cost`."""


class BillLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line: its names in the order of the bill's `by`, empty where there is none; `labels` are for people.

    A key's name is its id, and its label what it was called.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    spend: Spend


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """A bill.

    Attributes:
        start, end: the period, nanoseconds since the epoch, `end` not included.
        by: what the lines are by.
        lines: dearest first. What is beyond the limit is one line, `(others)`, so that lines add up to the total.
        total: of every attempt in the period, each once.
        overlapping: lines are by tag, and calls with several tags are in several of them: they add up to more.
        others: how many lines were put together in the last one.
        refused: calls that were refused here before any provider was asked: they cost nothing, and are in no line.
    """

    start: int
    end: int
    by: tuple[By, ...]
    lines: tuple[BillLine, ...]
    total: Spend
    overlapping: bool = False
    others: int = 0
    refused: int = 0


def bill(connection: Connection, period: Period, by: Sequence[By], *, key: str = "", limit: int = MOST_LINES) -> Bill:
    """The bill of a period.

    Args:
        connection: to the ledger.
        period: which calls.
        by: names for the lines; none of them twice.
        key: of this key's calls alone, by its id; empty is everybody's.
        limit: most lines.
    """
    where = _within(period, key)
    total = _spend(connection.execute(_query((), where)).mappings().one())
    limit = max(1, min(limit, MOST_LINES))
    names = _key_names(connection) if "key" in by else {}
    if "tag" in by:
        found = _by_tag(connection, by, where)
    else:
        query = _query(by, where).order_by(literal_column("cost").desc(), *_by_name(by)).limit(limit + 1)
        found = {tuple(row[f"by_{name}"] for name in by): _spend(row) for row in connection.execute(query).mappings()}
    lines = [
        BillLine(names=each, labels=_labels(by, each, names), spend=spend)
        for each, spend in sorted(found.items(), key=lambda item: (-item[1].cost, item[0]))
    ]
    others = 0
    if len(lines) > limit:
        lines, others = _together(connection, lines[: limit - 1], total, by, where)
    return Bill(
        start=period.start,
        end=period.end,
        by=tuple(by),
        lines=tuple(lines),
        total=total,
        overlapping="tag" in by,
        others=others,
        refused=_refused(connection, where),
    )


def wanted(text: str) -> tuple[By, ...]:
    """What a bill is to be by, from `provider,model`; empty is provider and model.

    Raises:
        InvalidRequest: another word, or one twice.
    """
    said = [part.strip() for part in text.split(",") if part.strip()] or ["provider", "model"]
    for one in said:
        if one not in EVERY:
            raise InvalidRequest(f"a bill is by {', '.join(EVERY)}, not by `{one[:40]}`", param="by")
    if len(set(said)) < len(said):
        raise InvalidRequest(f"`{text[:80]}` has a name twice", param="by")
    return tuple(name for one in said for name in EVERY if name == one)


def id_bound(moment: int) -> str:
    """The smallest id of a moment: where to begin, or end, in the primary key."""
    return encode_id((max(0, moment) // 1_000_000) << _RANDOM_BITS)


def tags_of(text: str) -> list[str]:
    """A call's tags: parts between commas, each once; one empty one where there is none."""
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip())) or [""]


def _within(period: Period, key: str) -> list[ColumnElement[bool]]:
    found = [
        calls.c.id >= id_bound(period.start - _SLACK_NS),
        calls.c.id < id_bound(period.end + _SLACK_NS),
        calls.c.started_ns >= period.start,
        calls.c.started_ns < period.end,
    ]
    return [*found, calls.c.key_id == key] if key else found


def _refused(connection: Connection, where: Sequence[ColumnElement[bool]]) -> int:
    query = select(func.count()).where(*where, calls.c.status == "refused", calls.c.attempts == 0)
    return int(connection.execute(query).scalar() or 0)


def _query(by: Iterable[By], where: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """Sums over attempts, grouped by names."""
    names = [_name(one).label(f"by_{one}") for one in by]
    joined = attempts.join(calls, calls.c.id == attempts.c.call_id)
    query = select(*names, *[column.label(name) for name, column in _figures().items()]).select_from(joined)
    return query.where(*where).group_by(*_by_name(by))


def _by_name(by: Iterable[By]) -> list[ColumnElement[Any]]:
    return [literal_column(f"by_{one}") for one in by]


def _name(by: By) -> ColumnElement[Any]:
    if by == "provider":
        return attempts.c.provider
    if by == "model":
        return attempts.c.model
    column = {"key": "key_id", "user": "end_user", "tag": "tags"}.get(by, by)
    return func.coalesce(calls.c[column], "")


def _figures() -> dict[str, ColumnElement[Any]]:
    tried = attempts.c
    ended = {
        "failed": and_(tried.error != "", tried.error.not_in([Outpaced.code, CallerGone.code, *_OURS])),
        "left": tried.error == CallerGone.code,
        "stopped": tried.error.in_(_OURS),
        "hedged": tried.error == Outpaced.code,
    }
    free, estimated = tried.cost_nanousd.is_(None), tried.usage_estimated.is_(True)
    told = (tried.error == "") | tried.input_tokens.is_not(None) | (calls.c.surface == "passthrough")
    sums: dict[str, ColumnElement[Any]] = {
        "calls": _count(tried.number == calls.c.attempts),
        "attempts": func.count(),
        **{name: _count(which) for name, which in ended.items()},
        "estimated": _count(estimated),
        "unpriced": _count(and_(free, told)),
        "unknown": _count(and_(free, not_(told))),
    }
    sums.update({kind: func.coalesce(func.sum(tried[f"{kind}_tokens"]), 0) for kind in _KINDS})
    cost = func.coalesce(tried.cost_nanousd, 0)
    sums["cost"] = func.coalesce(func.sum(cost), 0)
    for name, which in (*ended.items(), ("estimated", estimated)):
        sums[f"{name}_cost"] = func.coalesce(func.sum(case((which, cost), else_=0)), 0)
    return sums


def _count(which: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.coalesce(func.sum(case((which, 1), else_=0)), 0)


def _spend(row: Any) -> Spend:
    return Spend(**{name: int(row[name]) for name in FIGURES})


def _by_tag(
    connection: Connection, by: Sequence[By], where: Sequence[ColumnElement[bool]]
) -> dict[tuple[str, ...], Spend]:
    """Groups by whole labels, taken apart into their tags here: both engines would spell that differently."""
    found: dict[tuple[str, ...], Spend] = {}
    at = list(by).index("tag")
    rows = connection.execute(_query(by, where).limit(_TAGS_AT_ONCE + 1)).mappings().all()
    if len(rows) > _TAGS_AT_ONCE:
        raise InvalidRequest("too many different tags for one bill", param="by", hint="ask for a shorter period")
    for row in rows:
        spend = _spend(row)
        names = [row[f"by_{name}"] for name in by]
        for tag in tags_of(names[at]):
            each = (*names[:at], tag, *names[at + 1 :])
            found[each] = found[each] + spend if each in found else spend
    return found


def _together(
    connection: Connection,
    lines: list[BillLine],
    total: Spend,
    by: Sequence[By],
    where: Sequence[ColumnElement[bool]],
) -> tuple[list[BillLine], int]:
    """The dearest lines, the rest as one: what is left of the total."""
    rest = total
    for line in lines:
        rest -= line.spend
    if "tag" in by:
        return lines, 0  # these overlap, so nothing is left over that would mean something
    groups = select(func.count()).select_from(_query(by, where).subquery())
    others = int(connection.execute(groups).scalar() or 0) - len(lines)
    none = ("",) * len(by)
    return [*lines, BillLine(names=none, labels=(OTHERS, *none[1:]), spend=rest)], others


def _key_names(connection: Connection) -> dict[str, str]:
    return {row.id: row.name for row in connection.execute(select(keys.c.id, keys.c.name))}


def _labels(by: Sequence[By], names: Sequence[str], keys_by_id: dict[str, str]) -> tuple[str, ...]:
    return tuple(keys_by_id.get(name, name) if one == "key" else name for one, name in zip(by, names, strict=True))
