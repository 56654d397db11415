"""How reliable providers were, and how often routes had to do without their first choice: the questions and the sums.

Uptime comes from the record of health, the number of requests from the ledger's attempts. Where nothing was asked and
nothing was down there is no uptime to speak of, and none is claimed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import case, exists, func, literal_column, select
from sqlalchemy.engine import Connection

from pointsman.core.advice import reconsider
from pointsman.core.clock import encode_id
from pointsman.core.errors import Outpaced
from pointsman.core.failure import Target
from pointsman.insight.answers import Failovers, Period, Reliability, Stretch, Uptime
from pointsman.insight.incidents import Event, Incident, begun_in, downtime, incidents, mean_length
from pointsman.store.decisions import StepRecord
from pointsman.store.tables import attempts, calls, health_events, plans

_DAY_NS = 86_400_000_000_000
_BEFORE_NS = 7 * _DAY_NS  # how far back the beginning of an incident is looked for
_MOST_EVENTS = 500_000
_AT_ONCE = 500
_SHARE = 0.10
_LEAST_CALLS = 20
_RANDOM_BITS = 80
_SLACK_NS = 1_000_000_000
_STEPS = msgspec.json.Decoder(tuple[StepRecord, ...])
_Asked = dict[tuple[str, str], dict[int, tuple[int, int]]]
"""Requests and failed ones by provider and model there, and by day."""


class Span(NamedTuple):
    """A stretch of time that ends by `now`; `first` is one that the whole begins with."""

    start: int
    end: int
    now: int
    first: bool


def reliability(connection: Connection, since: int, now: int, by: Period) -> Reliability:
    """Everything since a moment, up to now (nanoseconds since the epoch), in periods of UTC.

    What is not known is not claimed: the time begins with the first request or change that the store knows of.
    """
    events = _events(connection, since - _BEFORE_NS)
    asked, first = _asked(connection, since)
    known = [moment for moment in (first, events[0].at if events else None) if moment is not None]
    routes = tuple(_failovers(connection, since, now))
    since = min(max(since, min(known, default=now)), now)
    down = {target: each for target, each in incidents(events, now).items() if each[-1].until(now) > since}
    spans = (Span(since, now, now, first=True), *spans_of(since, now, by))
    providers = sorted({target.provider for target in down} | {provider for provider, _ in asked})
    return Reliability(
        since=since,
        until=now,
        by=by,
        providers=tuple([_provider(name, down, asked, spans) for name in providers]),
        routes=routes,
    )


def spans_of(since: int, now: int, by: Period) -> list[Span]:
    """The days or months of a stretch; the first and the last may be cut."""
    spans, start = [], since
    while start < now:
        end = min(_next(start, by), now)
        spans.append(Span(start, end, now, first=start == since))
        start = end
    return spans


def _next(moment: int, by: Period) -> int:
    """The beginning of the next day or month."""
    day = moment // _DAY_NS
    if by == "day":
        return (day + 1) * _DAY_NS
    date = dt.date(1970, 1, 1) + dt.timedelta(days=day)
    after = dt.date(date.year + date.month // 12, date.month % 12 + 1, 1)
    return (after - dt.date(1970, 1, 1)).days * _DAY_NS


def _provider(name: str, down: Mapping[Target, list[Incident]], asked: _Asked, spans: tuple[Span, ...]) -> Uptime:
    """One provider with its models. Of a provider it is told apart when all of its models in use were down."""
    models = {target for target in down if target.provider == name and target.upstream}
    named = {target.upstream for target in models}
    models |= {Target(name, upstream) for provider, upstream in asked if provider == name and upstream not in named}

    def one(target: Target, counts: Sequence[Mapping[int, tuple[int, int]]], inner: tuple[Uptime, ...]) -> Uptime:
        total, *periods = [_stretch(down.get(target, ()), counts, span) for span in spans]
        shown = target.upstream or target.provider
        return Uptime(name=shown, key=target.key, total=total, periods=tuple(periods), models=inner)

    inner = tuple([one(target, [asked.get(target[:2], {})], ()) for target in sorted(models)])
    return one(Target(name, ""), [counts for pair, counts in asked.items() if pair[0] == name], inner)


def _stretch(each: Sequence[Incident], counts: Sequence[Mapping[int, tuple[int, int]]], span: Span) -> Stretch:
    start, end, now, first = span
    days = range(start // _DAY_NS, -(-end // _DAY_NS))
    found = [by_day[day] for by_day in counts for day in days if day in by_day]
    requests, failed = sum(one for one, _ in found), sum(one for _, one in found)
    began = begun_in(each, start, end, first=first)
    lost = downtime(each, start, end)
    known = requests or lost or began
    return Stretch(
        start=start,
        length=end - start,
        downtime=lost,
        uptime=1 - lost / (end - start) if known and end > start else None,
        incidents=len(began),
        lasting=sum(1 for one in began if one.end is None),
        recovery=mean_length(began, now),
        requests=requests,
        failed=failed,
    )


def _events(connection: Connection, since: int) -> list[Event]:
    row = health_events.c
    columns = (row.at_ns, row.node, row.provider, row.upstream, row.key_env, row.state_after, row.cause)
    query = select(*columns).where(row.id >= _first_id(since)).order_by(row.id.desc()).limit(_MOST_EVENTS)
    found = connection.execute(query).all()[::-1]
    return [Event(at, node, Target(*target), after, cause) for at, node, *target, after, cause in found]


def _asked(connection: Connection, since: int) -> tuple[_Asked, int | None]:
    """Requests by provider, model and day, and when the first one was."""
    row = attempts.c
    day = (row.started_ns // _DAY_NS).label("day")
    failed = func.sum(case((row.error != "", 1), else_=0))
    query = (
        select(row.provider, row.upstream, day, func.count(), failed, func.min(row.started_ns))
        .where(row.call_id >= _first_id(since - _SLACK_NS), row.started_ns >= since)
        .group_by(row.provider, row.upstream, literal_column("day"))
    )
    found: _Asked = {}
    first: int | None = None
    for provider, upstream, number, count, bad, earliest in connection.execute(query):
        found.setdefault((provider, upstream), {})[int(number)] = (int(count), int(bad))
        first = earliest if first is None else min(first, earliest)
    return found, first


def _failovers(connection: Connection, since: int, now: int) -> list[Failovers]:
    """Routes, most calls first. Calls that nobody was asked for, that were refused or left, or our own do not count."""
    row = calls.c
    failed = exists().where(attempts.c.call_id == row.id, attempts.c.error.not_in(("", Outpaced.code)))
    again = case((row.attempts == 1, "once"), (failed, "failed"), else_="hedged").label("again")
    query = (
        select(row.route, row.plan_digest, row.model, again, func.count())
        .where(row.id >= _first_id(since - _SLACK_NS), row.started_ns >= since)
        .where(row.status.in_(("ok", "failed", "stale")), row.attempts > 0, row.plan_digest.is_not(None))
        .where(row.surface != "check")
        .group_by(row.route, row.plan_digest, row.model, literal_column("again"))
    )
    groups = connection.execute(query).all()
    firsts = _firsts(connection, sorted({digest for _, digest, *_ in groups}))
    routes: dict[str, _Count] = {}
    for route, digest, model, more, count in groups:
        first = firsts.get(digest, "")
        left = more == "failed" or (more == "once" and model not in ("", first))
        routes.setdefault(route, _Count()).add(int(count), first if left else None)
    length = _length(now - since)
    return [routes[name].told(name, length) for name in sorted(routes, key=lambda name: (-routes[name].calls, name))]


def _firsts(connection: Connection, digests: Sequence[str]) -> dict[str, str]:
    """The model that each plan would begin with if all were well."""
    found = {}
    for start in range(0, len(digests), _AT_ONCE):
        query = select(plans.c.digest, plans.c.steps).where(plans.c.digest.in_(digests[start : start + _AT_ONCE]))
        for digest, steps in connection.execute(query):
            known = _STEPS.decode(steps)
            found[digest] = next((step.model for step in known if step.preferred), known[0].model)
    return found


class _Count:
    """The calls of one route; `left` has the failovers by the model that they left."""

    def __init__(self) -> None:
        self.calls = 0
        self.left: dict[str, int] = {}

    def add(self, count: int, left: str | None) -> None:
        self.calls += count
        if left is not None:
            self.left[left] = self.left.get(left, 0) + count

    def told(self, route: str, length: str) -> Failovers:
        failovers = sum(self.left.values())
        primary = max(self.left, key=lambda model: self.left[model], default="")
        share = failovers / self.calls
        due = self.calls >= _LEAST_CALLS and share >= _SHARE
        return Failovers(
            route=route,
            calls=self.calls,
            failovers=failovers,
            share=share,
            primary=primary,
            advice=reconsider(route, primary, failovers, self.calls, f"in the last {length}") if due else "",
        )


def _length(duration: int) -> str:
    days = round(duration / _DAY_NS)
    return f"{days} days" if days > 1 else f"{max(1, round(duration / 3_600_000_000_000))} hours"


def _first_id(moment: int) -> str:
    """The smallest id of a moment: where to begin in the primary key."""
    return encode_id((max(0, moment) // 1_000_000) << _RANDOM_BITS)
