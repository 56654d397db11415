"""What failover costs: what is taken off, which calls count, and a short run from end to end."""

from __future__ import annotations

import pytest
from bench.failover_cost import FAULT, Pair, Seen, Told, judged, paired, play

from pointsman.testing import Entry

MS = 1e-3


def entry(provider: str, fault: str = "", own: float = 0.0) -> Entry:
    return Entry(
        number=1, method="POST", path="", headers=[], body=b"", received=1000, finished=1000 + round(own * 1e9),
        provider=provider, fault=fault,
    )  # fmt: skip


def seen(*last: Entry, by: str = "second") -> Seen:
    return Seen(Told("a", by, 5 * MS), Told("b", "second", 2 * MS), last)


def test_the_providers_own_time_and_a_direct_call_are_taken_off():
    pair = Pair(over=5 * MS, direct=2 * MS, own=0.5 * MS, attempt=1.5 * MS)
    assert pair.cost_ms == pytest.approx(2.5)
    assert pair.rest_ms == pytest.approx(1.5)


def test_calls_that_did_not_fail_over_are_left_out():
    failed, good = entry("first", FAULT, 0.5 * MS), entry("second")
    attempts = {"a": 1.5 * MS}
    (pair,) = paired([seen(failed, good)], attempts)
    assert (pair.over, pair.direct, pair.attempt) == (5 * MS, 2 * MS, 1.5 * MS)
    assert pair.own == pytest.approx(0.5 * MS)
    assert paired([seen(good, good)], attempts) == [], "the first was not asked"
    assert paired([seen(good, entry("first"), by="first")], attempts) == [], "it answered"
    assert paired([seen(failed, good)], {}) == [], "the ledger knows nothing of it"


def test_the_bar_is_two_milliseconds():
    def pairs(cost: float) -> list[Pair]:
        return [Pair(over=2 * MS + cost, direct=2 * MS, own=0.0, attempt=0.0)] * 10

    assert judged(pairs(1.9 * MS), 10)[1] == []
    assert judged(pairs(2.1 * MS), 10)[1] == ["failover costs too much"]
    assert judged(pairs(1.9 * MS)[:8], 10)[1] == ["too few calls failed over"]
    assert judged([], 0)[1] == ["too few calls failed over"]


@pytest.mark.timeout(60)
def test_in_a_short_run_every_pair_is_a_failover():
    pairs, wanted = play(10, warm=2)
    assert (len(pairs), wanted) == (10, 10)
    assert all(0 < pair.own < pair.attempt < pair.over for pair in pairs)
