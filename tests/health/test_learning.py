"""Time limits that follow a target's own past, and slowness."""

from __future__ import annotations

import pytest

from pointsman.core.failure import Target
from pointsman.core.model import TimeLimits

A = Target("acme", "large")
WIDE = TimeLimits(connect=5.0, first_byte=60.0, between_bytes=60.0, total=600.0)


def limits(ward, configured=WIDE, *, stream=True, thinks=False, target=A):
    return ward.book.limits(target, configured, stream=stream, thinks=thinks)


def ask(ward, true: float, *, stream=True, configured=WIDE) -> bool:
    """One attempt at a target whose first token takes so long: whether it was in time. Waits for rests."""
    ward.rest(A)
    limit = limits(ward, configured, stream=stream).first_byte
    if true <= limit:
        ward.attempt(A, None, true, stream=stream, first_token=true)
    else:
        ward.attempt(A, "silent", limit, stream=stream)
    return true <= limit


def test_until_something_is_learned(ward):
    for _ in range(2):
        assert limits(ward) == TimeLimits(connect=5.0, first_byte=10.0, between_bytes=30.0, total=600.0)
        assert limits(ward, thinks=True).first_byte == 60.0
        assert limits(ward, stream=False) == WIDE
        tight = TimeLimits(connect=1.0, first_byte=4.0, between_bytes=3.0, total=9.0)
        assert limits(ward, tight) == limits(ward, tight, thinks=True) == limits(ward, tight, stream=False) == tight
        ward.attempt(A)  # and a target that is known changes nothing


@pytest.mark.parametrize(
    ("samples", "limit"),
    [
        ([0.5] * 20, 5.0),
        ([0.5] * 19, 10.0),
        ([0.01] * 20, 2.0),
        ([0.5] * 126 + [4.0] * 2, 8.0),
        ([0.5] * 127 + [4.0], 5.0),
        ([20.0] * 128, 60.0),
        ([9.0] * 208 + [0.5] * 128, 5.0),
    ],
    ids=["median", "too few", "floor", "tail", "one outlier", "configured", "only the last 128"],
)
def test_the_limit_follows_median_and_tail(ward, samples, limit):
    for sample in samples:
        ward.attempt(A, None, sample, stream=True, first_token=sample)
    assert limits(ward).first_byte == pytest.approx(limit)
    assert limits(ward, stream=False).first_byte == 60.0, "whole answers are another matter"
    assert limits(ward, TimeLimits(first_byte=1.5)).first_byte == 1.5


def test_whole_answers_learn_from_whole_answers(ward):
    for _ in range(20):
        ward.attempt(A, None, 3.0, first_token=3.0)
    assert limits(ward, stream=False).first_byte == pytest.approx(30.0)
    assert limits(ward).first_byte == 10.0


def test_long_whole_answers_among_short_ones_get_the_time_they_need(ward):
    for _ in range(128):
        assert ask(ward, 0.5, stream=False)
    assert limits(ward, stream=False).first_byte == 20.0
    late = sum(not ask(ward, 35.0 if turn % 100 == 0 else 0.5, stream=False) for turn in range(2000))
    assert late <= 1


def test_models_that_think_are_never_given_less_than_unknown_ones(ward):
    for _ in range(40):
        ward.attempt(A, None, 1.0, stream=True, first_token=0.5, widest=0.2)
    assert limits(ward).first_byte == pytest.approx(5.0)
    thinking = limits(ward, thinks=True)
    assert (thinking.first_byte, thinking.between_bytes) == (10.0, 30.0)
    for _ in range(40):
        ward.attempt(A, None, 5.0, stream=True, first_token=4.0, widest=4.0)
    assert limits(ward, thinks=True).first_byte == pytest.approx(40.0)


def test_silence_between_pieces_and_connections_are_learned_with_their_floors(ward):
    for _ in range(20):
        ward.attempt(A, None, 1.0, stream=True, first_token=0.1, widest=0.9, connect=0.04)
    assert limits(ward).between_bytes == pytest.approx(9.0)
    assert limits(ward).connect == 1.0
    assert limits(ward, stream=False).between_bytes == 60.0
    for _ in range(128):
        ward.attempt(A, None, 1.0, stream=True, first_token=0.1, widest=0.01, connect=0.3)
    assert limits(ward).between_bytes == 5.0
    assert limits(ward).connect == pytest.approx(3.0)


