from __future__ import annotations

import math

import pytest

from pointsman.testing.spells import Habits, Spell, Timetable, rates, steps, timetables

YEAR = 365 * 86_400.0
THREE = [Habits(name=name, uptime=up) for name, up in (("a", 0.998), ("b", 0.995), ("c", 0.997))]


def down(table: Timetable) -> float:
    return table.total("down") / YEAR


def test_the_same_seed_gives_the_same_year_and_another_seed_another() -> None:
    one, same, other = (timetables(THREE, seed=seed, seconds=YEAR, shared=0.2) for seed in (1, 1, 2))
    assert one["a"].spells == same["a"].spells
    assert one["a"].spells != other["a"].spells


@pytest.mark.parametrize("shared", [0.0, 0.2])
def test_over_many_years_each_is_up_for_the_share_stated(shared: float) -> None:
    years = [timetables(THREE, seed=seed, seconds=YEAR, shared=shared) for seed in range(60)]
    for one in THREE:
        found = sum(down(year[one.name]) for year in years) / len(years)
        assert found == pytest.approx(1 - one.uptime, rel=0.1)


def test_the_stated_share_of_outages_strikes_two_at_the_same_time() -> None:
    edges: dict[tuple[float, float], int] = {}
    for seed in range(40):
        for table in timetables(THREE, seed=seed, seconds=YEAR, shared=0.2).values():
            for spell in table.spells:
                edges[spell.start, spell.end] = edges.get((spell.start, spell.end), 0) + 1
    assert set(edges.values()) == {1, 2}
    assert sum(count == 2 for count in edges.values()) / len(edges) == pytest.approx(0.2, abs=0.03)


def test_independent_outages_meet_as_often_as_chance_has_it() -> None:
    two = [Habits(name="a", uptime=0.97), Habits(name="b", uptime=0.98)]
    both = 0.0
    for seed in range(30):
        for start, end, who in steps(timetables(two, seed=seed, seconds=YEAR), YEAR):
            both += (end - start) * (len(who) == 2)
    assert both / (30 * YEAR) == pytest.approx(0.03 * 0.02, rel=0.2)


def test_brown_outs_and_limits_come_besides_and_outages_hide_them() -> None:
    habits = Habits(name="a", uptime=0.95, slow=0.04, limited=1.0, limited_for=600.0)
    years = [timetables([habits], seed=seed, seconds=YEAR)["a"] for seed in range(12)]
    slow = sum(year.total("slow") for year in years) / (12 * YEAR)
    limited = sum(year.total("limited") for year in years) / (12 * YEAR)
    assert slow == pytest.approx(0.04 * 0.95, rel=0.15)
    assert limited == pytest.approx(600 / 86_400 * 0.95, rel=0.15)
    for year in years:
        ends = [0.0, *(spell.end for spell in year.spells)]
        assert all(spell.start >= before for spell, before in zip(year.spells, ends, strict=False)), "no overlap"


def test_of_overlapping_troubles_the_worst_holds() -> None:
    table = Timetable([Spell(0, 100, "slow"), Spell(10, 40, "limited"), Spell(20, 30, "down", "reset")])
    seen = [
        found.trouble if (found := table.at(moment)) else "" for moment in (0, 9.9, 10, 20, 29.9, 30, 40, 99.9, 100)
    ]
    assert seen == ["slow", "slow", "limited", "down", "down", "limited", "slow", "slow", ""]
    assert table.next_down(5) == Spell(20, 30, "down", "reset")
    assert table.next_down(20) is None


def test_steps_cover_the_time_once() -> None:
    tables = timetables(THREE, seed=3, seconds=YEAR)
    found = list(steps(tables, YEAR))
    assert math.isclose(sum(end - start for start, end, _ in found), YEAR)
    assert all(tables[name].at((start + end) / 2) == spell for start, end, who in found for name, spell in who.items())


def test_what_cannot_be_is_refused() -> None:
    uneven = [Habits(name="good", uptime=0.99999), Habits(name="bad", uptime=0.9)]
    with pytest.raises(ValueError, match="too few of its own"):
        rates(uneven, 0.5)
    with pytest.raises(ValueError, match="an uptime is above 0"):
        timetables([Habits(name="never", uptime=0.0)], seed=1, seconds=1.0)
