"""Incidents, uptime and failovers: from the rows of a ledger, on both engines, and from made-up events alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import pairwise
from types import ModuleType

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.clock import SystemClock, SystemIds
from pointsman.core.failure import State, Target
from pointsman.core.health import Cause, Transition
from pointsman.insight.answers import Uptime, to_json
from pointsman.insight.incidents import SILENCE_NS, Event, Incident, begun_in, downtime, incidents, mean_length
from pointsman.insight.queries import Questions
from pointsman.insight.reliability import spans_of
from pointsman.store.health_record import HealthRecord
from pointsman.store.ledger import Ledger

S = 1_000_000_000
MINUTE, HOUR, DAY = 60 * S, 3_600 * S, 86_400 * S
NOON = int(dt.datetime(2026, 10, 15, 12, tzinfo=dt.UTC).timestamp()) * S
LAB, SMALL, LARGE = Target("lab", ""), Target("lab", "small-1"), Target("lab", "large-1")


class Past:
    """A ledger that is filled with what has been."""

    def __init__(self, url: str, make: ModuleType) -> None:
        self.ledger = Ledger(url, SystemClock())
        self.ledger.start()
        self.make = make
        self.questions = Questions(url)
        self._logs: dict[str, HealthRecord] = {}

    def turn(self, at: int, after: State, target: Target = LAB, node: str = "n", cause: Cause = "") -> None:
        log = self._logs.setdefault(node, HealthRecord(self.ledger.note, SystemIds(), node))
        log.hear(Transition(target=target, before="closed", after=after, at=at, why="503", cause=cause))

    def down(self, start: int, end: int, target: Target = LAB, node: str = "n") -> None:
        self.turn(start, "open", target, node)
        for at in range(start + 5 * MINUTE, end, 5 * MINUTE):
            self._logs[node].tick(at)
        self.turn(end, "closed", target, node)

    def ask(self, at: int, upstream: str = "small-1", error: str = "", provider: str = "lab") -> None:
        attempt = self.make.attempt(provider=provider, upstream=upstream, started=at, error=error)
        status = "failed" if error else "ok"
        self.ledger.record(self.make.outcome(now=at, attempts=(attempt,), status=status))

    def answer(self, since: int, now: int, by: str = "day"):
        assert self.ledger.flush(20)
        return self.questions.reliability(since, now, by)

    def close(self) -> None:
        assert self.ledger.close()
        self.questions.close()


@pytest.fixture
def past(store_url: str, make: ModuleType) -> Iterator[Past]:
    made = Past(store_url, make)
    yield made
    made.close()


def named(found: tuple[Uptime, ...], name: str) -> Uptime:
    return next(one for one in found if one.name == name)


def test_uptime_incidents_and_recovery_of_a_provider(past: Past) -> None:
    since, now = NOON - 10 * DAY, NOON
    past.ask(since)
    past.down(NOON - 5 * DAY, NOON - 5 * DAY + 20 * MINUTE)
    past.down(NOON - 4 * DAY, NOON - 4 * DAY + 40 * MINUTE)
    past.ask(NOON - 4 * DAY, error="upstream_refused")
    found = past.answer(since, now)
    lab = named(found.providers, "lab").total
    assert (lab.incidents, lab.lasting, lab.downtime, lab.recovery) == (2, 0, HOUR, 30 * MINUTE)
    assert lab.uptime == pytest.approx(1 - 1 / 240)
    assert (lab.requests, lab.failed) == (2, 1)
    assert (lab.start, lab.length) == (since, 10 * DAY)


def test_an_incident_that_lasts_counts_up_to_now(past: Past) -> None:
    past.ask(NOON - DAY)
    past.turn(NOON - 10 * MINUTE, "open")
    past.turn(NOON - 5 * MINUTE, "half_open")
    past.turn(NOON - 5 * MINUTE + S, "open")
    lab = named(past.answer(NOON - DAY, NOON).providers, "lab").total
    assert (lab.incidents, lab.lasting, lab.downtime, lab.recovery) == (1, 1, 10 * MINUTE, 10 * MINUTE)


def test_an_incident_whose_process_died_ends_with_its_last_word(past: Past) -> None:
    past.ask(NOON - DAY)
    past.turn(NOON - 6 * HOUR, "open", node="killed")
    past._logs["killed"].tick(NOON - 6 * HOUR + 5 * MINUTE)
    past.ask(NOON - 5 * HOUR)
    lab = named(past.answer(NOON - DAY, NOON).providers, "lab").total
    assert (lab.incidents, lab.lasting, lab.downtime) == (1, 0, 5 * MINUTE)


def test_what_several_processes_see_at_once_is_one_incident(past: Past) -> None:
    past.ask(NOON - DAY)
    past.down(NOON - HOUR, NOON - 40 * MINUTE, node="a")
    past.down(NOON - 50 * MINUTE, NOON - 30 * MINUTE, node="b")
    lab = named(past.answer(NOON - DAY, NOON).providers, "lab").total
    assert (lab.incidents, lab.downtime) == (1, 30 * MINUTE)


def test_a_model_that_is_down_does_not_take_its_provider_down(past: Past) -> None:
    past.ask(NOON - HOUR)
    past.ask(NOON - HOUR, "large-1")
    past.down(NOON - 30 * MINUTE, NOON - 20 * MINUTE, SMALL)
    lab = named(past.answer(NOON - HOUR, NOON).providers, "lab")
    assert (lab.total.incidents, lab.total.uptime) == (0, 1.0)
    assert (named(lab.models, "small-1").total.incidents, named(lab.models, "large-1").total.incidents) == (1, 0)
    assert named(lab.models, "small-1").total.downtime == 10 * MINUTE


def test_a_pause_that_a_provider_asks_for_is_no_incident(past: Past) -> None:
    past.ask(NOON - HOUR)
    past.turn(NOON - 30 * MINUTE, "open", cause="pause")
    past.turn(NOON - 29 * MINUTE, "half_open", cause="time")
    past.turn(NOON - 28 * MINUTE, "closed", cause="answered")
    lab = named(past.answer(NOON - HOUR, NOON).providers, "lab").total
    assert (lab.incidents, lab.downtime, lab.uptime) == (0, 0, 1.0)


def test_by_day_each_incident_counts_once_and_its_time_where_it_was(past: Past) -> None:
    midnight = NOON - NOON % DAY
    past.ask(NOON - 2 * DAY)
    past.down(midnight - HOUR, midnight + 2 * HOUR)
    lab = named(past.answer(NOON - 2 * DAY, NOON).providers, "lab")
    assert [(one.incidents, one.downtime // HOUR) for one in lab.periods] == [(0, 0), (1, 1), (0, 2)]
    assert [one.length // HOUR for one in lab.periods] == [12, 24, 12]
    assert lab.periods[2].uptime == pytest.approx(1 - 2 / 12)
    assert lab.periods[1].recovery == 3 * HOUR


def test_by_month(past: Past) -> None:
    past.ask(NOON - 40 * DAY)
    past.down(NOON - 20 * DAY, NOON - 20 * DAY + HOUR)
    lab = named(past.answer(NOON - 40 * DAY, NOON, "month").providers, "lab")
    assert [(one.incidents, one.requests, one.length // DAY) for one in lab.periods] == [(1, 1, 25), (0, 0, 14)]
    assert lab.periods[1].uptime is None, "nothing was asked in October, and nothing was down"


def test_the_time_begins_with_what_is_known(past: Past) -> None:
    past.ask(NOON - 2 * DAY)
    found = past.answer(NOON - 365 * DAY, NOON)
    assert found.since == NOON - 2 * DAY
    assert len(named(found.providers, "lab").periods) == 3


def test_an_incident_that_was_there_before_counts_from_the_beginning_on(past: Past) -> None:
    past.down(NOON - 2 * DAY, NOON - HOUR)
    past.ask(NOON - DAY)
    lab = named(past.answer(NOON - DAY, NOON).providers, "lab").total
    assert (lab.incidents, lab.downtime, lab.recovery) == (1, 23 * HOUR, 47 * HOUR)


def test_nothing_is_known_of_an_empty_store(past: Past) -> None:
    found = past.answer(NOON - DAY, NOON)
    assert (found.providers, found.routes, found.since) == ((), (), NOON)
    assert msgspec.json.decode(to_json(found))["by"] == "day"


def test_failovers_of_routes_and_the_advice_with_its_numbers(past: Past, make: ModuleType) -> None:
    at = NOON - HOUR
    tried = (make.attempt(1, error="upstream_cut", started=at), make.attempt(2, model="large", started=at))
    fallen = [make.outcome(now=NOON - n, attempts=tried) for n in range(3)]
    around = msgspec.structs.replace(make.PLAN, steps=make.PLAN.steps[::-1], preferred="small")
    skipped = [make.outcome(now=NOON - 5, plan=around, attempts=(make.attempt(model="large", started=at),))]
    lost = [make.outcome(now=NOON - 6, attempts=tried, status="failed")]
    lone = msgspec.structs.replace(make.PLAN, route="lone")
    for one in [
        *fallen,
        *skipped,
        *lost,
        *[make.outcome(now=NOON - 10 - n, attempts=(make.attempt(started=at),)) for n in range(45)],
        make.outcome(now=NOON - 100, status="refused", attempts=tried),
        make.outcome(now=NOON - 101, status="cancelled", attempts=tried),
        make.outcome(now=NOON - 2 * DAY, attempts=tried),
        make.outcome(now=NOON - 102, plan=lone, attempts=tried),
        make.outcome(now=NOON - 103, plan=None, attempts=()),
    ]:
        past.ledger.record(one)
    auto, other = past.answer(NOON - DAY, NOON).routes
    assert (auto.route, auto.calls, auto.failovers, auto.share, auto.primary) == ("auto", 50, 5, 0.1, "small")
    assert auto.advice.startswith("failover on 10 % of the calls of route auto in the last ")
    assert auto.advice.endswith("(5 of 50): its primary small should be reconsidered")
    assert (other.route, other.calls, other.failovers, other.advice) == ("lone", 1, 1, "")


def test_the_days_and_months_of_a_stretch_have_no_gap() -> None:
    since = int(dt.datetime(2025, 11, 20, 7, tzinfo=dt.UTC).timestamp()) * S
    for by, count in (("day", 330), ("month", 12)):
        spans = spans_of(since, NOON, by)
        assert len(spans) == count
        assert (spans[0].start, spans[-1].end) == (since, NOON)
        assert all(one.end == other.start for one, other in pairwise(spans))
        assert [span.first for span in spans] == [True] + [False] * (count - 1)
    assert spans_of(NOON, NOON, "day") == []


states = st.sampled_from(["closed", "degraded", "open", "half_open"])
turns = st.lists(st.tuples(st.integers(0, 2_000), st.sampled_from("ab"), states), max_size=60)


@given(turns)
def test_incidents_never_overlap_and_their_time_is_what_somebody_saw(steps: list[tuple[int, str, State]]) -> None:
    """Beside a count second by second: down is whenever one of the processes says so, and has not fallen silent."""
    at, events = 0, []
    for pause, node, state in steps:
        at += pause
        events.append(Event(at * S, node, LAB, state))
    now = at + 10
    found = incidents(events, now * S).get(LAB, [])
    assert all(one.end is not None and one.end < other.start for one, other in pairwise(found))
    seconds: set[int] = set()
    for node in "ab":
        since = last = None
        for event in [*(one for one in events if one.node == node), None]:
            second = None if event is None else event.at // S
            down = event is not None and (event.after == "open" or (event.after == "half_open" and since is not None))
            if down:
                since, last = (second if since is None else since), second
            elif since is not None:
                gone = second is None and now - last > SILENCE_NS // S
                seconds |= set(range(since, last if gone else now if second is None else second))
                since = None
    assert downtime(found, 0, now * S) // S == len(seconds)


def test_a_span_has_what_began_in_it() -> None:
    each = [Incident(10, 20), Incident(30, None)]
    assert begun_in(each, 15, 40, first=True) == each
    assert begun_in(each, 15, 40, first=False) == each[1:]
    assert begun_in(each, 20, 30, first=True) == []
    assert downtime(each, 15, 40) == 15
    assert mean_length(each, 50) == 15
    assert mean_length([], 50) is None
