"""Ids sort by time and never collide; what is asked of time comes from the clock that was handed in."""

from __future__ import annotations

import gc
import os
import weakref

import pytest
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


def _made_in_a_child(ids: SystemIds, now: int, count: int) -> list[str]:
    """Ids that a forked child makes of what it inherited, all in one moment."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, "".join(ids.new(now) for _ in range(count)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read().decode()
    assert os.waitpid(child, 0)[1] == 0
    return [text[at : at + 26] for at in range(0, len(text), 26)]


FORKING = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the child only writes to a pipe


@FORKING
def test_forked_children_and_their_parent_share_no_ids() -> None:
    ids = SystemIds()
    now = SystemClock().now()
    before = ids.new(now)
    made = [before, *(one for _ in range(3) for one in _made_in_a_child(ids, now, 500)), ids.new(now)]
    assert len(made) == len(set(made)) == 1_502
    assert len({one[18:] for one in made}) == 4, "each child has bits of its own"
    assert before[18:] == made[-1][18:], "the parent goes on"


@FORKING
def test_what_happens_at_a_fork_keeps_no_ids_alive() -> None:
    ids = SystemIds()
    found = weakref.ref(ids)
    del ids
    gc.collect()
    assert found() is None
    assert len(_made_in_a_child(SystemIds(), 0, 1)) == 1


@given(one=st.integers(0, (1 << 48) - 1), other=st.integers(0, (1 << 48) - 1))
def test_the_order_of_ids_is_the_order_of_times(one: int, other: int) -> None:
    left, right = encode_id(one << 80), encode_id(other << 80)
    assert (left < right) == (one < other)


def test_a_seeded_draw_repeats() -> None:
    assert [SystemDraw(7).random() for _ in range(3)] == [SystemDraw(7).random() for _ in range(3)]
