"""Where a provider states no usage it is counted by us: priced, and marked as an estimate wherever it is shown."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from pointsman.core.model import Price
from pointsman.testing import Simulator, one_model

ASK = [{"role": "user", "content": "What is the capital of France, and why is it there? Please say it at length."}]
SURFACES = {
    "openai-chat": ("/v1/chat/completions", {"model": "m", "messages": ASK, "max_tokens": 100}),
    "anthropic-messages": ("/v1/messages", {"model": "m", "messages": ASK, "max_tokens": 100}),
    "openai-responses": ("/v1/responses", {"model": "m", "input": ASK, "max_output_tokens": 100}),
}


def config(sim: Simulator, price: Any = None) -> dict[str, Any]:
    return {
        "providers": {"sim": {"dialect": "openai-chat", "base_url": sim.base_url}},
        "models": {"m": {"provider": "sim", "model": "sim-1", "price": price or {"input": 1, "output": 2}}},
    }


def post(url: str, path: str, body: dict[str, Any]) -> tuple[dict[str, str], bytes]:
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as response:
        return {name.lower(): value for name, value in response.headers.items()}, response.read()


async def newest(served: Any) -> Any:
    assert await asyncio.to_thread(served.house.pieces.ledger.flush)
    questions = await asyncio.to_thread(served.house.questions)
    rows = await asyncio.to_thread(questions.calls, 1)
    return await asyncio.to_thread(questions.call, rows[0].id)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", SURFACES)
async def test_an_answer_without_usage_is_counted_and_priced(
    serving: Callable[..., Any], dialect: str, stream: bool
) -> None:
    path, body = SURFACES[dialect]
    async with Simulator(one_model(name="sim-1", output_tokens=60.0)) as sim, serving(config(sim)) as served:
        await asyncio.to_thread(post, served.url, path, {**body, "stream": stream})
        stated = (await newest(served)).call
        sim.inject("usage_missing", times=1)
        headers, _ = await asyncio.to_thread(post, served.url, path, {**body, "stream": stream})
        kept = await newest(served)
    assert not stated.usage.estimated
    call, usage = kept.call, kept.call.usage
    assert usage.estimated
    assert usage.input == pytest.approx(stated.usage.input, abs=15)
    assert usage.output == pytest.approx(stated.usage.output, rel=0.4)
    assert call.cost == Price(input=1_000_000, output=2_000_000).cost(usage) > 0
    assert kept.attempts[0].usage == usage
    assert kept.attempts[0].cost == call.cost
    if not stream:
        assert headers["x-pointsman-cost-estimated"] == "true"
        assert float(headers["x-pointsman-cost-usd"]) == call.cost / 1e9


async def test_what_a_provider_states_is_not_marked(serving: Callable[..., Any]) -> None:
    async with Simulator(one_model(name="sim-1")) as sim, serving(config(sim)) as served:
        headers, _ = await asyncio.to_thread(post, served.url, *SURFACES["openai-chat"])
        assert "x-pointsman-cost-estimated" not in headers
        assert "x-pointsman-cost-usd" in headers


async def test_a_large_request_and_answer_are_counted_too(serving: Callable[..., Any]) -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 8_000  # 360 KB, 80,000 tokens
    async with Simulator(one_model(name="sim-1", context=1_000_000)) as sim, serving(config(sim)) as served:
        sim.inject("usage_missing", times=2)
        for stream in (False, True):
            body = {"model": "m", "messages": [{"role": "user", "content": text}], "stream": stream}
            await asyncio.to_thread(post, served.url, "/v1/chat/completions", body)
            usage = (await newest(served)).call.usage
            assert usage.estimated
            assert usage.input == pytest.approx(80_000, rel=0.1), f"stream {stream}"


async def test_a_caller_that_leaves_before_the_answer_is_booked_for_the_prompt(serving: Callable[..., Any]) -> None:
    async with Simulator(one_model(name="sim-1", first_token=5.0)) as sim, serving(config(sim)) as served:
        body = json.dumps(SURFACES["openai-chat"][1])
        _, writer = await asyncio.open_connection("127.0.0.1", urlsplit(served.url).port)
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write((head + body).encode())
        for _ in range(100):
            await asyncio.sleep(0.02)
            if sim.journal.of("sim", "sim-1") or len(sim.journal.entries):
                break
        writer.transport.abort()
        await asyncio.sleep(0.2)
        kept = await newest(served)
    assert kept.call.status == "cancelled"
    assert kept.call.usage.estimated
    assert 15 <= kept.call.usage.input <= 40
    assert kept.call.usage.output == 0
    assert kept.call.cost == kept.call.usage.input * 1_000


async def test_what_we_count_ourselves_is_near(serving: Callable[..., Any]) -> None:
    """The provider of another dialect counts no tokens before it answers."""
    async with Simulator(one_model(name="sim-1")) as sim, serving(config(sim)) as served:
        ask = {"model": "m", "messages": ASK}
        headers, answer = await asyncio.to_thread(post, served.url, "/v1/messages/count_tokens", ask)
        assert "estimate" in headers["x-pointsman-warning"]
        assert 18 <= json.loads(answer)["input_tokens"] <= 32
