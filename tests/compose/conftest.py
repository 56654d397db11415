"""Fixtures for the whole gateway: a simulator of two providers, and callers without any library's help."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

import harness
from pointsman.testing import Script, SimModel, SimProvider, Simulator, running
from pointsman.testing.script import Pace

FAST = Pace(events_per_second=400)


def played(pace: Pace = FAST) -> Script:
    """Two providers, the first on a port of its own."""
    return Script(
        providers=(
            SimProvider(name="one", own_port=True, models=(SimModel(name="small-1", pace=pace),)),
            SimProvider(name="two", models=(SimModel(name="large-1", pace=pace), SimModel(name="free-1", pace=pace))),
        )
    )


@pytest.fixture
def script() -> Callable[[Pace], Script]:
    """What the simulator plays, at another pace."""
    return played


@pytest_asyncio.fixture
async def sim() -> AsyncIterator[Simulator]:
    """In this loop."""
    async with Simulator(played()) as simulator:
        yield simulator


@pytest.fixture
def sim_thread() -> Iterator[Simulator]:
    """In a thread of its own."""
    with running(played()) as simulator:
        yield simulator


def _config(sim: Simulator, **more: Any) -> dict[str, Any]:
    return {
        "providers": {
            "one": {"dialect": "openai-chat", "base_url": sim.url_of("one")},
            "two": {"dialect": "openai-chat", "base_url": sim.url_of("two")},
        },
        "models": {
            "small": {"provider": "one", "model": "small-1", "price": {"input": 0.15, "output": 0.6}},
            "large": {"provider": "two", "model": "large-1", "price": {"input": 5, "output": 25}},
            "unpriced": {"provider": "two", "model": "free-1"},
        },
        "routes": {"auto": {"pool": ["small", "large"]}, "chain": {"try": ["small", "large"]}},
        **more,
    }


@pytest.fixture
def config() -> Callable[..., dict[str, Any]]:
    """`config(sim, **more)`: two providers, three models, two routes."""
    return _config


class Heard(NamedTuple):
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's value."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """What went wrong, in OpenAI's shape."""
        return dict(self.json["error"])


@pytest.fixture
def ask() -> Callable[..., Any]:
    """`await ask(served, "GET", "/path", body, headers)`: one request over a connection of its own."""

    async def send(
        served: Any, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Heard:
        port = urlsplit(served.url).port
        assert port is not None
        return Heard(*await asyncio.to_thread(harness.request, port, method, path, body=body, headers=headers))

    return send
