"""Budgets as values: limits as people write them, periods, whose account a call counts to."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.budget import PERIODS, Budget, Payer, parse_limit, window

DAY = 86_400 * 10**9


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("5usd/day", (5_000_000_000, "usd", "day")),
        ("5 USD / day", (5_000_000_000, "usd", "day")),
        ("$500/month", (500_000_000_000, "usd", "month")),
        ("$0.000000001", (1, "usd", "total")),
        ("20usd", (20_000_000_000, "usd", "total")),
        ("1,000.50 dollars per week", (1_000_500_000_000, "usd", "week")),
        ("60 requests/minute", (60, "requests", "minute")),
        ("60rpm", (60, "requests", "minute")),
        ("100k tpm", (100_000, "tokens", "minute")),
        ("100k tokens/hour", (100_000, "tokens", "hour")),
        ("2m tokens a day", (2_000_000, "tokens", "day")),
        ("10 calls/h", (10, "requests", "hour")),
        ("7usd/total", (7_000_000_000, "usd", "total")),
    ],
)
def test_a_limit_is_read_as_people_write_it(text: str, meant: tuple[int, str, str]) -> None:
    assert parse_limit(text) == meant


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "write it like"),
        ("five dollars", "write it like"),
        ("-5usd/day", "write it like"),
        ("0usd/day", "above 0"),
        ("99999999999999usd/day", "must be below 4611686018.427387904 usd: "),
        ("99999999999999999999tpm", "must be below 4,611,686,018,427,387,904 tokens: "),
        ("5usd/fortnight", "one of minute, hour, day"),
        ("$5 tokens/day", "both dollars and tokens"),
        ("1.5 requests/minute", "finer than one of the requests"),
        ("0.0000000001usd", "finer than a nano-dollar"),
        ("9" * 40 + "usd", "below"),
        ("5eur/day", "write it like"),
        ("5usd//day", "write it like"),
    ],
)
def test_what_is_no_limit_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_limit(text)
    assert why in str(caught.value)


@given(st.text(max_size=200))
def test_any_text_is_a_limit_or_refused(text: str) -> None:
    try:
        amount, unit, period = parse_limit(text)
    except ValueError:
        return
    assert amount > 0
    assert unit in ("usd", "tokens", "requests")
    assert period in PERIODS


@given(st.integers(0, 2**60), st.sampled_from([one for one in PERIODS if one != "total"]))
def test_every_moment_is_in_one_period_and_the_next_begins_where_it_ends(now: int, period: str) -> None:
    begin, end = window(period, now)  # type: ignore[arg-type]
    assert begin <= now < end
    assert window(period, begin) == window(period, end - 1) == (begin, end)  # type: ignore[arg-type]
    assert window(period, end)[0] == end  # type: ignore[arg-type]


def test_periods_follow_the_calendar_in_utc() -> None:
    now = int(dt.datetime(2028, 2, 29, 13, 14, 15, tzinfo=dt.UTC).timestamp()) * 10**9

    def day(at: int) -> str:
        return dt.datetime.fromtimestamp(at / 1e9, tz=dt.UTC).strftime("%a %Y-%m-%d %H:%M")

    assert [day(at) for at in window("month", now)] == ["Tue 2028-02-01 00:00", "Wed 2028-03-01 00:00"]
    assert [day(at) for at in window("week", now)] == ["Mon 2028-02-28 00:00", "Mon 2028-03-06 00:00"]
    assert [day(at) for at in window("day", now)] == ["Tue 2028-02-29 00:00", "Wed 2028-03-01 00:00"]
    assert [day(at) for at in window("hour", now)] == ["Tue 2028-02-29 13:00", "Tue 2028-02-29 14:00"]


def test_users_and_sessions_of_different_teams_are_different() -> None:
    budget = Budget(scope="user", amount=1)
    ours, theirs = Payer(key="a", team="x", user="1"), Payer(key="b", team="y", user="1")
    other_key = Payer(key="c", team="x", user="1")
    assert budget.whose(ours) == budget.whose(other_key)
    assert budget.whose(ours) != budget.whose(theirs)
    assert budget.whose(Payer(key="a")) is None
    session = Budget(scope="session", amount=1)
    assert session.whose(Payer(key="a", session="s")) != session.whose(Payer(key="b", session="s"))


def test_a_budget_of_one_key_is_found_by_its_name_and_by_its_id() -> None:
    payer = Payer(key="0123", key_name="ci")
    assert Budget(scope="key", subject="ci", amount=1).whose(payer) == ("0123",)
    assert Budget(scope="key", subject="0123", amount=1).whose(payer) == ("0123",)
    assert Budget(scope="key", subject="cd", amount=1).whose(payer) is None
    assert Budget(scope="key", subject="ci", amount=1).whose(Payer(key_name="ci")) is None
