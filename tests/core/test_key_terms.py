"""Lengths of time and budgets of keys as people write them."""

from __future__ import annotations

import contextlib
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.budget import PERIODS, Period, Unit
from pointsman.core.errors import InvalidRequest
from pointsman.core.key import BudgetRow
from pointsman.core.key_terms import Amount, Terms, read_amount, read_span
from pointsman.core.key_view import amount_text

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "unit", "seconds"),
    [
        ("90", "d", 90 * 86_400),
        ("90d", "h", 90 * 86_400),
        ("24h", "d", 86_400),
        ("30m", "d", 1800),
        (" 2w ", "d", 1_209_600),
    ],
)
def test_a_length_of_time(text: str, unit: str, seconds: int) -> None:
    assert read_span(text, "x", unit=unit) == seconds * SECOND


@pytest.mark.parametrize("text", ["", "soon", "-1d", "1.5d", "1y", "0", "0d", "9999999999d", "d", "٣d"])
def test_no_length_of_time(text: str) -> None:
    with pytest.raises(InvalidRequest, match="`expires` is a length of time"):
        read_span(text, "expires")


@given(st.text(max_size=30))
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    for read in (read_amount, lambda said: read_span(said, "x")):
        with contextlib.suppress(InvalidRequest):
            assert read(text)


@given(limit=st.integers(1, 10**17), period=st.sampled_from(PERIODS), unit=st.sampled_from(get_args(Unit)))
def test_a_budget_that_is_shown_can_be_given_again(limit: int, period: Period, unit: Unit) -> None:
    row = BudgetRow(id="", subject="", key="", created=0, limit=limit, unit=unit, period=period)
    assert read_amount(amount_text(row)) == Amount(limit=limit, period=period, unit=unit)


def test_terms_that_cannot_be_are_refused_where_they_are_made() -> None:
    with pytest.raises(InvalidRequest, match="two budgets"):
        Terms(budgets=(Amount(limit=1, period="day"), Amount(limit=2, period="day")))
    with pytest.raises(InvalidRequest, match="names no route"):
        Terms(allow=("a b",))
    with pytest.raises(InvalidRequest, match="calls no model: `allow` limits nothing"):
        Terms(role="viewer", allow=("auto",))
    both = Terms(budgets=(Amount(limit=1, period="day"), Amount(limit=2, period="day", unit="requests")))
    assert len(both.budgets) == 2, "of money and of requests: two things"
