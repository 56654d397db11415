"""Counts of the last minute and half minute."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pointsman.health.window import Window

SECOND = 1_000_000_000
STEPS = st.lists(st.tuples(st.integers(0, 40_000), st.booleans()), min_size=1, max_size=80)


@given(STEPS, st.integers(0, 200))
def test_the_counts_are_those_of_a_list(steps, idle):
    window, seen, now = Window(), [], 5 * SECOND
    for milliseconds, failed in steps:
        now += milliseconds * 1_000_000
        window.add(now, failed=failed)
        seen.append((now, failed))
    for seconds, (total, failed) in ((30, window.lately()), (60, (window.total, window.failed))):
        assert counted(seen, now, seconds - 2)[0] <= total <= counted(seen, now, seconds)[0]
        assert counted(seen, now, seconds - 2)[1] <= failed <= counted(seen, now, seconds)[1]
    now += idle * SECOND
    window.pass_to(now)
    assert counted(seen, now, 58)[0] <= window.total <= counted(seen, now, 60)[0]
    assert counted(seen, now, 58)[1] <= window.failed <= counted(seen, now, 60)[1]


def counted(seen, now, seconds):
    """Attempts and failures of the last seconds."""
    late = [failed for at, failed in seen if at > now - seconds * SECOND]
    return len(late), sum(late)
