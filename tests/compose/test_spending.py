"""Alerts on cost from a house that serves: over a real webhook, from a real ledger."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest_asyncio

from pointsman.compose.spending import SpendKeeper, month_of
from pointsman.core.clock import SystemClock
from pointsman.core.outcome import Outcome
from pointsman.core.usage import Usage
from pointsman.store.price_memory import PriceMemory
from pointsman.testing import Simulator

HOUR = 3_600_000_000_000
USD = 1_000_000_000


class Sink:
    """Takes alerts over HTTP."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                found = re.search(rb"content-length: (\d+)", head.lower())
                assert found
                self.bodies.append(json.loads(await reader.readexactly(int(found[1]))))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def has(self, count: int) -> list[str]:
        for _ in range(500):
            if len(self.bodies) >= count:
                break
            await asyncio.sleep(0.02)
        return sorted(f"{body['kind']} {body['state']} {body['subject']}" for body in self.bodies)


@pytest_asyncio.fixture
async def sink() -> AsyncIterator[Sink]:
    made = Sink()
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/alerts"
    yield made
    server.close()


def alerts(sink: Sink, **more: Any) -> dict[str, Any]:
    return {"channels": {"own": {"type": "webhook", "url": sink.url}}, "settle": 0.5, **more}


async def test_a_dear_call_and_an_unpriced_model_are_told(
    sim: Simulator, serving: Any, config: Callable[..., Any], ask: Callable[..., Any], sink: Sink
) -> None:
    async with serving(config(sim, alerts=alerts(sink, call_cost=0.000001))) as served:
        for model in ("small", "unpriced", "small", "unpriced"):
            asked = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
            assert (await ask(served, "POST", "/v1/chat/completions", asked)).status == 200
        assert await sink.has(2) == ["call_cost firing small", "unpriced_model firing unpriced"]
        details = next(body["details"] for body in sink.bodies if body["kind"] == "call_cost")
        assert details["cost_usd"] > 0.000001
        assert (await ask(served, "GET", f"/api/calls/{details['call']}")).json["call"]["model"] == "small"


async def test_what_the_ledger_says_was_spent_is_held_against_the_limits(
    sim: Simulator, serving: Any, config: Callable[..., Any], sink: Sink
) -> None:
    limits = {"spend_per_hour": 5, "spend_per_month": 100_000}
    async with serving(config(sim, alerts=alerts(sink, **limits))) as served:
        house = served.house
        now = house.pieces.clock.now()
        usage = Usage(input=1)
        for number, (hours_ago, cost) in enumerate([(30, 2 * USD), (3, 2 * USD), (0, 4 * USD), (0, 3 * USD)]):
            started = now - hours_ago * HOUR - 1_000_000
            call_id = house.pieces.ids.new(started)
            house.pieces.ledger.record(
                Outcome(
                    id=call_id, started=started, duration=number, surface="chat.completions", dialect="openai-chat",
                    asked="x", status="ok", http_status=200, usage=usage, cost=cost,
                )
            )  # fmt: skip
        assert await asyncio.to_thread(house.pieces.ledger.flush)
        keeper = SpendKeeper(house.questions, house.alerting.spending, house.pieces.clock)
        figures = await asyncio.to_thread(keeper._figures, now)
        assert figures.hour == 7 * USD
        assert figures.usual == 4 * USD // 30, "of the hours since the first that cost something"
        await keeper.look()
        assert await sink.has(1) == ["spend_rate firing this installation"]
        assert "$7.00" in sink.bodies[0]["summary"]
        again = await asyncio.to_thread(keeper._figures, house.pieces.clock.now())
        assert again.month == figures.month, "what was added up before is not counted twice"


async def test_a_price_that_changed_is_told_at_the_next_start_once(
    sim: Simulator, serving: Any, config: Callable[..., Any], sink: Sink, tmp_path: Path
) -> None:
    said = config(sim, alerts=alerts(sink))
    for price in ({"input": 1, "output": 2}, {"input": 2, "output": 2}, {"input": 2, "output": 2}):
        said["models"]["small"]["price"] = price
        async with serving(said):
            await asyncio.sleep(0.4)
    assert await sink.has(1) == ["price_change firing small"]
    assert "in $1 out $2 -> in $2 out $2" in sink.bodies[0]["summary"]
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    memory = PriceMemory(url, SystemClock())
    assert memory.swap({"small": "x", "new": "y"}) == {"small": ("in $2 out $2", "x")}
    assert memory.swap({"new": "y"}) == {}
    assert memory.swap({"small": "z"}) == {"small": ("x", "z")}, "who was away is remembered"


def test_months_are_those_of_utc() -> None:
    begins, following = month_of(1_798_761_599 * 10**9)  # the last second of 2026
    assert (begins, following) == (1_796_083_200 * 10**9, 1_798_761_600 * 10**9)


async def test_what_is_used_of_a_budget_is_told(
    sim: Simulator, serving: Any, config: Callable[..., Any], ask: Callable[..., Any], sink: Sink
) -> None:
    said = config(sim, alerts=alerts(sink, budget_shares=[0.001]), budgets=[{"limit": "0.01 usd/day"}])
    async with serving(said) as served:
        house = served.house
        asked = {"model": "small", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]}
        for _ in range(5):
            assert (await ask(served, "POST", "/v1/chat/completions", asked)).status == 200
        keeper = SpendKeeper(house.questions, house.alerting.spending, house.pieces.clock, house.budgets)
        for _ in range(100):
            await keeper.look()
            if sink.bodies:
                break
            await asyncio.sleep(0.1)
        assert await sink.has(1) == ["budget_used firing organisation: 0.01 usd a day at 0.1 %"]
        assert sink.bodies[0]["details"]["limit_usd"] == 0.01
