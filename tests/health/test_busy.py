"""A target that is asked thousands of times a second: its answers are counted, and looked at now and then."""

from __future__ import annotations

from pointsman.core.failure import Target

TARGET = Target("lab", "large")
MILLI = 0.001


def answered(ward, took: float, times: int) -> int:
    """So many answers, one each tenth of a millisecond; returns how many of them needed no second look."""
    passed = 0
    for _ in range(times):
        assert ward.begin(TARGET) == 0.0
        ward.wait(MILLI / 10)
        if ward.book.passed(TARGET, ward.nanos):
            passed += 1
        else:
            ward.end(TARGET, took=took, first_token=took)
    return passed


def test_every_answer_counts_though_few_are_looked_at(ward):
    answered(ward, 0.5, 128)
    assert answered(ward, 0.5, 1_000) > 950
    (standing,) = ward.book.status(ward.nanos)
    assert (standing.attempts, standing.in_flight) == (1_128, 0)


def test_while_there_is_much_to_learn_each_is_looked_at(ward):
    assert answered(ward, 0.5, 100) == 0


def test_a_failure_is_looked_at_and_so_is_what_follows(ward):
    answered(ward, 0.5, 300)
    for _ in range(3):
        ward.attempt(TARGET, "server_error", took=0.0)
    assert ward.state(TARGET) == "open"
    assert not ward.book.passed(TARGET, ward.nanos)


def test_three_failures_among_many_answers_are_no_reason_to_rest(ward):
    for _ in range(3):
        answered(ward, 0.5, 300)
        ward.attempt(TARGET, "server_error", took=0.0)
    assert ward.state(TARGET) == "closed"


def test_what_has_become_slow_is_learned_all_the_same(ward):
    for _ in range(10):
        answered(ward, 0.5, 200)
        ward.wait(0.1)
    before = ward.book.usual(TARGET, 0.5, stream=False)
    for _ in range(300):
        answered(ward, 2.0, 200)
        ward.wait(0.1)
    assert (before, ward.book.usual(TARGET, 0.5, stream=False)) == (0.5, 2.0)


def test_little_left_of_a_budget_makes_each_answer_count(ward):
    answered(ward, 0.5, 200)
    headers = ((b"x-ratelimit-limit-requests", b"100"), (b"x-ratelimit-remaining-requests", b"3"))
    ward.wait(1)
    ward.attempt(TARGET, headers=headers, first_token=0.1)
    assert ward.begin(TARGET) == 0.0
    assert not ward.book.passed(TARGET, ward.nanos)
