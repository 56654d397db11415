"""Nobody else is left: who rests because it failed is asked before its time."""

from __future__ import annotations

import random

import pytest

from pointsman.core.failure import Target
from pointsman.core.health import AttemptEnd
from pointsman.health.book import Book

SECOND = 1_000_000_000
ONE = Target("p", "m")


@pytest.fixture
def book() -> Book:
    """`ONE` has failed three times at second 10."""
    made = Book(random.Random(3), lambda: 0)
    for _ in range(3):
        assert made.begin(ONE, 10 * SECOND) == 0
        made.end(ONE, AttemptEnd(failure="server_error"), 10 * SECOND)
    assert made.begin(ONE, 10 * SECOND) > 3
    return made


def test_one_call_at_a_time_and_its_success_ends_the_rest(book):
    now = 11 * SECOND
    assert book.begin(ONE, now, anyway=True) == 0
    assert book.begin(ONE, now, anyway=True) > 0, "one at a time"
    assert book.begin(ONE, now) > 0
    book.end(ONE, AttemptEnd(duration=SECOND // 10), now + SECOND // 10)
    assert book.begin(ONE, now + SECOND // 10) == 0
    assert not book.states(now + SECOND // 10)


def test_its_failure_makes_the_rest_no_longer_and_the_next_comes_soon(book):
    now = 11 * SECOND
    rest = book.begin(ONE, now)
    assert book.begin(ONE, now, anyway=True) == 0
    book.end(ONE, AttemptEnd(failure="reset"), now)
    assert book.begin(ONE, now) == rest
    assert book.begin(ONE, now, anyway=True) > 0, "not at once"
    assert book.begin(ONE, now + SECOND // 4, anyway=True) == 0


def test_a_stream_that_begins_ends_the_rest_too(book):
    now = 11 * SECOND
    assert book.begin(ONE, now, anyway=True) == 0
    book.heard(ONE, now, now + SECOND)
    assert book.begin(ONE, now + SECOND) == 0


@pytest.mark.parametrize("failure", ["rate_limited", "bad_key", "forbidden"])
def test_who_asked_for_rest_or_does_not_take_us_is_left_alone(failure):
    made = Book(random.Random(3), lambda: 0)
    made.begin(ONE, SECOND)
    made.end(ONE, AttemptEnd(failure=failure, retry_after=30.0), SECOND)
    assert made.begin(ONE, 5 * SECOND, anyway=True) > 0


@pytest.mark.parametrize("rested", [False, True])
def test_one_that_hangs_does_not_shut_out_the_others(book, rested):
    now = (11 + 10 * rested) * SECOND
    assert bool(book.begin(ONE, now)) is not rested
    if not rested:
        assert book.begin(ONE, now, anyway=True) == 0
    assert book.begin(ONE, now + SECOND, anyway=True) > 0
    assert book.begin(ONE, now + 2 * SECOND, anyway=True) == 0
    assert book.begin(ONE, now + 3 * SECOND, anyway=True) > 0, "one every two seconds"
    end = now + 4 * SECOND
    book.end(ONE, AttemptEnd(duration=2 * SECOND), end)
    assert book.begin(ONE, end) == 0, "all is well"


@pytest.mark.parametrize("rested", [False, True])
def test_one_that_is_slow_ends_the_rest_though_others_were_let_through_meanwhile(book, rested):
    now = (11 + 10 * rested) * SECOND
    assert bool(book.begin(ONE, now)) is not rested
    if not rested:
        assert book.begin(ONE, now, anyway=True) == 0
    assert book.begin(ONE, now + 2 * SECOND, anyway=True) == 0
    end = now + 5 * SECOND // 2
    book.end(ONE, AttemptEnd(duration=5 * SECOND // 2), end)
    assert book.begin(ONE, end) == 0


def test_a_caller_that_leaves_makes_way_for_the_next(book):
    now = 11 * SECOND
    assert book.begin(ONE, now, anyway=True) == 0
    book.end(ONE, AttemptEnd(neutral=True, duration=SECOND), now + SECOND)
    assert book.begin(ONE, now + 2 * SECOND, anyway=True) == 0
