"""Ids sort by time and never collide; what is asked of time comes from the clock that was handed in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.clock import SystemClock, SystemDraw, SystemIds, encode_id


def test_ids_are_unique_and_sort_by_time_even_within_a_millisecond() -> None:
    ids = SystemIds()
    now = SystemClock().now()
    made = [ids.new(now + step * 300_000) for step in range(5_000)]
    assert len(set(made)) == 5_000
    assert all(len(one) == 26 for one in made)
    assert sorted(one[:10] for one in made) == [one[:10] for one in made]


def test_two_processes_do_not_share_ids() -> None:
    now = SystemClock().now()
    assert SystemIds().new(now)[10:] != SystemIds().new(now)[10:]


@given(one=st.integers(0, (1 << 48) - 1), other=st.integers(0, (1 << 48) - 1))
def test_the_order_of_ids_is_the_order_of_times(one: int, other: int) -> None:
    left, right = encode_id(one << 80), encode_id(other << 80)
    assert (left < right) == (one < other)


def test_a_seeded_draw_repeats() -> None:
    assert [SystemDraw(7).random() for _ in range(3)] == [SystemDraw(7).random() for _ in range(3)]
