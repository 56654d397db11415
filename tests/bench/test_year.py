"""The simulated year, in small: the harness measures what it says, and the line answers while somebody can."""

from __future__ import annotations

import random

import pytest
from bench.lived import able, live
from bench.sampling import Moment, Rates, moments

from pointsman.testing.spells import Habits, Spell, Timetable, timetables

MONTH = 30 * 86_400.0
THREE = [Habits(name=name, uptime=0.97, slow=0.01, limited=1.0) for name in ("p1", "p2", "p3")]


def test_calls_stand_for_the_whole_time_and_come_often_where_something_is_the_matter() -> None:
    tables = timetables(THREE, seed=1, seconds=MONTH)
    rates = Rates()
    found = list(moments(tables, MONTH, random.Random(1), rates))
    assert sum(one.weight for one in found) == pytest.approx(MONTH)
    assert [one.at for one in found] == sorted(one.at for one in found)
    troubled = [one for one in found if any(table.at(one.at) for table in tables.values())]
    assert troubled
    assert max(one.weight for one in troubled) <= 1.5 * rates.one * 1.1
    assert max(one.weight for one in found) > rates.well / 2


def test_weights_estimate_shares_of_time() -> None:
    tables = timetables(THREE, seed=2, seconds=MONTH)
    found = moments(tables, MONTH, random.Random(2), Rates())
    down = sum(one.weight for one in found if (spell := tables["p1"].at(one.at)) and spell.trouble == "down")
    assert down == pytest.approx(tables["p1"].total("down"), rel=0.1)


def test_who_could_have_answered() -> None:
    tables = {"a": Timetable([Spell(10, 20, "down")]), "b": Timetable([Spell(15, 30, "slow")])}
    assert [able(tables, *span) for span in ((0, 5), (5, 12), (12, 18), (25, 28), (12, 12))] == [
        *("well", "well", "slow", "well", "well"),
    ]
    assert able({"a": tables["a"]}, 5, 12) == "nobody"


def test_a_month_of_outages_is_answered_while_somebody_can() -> None:
    habits = [Habits(name=name, uptime=0.99) for name in ("p1", "p2", "p3")]
    tables = timetables(habits, seed=4, seconds=MONTH, shared=0.2)
    rates = Rates(edge=10.0, two=60.0, one=240.0)
    tally = live(tables, moments(tables, MONTH, random.Random(4), rates), seed=4, patience=300.0)
    assert tally.calls > 500
    assert tally.time == pytest.approx(MONTH)
    assert sum(n for (_, trouble), n in tally.requests.items() if trouble == "down") > 10, "there were outages"
    assert (tally.broken, tally.left_open) == (0, 0)
    assert tally.answered / tally.time > 0.9998


def test_the_same_seed_gives_the_same_month() -> None:
    habits = [Habits(name=name, uptime=0.9) for name in ("p1", "p2")]
    tables = timetables(habits, seed=5, seconds=MONTH / 60)
    calls = list(moments(tables, MONTH / 60, random.Random(5), Rates(one=300.0)))
    assert live(tables, calls, seed=5, patience=60.0) == live(tables, calls, seed=5, patience=60.0)


def test_a_call_that_nobody_answers_is_counted_with_its_reason() -> None:
    tables = {name: Timetable([Spell(0, 3600, "down", "refused")]) for name in ("p1", "p2")}
    tally = live(tables, [Moment(10.0, 2.0), Moment(4000.0, 6.0)], seed=1, patience=60.0, remembers=False)
    assert (tally.calls, tally.time, tally.answered) == (2, 8.0, 6.0)
    assert dict(tally.lost) == {("nobody", "all_attempts_failed"): 2.0}


def test_a_caller_who_gives_up_is_lost() -> None:
    tables = {"p1": Timetable([Spell(0, 3600, "down", "silent")]), "p2": Timetable([])}
    tally = live(tables, [Moment(10.0, 2.0)], seed=1, patience=5.0, remembers=False)
    assert dict(tally.lost) == {("well", "gave up waiting"): 2.0}
    assert tally.examples[0].troubles["p2"] == "well"
    assert dict(tally.troubles) == {"well, streamed: silent, well": 2.0}


@pytest.mark.parametrize("tools", [False, True])
def test_while_a_provider_hangs_few_callers_wait_and_none_for_long(*, tools: bool) -> None:
    tables = {"p1": Timetable([Spell(3600, 7200, "down", "silent")]), "p2": Timetable([])}
    calls = [Moment(5.0 * number, 5.0) for number in range(1, 2160)]
    tally = live(tables, calls, seed=1, patience=60.0, tools=tools)
    assert tally.answered == tally.time
    assert tally.late < 360, "not one call in ten waits more than ten seconds"
    assert tally.longest < 40, "as those that were under way before its breaker opened"
    assert len(tally.back) == 1
    assert tally.back[0] < 30, "its first choice again within a rest and a call"
    assert tally.requests["p1", "down"] < 250, "three probes a minute"
