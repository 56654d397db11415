"""Totals, percentiles and series.

The database adds up and hands over few rows. A driver lets go of the interpreter lock for every row that it fetches,
and behind a busy event loop each taking back can wait milliseconds; so even the samples for percentiles come as one
text per group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, get_args

from sqlalchemy import ColumnElement, Text, case, cast, func, literal, literal_column, select
from sqlalchemy.engine import Connection, RowMapping

from pointsman.core.clock import encode_id
from pointsman.core.outcome import Status
from pointsman.insight.answers import Bucket, Conformance, Latency, ModelUse, Sums, Totals
from pointsman.store.tables import attempts, calls

_RANDOM_BITS = 80
_SLACK_NS = 1_000_000_000  # an id is made a little before its call's time is noted
SAMPLE = 20_000
"""Percentiles stand on at most this many of the newest answered calls."""

_STATUSES: tuple[str, ...] = get_args(Status)
_NAMES = ("route", "model", "provider")
_THEIRS = calls.c.surface != "check"
"""Calls of callers. The gateway's own cost money, which counts, but nobody waited for them."""
_UNREAD = (calls.c.surface == "passthrough") & (
    select(literal(1)).where(attempts.c.call_id == calls.c.id, attempts.c.cost_nanousd.is_(None)).exists()
)
UNPRICED = calls.c.cost_nanousd.is_(None) & ((calls.c.status == "ok") | calls.c.input_tokens.is_not(None) | _UNREAD)
"""Calls whose money is in no sum: also those that were cancelled or stand on a failure after tokens were used, or that
were passed through, where nobody sees whether any were."""
_MANY = calls.c.cost_nanousd.is_not(None) & (calls.c.attempts > 1)
_THEIR_ATTEMPTS = attempts.c.usage_estimated.is_(True) & (attempts.c.call_id == calls.c.id)
"""Estimated ones; a call's own mark is that of its answer alone, and those that lost a race are in its cost too."""
ESTIMATED_COST = case(
    (_MANY, select(func.coalesce(func.sum(attempts.c.cost_nanousd), 0)).where(_THEIR_ATTEMPTS).scalar_subquery()),
    (calls.c.usage_estimated.is_(True), func.coalesce(calls.c.cost_nanousd, 0)),
    else_=0,
)
"""Nano-dollars of a call's cost that stand on tokens counted by us, whichever of its attempts they are of."""
_ESTIMATED = case(
    (calls.c.usage_estimated.is_(True), 1),
    (_MANY, case((select(literal(1)).where(_THEIR_ATTEMPTS, attempts.c.cost_nanousd > 0).exists(), 1), else_=0)),
    else_=0,
)
Where = Sequence[ColumnElement[bool]]


def totals(connection: Connection, since: int, where: Where) -> Totals:
    """Sums and percentiles over all calls that meet `where`."""
    groups = list(connection.execute(_sums_query(where)).mappings())
    samples = list(connection.execute(_sample_query(where)).mappings())

    def by(name: str) -> dict[str, Sums]:
        kinds = sorted({row[name] for row in groups} - {""})
        found = {kind: _sums(groups, samples, lambda row, kind=kind: row[name] == kind) for kind in kinds}  # type: ignore[misc]
        return dict(sorted(found.items(), key=lambda item: -item[1].calls))

    return Totals(
        since=since,
        all=_sums(groups, samples, lambda _: True),
        by_model=by("model"),
        by_provider=by("provider"),
        by_route=by("route"),
    )


