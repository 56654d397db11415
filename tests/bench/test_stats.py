from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import stats

FLOATS = st.floats(0.1, 1e6)


def test_percentile_interpolates_between_neighbours():
    assert stats.percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert stats.percentile([0.0, 10.0], 0.99) == pytest.approx(9.9)
    assert stats.percentile([5.0], 0.99) == 5.0


def test_percentile_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="no values"):
        stats.percentile([], 0.5)


@given(st.lists(FLOATS, min_size=1, max_size=30))
def test_the_interval_holds_the_median_and_lies_within_the_rounds(values):
    found = stats.bootstrap(values)
    assert min(values) <= found.low <= found.high <= max(values)
    assert found.n == len(values)


def test_the_same_rounds_give_the_same_interval():
    values = [1.0, 2.0, 4.0, 8.0, 16.0]
    assert stats.bootstrap(values) == stats.bootstrap(values)


def test_steady_rounds_give_a_narrow_interval():
    found = stats.bootstrap([2.0] * 20)
    assert (found.low, found.value, found.high) == (2.0, 2.0, 2.0)


def test_ratios_go_round_by_round_and_skip_what_is_missing():
    assert stats.ratios([10.0, None, 30.0, 8.0], [5.0, 4.0, None, 0.0]) == [2.0]


def test_tails_compare_a_percentile_of_both():
    found = stats.tails([1.0] * 98 + [2.0] * 20, [1.0] * 98 + [4.0] * 20, 0.99)
    assert (found.low, found.value, found.high) == (0.5, 0.5, 0.5)
