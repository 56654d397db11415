"""What the tests of Responses share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pointsman.core.model import Ability, Model, Provider
from pointsman.wire.openai_responses import OpenAIResponses
from pointsman.wire.trip import Incoming


@pytest.fixture(scope="session")
def dialect() -> OpenAIResponses:
    return OpenAIResponses()


@pytest.fixture(scope="session")
def model() -> Model:
    return Model(
        name="small",
        provider=Provider(name="lab", dialect="openai-responses", base_url="http://127.0.0.1:9/v1"),
        upstream="small-1",
    )


@pytest.fixture(scope="session")
def thinker(model: Model) -> Model:
    """The same, known to think."""
    return Model(name="deep", provider=model.provider, upstream="gpt-5", abilities=Ability.TOOLS | Ability.REASONING)


@pytest.fixture(scope="session")
def asking(dialect: OpenAIResponses) -> Callable[..., Incoming]:
    """A request, streamed unless it says otherwise."""

    def make(surface: Any = "responses", **fields: Any) -> Incoming:
        body = {"model": "m", "input": "hi", "stream": True, **fields}
        return dialect.read_request(json.dumps(body).encode(), surface)

    return make
