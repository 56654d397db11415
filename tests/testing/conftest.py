"""Clients and clocks for the simulator's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from openai import AsyncOpenAI


class HandClock:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        self.time = 1_700_000_000_000_000_000

    def now(self) -> int:
        return self.time

    def monotonic(self) -> int:
        return self.time

    def forward(self, seconds: float) -> None:
        self.time += int(seconds * 1e9)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def client_of() -> AsyncIterator[Callable[..., AsyncOpenAI]]:
    """Makes clients that do not retry, and closes them."""
    made: list[AsyncOpenAI] = []

    def make(base_url: str, key: str = "any", timeout: float = 5.0) -> AsyncOpenAI:
        made.append(AsyncOpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=timeout))
        return made[-1]

    yield make
    for client in made:
        await client.close()
