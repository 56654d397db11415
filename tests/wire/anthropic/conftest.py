"""What the tests of this dialect share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pointsman.core.model import Model, Provider
from pointsman.wire.anthropic_messages import AnthropicMessages
from pointsman.wire.openai_chat import OpenAIChat
from pointsman.wire.trip import Incoming, Outgoing

PROVIDER = Provider(name="anthropic", dialect="anthropic-messages", base_url="http://127.0.0.1:9/v1")


@pytest.fixture(scope="session")
def messages() -> AnthropicMessages:
    return AnthropicMessages()


@pytest.fixture(scope="session")
def claude() -> Callable[..., Model]:
    """A model of a name."""

    def make(name: str = "claude-sonnet-4-5", **fields: Any) -> Model:
        return Model(name="talker", provider=PROVIDER, upstream=name, **fields)

    return make


@pytest.fixture(scope="session")
def read(messages: AnthropicMessages) -> Callable[..., Incoming]:
    """A request of this dialect, read."""

    def make(body: dict[str, Any] | None = None, surface: Any = "messages", **fields: Any) -> Incoming:
        whole = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}
        return messages.read_request(json.dumps({**whole, **(body or {}), **fields}).encode(), surface)

    return make


@pytest.fixture(scope="session")
def asked(messages: AnthropicMessages, claude: Callable[..., Model]) -> Callable[..., tuple[dict[str, Any], Outgoing]]:
    """A chat request as a provider of this dialect gets it: the body, and all of it."""

    def make(
        *turns: dict[str, Any], model: str = "claude-sonnet-4-5", **fields: Any
    ) -> tuple[dict[str, Any], Outgoing]:
        chat = OpenAIChat()
        talk = list(turns) or [{"role": "user", "content": "hi"}]
        known = {name: fields.pop(name) for name in ("max_output", "params", "abilities") if name in fields}
        body = {"model": "m", "messages": talk, **fields}
        request = chat.to_core(chat.read_request(json.dumps(body).encode(), "chat.completions"))
        sent = messages.from_core(request, claude(model, **known))
        return json.loads(sent.body), sent

    return make


@pytest.fixture(scope="session")
def events() -> Callable[[bytes], list[dict[str, Any]]]:
    """The events of a stream of this dialect; the name and the data have to agree."""

    def read_events(data: bytes) -> list[dict[str, Any]]:
        found = []
        for frame in data.decode().split("\n\n")[:-1]:
            name, line = frame.split("\n")
            value = json.loads(line.removeprefix("data: "))
            assert name == f"event: {value['type']}"
            found.append(value)
        return found

    return read_events