def series(connection: Connection, span: tuple[int, int], buckets: int, where: Where) -> list[Bucket]:
    """Calls, tokens and cost in equal stretches of `span` (nanoseconds since the epoch)."""
    since, until = span
    width = max(1, -(-(until - since) // buckets))
    place = ((calls.c.started_ns - since) // width).label("place")
    query = (
        select(
            place,
            func.sum(case((_THEIRS, 1), else_=0)).label("calls"),
            func.sum(case((_THEIRS & (calls.c.status == "ok"), 1), else_=0)).label("ok"),
            func.sum(case((_THEIRS & (calls.c.status == "failed"), 1), else_=0)).label("failed"),
            func.coalesce(func.sum(calls.c.input_tokens + calls.c.output_tokens), 0).label("tokens"),
            func.coalesce(func.sum(calls.c.cost_nanousd), 0).label("cost"),
            func.sum(case((UNPRICED, 1), else_=0)).label("unpriced"),
        )
        .where(*where)
        .group_by(literal_column("place"))
    )
    found = {int(row["place"]): row for row in connection.execute(query).mappings()}
    names = ("calls", "ok", "failed", "tokens", "cost", "unpriced")
    return [
        Bucket(start=since + at * width, **({name: int(found[at][name]) for name in names} if at in found else {}))
        for at in range(buckets)
    ]


def conformance(connection: Connection, where: Where) -> list[Conformance]:
    """By model, most answers first; `where` is about the calls, and may be empty."""
    tried, fits = attempts.c, case((attempts.c.form == "ok", 1), else_=0)
    query = (
        select(
            tried.model,
            func.count().label("asked"),
            func.sum(fits).label("ok"),
            func.min(tried.started_ns).label("since"),
        )
        .where(tried.form.is_not(None))
        .group_by(tried.model)
    )
    if where:  # an index answers the question about everybody's alone
        query = query.join_from(attempts, calls, calls.c.id == tried.call_id).where(*where)
    rows = [
        (row["model"], int(row["asked"]), int(row["ok"]), row["since"]) for row in connection.execute(query).mappings()
    ]
    return [
        Conformance(model=model, asked=asked, ok=ok, share=ok / asked, since=since)
        for model, asked, ok, since in sorted(rows, key=lambda row: (-row[1], row[0]))
    ]


def model_uses(connection: Connection, since: int, names: Sequence[str]) -> dict[str, ModelUse]:
    """What attempts on these models used since a moment (nanoseconds since the epoch); none where nobody asked one."""
    tried = attempts.c
    query = (
        select(
            tried.model,
            func.count().label("attempts"),
            func.coalesce(func.sum(tried.input_tokens), 0).label("input"),
            func.coalesce(func.sum(tried.output_tokens), 0).label("output"),
            func.coalesce(func.sum(tried.cost_nanousd), 0).label("cost"),
            func.min(tried.started_ns).label("first"),
        )
        .where(tried.call_id >= first_id(since), tried.started_ns >= since, tried.model.in_(names))
        .group_by(tried.model)
    )
    numbers = ("attempts", "input", "output", "cost", "first")
    return {
        row["model"]: ModelUse(model=row["model"], **{name: int(row[name]) for name in numbers})
        for row in connection.execute(query).mappings()
    }


def first_id(since: int) -> str:
    """The first id that a call of this moment (nanoseconds since the epoch) can have, with some slack."""
    return encode_id((max(0, since - _SLACK_NS) // 1_000_000) << _RANDOM_BITS)


def percentile(values: Sequence[int], share: float) -> int | None:
    """The smallest value that at least `share` of the sorted values do not exceed."""
    if not values:
        return None
    return values[max(0, -(-int(len(values) * share * 1000) // 1000) - 1)]


def _sums_query(where: Where) -> Any:
    columns = {
        "calls": func.sum(case((_THEIRS, 1), else_=0)),
        **{status: func.sum(case((_THEIRS & (calls.c.status == status), 1), else_=0)) for status in _STATUSES},
        "input_tokens": func.coalesce(func.sum(calls.c.input_tokens), 0),
        "cached_tokens": func.coalesce(func.sum(calls.c.cache_read_tokens), 0),
        "output_tokens": func.coalesce(func.sum(calls.c.output_tokens), 0),
        "reasoning_tokens": func.coalesce(func.sum(calls.c.reasoning_tokens), 0),
        "cost": func.coalesce(func.sum(calls.c.cost_nanousd), 0),
        "unpriced": func.sum(case((UNPRICED, 1), else_=0)),
        "estimated": func.sum(_ESTIMATED),
        "estimated_cost": func.sum(ESTIMATED_COST),
        "attempts": func.sum(calls.c.attempts),
    }
    names = [calls.c[name] for name in _NAMES]
    return select(*names, *[column.label(name) for name, column in columns.items()]).where(*where).group_by(*names)


def _sample_query(where: Where) -> Any:
    newest = (
        select(*[calls.c[name] for name in _NAMES], calls.c.duration_ns, calls.c.first_byte_ns)
        .where(*where, calls.c.status == "ok", _THEIRS)
        .order_by(calls.c.id.desc())
        .limit(SAMPLE)
        .subquery()
    )
    names = [newest.c[name] for name in _NAMES]
    return select(*names, _joined(newest.c.duration_ns), _joined(newest.c.first_byte_ns)).group_by(*names)


def _joined(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.aggregate_strings(cast(column, Text), ",").label(str(column.key))


def _sums(groups: Iterable[RowMapping], samples: Iterable[RowMapping], belongs: Callable[[RowMapping], bool]) -> Sums:
    mine = [row for row in groups if belongs(row)]
    sampled = [row for row in samples if belongs(row)]
    added = {
        name: sum(int(row[name]) for row in mine)
        for name in Sums.__struct_fields__
        if name not in ("duration", "first_byte")
    }
    return Sums(**added, duration=_latency(sampled, "duration_ns"), first_byte=_latency(sampled, "first_byte_ns"))


def _latency(samples: Iterable[RowMapping], name: str) -> Latency:
    values = sorted(int(text) for row in samples if row[name] for text in row[name].split(","))
    return Latency(calls=len(values), p50=percentile(values, 0.5), p95=percentile(values, 0.95))
