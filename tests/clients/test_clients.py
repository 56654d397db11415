"""Client libraries, unchanged but for base URL and key, against models behind every upstream dialect."""

from __future__ import annotations

from typing import Any

import pytest

from clients.environments import DIALECTS, MODELS, TEXT

OWN = [
    ("own", "openai_chat", "NotFoundError"),
    ("own", "openai_responses", "NotFoundError"),
    ("own", "anthropic_messages", "NotFoundError"),
    ("own", "google_genai", "ClientError"),
]
"""Those that the tests' own environment has."""
OTHERS = [
    ("openai2", "openai_chat", "NotFoundError"),
    ("openai2", "openai_responses", "NotFoundError"),
    ("openai2", "anthropic_messages", "NotFoundError"),
    ("openai2", "llama_index_openai", "NotFoundError"),
    ("openai2", "instructor_models", "InstructorRetryException"),
    ("openai2", "litellm_client", "NotFoundError"),
    ("openai3", "langchain_openai_chat", "OpenAIModelNotFoundError"),
    ("openai3", "langchain_anthropic_chat", "AnthropicModelNotFoundError"),
    ("openai3", "langchain_google_chat", "GoogleModelNotFoundError"),
    ("openai3", "pydantic_ai_agents", "ModelHTTPError"),
    ("node", "openai", "NotFoundError"),
    ("node", "anthropic", "NotFoundError"),
    ("node", "genai", "ApiError"),
    ("node", "ai_sdk", "APICallError"),
]
CLIENTS = [
    *(pytest.param(*client, id="-".join(client[:2])) for client in OWN),
    *(pytest.param(*client, id="-".join(client[:2]), marks=pytest.mark.slow) for client in OTHERS),
]
RESULT = "18 degrees"
WORDS, THOUGHTS = 8, 5
pytestmark = pytest.mark.timeout(900)  # the first run installs


def wrong(model: str, step: str, result: dict[str, Any]) -> list[str]:
    """What is wrong with what a step saw."""
    if "failed" in result:
        return [result["failed"]]
    thinks = model.endswith("-thinks")
    fine = {
        "text": lambda text: text == TEXT,
        "pieces": lambda pieces: pieces > 1,
        "input": lambda tokens: tokens > 0,
        "output": lambda tokens: tokens in {WORDS, *([WORDS + THOUGHTS] if thinks else [])},
        "name": lambda name: name == "get_weather",
        "arguments": lambda arguments: list(arguments) == ["city"],
        "final": lambda text: text.startswith("The tool says:") and RESULT in text,
        "city": lambda city: city in {"Paris", "example"},
        "thoughts": lambda count: not thinks or "thought" not in step or count == THOUGHTS,
        "sizes": lambda sizes: sizes == [256, 256],
        "same": bool,
        "models": lambda names: set(MODELS) <= {name.removeprefix("models/") for name in names},
    }
    return [f"{key}: {value!r}" for key, value in result.items() if key in fine and not fine[key](value)]


@pytest.mark.parametrize("upstream", DIALECTS)
@pytest.mark.parametrize(("group", "script", "error"), CLIENTS)
def test_a_client_gets_what_it_expects(seen, group, script, error, upstream):
    found = seen(group, script)
    bad = []
    for model in (f"{upstream}-plain", f"{upstream}-thinks"):
        assert found[model], "nothing was tried"
        bad += [f"{model} {step}: {it}" for step, result in found[model].items() for it in wrong(model, step, result)]
    assert not bad, "\n\n".join(bad)


@pytest.mark.parametrize(("group", "script", "error"), CLIENTS)
def test_other_spellings_and_an_unknown_model(seen, group, script, error):
    found = seen(group, script)[""]
    bad = [f"{step}: {it}" for step, result in found.items() for it in wrong("", step, result)]
    assert not bad, "\n\n".join(bad)
    assert found["unknown"]["error"] == error
    assert found["unknown"]["status"] in {404, None}
    assert "nobody" in found["unknown"]["message"]
