"""Who may well hang does not take a caller's time while others are well: over real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import openai
import pytest
import pytest_asyncio

from pointsman.core.failure import Target
from pointsman.core.health import AttemptEnd
from pointsman.testing import Pace, Script, SimModel, SimProvider, Simulator

Serving = Callable[..., AbstractAsyncContextManager[Any]]
ASK = [{"role": "user", "content": "What is the capital of France?"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
NAMES = ("one", "two", "three")
SECOND = 1_000_000_000
LONG = 4.0
"""Seconds that everybody may take, and nobody should have to wait."""


@pytest_asyncio.fixture
async def sim() -> AsyncIterator[Simulator]:
    models = (SimModel(name="m-1", pace=Pace(events_per_second=400)),)
    providers = tuple(SimProvider(name=name, own_port=True, models=models) for name in NAMES)
    async with Simulator(Script(providers=providers)) as simulator:
        yield simulator


def config(sim: Simulator, **route: Any) -> dict[str, Any]:
    return {
        "providers": {
            name: {"dialect": "openai-chat", "base_url": sim.url_of(name), "timeouts": {"first_byte": LONG}}
            for name in NAMES
        },
        "models": {name: {"provider": name, "model": "m-1"} for name in NAMES},
        "routes": {"auto": {"try": list(NAMES), **route}},
    }


def teach(served: Any, name: str, *, failed: bool = False, took: float = 0.1) -> Target:
    """How long its answers took (seconds); where it failed, that was half a minute ago, and its rest is over."""
    health, target = served.house.pieces.health, Target(name, "m-1")
    then = time.monotonic_ns() - 60 * SECOND
    nanos = round(took * SECOND)
    for stream in (False, True) * 25:
        health.begin(target, then)
        health.end(target, AttemptEnd(stream=stream, first_token=nanos, duration=nanos), then)
    for _ in range(3 * failed):
        health.begin(target, then + 30 * SECOND)
        health.end(target, AttemptEnd(failure="server_error"), then + 30 * SECOND)
    return target


def state(served: Any, target: Target) -> str:
    return str(served.house.pieces.health.states(time.monotonic_ns()).get(target, "closed"))


async def asked(served: Any, *, stream: bool = False, retries: int | None = None, **more: Any) -> tuple[str, float]:
    """Who answered, and after how many seconds."""
    headers = {} if retries is None else {"x-pointsman-retries": str(retries)}
    async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="any", max_retries=0) as sdk:
        began = time.monotonic()
        raw = await sdk.chat.completions.with_raw_response.create(
            model="auto", messages=ASK, stream=stream, extra_headers=headers, **more
        )
        if stream:
            async for _ in raw.parse():
                pass
        return raw.headers["x-pointsman-model"], time.monotonic() - began


async def attempts(served: Any) -> Any:
    assert await asyncio.to_thread(served.house.pieces.ledger.flush)
    questions = await asyncio.to_thread(served.house.questions)
    rows = await asyncio.to_thread(questions.calls, 1)
    return (await asyncio.to_thread(questions.call, rows[0].id)).attempts


@pytest.mark.parametrize("stream", [False, True])
async def test_who_hangs_when_it_is_asked_again_costs_the_caller_no_more_than_its_usual_time(
    sim: Simulator, serving: Serving, *, stream: bool
) -> None:
    sim.inject("silent", provider="one", times=9)
    async with serving(config(sim)) as served:
        one = teach(served, "one", failed=True)
        assert state(served, one) == "half_open"
        model, took = await asked(served, stream=stream)
        assert model == "two"
        assert took < LONG / 2
        assert [(each.model, each.error) for each in await attempts(served)] == [
            ("one", "upstream_timeout"),
            ("two", ""),
        ]
        assert state(served, one) == "open", "it is left alone, and not asked by call after call"
        assert (await asked(served, stream=stream))[0] == "two"
        assert [entry.provider for entry in sim.journal] == ["one", "two", "two"]


async def test_who_is_back_is_asked_again_and_nobody_else(sim: Simulator, serving: Serving) -> None:
    async with serving(config(sim)) as served:
        one = teach(served, "one", failed=True, took=LONG / 2)
        assert (await asked(served))[0] == "one"
        assert state(served, one) == "closed"
        assert [entry.provider for entry in sim.journal] == ["one"]


async def test_a_call_that_waited_in_vain_once_does_not_do_so_twice(sim: Simulator, serving: Serving) -> None:
    for name in ("one", "two"):
        sim.inject("silent", provider=name, times=9)
    async with serving(config(sim)) as served:
        for name in NAMES:
            teach(served, name)
        model, took = await asked(served)
        assert model == "three"
        assert took < LONG * 1.5
        errors = [(each.model, each.error) for each in await attempts(served)]
        assert errors == [("one", "upstream_timeout"), ("two", "outpaced"), ("three", "")]
        assert state(served, Target("two", "m-1")) == "closed"


async def test_where_the_one_besides_fails_or_hangs_too_the_next_is_asked(sim: Simulator, serving: Serving) -> None:
    for fault in ("server_error", "silent"):
        sim.inject("silent", provider="one", times=1)
        sim.inject(fault, provider="two", times=1)
        async with serving(config(sim)) as served:
            for name in NAMES:
                teach(served, name, failed=name == "one")
            model, took = await asked(served)
            assert model == "three"
            assert took < LONG / 2, fault


async def test_what_nobody_can_mend_ends_the_call_though_another_hangs(sim: Simulator, serving: Serving) -> None:
    sim.inject("silent", provider="one", times=1)
    sim.inject("bad_request", provider="two", times=1)
    async with serving(config(sim)) as served:
        teach(served, "one", failed=True)
        began = time.monotonic()
        with pytest.raises(openai.BadRequestError):
            await asked(served)
        assert time.monotonic() - began < LONG / 2
        assert [entry.provider for entry in sim.journal] == ["one", "two"]


async def test_a_caller_that_wants_one_request_gets_one(sim: Simulator, serving: Serving) -> None:
    sim.inject("slow_token", provider="one", times=1)
    async with serving(config(sim)) as served:
        teach(served, "one", failed=True)
        await asked(served, retries=0)
        assert [entry.provider for entry in sim.journal] == ["one"]


async def test_a_call_with_tools_is_sent_to_one_at_a_time_and_does_not_wait_long(
    sim: Simulator, serving: Serving
) -> None:
    sim.inject("silent", provider="one", times=1)
    async with serving(config(sim)) as served:
        teach(served, "one", failed=True)
        model, took = await asked(served, tools=[TOOL])
        assert model == "two"
        assert took < LONG / 2
        one, two = await attempts(served)
        assert one.started + one.duration <= two.started, "the first was given up before the second was asked"
