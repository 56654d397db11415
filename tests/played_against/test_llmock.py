"""The gateway in front of `llmock`, which breaks answers on demand and then judges how its client behaved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from harness import Running, gateway

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
MESSAGES: list[Any] = [{"role": "user", "content": "Say something about railways."}]


@pytest.fixture
def running(llmock) -> Iterator[Running]:
    """Two providers, both played by llmock: its OpenAI first, its Groq second."""
    price = {"input": 1, "output": 4}
    limits = {"connect": 2, "first_byte": 3, "between_bytes": 2, "total": 20}
    providers = {
        name: {
            "dialect": "openai-chat",
            "base_url": f"{llmock.url}{path}",
            "api_key_env": "PEER_SECRET",
            "timeouts": limits,
        }
        for name, path in (("first", "/v1"), ("second", "/groq/openai/v1"))
    }
    models = {
        "large": {"provider": "first", "model": "gpt-4o", "price": price},
        "small": {"provider": "second", "model": "llama-3.1-8b-instant", "price": price},
    }
    config = {"providers": providers, "models": models, "routes": {"chain": {"try": ["large", "small"]}}}
    with gateway(config, env={"PEER_SECRET": "sk-any"}) as started:
        yield started


@pytest.fixture
def client(running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=running.base_url, api_key="any", max_retries=0, timeout=20) as made:
        yield made


def script(llmock, *behaviors: dict[str, Any]) -> None:
    llmock.post("/_llmock/scenario", {"behaviors": list(behaviors)})


def verdict(llmock) -> dict[str, Any]:
    """llmock's judgement: no error, and of its warnings at most one.

    It sees one provider at a time, so that going on to the next one looks like giving up on the first.
    """
    found = llmock.get("/_llmock/verdict")
    assert found["passed"], found["findings"]
    assert {finding["code"] for finding in found["findings"]} <= {"gave_up"}, found["findings"]
    return found


def served(llmock) -> list[tuple[str, int]]:
    return [(entry["provider"], entry["status"]) for entry in llmock.get("/_llmock/requests")["requests"]]


def test_whole_answers_streams_and_tools(client, llmock):
    whole = client.chat.completions.with_raw_response.create(model="chain", messages=MESSAGES)
    assert whole.parse().choices[0].message.content
    assert whole.headers["x-pointsman-provider"] == "first"
    assert whole.headers["x-pointsman-model"] == "large"
    assert whole.headers["x-pointsman-route"] == "chain"
    assert whole.headers["x-pointsman-attempts"] == "1"
    assert float(whole.headers["x-pointsman-cost-usd"]) > 0
    assert whole.headers["x-request-id"]
    assert whole.headers["x-pointsman-decision"]
    with client.chat.completions.create(model="chain", messages=MESSAGES, stream=True) as stream:
        chunks = list(stream)
    assert (
        "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        == whole.parse().choices[0].message.content
    )
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    called = client.chat.completions.create(model="chain", messages=MESSAGES, tools=[TOOL], tool_choice="required")
    call = called.choices[0].message.tool_calls[0]
    assert call.function.name == "get_weather"
    assert set(json.loads(call.function.arguments)) == {"city"}
    assert verdict(llmock)["findings"] == []


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [429, 500, 503, 529])
def test_an_error_before_the_first_byte_is_answered_by_the_second_provider(client, llmock, status, stream):
    script(llmock, {"type": "fail", "status": status, "retry_after": 5, "match": {"provider": "openai"}, "times": 1})
    raw = client.chat.completions.with_raw_response.create(model="chain", messages=MESSAGES, stream=stream)
    answer = raw.parse()
    text = (
        "".join(c.choices[0].delta.content or "" for c in answer if c.choices)
        if stream
        else answer.choices[0].message.content
    )
    assert text
    assert raw.headers["x-pointsman-provider"] == "second"
    assert raw.headers["x-pointsman-attempts"] == "2"
    assert served(llmock) == [("openai", status), ("groq", 200)]
    verdict(llmock)


def test_a_slow_first_token_times_out_and_the_second_provider_answers(client, llmock):
    script(llmock, {"type": "delay", "seconds": 8, "match": {"provider": "openai"}, "times": 1})
    raw = client.chat.completions.with_raw_response.create(model="chain", messages=MESSAGES)
    assert raw.headers["x-pointsman-provider"] == "second"
    verdict(llmock)


def test_a_stream_cut_before_its_first_content_goes_to_the_second_provider(client, llmock):
    fault = {"type": "stream_fault", "kind": "disconnect", "after_chunks": 0, "match": {"provider": "openai"}}
    script(llmock, fault)
    raw = client.chat.completions.with_raw_response.create(model="chain", messages=MESSAGES, stream=True)
    chunks = list(raw.parse())
    assert raw.headers["x-pointsman-provider"] == "second"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    verdict(llmock)


@pytest.mark.parametrize("kind", ["disconnect", "truncate", "malformed", "stall"])
def test_a_stream_broken_in_the_middle_ends_with_an_error_so_that_the_caller_tries_again(client, llmock, kind):
    script(
        llmock,
        {"type": "stream_fault", "kind": kind, "after_chunks": 4, "stall_seconds": 6, "match": {"provider": "openai"}},
    )
    seen = []
    with pytest.raises(openai.APIError) as broken:
        seen.extend(client.chat.completions.create(model="large", messages=MESSAGES, stream=True))
    assert seen, "content had gone out before"
    assert broken.value.code in {"upstream_cut", "upstream_garbage", "upstream_timeout"}
    # The caller does as told: the same call once more. llmock then sees a client that did not accept half an answer.
    again = list(client.chat.completions.create(model="large", messages=MESSAGES, stream=True))
    assert [c.choices[0].finish_reason for c in again if c.choices][-1] == "stop"
    assert verdict(llmock)["findings"] == []


def test_a_callers_mistake_is_handed_back_and_not_tried_again(client, llmock):
    script(llmock, {"type": "fail", "status": 400, "message": "no such thing", "match": {"provider": "openai"}})
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="chain", messages=MESSAGES)
    assert "no such thing" in refused.value.message
    assert served(llmock) == [("openai", 400)]
    assert verdict(llmock)["findings"] == []


def test_when_every_provider_fails_the_error_has_openais_shape_and_the_wait(client, llmock):
    script(llmock, {"type": "fail", "status": 429, "retry_after": 7, "times": 9})
    with pytest.raises(openai.RateLimitError) as limited:
        client.chat.completions.create(model="chain", messages=MESSAGES)
    assert set(limited.value.response.json()["error"]) >= {"message", "type", "param", "code"}
    assert float(limited.value.response.headers["retry-after"]) >= 6
    assert len(served(llmock)) == 2
    verdict(llmock)
