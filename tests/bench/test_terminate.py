"""What a gateway's end under load costs callers and ledger: `python -m bench.terminate`, small."""

from __future__ import annotations

import pytest
from bench.terminate import PROMISED, Ending, play

from bench import terminate

LONG = pytest.param(5.0, 60, marks=[pytest.mark.slow, pytest.mark.timeout(180)])
WORKERS = [1, pytest.param(2, marks=pytest.mark.slow)]


def others(ending: Ending, *kinds: terminate.Kind) -> list[str]:
    """What callers got besides."""
    return [f"{got.kind} {got.detail}" for got in ending.callers.got if got.kind not in kinds]


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize(("seconds", "number"), [(1.5, 20), LONG])
def test_told_to_stop_under_load_no_caller_sees_a_broken_answer(seconds: float, number: int, workers: int) -> None:
    ending = play("term", seconds, number=number, server={"workers": workers})
    print(ending.text())
    assert others(ending, "whole", "refused") == []
    assert ending.callers.count("whole") > number
    assert ending.callers.count("refused") > 0
    assert (ending.missing, ending.codes) == ([], [0])


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize(("seconds", "number"), [(0.1, 20), LONG])
def test_replaced_under_load_no_caller_is_refused(seconds: float, number: int, workers: int) -> None:
    ending = play("restart", seconds, number=number, server={"workers": workers})
    print(ending.text())
    assert others(ending, "whole") == []
    assert ending.callers.count("whole") > number
    assert ending.missing == []
    assert set(ending.codes) == {0}
    assert len(ending.codes) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("pace", [0.0, 30.0])
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_under_load_nothing_answered_long_before_is_missing(pace: float, workers: int) -> None:
    ending = play("kill", 3.0, pace=pace, server={"workers": workers})
    print(ending.text())
    assert ending.callers.count("whole") > 100
    assert [age for age in ending.missing if age > PROMISED] == []
