"""The same clients against the embedded model: real texts, real tool calls, structured answers, whole and streamed."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients.environments import KEY, seen_by
from clients.test_clients import CLIENTS
from harness import Running, gateway
from pointsman.upstream.local import weights

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
MODEL = "local/smollm2-135m"


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("no engine here: pip install 'pointsman[local]'")
    home = Path(os.environ.get("POINTSMAN_HOME") or Path.home() / ".local" / "share" / "pointsman")
    if weights.find("smollm2-135m", [home / "models"]) is None:
        pytest.skip("no weights here: `pointsman pull` brings them")
    with gateway({"local": True}) as started:
        yield started


def wrong(step: str, result: Any) -> list[str]:
    """What is wrong with what a step saw."""
    if "failed" in result:
        return [f"{step}: {result['failed']}"]
    fine = {
        "text": bool,
        "pieces": lambda pieces: pieces > 1,
        "input": lambda tokens: tokens > 0,
        "output": lambda tokens: tokens > 0,
        "name": lambda name: name == "get_weather",
        "arguments": lambda arguments: list(arguments) == ["city"],
        "final": bool,
        "city": lambda city: isinstance(city, str) and city != "",
    }
    return [f"{step}: {key} {value!r}" for key, value in result.items() if key in fine and not fine[key](value)]


@pytest.mark.parametrize(("group", "script", "error"), CLIENTS)
def test_a_client_gets_answers_of_a_real_model(served, group, script, error):
    found = seen_by(group, script, served.root_url, KEY, [MODEL])[MODEL]
    assert found
    assert not [it for step, result in found.items() for it in wrong(step, result)]
