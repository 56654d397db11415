"""How long connections take is learned from those that are made, and limits how long the next may take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import openai

from pointsman.testing import Script, SimModel, SimProvider, Simulator

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


async def test_connections_that_were_made_at_once_teach_a_short_limit(
    serving: Callable[..., AbstractAsyncContextManager[Any]],
) -> None:
    script = Script(providers=(SimProvider(name="lab", models=(SimModel(name="m-1", first_token=0.3),)),))
    async with Simulator(script) as sim:
        said = {
            "providers": {"lab": {"dialect": "openai-chat", "base_url": sim.url_of("lab")}},
            "models": {"m": {"provider": "lab", "model": "m-1"}},
        }
        async with (
            serving(said) as served,
            openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="any", max_retries=0) as sdk,
        ):
            await asyncio.gather(*(sdk.chat.completions.create(model="m", messages=QUESTION) for _ in range(25)))
            (standing,) = served.house.pieces.health.status(served.house.pieces.clock.monotonic())
    assert 1.0 <= standing.learned.connect < 5.0, "learned, instead of the five seconds configured"
