"""Who of several equals is asked first."""

from __future__ import annotations

from collections import Counter

import pytest

from pointsman.core.clock import SystemDraw
from pointsman.core.failure import Target
from pointsman.core.health import Load
from pointsman.routing.balance import PICKERS, Candidate, Toss, picked


def candidates(number: int = 4, **more) -> list[Candidate]:
    return [Candidate(Target(f"p{place}", "m"), **{k: v[place] for k, v in more.items()}) for place in range(number)]


def firsts(balance: str, given: list[Candidate], times: int = 2000) -> Counter[str]:
    draw = SystemDraw(3)
    return Counter(
        picked(balance, given, Toss(draw, turn, f"session {turn}"))[0].target.provider for turn in range(times)
    )


@pytest.mark.parametrize("balance", PICKERS)
def test_every_balance_orders_all_candidates_and_takes_none_or_one(balance):
    toss = Toss(SystemDraw(1), 5, "s")
    assert picked(balance, [], toss) == []
    for number in (1, 2, 7):
        given = candidates(number)
        assert sorted(picked(balance, given, toss)) == sorted(given)
        assert given == candidates(number), "what was handed in is left alone"


@pytest.mark.parametrize("balance", PICKERS)
def test_the_same_draw_gives_the_same_order(balance):
    orders = [picked(balance, candidates(6), Toss(SystemDraw(9), 4, "s")) for _ in range(2)]
    assert orders[0] == orders[1]


@pytest.mark.parametrize("balance", PICKERS)
def test_the_degraded_come_after_the_well_and_the_open_last(balance):
    given = candidates(4, state=["open", "degraded", "closed", "half_open"])
    for turn in range(50):
        order = [each.state for each in picked(balance, given, Toss(SystemDraw(turn), turn, str(turn)))]
        assert order[2:] == ["degraded", "open"]
        assert set(order[:2]) == {"closed", "half_open"}


@pytest.mark.parametrize("balance", ["round_robin", "shuffle", "weighted", "sticky", "least_busy"])
def test_equals_get_equal_shares(balance):
    shares = firsts(balance, candidates())
    assert all(420 <= shares[f"p{place}"] <= 580 for place in range(4))


def test_round_robin_goes_round():
    draw = SystemDraw(1)
    order = [PICKERS["round_robin"](candidates(3), Toss(draw, turn))[0].target.provider for turn in range(6)]
    assert order == ["p0", "p1", "p2"] * 2


@pytest.mark.parametrize("balance", ["weighted", "sticky"])
def test_shares_follow_the_weights_and_weight_nothing_is_last(balance):
    given = candidates(3, weight=[3.0, 1.0, 0.0])
    shares = firsts(balance, given, 4000)
    assert shares["p0"] / shares["p1"] == pytest.approx(3, rel=0.2)
    assert shares["p2"] == 0
    assert picked(balance, given, Toss(SystemDraw(1)))[-1].weight == 0


def test_the_least_busy_is_asked_and_weight_is_room():
    given = candidates(3, load=[Load(4), Load(1), Load(2)])
    assert set(firsts("least_busy", given, 50)) == {"p1"}
    roomy = candidates(2, load=[Load(4), Load(1)], weight=[10.0, 1.0])
    assert set(firsts("least_busy", roomy, 50)) == {"p0"}


def test_the_fastest_of_two_drawn_is_asked():
    given = candidates(3, load=[Load(0, 0.5), Load(0, 1.0), Load(0, 9.0)])
    shares = firsts("fastest", given, 3000)
    assert shares["p0"] == pytest.approx(2000, abs=150), "in both pairs that it is in"
    assert shares["p1"] == pytest.approx(1000, abs=150)
    assert shares["p2"] == 0
    pair = candidates(2, load=[Load(3, 0.5), Load(0, 1.0)])
    assert set(firsts("fastest", pair, 50)) == {"p1"}, "who is quicker but busy is not the fastest"


def test_whoever_is_unknown_is_tried_but_not_by_all_at_once():
    assert set(firsts("fastest", candidates(2, load=[Load(0, 0.5), Load(0, 0.0)]), 50)) == {"p1"}
    assert set(firsts("fastest", candidates(2, load=[Load(0, 0.5), Load(1, 0.0)]), 50)) == {"p0"}


def test_a_session_stays_and_moves_only_when_its_own_leaves():
    given = candidates(5)
    draw = SystemDraw(1)
    before = {s: picked("sticky", given, Toss(draw, session=f"s{s}")) for s in range(300)}
    for s in range(300):
        assert picked("sticky", list(reversed(given)), Toss(draw, turn=9, session=f"s{s}")) == before[s]
        left = [each for each in given if each.target.provider != "p2"]
        after = picked("sticky", left, Toss(draw, session=f"s{s}"))
        assert after == [each for each in before[s] if each.target.provider != "p2"]
