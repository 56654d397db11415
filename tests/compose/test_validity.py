"""Dates read out of certificates."""

from __future__ import annotations

import base64
import datetime as dt

import trustme
from hypothesis import given
from hypothesis import strategies as st

from pointsman.compose.validity import Validity, validities

NOW = dt.datetime(2031, 5, 6, 7, 8, 9, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
AUTHORITY = trustme.CA()


def pem(since: dt.datetime, until: dt.datetime) -> bytes:
    return AUTHORITY.issue_cert("a.example", not_before=since, not_after=until).cert_chain_pems[0].bytes()


@given(
    st.datetimes(min_value=dt.datetime(1990, 1, 1), max_value=dt.datetime(2090, 1, 1)),  # noqa: DTZ001 - made aware below
    st.integers(min_value=1, max_value=100_000_000),
)
def test_both_dates_of_every_certificate_are_read(since: dt.datetime, seconds: int) -> None:
    since = since.replace(tzinfo=dt.UTC, microsecond=0)
    until = since + dt.timedelta(seconds=seconds)
    other = pem(NOW, NOW + DAY)
    assert validities(pem(since, until) + b"words between\n" + other) == [
        Validity(since, until),
        Validity(NOW, NOW + DAY),
    ]


@given(st.binary(max_size=300), st.integers(min_value=0, max_value=200))
def test_what_is_no_certificate_has_no_dates_and_breaks_nothing(junk: bytes, cut: int) -> None:
    whole = pem(NOW, NOW + DAY)
    for body in (junk, base64.b64encode(junk), base64.b64encode(b"\x30\x82" + junk)):
        block = b"-----BEGIN CERTIFICATE-----\n" + body + b"\n-----END CERTIFICATE-----\n"
        assert validities(block + whole)[-1:] == [Validity(NOW, NOW + DAY)]
    body = whole.split(b"-----")[2]
    der = base64.b64decode(b"".join(body.split()))
    cutting = b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(der[:cut]) + b"\n-----END CERTIFICATE-----\n"
    assert len(validities(cutting)) <= 1


def test_what_is_said_of_the_dates() -> None:
    assert Validity(NOW - DAY, NOW + 31 * DAY).wrong(NOW) == ""
    assert Validity(NOW - DAY, NOW + 12 * DAY).wrong(NOW) == "runs out on 2031-05-18 07:08 UTC, in 12 days"
    assert Validity(NOW - DAY, NOW + DAY).wrong(NOW).endswith("in 1 day")
    assert Validity(NOW - 2 * DAY, NOW - DAY).wrong(NOW) == "ran out on 2031-05-05 07:08 UTC"
    assert Validity(NOW + DAY, NOW + 2 * DAY).wrong(NOW) == "is not valid before 2031-05-07 07:08 UTC"
