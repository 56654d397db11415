"""The gateway in front of `@copilotkit/aimock`: fixtures, several providers, faults by chance."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import openai
import pytest

from harness import gateway

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

ANSWER = "Trains take the right track when the points are set. " * 6
FIXTURES: list[dict[str, Any]] = [
    {
        "match": {"userMessage": "weather"},
        "response": {"toolCalls": [{"name": "get_weather", "arguments": {"city": "Paris"}}]},
    },
    {
        "match": {"userMessage": "too long"},
        "response": {"error": {"message": "too long", "type": "invalid_request_error"}, "status": 400},
    },
    {"match": {}, "response": {"content": ANSWER}},
]
OTHER: list[dict[str, Any]] = [{"match": {}, "response": {"content": "from the second"}}]
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}


def say(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


@contextlib.contextmanager
def played(aimock, *chaos: str):
    """A client of a gateway over two aimocks, the first of them with its temper."""
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(aimock(FIXTURES, *chaos))
        second = stack.enter_context(aimock(OTHER))
        providers = {
            name: {
                "dialect": "openai-chat",
                "base_url": f"{peer.url}/v1",
                "timeouts": {"first_byte": 3, "between_bytes": 3},
            }
            for name, peer in (("first", first), ("second", second))
        }
        models = {
            "large": {"provider": "first", "model": "gpt-4o", "price": {"input": 1, "output": 4}},
            "small": {"provider": "second", "model": "gpt-4o-mini"},
        }
        config = {"providers": providers, "models": models, "routes": {"chain": {"try": ["large", "small"]}}}
        running = stack.enter_context(gateway(config))
        client = openai.OpenAI(base_url=running.base_url, api_key="any", max_retries=0, timeout=20)
        yield stack.enter_context(client), running


def test_whole_stream_and_tools_come_through(aimock):
    with played(aimock) as (client, _):
        raw = client.chat.completions.with_raw_response.create(model="chain", messages=say("hello"))
        assert raw.parse().choices[0].message.content == ANSWER
        assert raw.headers["x-pointsman-model"] == "large"
        assert float(raw.headers["x-pointsman-cost-usd"]) > 0
        options: Any = {"include_usage": True}
        chunks = list(
            client.chat.completions.create(model="chain", messages=say("hello"), stream=True, stream_options=options)
        )
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == ANSWER
        assert [c.usage for c in chunks if c.usage][-1].total_tokens > 0
        whole = client.chat.completions.create(model="chain", messages=say("weather"), tools=[TOOL])
        assert json.loads(whole.choices[0].message.tool_calls[0].function.arguments) == {"city": "Paris"}
        pieces = list(client.chat.completions.create(model="chain", messages=say("weather"), tools=[TOOL], stream=True))
        calls = [call for c in pieces if c.choices for call in c.choices[0].delta.tool_calls or ()]
        assert json.loads("".join(call.function.arguments or "" for call in calls)) == {"city": "Paris"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("chaos", ["--chaos-drop", "--chaos-malformed", "--chaos-disconnect", "--chaos-ratelimit"])
def test_chaos_before_the_first_byte_is_answered_by_the_second_provider(aimock, chaos, stream):
    with played(aimock, chaos, "1") as (client, running):
        raw = client.chat.completions.with_raw_response.create(model="chain", messages=say("hello"), stream=stream)
        answer = raw.parse()
        if stream:
            text = "".join(c.choices[0].delta.content or "" for c in answer if c.choices)
        else:
            text = answer.choices[0].message.content
        assert text == "from the second", running.log()
        assert raw.headers["x-pointsman-provider"] == "second"
        assert raw.headers["x-pointsman-attempts"] == "2"


def test_chance_hits_some_and_nobody_notices(aimock):
    with played(aimock, "--chaos-drop", "0.3", "--chaos-disconnect", "0.3") as (client, _):
        answers = [client.chat.completions.create(model="chain", messages=say(f"hello {n}")) for n in range(30)]
    texts = {answer.choices[0].message.content for answer in answers}
    assert texts == {ANSWER, "from the second"}


def test_a_callers_mistake_comes_back_in_openais_shape(aimock):
    with played(aimock) as (client, _):
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(model="chain", messages=say("too long"))
        assert "too long" in refused.value.message
