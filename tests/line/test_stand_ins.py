"""Who answers when the one that was chosen does not: over real sockets."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import openai
import pytest

from pointsman.core.failure import Target
from pointsman.core.health import AttemptEnd
from pointsman.testing import Script, SimModel, SimProvider, Simulator

Serving = Callable[..., AbstractAsyncContextManager[Any]]
ASK = [{"role": "user", "content": "What is the capital of France?"}]
PRICES = {"best": 1, "dear": 2, "slow": 3, "quick": 4}


def config(sim: Simulator) -> dict[str, Any]:
    tiers = {"best": "frontier", "dear": "frontier", "slow": "economy", "quick": "economy"}
    return {
        "providers": {name: {"dialect": "openai-chat", "base_url": sim.url_of(name)} for name in PRICES},
        "models": {
            name: {"provider": name, "model": "m-1", "tier": tiers[name], "price": {"input": price, "output": price}}
            for name, price in PRICES.items()
        },
        "routes": {"auto": {"pool": list(PRICES)}},
    }


@pytest.mark.parametrize("stream", [False, True])
async def test_another_of_the_same_tier_then_the_quickest_of_a_lower_one(serving: Serving, *, stream: bool) -> None:
    models = (SimModel(name="m-1"),)
    async with Simulator(Script(providers=tuple(SimProvider(name=name, models=models) for name in PRICES))) as sim:
        for name in ("best", "dear"):
            sim.inject("unavailable", provider=name, times=1)
        async with (
            serving(config(sim)) as served,
            openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="any", max_retries=0) as sdk,
        ):
            learn(served.house.pieces.health, stream=stream)
            raw = await sdk.chat.completions.with_raw_response.create(model="auto", messages=ASK, stream=stream)
            if stream:
                async for _ in raw.parse():
                    pass
            assert raw.headers["x-pointsman-model"] == "quick", "though the slow one is cheaper"
            assert "after best, dear failed" in raw.headers["x-pointsman-decision"]
            assert raw.headers["x-pointsman-attempts"] == "3"


def learn(book: Any, *, stream: bool) -> None:
    """How quick they have been so far; the chosen one is the slowest of all, and that matters nothing."""
    for name, seconds in {"best": 4, "slow": 2, "quick": 0.1}.items():
        target = Target(name, "m-1")
        for _ in range(25):
            book.begin(target, 0)
            book.end(target, AttemptEnd(stream=stream, first_token=int(seconds * 1e9)), 0)