def test_a_hanging_provider_cannot_drive_its_limit_up_and_the_limit_comes_back(ward):
    for _ in range(128):
        assert ask(ward, 0.5)
    assert limits(ward).first_byte == pytest.approx(5.0)
    began, tries = ward.now, 0
    while ward.now - began < 1800:  # half an hour of nothing
        assert not ask(ward, 1e9)
        tries += 1
        assert limits(ward).first_byte <= 20.0
    assert 20 <= tries <= 60, "probes, and no hammering"
    assert ask(ward, 0.5)
    assert limits(ward).first_byte <= 10.0
    for _ in range(144):
        assert ask(ward, 0.5)
    assert limits(ward).first_byte == pytest.approx(5.0)


def test_an_outage_that_is_over_does_not_lengthen_the_next(ward):
    for _ in range(128):
        assert ask(ward, 0.5, stream=False)
    for _ in range(8):  # it hangs until it rests, and again when it is asked
        assert not ask(ward, 1e9, stream=False)
    assert limits(ward, stream=False).first_byte == 20.0, "for probes"
    assert ask(ward, 0.5, stream=False)
    assert ask(ward, 0.5, stream=False)
    assert ward.state(A) == "closed"
    assert limits(ward, stream=False).first_byte == 20.0, "for all"


@pytest.mark.parametrize("slower", [0.8, 1.0])
def test_a_model_that_comes_back_slower_is_found_to_be_back(ward, slower):
    for _ in range(128):
        assert ask(ward, 0.5)
    for _ in range(3):
        ward.attempt(A, "server_error")
    began = ward.now
    while ward.state(A) != "closed":
        ward.rest(A)
        given = ward.book.usual(A, 0.95, stream=True) + 0.1  # then another has answered
        if slower <= given:
            ward.attempt(A, None, slower, stream=True, first_token=slower)
        else:
            ward.attempt(A, None, given, stream=True, neutral=True, outpaced=True)
        assert ward.now - began < 3600
    assert ward.now - began > 20, "it was not at once"


def test_what_is_usual_is_told_by_those_that_were_answered(ward):
    for _ in range(64):
        assert ask(ward, 0.5)
    for _ in range(20):
        assert not ask(ward, 1e9)
    assert ward.book.usual(A, 0.95, stream=True) == pytest.approx(0.5)


@pytest.mark.parametrize(("slower", "failures"), [(6.0, 2), (12.0, 8), (19.0, 8)])
def test_a_model_that_has_become_slow_is_learned_again_soon(ward, slower, failures):
    for _ in range(128):
        ask(ward, 0.5)
    late = 0
    while not ask(ward, slower):
        late += 1
        assert late <= failures
    for _ in range(60):
        late += not ask(ward, slower)
    assert late <= failures, "once learned, it stays learned"
    assert limits(ward).first_byte >= 2 * slower


def test_even_a_model_a_hundred_times_as_slow_is_learned_again(ward):
    for _ in range(128):
        ask(ward, 0.5)
    late = 0
    while not ask(ward, 50.0):
        late += 1
        assert late < 70
    assert all(ask(ward, 50.0) for _ in range(64))


def test_a_model_that_is_slow_for_a_third_of_its_calls_gets_the_time_it_needs(ward):
    for _ in range(128):
        ask(ward, 0.5)
    late = sum(not ask(ward, 8.0 if turn % 3 == 0 else 0.5) for turn in range(120))
    assert late <= 4


def test_a_slow_target_that_was_never_quick_is_learned_from_its_timeouts(ward):
    late = 0
    while not ask(ward, 15.0):
        late += 1
        assert late <= 20


