"""What every dialect makes of a few exchanges in our own words: read by eye once, held to ever since."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pointsman.wire.passage import Crossing
from pointsman.wire.trip import Outgoing, Trip
from wire.across.dialects import every
from wire.across.golden_files import FOLDER, asked, carried
from wire.across.judge import NOW

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


@pytest.mark.parametrize("path", _ANSWERS, ids=lambda path: path.stem)
def test_a_caller_of_gemini_who_asks_for_no_events_gets_the_same_in_a_list(path: Path) -> None:
    """Google's own default: without `alt=sse` a stream is a JSON array that grows."""
    golden = json.loads(path.read_text("utf-8"))
    dialects = {dialect.name: dialect for dialect in every()}
    caller, provider = dialects["gemini"], dialects[path.stem.partition("-from-")[2]]
    if caller is provider:
        pytest.skip("the same dialect: bytes pass")
    body = json.dumps({"contents": [{"role": "user", "parts": [{"text": "Hello."}]}]}).encode()
    asked = caller.read_request(body, "gemini.generate", "/v1beta/models/m:streamGenerateContent", "")
    trip = Trip(incoming=asked, outgoing=Outgoing(path="/", body=b""), now=NOW)
    out = Crossing(caller, provider).relay_whole(json.dumps(golden["sent"]).encode(), trip)[1]
    assert json.loads(out) == [value for _, value in golden["callers"]["gemini"]["stream"]]


def test_there_are_files_for_every_dialect() -> None:
    assert len(_ANSWERS) >= 8
    assert len(_REQUESTS) == 4
