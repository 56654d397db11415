"""`check_provider` and the caller behind it against providers that answer anything at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzzing import examples
from pointsman.core.errors import ConfigError
from pointsman.testing import check_provider
from pointsman.testing.caller import Caller
from pointsman.testing.http import Exchange, Server

NAMES = ["choices", "message", "delta", "content", "tool_calls", "function", "arguments", "usage", "index", "text"]
NAMES += ["prompt_tokens", "total_tokens", "logprobs", "finish_reason", "error", "data", "id"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.sampled_from(["", "x", "stop", '{"city":1}', "[]"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)
ANSWERS = st.dictionaries(st.sampled_from(NAMES), ANYTHING) | st.builds(
    lambda choices, usage: {"id": "i", "choices": choices, "usage": usage},
    st.lists(st.dictionaries(st.sampled_from(NAMES), ANYTHING), max_size=2) | ANYTHING,
    ANYTHING,
)


@asynccontextmanager
async def provider(answer: Callable[[Exchange], None]) -> AsyncIterator[str]:
    server = Server(answer, "127.0.0.1", 0)
    await server.open()
    try:
        yield f"http://127.0.0.1:{server.port}/v1"
    finally:
        await server.shut(keep_port=False)
        await asyncio.sleep(0)


@settings(max_examples=examples(25), deadline=None)
@given(ANSWERS, st.booleans())
def test_any_answer_ends_in_a_report(answer, streamed):
    body = json.dumps(answer).encode()

    def reply(exchange: Exchange) -> None:
        if streamed and b'"stream":true' in exchange.body:
            exchange.reply(200, [(b"content-type", b"text/event-stream")], b"data: %b\n\n" % body * 2)
        else:
            exchange.reply(200, [(b"content-type", b"application/json")], body)

    async def scenario() -> None:
        async with provider(reply) as url:
            report = await check_provider(url, model="m", patience=5)
        assert report.model == "m"
        assert len(report.checks) > 10
        assert report.render()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("usage", "verdict"),
    [
        ({"total_tokens": 0}, "odd"),
        ([1], "odd"),
        ({"prompt_tokens": "1", "completion_tokens": "2", "total_tokens": "12"}, "odd"),
        ({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}, "yes"),
        ({}, "no"),
    ],
)
async def test_usage_that_does_not_add_up_is_odd(usage: Any, verdict: str):
    body = json.dumps({"choices": [{"message": {"content": "x"}}], "usage": usage}).encode()
    async with provider(lambda exchange: exchange.reply(200, [], body)) as url:
        report = await check_provider(url, model="m", patience=5)
    assert report["usage"].verdict == verdict


async def test_deeply_nested_answers_are_no_json():
    async with provider(lambda exchange: exchange.reply(200, [], b'{"choices":' * 100_000)) as url:
        heard = await Caller(url, "", 5).post("/chat/completions", {})
    assert heard.json == {}


async def test_an_answer_that_never_ends_is_given_up(monkeypatch):
    monkeypatch.setattr("pointsman.testing.caller._MOST", 100)

    def drip(exchange: Exchange) -> None:
        exchange.start(200, [(b"content-type", b"text/event-stream")], None)

        def go_on() -> None:
            if not exchange.done:
                exchange.send(b": ping\n\n")
                asyncio.get_running_loop().call_later(0.02, go_on)

        go_on()

    async with provider(drip) as url, asyncio.timeout(10):
        heard = await Caller(url, "", 5).get("/models")
    assert heard.status == 0
    assert "does not end" in heard.text


@pytest.mark.parametrize("url", ["http://x:99999", "http://x:port", "http://[::1", "ftp://x", "http://", "x"])
def test_what_is_no_address_is_said(url):
    with pytest.raises(ConfigError, match="not an HTTP address"):
        Caller(url, "", 1)


@pytest.mark.parametrize("key", ["sk-secret\r\nx: y", "sk-secret\n", "sk-sécret", "sk-secret\0"])
def test_a_key_that_no_header_carries_is_refused_and_not_shown(key):
    with pytest.raises(ConfigError) as caught:
        Caller("http://127.0.0.1:1", key, 1)
    assert "sk-" not in str(caught.value)
