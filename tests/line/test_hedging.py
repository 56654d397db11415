"""A second request when the first takes long: over real sockets, with the vendor's client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import openai
import pytest
import pytest_asyncio

from pointsman.core.model import Model, Price, Provider
from pointsman.core.plan import Hedge, Needs, Plan, Step
from pointsman.line.hedges import Hedges, allowed, worth
from pointsman.testing import Pace, Script, SimModel, SimProvider, Simulator
from pointsman.testing.temper import Injected

Serving = Callable[..., AbstractAsyncContextManager[Any]]
ASK = [{"role": "user", "content": "What is the capital of France?"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


@pytest_asyncio.fixture
async def sim() -> AsyncIterator[Simulator]:
    models = (SimModel(name="m-1", pace=Pace(events_per_second=400)),)
    script = Script(
        providers=(
            SimProvider(name="one", own_port=True, models=models),
            SimProvider(name="two", own_port=True, models=models),
        )
    )
    async with Simulator(script) as simulator:
        yield simulator


def config(sim: Simulator, **hedge: Any) -> dict[str, Any]:
    return {
        "providers": {
            name: {"dialect": "openai-chat", "base_url": sim.url_of(name), "timeouts": {"first_byte": 8}}
            for name in ("one", "two")
        },
        "models": {
            name: {"provider": name, "model": "m-1", "price": {"input": 1, "output": 2}} for name in ("one", "two")
        },
        "routes": {"auto": {"try": ["one", "two"], "hedge": {"after": 0.2, "extra": 1.0, **hedge}}},
    }


async def kept(served: Any) -> Any:
    assert await asyncio.to_thread(served.house.pieces.ledger.flush)
    questions = await asyncio.to_thread(served.house.questions)
    rows = await asyncio.to_thread(questions.calls, 1)
    return await asyncio.to_thread(questions.call, rows[0].id)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_quicker_answers_and_the_slower_is_called_off_and_booked(
    sim: Simulator, serving: Serving, *, stream: bool
) -> None:
    sim.inject("slow_first", provider="one", times=1)  # five seconds
    async with (
        serving(config(sim)) as served,
        openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="any", max_retries=0) as sdk,
    ):
        began = time.monotonic()
        raw = await sdk.chat.completions.with_raw_response.create(model="auto", messages=ASK, stream=stream)
        if stream:
            async for _ in raw.parse():
                pass
        assert time.monotonic() - began < 4
        assert raw.headers["x-pointsman-model"] == "two"
        call = await kept(served)
        assert [attempt.error for attempt in call.attempts] == ["outpaced", ""]
        lost, won = call.attempts
        assert lost.cost > 0, "who reads a prompt takes money for it"
        assert lost.usage.estimated
        assert call.call.cost == lost.cost + won.cost
        assert call.call.status == "ok"
        status = served.house.pieces.health.states(time.monotonic_ns())
        assert not status, "slow once is no failure"
        for _ in range(100):
            if any(entry.hung_up for entry in sim.journal):
                break
            await asyncio.sleep(0.02)
        assert any(entry.hung_up for entry in sim.journal), "the slower one's connection is closed"


async def test_when_the_first_fails_before_the_second_the_second_answers(sim: Simulator, serving: Serving) -> None:
    sim.inject("server_error", provider="one", times=1)
    async with (
        serving(config(sim)) as served,
        openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="any", max_retries=0) as sdk,
    ):
        raw = await sdk.chat.completions.with_raw_response.create(model="auto", messages=ASK)
        assert raw.headers["x-pointsman-model"] == "two"
        assert [attempt.error for attempt in (await kept(served)).attempts] == ["upstream_refused", ""]


async def test_when_the_caller_leaves_nobody_was_outpaced(sim: Simulator, serving: Serving) -> None:
    for name in ("one", "two"):
        sim.inject("slow_first", provider=name, times=1)
    async with (
        serving(config(sim)) as served,
        openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="any", max_retries=0, timeout=0.7) as sdk,
    ):
        with pytest.raises(openai.APITimeoutError):
            await sdk.chat.completions.create(model="auto", messages=ASK)
        for _ in range(100):
            if sum(entry.hung_up > 0 for entry in sim.journal) == 2:
                break
            await asyncio.sleep(0.02)
        assert [entry.hung_up > 0 for entry in sim.journal] == [True, True]
        await asyncio.sleep(0.1)
        call = await kept(served)
        assert call.call.status == "cancelled"
        assert [(each.model, each.error) for each in call.attempts] == [("one", "caller_gone"), ("two", "caller_gone")]


async def test_a_call_with_tools_is_not_sent_twice_unless_that_is_allowed(sim: Simulator, serving: Serving) -> None:
    for tools, model in ((False, "one"), (True, "two")):
        sim.queue(Injected(fault="slow_token", provider="one", times=1, seconds=1.5))
        async with (
            serving(config(sim, tools=tools)) as served,
            openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="any", max_retries=0) as sdk,
        ):
            raw = await sdk.chat.completions.with_raw_response.create(
                model="auto", messages=ASK, stream=True, tools=[TOOL]
            )
            async for _ in raw.parse():
                pass
            assert raw.headers["x-pointsman-model"] == model
        sim.reset()


def test_hedges_cost_no_more_than_their_share():
    hedges, hedge = Hedges(), Hedge(extra=0.05)
    sent = 0
    for _ in range(10_000):
        hedges.earn("r", hedge, 100.0)
        sent += hedges.spend("r", 100.0)
    assert 490 <= sent <= 500
    dear = Hedges()
    spent = 0.0
    for _ in range(10_000):
        dear.earn("r", hedge, 100.0)
        spent += 1000.0 * dear.spend("r", 1000.0)
    assert spent <= 0.05 * 10_000 * 100.0


def test_nothing_is_saved_up_for_long():
    hedges, hedge = Hedges(), Hedge(extra=0.5)
    for _ in range(1000):
        hedges.earn("r", hedge, 1.0)
    assert sum(hedges.spend("r", 1.0) for _ in range(1000)) == 20
    assert not hedges.spend("other", 1.0)


def test_what_a_request_is_worth():
    at = Provider(name="p", dialect="openai-chat", base_url="http://127.0.0.1:1/v1")
    priced = Model(name="m", provider=at, upstream="m", price=Price(input=1_000_000, output=2_000_000))
    needs = Needs(dialect="openai-chat", input_tokens=100, output_tokens=50)
    free = Model(name="f", provider=at, upstream="f")
    paid, mixed = (
        Plan(route="r", strategy="chain", steps=tuple(Step(model=one, dialect="openai-chat") for one in models))
        for models in ((priced, priced), (priced, free))
    )
    assert worth(paid, priced, needs) == 200_000, "nano-dollars"
    assert worth(mixed, priced, needs) == 1.0
    assert not allowed(Hedge(), Needs(dialect="openai-chat", tools=1))
    assert allowed(Hedge(tools=True), Needs(dialect="openai-chat", tools=1))
