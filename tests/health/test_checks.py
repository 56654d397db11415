"""Checks of ours: when they are due, and what they change for those who rest."""

from __future__ import annotations

import itertools
import random

import pytest

from pointsman.core.failure import Target
from pointsman.core.model import HealthCheck
from pointsman.health.checkup import Checkup
from pointsman.health.rounds import LEAST, Rounds, holds

SECOND = 1_000_000_000
ONE, TWO = Target("p", "m"), Target("p", "n")
CHECK = HealthCheck(interval=10.0, timeout=2.0)
HOLD = holds(CHECK)


def fail(ward, failure="server_error", target=ONE, times=3, **more) -> None:
    for _ in range(times):
        ward.attempt(target, failure, **more)


def passed(ward, *targets: Target, key_taken: bool = True) -> None:
    Checkup(ward.book).passed(targets or (ONE,), ward.nanos, key_taken=key_taken)


def failed(ward, failure, *targets: Target, counts: bool = False) -> None:
    Checkup(ward.book).failed(targets or (ONE,), failure, ward.nanos, ward.nanos, hold=HOLD, counts=counts)


@pytest.mark.parametrize("failure", ["server_error", "silent", "no_connection"])
def test_a_check_that_goes_well_lets_a_call_ask_again_at_once(ward, failure):
    fail(ward, failure)
    assert ward.begin(ONE) > 3
    assert Checkup(ward.book).disprovable(ONE, ward.nanos)
    passed(ward)
    assert ward.state(ONE) == "half_open"
    ward.attempt(ONE)
    assert ward.state(ONE) == "closed"
    assert "a check of it went well" in ward.told[-2].why


def test_who_checks_well_and_answers_ill_is_not_believed_again(ward):
    fail(ward)
    passed(ward)
    ward.attempt(ONE, "server_error")
    assert ward.state(ONE) == "open"
    assert not Checkup(ward.book).disprovable(ONE, ward.nanos), "another check would say nothing"
    passed(ward)
    assert ward.state(ONE) == "open"
    ward.rest(ONE)
    ward.attempt(ONE)
    assert ward.state(ONE) == "closed"
    fail(ward)
    passed(ward)
    assert ward.state(ONE) == "half_open", "it has answered since"


@pytest.mark.parametrize("failure", ["rate_limited", "model_gone", "out_of_credit"])
def test_what_a_check_cannot_know_it_does_not_end(ward, failure):
    ward.attempt(ONE, failure, retry_after=60.0)
    assert not Checkup(ward.book).disprovable(ONE, ward.nanos)
    assert not Checkup(ward.book).askable(ONE, ward.nanos)
    passed(ward)
    assert ward.state(ONE) == "open"


def test_a_key_that_is_taken_again_is_used_again(ward):
    ward.attempt(ONE, "bad_key")
    ward.wait(20)
    passed(ward, key_taken=False)
    assert ward.state(ONE) == "open"
    passed(ward)
    assert ward.state(ONE) == "half_open"


@pytest.mark.parametrize("failure", ["server_error", "no_connection"])
def test_while_checks_fail_no_call_has_to_find_out(ward, failure):
    fail(ward, failure)
    ward.wait(2.4)
    for _ in range(12):
        ward.wait(CHECK.interval * 1.2 if ward.now > 5 else 0)
        assert ward.state(ONE) == "open"
        failed(ward, "no_connection")
    passed(ward)
    assert ward.state(ONE) == "half_open"


def test_without_further_checks_the_rest_ends_all_the_same(ward):
    fail(ward)
    failed(ward, "silent")
    assert ward.rest(ONE) <= 30


def test_a_failed_check_of_who_is_half_open_makes_it_rest_again(ward):
    fail(ward)
    ward.rest(ONE)
    assert ward.state(ONE) == "half_open"
    failed(ward, "overloaded")
    assert ward.state(ONE) == "open"


def test_a_failed_check_does_not_judge_before_the_call_that_is_finding_out(ward):
    fail(ward)
    ward.rest(ONE)
    assert ward.begin(ONE) == 0.0
    assert not Checkup(ward.book).disprovable(ONE, ward.nanos)
    failed(ward, "overloaded")
    assert ward.state(ONE) == "half_open"
    ward.end(ONE)
    assert ward.state(ONE) == "closed"


def test_of_those_who_are_well_only_a_check_that_is_made_always_counts(ward):
    ward.attempt(ONE)
    for _ in range(5):
        failed(ward, "no_connection", ONE, TWO)
    assert ward.state(ONE) == "closed"
    for _ in range(2):
        failed(ward, "no_connection", ONE, TWO, counts=True)
    assert ward.state(ONE) == "closed", "one failure for each check, however many models"
    failed(ward, "no_connection", ONE, TWO, counts=True)
    assert (ward.state(ONE), ward.state(TWO)) == ("open", "open")
    failed(ward, "bad_key", Target("q", "m"), counts=True)
    assert ward.state(Target("q", "m")) == "open"


def test_a_check_between_failures_to_connect_shows_that_it_can_be_reached(ward):
    ward.attempt(ONE)
    for _ in range(5):
        failed(ward, "no_connection", counts=True)
        passed(ward)
    assert ward.state(ONE) == "closed"


def due(rounds: Rounds, until: float, *, rests=lambda _: True, check=CHECK, took: float = 0.0) -> list[float]:
    """When checks begin, looked at twice a second."""
    begun, ends = [], None
    for step in range(int(until * 2)):
        now = step / 2
        if ends is not None and now >= ends:
            rounds.over("p")
            ends = None
        if rounds.due("p", check, int(now * SECOND), rests=rests(now)):
            begun.append(now)
            ends = now + took
    return begun


def test_the_first_check_comes_soon_and_the_others_at_their_interval():
    begun = due(Rounds(random.Random(1)), 300)
    assert 1.5 <= begun[0] <= 3.0
    gaps = [later - before for before, later in itertools.pairwise(begun)]
    assert all(8.0 <= gap <= 12.5 for gap in gaps)
    assert len(set(gaps)) > 3, "with jitter"


def test_never_two_at_once_nor_more_often_than_every_five_seconds():
    assert len(due(Rounds(random.Random(2)), 100, took=1000.0)) == 1
    often = other(interval=5.0)
    begun = due(Rounds(random.Random(3)), 300, check=often, rests=lambda now: int(now) % 2 == 0)
    assert min(later - before for before, later in itertools.pairwise(begun)) >= LEAST


def test_who_is_well_is_checked_only_where_that_is_wanted():
    assert due(Rounds(random.Random(4)), 100, rests=lambda _: False) == []
    always = other(when="always")
    assert 8 <= len(due(Rounds(random.Random(4)), 100, rests=lambda _: False, check=always)) <= 12
    begun = due(Rounds(random.Random(5)), 100, rests=lambda now: now >= 50)
    assert 51.5 <= begun[0] <= 53.0


def other(**more) -> HealthCheck:
    return HealthCheck(**{"interval": 10.0, "timeout": 2.0, **more})
