"""The run with and without hedging: what it makes of what came, and a short one from end to end."""

from __future__ import annotations

import pytest
from bench.hedging import SIDES, Attempt, Side, judged, play, spent

QUICK = [0.04] * 97
PLAIN = Side(QUICK + [1.5] * 3, [f"p{number}" for number in range(100)])


def hedged(*slow: float, **more) -> Side:
    return Side(**({"took": QUICK + list(slow), "ids": [f"h{number}" for number in range(100)]} | more))


def attempts(lost: int, *, cost: int | None = 10) -> list[Attempt]:
    """The ledger of the hedged calls; the first of them sent a second request, and the first one was too slow."""
    made = []
    for number in range(100):
        if number < lost:
            made.append(Attempt(f"h{number}", 1, "outpaced", cost))
        made.append(Attempt(f"h{number}", 1 + (number < lost), "", 100))
    return made


def wrong(side: Side, rows: list[Attempt]) -> list[str]:
    return judged(dict(zip(SIDES, (side, PLAIN), strict=True)), rows)[1]


def test_a_short_tail_for_little_money_is_nothing_wrong():
    assert wrong(hedged(0.1, 0.1, 0.1), attempts(3)) == []


@pytest.mark.parametrize(
    ("side", "rows", "word"),
    [
        (hedged(0.1, 1.5, 1.5), attempts(3), "the tail is too long"),
        (hedged(0.1, 0.1, 0.1), attempts(3, cost=200), "hedges cost too much"),
        (hedged(0.1, 0.1, 0.1), attempts(0), "nobody was hedged"),
        (hedged(0.1, 0.1, 0.1, failed=1), attempts(3), "calls without a whole answer"),
        (hedged(0.1, 0.1, 0.1), attempts(3, cost=None), "attempts without a cost"),
        (hedged(0.1, 0.1, 0.1), attempts(3)[:-1], "rows missing"),
    ],
)
def test_what_may_not_be_is_wrong(side, rows, word):
    assert wrong(side, rows) == [word]


def test_extra_cost_is_that_of_the_outpaced_beside_the_rest():
    rows = [
        Attempt("a", 1, "outpaced", 20),
        Attempt("a", 2, "", 100),
        Attempt("b", 1, "", 100),
        Attempt("b", 2, "outpaced", 10),
        Attempt("c", 1, "upstream_refused", 0),
        Attempt("c", 2, "", 100),
    ]
    assert spent(rows) == (2, 1, pytest.approx(0.1), 0)


@pytest.mark.timeout(60)
@pytest.mark.slow
async def test_a_short_run_counts_every_call():
    sides, rows = await play(40, seed=1, warm=30)
    assert {name: len(side.took) for name, side in sides.items()} == {"hedged": 20, "plain": 20}
    assert [side.failed for side in sides.values()] == [0, 0]
    assert {each.call for each in rows} == set(sides["hedged"].ids)
    assert not set(sides["hedged"].ids) & set(sides["plain"].ids)
