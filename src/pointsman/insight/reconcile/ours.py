"""The ledger's side: attempts of a provider in a stretch of time, added up by bucket or one by one.

Attempts, not calls: failed, hedged and cut ones reach the provider too, each by its own beginning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, case, func, literal_column, or_, select
from sqlalchemy.engine import Connection

from pointsman.insight.bill import id_bound
from pointsman.insight.reconcile.comparing import Sums, dollars
from pointsman.store.tables import attempts, calls

LONGEST_NS = 6 * 3_600_000_000_000
"""An attempt that begins later than this after its call did is not found; no call lasts so long."""

_SLACK_NS = 1_000_000_000  # an id is made a little before its call's time is noted
_AT_ONCE = 1_000


class Whose(NamedTuple):
    """Which attempts: at this provider (empty: at all), by these keys' variables (empty: by all), from and to when."""

    provider: str
    keys: tuple[str, ...]
    start: int
    end: int


class One(NamedTuple):
    """One attempt; `answer` is the id inside its answer, where it was delivered."""

    call: str
    at: int
    model: str
    key: str
    answer: str
    sums: Sums
    nanos: int | None


def providers(connection: Connection, whose: Whose) -> list[str]:
    """Who was asked in that time."""
    anyone = whose._replace(provider="", keys=())
    query = select(attempts.c.provider).where(*_within(anyone)).distinct().order_by(attempts.c.provider)
    return [str(name) for name in connection.execute(query).scalars()]


def models(connection: Connection, whose: Whose) -> list[str]:
    """The provider's names of the models that were asked in that time."""
    query = select(attempts.c.upstream).where(*_within(whose)).distinct().order_by(attempts.c.upstream)
    return [str(name) for name in connection.execute(query).scalars()]


def buckets(connection: Connection, whose: Whose, width: int, *, by_key: bool) -> Iterator[tuple[int, str, str, Sums]]:
    """Start, model, key and sums of each bucket of `width` nanoseconds, in order of time."""
    tried = attempts.c
    key = func.coalesce(tried.key_env, "") if by_key else literal_column("''")
    place = (tried.started_ns // width).label("place")
    answered, free = _answered(), tried.cost_nanousd.is_(None)
    query = (
        select(
            place,
            tried.upstream.label("model"),
            key.label("key_name"),
            func.count().label("rows"),
            _count(answered).label("requests"),
            *[
                func.coalesce(func.sum(tried[f"{name}_tokens"]), 0).label(name)
                for name in ("input", "cache_read", "output")
            ],
            func.coalesce(func.sum(tried.cache_write_tokens + tried.cache_write_1h_tokens), 0).label("cache_write"),
            func.coalesce(func.sum(tried.cost_nanousd), 0).label("nanos"),
            _count(and_(free, answered)).label("unpriced"),
            _count(and_(free, ~answered)).label("unknown"),
            _count(tried.usage_estimated.is_(True)).label("estimated"),
        )
        .where(*_within(whose))
        .group_by(literal_column("place"), tried.upstream, literal_column("key_name"))
        .order_by(literal_column("place"), tried.upstream, literal_column("key_name"))
    )
    for row in connection.execution_options(yield_per=_AT_ONCE).execute(query).mappings():
        yield int(row["place"]) * width, row["model"], row["key_name"], _sums(row)


def one_by_one(connection: Connection, whose: Whose) -> Iterator[One]:
    """Each attempt, by its call's time."""
    tried = attempts.c
    answered, free = _answered(), tried.cost_nanousd.is_(None)
    delivered = and_(tried.number == calls.c.attempts, calls.c.answer_id != "")
    query = (
        select(
            tried.call_id,
            tried.started_ns,
            tried.upstream.label("model"),
            func.coalesce(tried.key_env, "").label("key_name"),
            case((delivered, calls.c.answer_id), else_="").label("answer"),
            literal_column("1").label("rows"),
            case((answered, 1), else_=0).label("requests"),
            *[func.coalesce(tried[f"{name}_tokens"], 0).label(name) for name in ("input", "cache_read", "output")],
            func.coalesce(tried.cache_write_tokens + tried.cache_write_1h_tokens, 0).label("cache_write"),
            tried.cost_nanousd.label("nanos"),
            case((and_(free, answered), 1), else_=0).label("unpriced"),
            case((and_(free, ~answered), 1), else_=0).label("unknown"),
            case((tried.usage_estimated.is_(True), 1), else_=0).label("estimated"),
        )
        .select_from(attempts.join(calls, calls.c.id == tried.call_id))
        .where(*_within(whose), calls.c.id >= id_bound(whose.start - LONGEST_NS))
        .order_by(tried.call_id, tried.number)
    )
    for row in connection.execution_options(yield_per=_AT_ONCE).execute(query).mappings():
        nanos = None if row["nanos"] is None else int(row["nanos"])
        at = int(row["started_ns"])
        yield One(row["call_id"], at, row["model"], row["key_name"], row["answer"], _sums(row), nanos)


def _within(whose: Whose) -> list[ColumnElement[bool]]:
    tried = attempts.c
    found = [
        tried.call_id >= id_bound(whose.start - LONGEST_NS),
        tried.call_id < id_bound(whose.end + _SLACK_NS),
        tried.started_ns >= whose.start,
        tried.started_ns < whose.end,
    ]
    if whose.provider:
        found.append(tried.provider == whose.provider)
    if whose.keys:
        found.append(or_(tried.key_env.is_(None), tried.key_env.in_(whose.keys)))
    return found


def _answered() -> ColumnElement[bool]:
    """Whether it brought an answer, whole or in part: what a provider counts as a request."""
    return or_(attempts.c.error == "", attempts.c.input_tokens.is_not(None))


def _count(which: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.coalesce(func.sum(case((which, 1), else_=0)), 0)


def _sums(row: Any) -> Sums:
    sums = Sums()
    sums.rows, sums.requests = int(row["rows"]), int(row["requests"])
    sums.input, sums.output = int(row["input"]), int(row["output"])
    sums.cache_read, sums.cache_write = int(row["cache_read"]), int(row["cache_write"])
    sums.unpriced, sums.unknown, sums.estimated = int(row["unpriced"]), int(row["unknown"]), int(row["estimated"])
    sums.cost = dollars(int(row["nanos"] or 0))
    return sums