def test_a_stall_is_a_sample_of_silence(ward):
    for _ in range(20):
        ward.attempt(A, None, 1.0, stream=True, first_token=0.1, widest=1.0)
    assert limits(ward).between_bytes == pytest.approx(10.0)
    ward.attempt(A, "stalled", 11.0, stream=True, first_token=0.1, widest=10.0)
    assert limits(ward).between_bytes == pytest.approx(20.0)


def test_the_same_limits_are_the_same_object(ward):
    for _ in range(20):
        ward.attempt(A, None, 0.5, stream=True, first_token=0.5)
    assert limits(ward) is limits(ward)
    assert limits(ward, TimeLimits(first_byte=3.0)).first_byte == 3.0
    assert limits(ward).first_byte == pytest.approx(5.0)


def test_a_first_token_three_times_as_late_degrades_until_it_is_usual_again(ward):
    for _ in range(64):
        ward.attempt(A, None, 0.5, stream=True, first_token=0.5)
    for _ in range(16):
        ward.attempt(A, None, 1.3, stream=True, first_token=1.3)
    assert ward.state(A) == "closed"
    for _ in range(16):
        ward.attempt(A, None, 2.0, stream=True, first_token=2.0)
    assert (ward.state(A), ward.told[-1].cause) == ("degraded", "slow")
    for _ in range(16):
        ward.attempt(A, None, 1.3, stream=True, first_token=1.3)
    assert ward.state(A) == "degraded", "not quick enough yet"
    for _ in range(16):
        ward.attempt(A, None, 0.6, stream=True, first_token=0.6)
    assert ward.state(A) == "closed"


def test_whoever_stays_slow_is_slow_for_minutes_and_then_that_is_usual(ward):
    for _ in range(200):
        ward.attempt(A, None, 0.2, stream=True, first_token=0.2)
    began = ward.now
    while ward.state(A) == "closed":
        ward.attempt(A, None, 1.0, stream=True, first_token=1.0)
    assert ward.now - began < 20
    while ward.state(A) == "degraded":
        ward.attempt(A, None, 1.0, stream=True, first_token=1.0)
        assert ward.now - began < 1800
    assert ward.now - began > 120
    for _ in range(200):
        ward.attempt(A, None, 1.0, stream=True, first_token=1.0)
        assert ward.state(A) == "closed"


def test_a_slow_target_that_nobody_asks_gets_another_chance(ward):
    for _ in range(64):
        ward.attempt(A, None, 0.2, stream=True, first_token=0.2)
    for _ in range(16):
        ward.attempt(A, None, 1.0, stream=True, first_token=1.0)
    assert ward.state(A) == "degraded"
    ward.wait(45)
    assert ward.state(A) == "degraded"
    ward.wait(30)
    assert ward.state(A) == "closed"


def test_long_whole_answers_do_not_make_a_target_slow(ward):
    for took in (0.5,) * 64 + (20.0,) * 32:
        ward.attempt(A, None, took, first_token=took)
    assert ward.state(A) == "closed"


def test_who_was_called_off_after_more_than_the_usual_time_is_part_of_what_is_usual(ward):
    quick = [0.01 * number for number in range(1, 21)]
    for sample in quick:
        ward.attempt(A, None, sample, stream=True, first_token=sample)
    assert ward.book.usual(A, 0.95, stream=True) == pytest.approx(0.19)
    for _ in range(20):
        ward.attempt(A, None, 0.05, neutral=True, outpaced=True, stream=True)
        ward.attempt(A, None, 0.5, neutral=True, stream=True)  # a caller who left
    assert ward.book.usual(A, 0.95, stream=True) == pytest.approx(0.19), "had it had more time, it might have been slow"
    for _ in range(2):
        ward.attempt(A, None, 0.3, neutral=True, outpaced=True, stream=True)
    assert ward.book.usual(A, 0.95, stream=True) == pytest.approx(0.3)
    assert ward.state(A) == "closed"
    assert ward.book.usual(A, 0.95, stream=False) is None


def test_who_was_called_off_teaches_nothing_before_anything_is_usual(ward):
    for _ in range(30):
        ward.attempt(A, None, 0.3, neutral=True, outpaced=True, stream=True)
    assert ward.book.usual(A, 0.95, stream=True) is None
