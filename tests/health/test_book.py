"""What pages, balancers and subscribers are told, and that memory is bounded."""

from __future__ import annotations

import itertools
import logging

import pytest

from pointsman.core.clock import SystemDraw
from pointsman.core.failure import Target
from pointsman.core.health import AttemptEnd, Health
from pointsman.core.model import TimeLimits
from pointsman.health.book import Book

A = Target("acme", "large", "KEY")
B = Target("acme", "small", "KEY")
EPOCH = 1_700_000_000 * 10**9


def test_the_book_is_the_port():
    book: Health = Book(SystemDraw(1), lambda: 0)
    assert book.states(0) == {}
    assert book.limits(A, TimeLimits(), stream=False, thinks=False) == TimeLimits()


def test_a_timeline_tells_each_change_once_with_its_reason(ward):
    for _ in range(3):
        ward.attempt(A, "server_error", took=1)
    ward.rest(A)
    ward.attempt(A)
    changes = ward.book.timeline(A)
    assert list(changes) == ward.told
    assert [change.after for change in changes] == ["open", "half_open", "closed"]
    assert [change.cause for change in changes] == ["failures", "time", "answered"]
    assert changes[0].at == EPOCH + 3 * 10**9
    assert "500" in changes[0].why
    for before, after in itertools.pairwise(changes):
        assert (before.after, before.at < after.at) == (after.before, True)


def test_a_timeline_keeps_the_last_two_hundred(ward):
    for _ in range(150):
        ward.attempt(A, "rate_limited", retry_after=1)
        ward.rest(A)
        ward.attempt(A)
    assert len(ward.told) == 450
    assert list(ward.book.timeline(A)) == ward.told[-200:]


def test_a_subscriber_that_raises_harms_nobody(caplog):
    told = []

    def broken(change):
        raise ValueError("boom")

    book = Book(SystemDraw(1), lambda: 0, [broken, told.append])
    for _ in range(3):
        assert book.begin(A, 0) == 0.0
        book.end(A, AttemptEnd(failure="cut"), 0)
    assert [change.after for change in told] == ["open"]
    assert book.states(0) == {A: "open"}
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_a_subscriber_may_ask_the_book():
    seen = []
    book = Book(SystemDraw(1), lambda: 0, [lambda _: seen.append(dict(book.states(0)))])
    for target in (A, B, A):
        book.begin(target, 0)
        book.end(target, AttemptEnd(failure="tls"), 0)
    assert seen == [{A: "open", B: "open"}] * 2, "both have changed before the first is told"


def test_status_shows_all_that_is_known(ward):
    for took in (0.1,) * 15 + (0.9,) * 5:
        ward.attempt(A, None, took, stream=True, first_token=took)
    ward.attempt(A, "cut")
    assert ward.begin(A) == ward.begin(A) == 0.0
    ward.attempt(B, "rate_limited", retry_after=20)
    ward.wait(5)
    first, second = ward.book.status(ward.nanos)
    assert (first.target, first.state, first.in_flight, first.attempts) == (A, "closed", 2, 21)
    assert first.error_share == pytest.approx(1 / 21)
    assert (first.first_token_p50, first.first_token_p95) == (pytest.approx(0.1), pytest.approx(0.9))
    assert first.learned.first_token == pytest.approx(2.0)
    assert first.learned.whole_answer is None
    assert (first.next_probe, first.since) == (None, EPOCH)
    assert (second.target, second.state, second.cause) == (B, "open", "pause")
    assert second.next_probe == pytest.approx(15)
    assert second.since == ward.told[0].at
    assert second.first_token_p50 is None


def test_load_tells_who_is_busy_and_slow_and_forgets_with_time(ward):
    assert ward.book.load(A, 0, stream=True) == (0, 0.0)
    ward.attempt(A, None, 1.0, stream=True, first_token=1.0)
    ward.attempt(A, None, 4.0, stream=True, first_token=4.0)
    assert ward.begin(A) == 0.0
    in_flight, peak = ward.book.load(A, ward.nanos, stream=True)
    assert (in_flight, peak) == (1, pytest.approx(4.0)), "up at once"
    for _ in range(3):
        ward.attempt(A, None, 1.0, stream=True, first_token=1.0)
    assert 3.0 < ward.book.load(A, ward.nanos, stream=True).first_token < 4.0, "down with time, not with calls"
    ward.wait(90)
    assert ward.book.load(A, ward.nanos, stream=True).first_token < 0.3
    assert ward.book.load(A, ward.nanos, stream=False).first_token == 0.0


def test_those_who_are_well_and_long_unused_are_forgotten_first(make_ward):
    ward = make_ward(most=64)
    sick = Target("sick", "m")
    for _ in range(3):
        ward.attempt(sick, "cut")
    busy = Target("busy", "m")
    assert ward.begin(busy) == 0.0
    used = Target("used", "m")
    for number in range(1000):
        ward.attempt(Target("flood", f"m{number}"), took=0.001)
        ward.attempt(used, took=0.001)
    known = {each.target for each in ward.book.status(ward.nanos)}
    assert {sick, busy, used, Target("flood", "m999")} <= known
    assert len(known) <= 64
    assert ward.state(sick) == "open"
    assert len(ward.book._providers) <= 64
    assert len(ward.book._keys) <= 64


def test_a_flood_of_names_that_do_not_exist_stays_bounded(make_ward):
    ward = make_ward(most=64)
    for number in range(2000):
        ward.attempt(Target("flood", f"m{number}"), "model_gone", took=0.001)
    assert len(ward.book.status(ward.nanos)) <= 64
    assert len(ward.book.states(ward.nanos)) <= 64
    assert len(ward.book._agenda._queue) <= 128
    assert sum(change.after == "closed" for change in ward.told) >= 1900, "incidents end when they are forgotten"
    ward.end(Target("flood", "m1"), "cut")  # forgotten meanwhile
    assert ward.begin(Target("flood", "m1")) == 0.0


def test_states_are_the_same_object_until_the_version_changes(ward):
    ward.attempt(A)
    before, version = ward.book.states(ward.nanos), ward.book.version(ward.nanos)
    for failure in (None, "cut", "bad_request"):
        ward.attempt(A, failure)
        ward.attempt(B, failure)
    assert ward.book.states(ward.nanos) is before
    assert ward.book.version(ward.nanos) == version
    for _ in range(2):
        ward.attempt(A, "cut")
    assert ward.book.version(ward.nanos) > version
    assert ward.book.states(ward.nanos) == {A: "open"}
    assert before == {}, "what was handed out does not change"
