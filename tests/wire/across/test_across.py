"""Recorded answers and requests, carried across dialects: a fixed sample at every commit, all when there is time.

The page that `make dialects` writes shows the same in figures.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from wire.across.asks_judge import Compared, everything, twins
from wire.across.dialects import every
from wire.across.judge import QUICK, SPLITS, Judgement, judged
from wire.across.returns import returned

_LEAST = 0.99  # of the cases of every caller, dialect and way
_SAMPLE = (4, 18)  # which, of how many


def _assert_carried(judgements: list[Judgement]) -> None:
    count: Counter[tuple[str, str, str]] = Counter()
    failed: dict[tuple[str, str, str], list[Judgement]] = {}
    for judgement in judgements:
        key = (judgement.case.caller, judgement.case.provider, judgement.case.mode)
        count[key] += 1
        if judgement.differences:
            failed.setdefault(key, []).append(judgement)
    assert count
    wrong = {key: found for key, found in failed.items() if len(found) > (1 - _LEAST) * count[key]}
    assert not wrong, "\n".join(
        f"{key}: {one.case.record} {one.differences}" for key, found in wrong.items() for one in found[:5]
    )


def _assert_asked(found: list[Compared]) -> None:
    count = Counter((one.caller, one.provider) for one in found)
    failed = [one for one in found if one.reason]
    wrong = Counter((one.caller, one.provider) for one in failed)
    assert count
    assert all(wrong[pair] <= (1 - _LEAST) * count[pair] for pair in count), failed[:20]


def test_a_sample_of_the_answers(recordings: Path) -> None:
    _assert_carried(list(judged(every(), recordings, _SAMPLE, QUICK)))


def test_a_sample_of_the_requests(recordings: Path) -> None:
    _assert_asked(list(everything(every(), recordings, _SAMPLE)))


def test_requests_that_somebody_else_wrote_in_two_dialects(recordings: Path) -> None:
    found = list(twins(every(), recordings))
    _assert_asked([one for one in found if one.reason != "the two records differ themselves"])


def test_a_sample_of_answers_that_come_back_as_history(recordings: Path) -> None:
    _assert_asked(list(returned(every(), recordings, _SAMPLE)))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_answer_that_comes_back_as_history(recordings: Path) -> None:
    _assert_asked(list(returned(every(), recordings)))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_answer(recordings: Path) -> None:
    _assert_carried(list(judged(every(), recordings, splits=SPLITS)))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_request(recordings: Path) -> None:
    _assert_asked(list(everything(every(), recordings)))
