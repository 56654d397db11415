"""What every dialect makes of a few exchanges in our own words: read by eye once, held to ever since."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wire.across.golden_files import FOLDER, asked, carried

_ANSWERS = sorted(FOLDER.glob("answer-*.json"))
_REQUESTS = sorted(FOLDER.glob("request-of-*.json"))


@pytest.mark.parametrize("path", _ANSWERS, ids=lambda path: path.stem)
def test_answers(path: Path) -> None:
    golden = json.loads(path.read_text("utf-8"))
    assert carried(path.stem.partition("-from-")[2], golden["sent"]) == golden["callers"]


@pytest.mark.parametrize("path", _REQUESTS, ids=lambda path: path.stem)
def test_requests(path: Path) -> None:
    golden = json.loads(path.read_text("utf-8"))
    assert asked(path.stem.partition("-of-")[2], golden["sent"]) == golden["providers"]


def test_there_are_files_for_every_dialect() -> None:
    assert len(_ANSWERS) >= 8
    assert len(_REQUESTS) == 4
