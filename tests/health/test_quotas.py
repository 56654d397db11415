"""Limits that a provider's headers tell: the 429 is avoided, and no more time is lost than that takes."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.clock import SystemDraw
from pointsman.core.failure import Target
from pointsman.core.health import AttemptEnd
from pointsman.core.spans import reset
from pointsman.health.book import Book

A = Target("acme", "large", "KEY")
MOMENT = 1_700_000_000  # Tue, 14 Nov 2023 22:13:20 GMT
DATE = (b"date", b"Tue, 14 Nov 2023 22:13:20 GMT")


def openai(kind: str, limit: int, remaining: int, until: str) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (f"x-ratelimit-limit-{kind}".encode(), str(limit).encode()),
        (f"x-ratelimit-remaining-{kind}".encode(), str(remaining).encode()),
        (f"x-ratelimit-reset-{kind}".encode(), until.encode()),
    )


def anthropic(kind: str, limit: int, remaining: int, until: str) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (f"anthropic-ratelimit-{kind}-limit".encode(), str(limit).encode()),
        (f"anthropic-ratelimit-{kind}-remaining".encode(), str(remaining).encode()),
        (f"anthropic-ratelimit-{kind}-reset".encode(), until.encode()),
    )


def plain(limit: int, remaining: int, until: str) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"x-ratelimit-limit", str(limit).encode()),
        (b"x-ratelimit-remaining", str(remaining).encode()),
        (b"x-ratelimit-reset", until.encode()),
    )


RESTS = {
    "openai, one request is back after a sixtieth": (openai("requests", 60, 0, "1m0s"), 1.0),
    "openai, milliseconds": (openai("requests", 10, 0, "20000ms"), 2.0),
    "openai, a budget of one": (openai("requests", 1, 0, "20s"), 20.0),
    "openai, shorter than worth it": (openai("requests", 30_000, 0, "60s"), 0.5),
    "openai, a day's budget": (openai("requests", 14_400, 0, "24h0m0s"), 6.0),
    "openai, some left": (openai("requests", 60, 1, "59s"), 0.0),
    "openai tokens, under a hundredth": (openai("tokens", 100_000, 900, "59.46s"), 0.66),
    "openai tokens, a little over": (openai("tokens", 100_000, 1000, "59.4s"), 0.0),
    "the longest of several": (openai("requests", 10, 0, "1m0s") + openai("tokens", 1000, 0, "1m0s"), 6.0),
    "anthropic, a date": (anthropic("requests", 50, 0, "2023-11-14T22:14:20Z"), 1.2),
    "anthropic, output tokens": (anthropic("output-tokens", 8000, 0, "2023-11-14T22:14:20Z"), 1.2),
    "anthropic, the date is over": (anthropic("requests", 50, 0, "2023-11-14T22:13:00Z"), 0.0),
    "plain seconds, all at once": (plain(20, 0, "30"), 30.0),
    "plain epoch": (plain(20, 0, "1700000045"), 45.0),
    "plain epoch in milliseconds": (plain(20, 0, "1700000045000"), 45.0),
    "plain, some left": (plain(20, 1, "30"), 0.0),
    "never longer than ten minutes": (plain(20, 0, "86400"), 600.0),
    "no limit told": (openai("requests", 60, 0, "30s")[1:], 30.0),
    "no reset told": (openai("requests", 60, 0, "30s")[:2], 0.0),
    "nonsense": (openai("requests", 60, 0, "soon"), 0.0),
    "other budgets": (openai("images", 60, 0, "30s"), 0.0),
}


@pytest.mark.parametrize(("headers", "rest"), RESTS.values(), ids=RESTS.keys())
def test_a_used_up_budget_rests_until_some_of_it_is_back(ward, headers, rest):
    ward.attempt(A, headers=(DATE, *headers))
    assert ward.begin(A) == pytest.approx(rest, abs=0.01)
    if rest:
        assert (ward.state(A), ward.told[-1].cause) == ("open", "limits")
        ward.rest(A)
        assert ward.state(A) == "half_open"
        ward.attempt(A)
    assert ward.state(A) == "closed"


def test_dates_are_read_against_our_clock_where_the_answer_has_none(ward):
    until = datetime.fromtimestamp(MOMENT + 90, UTC).isoformat()
    ward.attempt(A, took=0, headers=anthropic("requests", 1, 0, until))
    assert ward.begin(A) == pytest.approx(90)


def test_what_was_told_at_the_beginning_of_a_long_answer_is_as_old_as_that(ward):
    headers = (DATE, *plain(20, 0, "30"))
    ward.attempt(A, None, 50.0, stream=True, first_token=1.0, headers=headers)
    assert ward.begin(A) == 0.0, "49 seconds ago, for 30"
    ward.end(A, neutral=True)
    ward.attempt(A, None, 21.0, stream=True, first_token=1.0, headers=headers)
    assert ward.begin(A) == pytest.approx(10)


def test_an_older_answer_that_ends_later_does_not_overrule_a_newer_one(ward):
    assert ward.begin(A) == ward.begin(A) == 0.0
    ward.wait(10)
    ward.end(A, None, 2.0, stream=True, first_token=1.0, headers=openai("requests", 60, 30, "30s"))
    ward.end(A, None, 10.0, stream=True, first_token=1.0, headers=openai("requests", 60, 0, "60s"))
    assert ward.state(A) == "closed"
    assert ward.book.status(ward.nanos)[0].headroom[0].remaining == 30


def test_headroom_is_shown_with_the_time_that_is_left(ward):
    ward.attempt(A, headers=openai("requests", 60, 12, "48s") + openai("tokens", 150_000_000, 149_999_000, "4ms"))
    ward.wait(40)
    requests, tokens = ward.book.status(ward.nanos)[0].headroom
    assert (requests.kind, requests.limit, requests.remaining) == ("requests", 60, 12)
    assert requests.reset == pytest.approx(8)
    assert (tokens.kind, tokens.limit, tokens.remaining, tokens.reset) == ("tokens", 150_000_000, 149_999_000, 0.0)


def test_the_end_of_a_budget_is_not_missed_though_headers_are_read_now_and_then(ward):
    for remaining in range(499, -1, -1):
        ward.attempt(A, took=0.001, headers=openai("requests", 500, remaining, f"{500 - remaining}s"))
        assert (ward.begin(A) > 0) == (remaining == 0)
        ward.end(A, neutral=True)


class Provider:
    """60 requests a minute: filled again evenly, or all at once with the minute."""

    def __init__(self, *, evenly: bool) -> None:
        self.evenly = evenly
        self.left = 60.0
        self.at = 0.0
        self.refused = 0
        self.answered = 0

    def ask(self, ward) -> None:
        if self.evenly:
            self.left = min(self.left + ward.now - self.at, 60.0)
        elif ward.now // 60 > self.at // 60:
            self.left = 60.0
        self.at = ward.now
        if self.left < 1:
            self.refused += 1
            wait = math.ceil(1 - self.left if self.evenly else 60 - ward.now % 60)
            ward.end(A, "rate_limited", retry_after=wait)
            return
        self.left -= 1
        self.answered += 1
        until = 60 - self.left if self.evenly else 60 - ward.now % 60
        ward.end(A, headers=openai("requests", 60, int(self.left), f"{until + 0.001:.3f}s"))


@pytest.mark.parametrize(("evenly", "most"), [(True, 0), (False, 1)], ids=["evenly", "with the minute"])
def test_the_429_is_avoided_and_the_budget_is_used(ward, evenly, most):
    provider = Provider(evenly=evenly)
    while ward.now < 600:
        if ward.begin(A) == 0.0:
            provider.ask(ward)
        ward.wait(0.05)
    assert provider.refused <= most
    assert provider.answered >= 0.9 * 600


NAMES = [name for name, _ in (*openai("requests", 1, 1, ""), *anthropic("tokens", 1, 1, ""), *plain(1, 1, ""))]
ODD = [b"0", b"1", b"100", b"1e400", b"-1", b"nan", b"9" * 400, b"6m0s", b"\xb2"]
DATES = [b"2023-11-14T22:14:20Z", b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:59-23:59"]
VALUES = st.binary(max_size=24) | st.sampled_from(ODD + DATES)


@given(st.lists(st.tuples(st.sampled_from([*NAMES, b"date", b"x-ratelimit-"]), VALUES), max_size=8))
def test_reading_headers_never_fails_and_no_rest_is_longer_than_ten_minutes(headers):
    book = Book(SystemDraw(1), lambda: MOMENT * 10**9)
    assert book.begin(A, 0) == 0.0
    book.end(A, AttemptEnd(headers=tuple(headers)), 0)
    assert 0 <= book.begin(A, 1) <= 600
    for each in book.status(1)[0].headroom:
        assert each.remaining >= 0


def test_resets_with_a_zone_and_without():
    assert reset("2023-11-14T23:13:50+01:00", float(MOMENT)) == 30.0
    assert reset("2023-11-14T22:13:50", float(MOMENT)) is None
    assert reset("2023-11-14T22:13:50Z", None) is None
