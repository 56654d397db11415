"""Calls that go to the same provider again, so that what it remembers of their prompts is of use: over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import openai
import pytest_asyncio

from pointsman.testing import Script, SimModel, SimProvider, Simulator

Serving = Callable[..., AbstractAsyncContextManager[Any]]
NAMES = ("one", "two", "three")


@pytest_asyncio.fixture
async def sim() -> AsyncIterator[Simulator]:
    models = (SimModel(name="m-1"),)
    async with Simulator(Script(providers=tuple(SimProvider(name=name, models=models) for name in NAMES))) as simulator:
        yield simulator


def config(sim: Simulator, **route: str) -> dict[str, Any]:
    return {
        "providers": {name: {"dialect": "openai-chat", "base_url": sim.url_of(name)} for name in NAMES},
        "models": {name: {"provider": name, "model": "m-1"} for name in NAMES},
        "routes": {"m": {"pool": list(NAMES), "balance": "sticky", **route}},
    }


async def asked(sdk: openai.AsyncOpenAI, begins: str, turns: int = 3, session: str = "") -> set[str]:
    """Who answers the turns of a conversation."""
    told: list[Any] = [{"role": "system", "content": f"About {begins}."}]
    headers = {"x-pointsman-session": session} if session else {}
    who = set()
    for turn in range(turns):
        told.append({"role": "user", "content": f"Question {turn}"})
        raw = await sdk.chat.completions.with_raw_response.create(model="m", messages=told, extra_headers=headers)
        who.add(raw.headers["x-pointsman-model"])
        told.append({"role": "assistant", "content": raw.parse().choices[0].message.content})
    return who


async def test_conversations_stick_by_how_they_begin_and_spread_over_all(sim: Simulator, serving: Serving) -> None:
    async with (
        serving(config(sim, sticky="prefix")) as served,
        openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="any", max_retries=0) as sdk,
    ):
        found = [await asked(sdk, f"thing {n}") for n in range(16)]
        assert all(len(who) == 1 for who in found)
        assert set.union(*found) == set(NAMES)
        assert len(set.union(*[await asked(sdk, f"thing {n}", 1, session="mine") for n in range(8)])) == 1
        home = next(iter(found[0]))
        sim.inject("unavailable", provider=home)
        assert await asked(sdk, "thing 0", turns=1) != found[0]
        assert await asked(sdk, "thing 0") == found[0], "back where its prompt is known"


async def test_without_it_calls_of_one_key_go_to_one(sim: Simulator, serving: Serving) -> None:
    async with (
        serving(config(sim)) as served,
        openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="any", max_retries=0) as sdk,
    ):
        assert len(set.union(*[await asked(sdk, f"thing {n}", 1) for n in range(8)])) == 1
