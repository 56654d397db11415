"""A machine's cost by the hour becomes a price by token."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.rent import HOUR, Rent, Use, allocated, price_of
from pointsman.core.usage import Usage

RENT = Rent(hour=5_000_000_000, tokens_per_hour=1_000_000)  # 5 dollars


def test_the_first_day_is_booked_at_what_was_expected() -> None:
    for use in (None, Use(hours=23.9, input=99_000_000, output=0)):
        price = price_of(RENT, use)
        assert price.cost(Usage(input=1_000_000)) == RENT.hour, "an hour's expected tokens cost an hour"
        assert price.output == 4 * price.input
        assert "expected" in price.source


def test_then_it_follows_what_was_measured() -> None:
    use = Use(hours=100.0, input=100 * 400_000, output=100 * 400_000)  # two million weighed tokens an hour
    price = price_of(RENT, use)
    assert price.input == price_of(RENT).input // 2
    assert "2,000,000 measured" in price.source


def test_a_machine_that_nobody_uses_makes_no_call_infinitely_dear() -> None:
    assert price_of(RENT, Use(hours=168.0, input=0, output=0)).input == 100 * price_of(RENT).input


@given(st.integers(10**6, 10**9), st.integers(0, 10**9), st.floats(24, 168), st.integers(10**6, 10**12))
def test_what_a_steady_week_is_booked_is_what_the_machine_costs(
    read: int, written: int, hours: float, hour: int
) -> None:
    rent = Rent(hour=hour, tokens_per_hour=max(1, int((read + 4 * written) / hours)))
    price = price_of(rent, Use(hours=hours, input=read, output=written))
    booked = price.cost(Usage(input=read, output=written))
    slack = (read + 4 * written) / 1000 + 1  # a price is rounded to a pico-dollar a token
    assert booked == pytest.approx(hour * hours, abs=slack)


def test_what_it_has_cost_goes_by_time_alone() -> None:
    assert allocated(RENT, 0, 3 * HOUR) == 15_000_000_000
    assert allocated(RENT, 5, 1) == 0
