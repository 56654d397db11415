from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.errors import InvalidRequest
from pointsman.insight.periods import DAY_NS, Period, moment_text, period

NOW = 1_795_872_600_000_000_000  # 2026-11-28T13:30Z, a Saturday
SAID = {
    "2026-11": ("2026-11-01", "2026-12-01"),
    "2026-12": ("2026-12-01", "2027-01-01"),
    "2026": ("2026-01-01", "2027-01-01"),
    "2024-02-29": ("2024-02-29", "2024-03-01"),
    "today": ("2026-11-28", "2026-11-29"),
    "Yesterday": ("2026-11-27", "2026-11-28"),
    "this-week": ("2026-11-23", "2026-11-30"),
    "last-week": ("2026-11-16", "2026-11-23"),
    "2026-W48": ("2026-11-23", "2026-11-30"),
    "this-month": ("2026-11-01", "2026-12-01"),
    "last-month": ("2026-10-01", "2026-11-01"),
    "last-year": ("2025-01-01", "2026-01-01"),
    "2026-11-01..2026-11-15": ("2026-11-01", "2026-11-16"),
    "2026-10..2026-11": ("2026-10-01", "2026-12-01"),
}


@pytest.mark.parametrize(("text", "expected"), SAID.items())
def test_names_of_periods(text, expected):
    found = period(text, NOW)
    assert (moment_text(found.start), moment_text(found.end)) == tuple(f"{day} 00:00:00Z" for day in expected)


def test_periods_up_to_now_and_by_the_minute():
    assert period("7d", NOW) == Period(NOW - 7 * DAY_NS, NOW, "7d")
    found = period("2026-11-28T12:00Z..2026-11-28T14:30+01:00", NOW)
    assert found.end - found.start == 90 * 60 * 1_000_000_000
    assert period("2026-11-27..", NOW).end == NOW
    assert found.shown == "2026-11-28 12:00:00Z to 2026-11-28 13:30:00Z"
    assert period("2026-11", NOW).shown == "2026-11-01 to 2026-11-30"


@pytest.mark.parametrize(
    "text",
    ["", "2026-13", "2026-02-30", "2026-W60", "next-month", "last", "1960", "2026-11-15..2026-11-01", "x..y", "9999"],
)
def test_what_is_no_period_is_said_to_be_none(text):
    with pytest.raises(InvalidRequest, match=r"no period|no moment|before it begins") as caught:
        period(text, NOW)
    assert caught.value.hint


@given(
    st.text(max_size=30) | st.from_regex(r"[0-9]{1,4}-?W?[0-9]{0,2}(-[0-9]{2})?(\.\.[0-9TZ:+-]{0,20})?", fullmatch=True)
)
def test_any_text_is_a_period_or_refused(text):
    try:
        found = period(text, NOW)
    except InvalidRequest:
        return
    assert 0 <= found.start < found.end
    assert found.end < 1 << 63


@given(st.dates(dt.date(1971, 1, 1), dt.date(2190, 1, 1)))
def test_days_follow_one_another_without_a_gap(day):
    after = day + dt.timedelta(days=1)
    assert period(day.isoformat(), NOW).end == period(after.isoformat(), NOW).start
