"""Until when a key is good, as people write it."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.errors import InvalidRequest
from pointsman.core.expiry import read_end
from pointsman.core.key_view import day

_NANO = 1_000_000_000
NOW = int(dt.datetime(2026, 11, 28, 14, tzinfo=dt.UTC).timestamp()) * _NANO


@pytest.mark.parametrize(
    ("said", "end"),
    [
        ("90d", "2027-02-26 14:00:00Z"),
        (90, "2027-02-26 14:00:00Z"),
        ("2h", "2026-11-28 16:00:00Z"),
        ("2027-01-31", "2027-02-01 00:00:00Z"),  # the whole of that day
        (" 2026-11-28 ", "2026-11-29 00:00:00Z"),  # today is not over
        ("2027-01-31T12:00Z", "2027-01-31 12:00:00Z"),
        ("2027-01-31t12:00:00z", "2027-01-31 12:00:00Z"),
        ("2027-01-31 12:00:00+01:00", "2027-01-31 11:00:00Z"),
        ("2026-11-28T09:00:01-05:00", "2026-11-28 14:00:01Z"),
    ],
)
def test_a_length_of_time_a_day_or_a_moment(said: str | int, end: str) -> None:
    assert day(read_end(said, NOW)) == end


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("2026-11-27", "lies in the past"),
        ("2026-11-28T14:00Z", "lies in the past"),
        ("2020-01-01T00:00+02:00", "lies in the past"),
        ("2027-01-31T12:00", "without its zone"),
        ("2027-02-30", "is a date such as"),
        ("2027-01-31T25:00Z", "is a date such as"),
        ("2027-01-31T", "is a date such as"),
        ("9999-12-31", "a hundred years"),
        ("0001-01-01T00:00+23:00", "lies in the past"),
        ("31.01.2027", "length of time"),
        ("-5", "length of time"),
        ("", "length of time"),
    ],
)
def test_what_is_none_is_refused_by_name(said: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as refused:
        read_end(said, NOW)
    assert refused.value.param == "expires"


def test_whoever_writes_a_wrong_one_is_told_of_dates() -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_end("soon", NOW)
    assert "2027-01-31" in refused.value.hint


@given(st.datetimes(dt.datetime(2026, 11, 29), dt.datetime(2120, 1, 1)), st.timezones())  # noqa: DTZ001 - the zone comes
def test_a_moment_in_any_zone_is_that_moment(local: dt.datetime, zone: dt.tzinfo) -> None:
    moment = local.replace(microsecond=0, tzinfo=zone)
    offset = moment.utcoffset()
    assert offset is not None
    if offset.total_seconds() % 60:
        return  # of times before zones were agreed on
    if moment.timestamp() * _NANO > NOW:
        assert read_end(moment.isoformat(), NOW) == int(moment.timestamp()) * _NANO


@given(st.text(max_size=30) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:Z+. -]*)?", fullmatch=True))
def test_any_text_is_read_or_refused(said: str) -> None:
    with suppress(InvalidRequest):
        assert read_end(said, NOW) > NOW
