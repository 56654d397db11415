"""More calls than places: who waits, who goes first, who is told to come again, in its own dialect."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from pointsman.testing import Simulator
from pointsman.testing.script import Pace

QUESTION = {"model": "small", "messages": [{"role": "user", "content": "What is the capital of France?"}]}
SECOND = Pace(events_per_second=12)
"""Of which a stream takes about one."""
CHAT = "/v1/chat/completions"


@asynccontextmanager
async def busy(serving: Any, config: Any, script: Any, ask: Any, **server: Any) -> Any:
    """A gateway with one place, which is taken for about a second."""
    async with (
        Simulator(script(SECOND)) as sim,
        serving(config(sim, server={"max_in_flight": 1, **server})) as served,
    ):
        taken = asyncio.create_task(ask(served, "POST", CHAT, {**QUESTION, "stream": True}))
        while served.house.pieces.ledger.stats().written or not sim.journal:  # noqa: ASYNC110 - until it is under way
            await asyncio.sleep(0.005)
        yield served
        assert (await taken).body.endswith(b"data: [DONE]\n\n")


async def waiting(ask: Any, served: Any, number: int) -> None:
    """Until so many wait."""
    for _ in range(300):
        if f"\ngw_waiting {number}\n".encode() in (await ask(served, "GET", "/metrics")).body:
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"{number} never waited")


async def test_a_call_waits_for_its_place_and_higher_ones_come_first(
    serving: Any, config: Any, script: Any, ask: Any
) -> None:
    async with busy(serving, config, script, ask) as served:
        order: list[str] = []

        async def call(priority: str) -> None:
            answer = await ask(served, "POST", CHAT, QUESTION, {"x-pointsman-priority": priority})
            assert answer.status == 200
            order.append(priority)

        calls = []
        for number, priority in enumerate(("low", "normal", "high"), 1):
            calls.append(asyncio.create_task(call(priority)))
            await waiting(ask, served, number)
        for path in ("/health", "/ready", "/metrics"):
            assert (await ask(served, "GET", path)).status == 200, path
        await asyncio.gather(*calls)
        assert order == ["high", "normal", "low"]
        text = (await ask(served, "GET", "/metrics")).body.decode()
        assert 'gw_wait_seconds_count{priority="high"} 1' in text
        assert "gw_turned_away_total{" not in text


@pytest.mark.parametrize(
    ("path", "place"),
    [(CHAT, "code"), ("/v1/messages", "type"), ("/v1/responses", "code"), ("/v1beta/models/small:generateContent", "")],
)
async def test_who_waits_too_long_is_told_when_to_come_again_in_his_own_dialect(
    path: str, place: str, serving: Any, config: Any, script: Any, ask: Any
) -> None:
    async with busy(serving, config, script, ask, max_wait=0.2) as served:
        began = time.monotonic()
        answer = await ask(served, "POST", path, QUESTION)
        assert 0.15 < time.monotonic() - began < 0.9
        assert answer.status == 503
        assert 1 <= int(answer.headers["retry-after"]) <= 30
        error = answer.error
        assert error[place] in ("overloaded", "overloaded_error", "api_error") if place else error["status"]
        text = (await ask(served, "GET", "/metrics")).body
        assert b'gw_turned_away_total{priority="normal",reason="waited"} 1' in text


async def test_a_full_room_turns_away_at_once_and_low_calls_make_room(
    serving: Any, config: Any, script: Any, ask: Any
) -> None:
    async with busy(serving, config, script, ask, max_waiting=1) as served:
        low = asyncio.create_task(ask(served, "POST", CHAT, QUESTION, {"x-pointsman-priority": "low"}))
        await waiting(ask, served, 1)
        began = time.monotonic()
        assert (await ask(served, "POST", CHAT, QUESTION, {"x-pointsman-priority": "low"})).status == 503
        high = asyncio.create_task(ask(served, "POST", CHAT, QUESTION, {"x-pointsman-priority": "high"}))
        assert (await low).status == 503
        assert time.monotonic() - began < 0.5
        assert (await high).status == 200


async def test_one_key_does_not_take_the_whole_room(serving: Any, config: Any, script: Any, ask: Any) -> None:
    async with (
        Simulator(script(SECOND)) as sim,
        serving(config(sim, keys="required", server={"max_in_flight": 1, "max_waiting": 4})) as served,
    ):
        keys = served.house.pieces.keys
        secrets = [(await asyncio.to_thread(keys.create, name)).secret for name in ("greedy", "modest")]
        heads = [{"authorization": f"Bearer {secret}"} for secret in secrets]
        while (await ask(served, "GET", "/v1/models", None, heads[1])).status != 200:  # noqa: ASYNC110 - until both are known
            await asyncio.sleep(0.02)
        calls = [asyncio.create_task(ask(served, "POST", CHAT, {**QUESTION, "stream": True}, heads[0]))]
        while not sim.journal:  # noqa: ASYNC110 - until it is under way
            await asyncio.sleep(0.005)
        calls += [asyncio.create_task(ask(served, "POST", CHAT, QUESTION, heads[0])) for _ in range(4)]
        await asyncio.sleep(0.2)
        modest = await ask(served, "POST", CHAT, QUESTION, heads[1])
        assert modest.status == 200
        assert sorted([(await call).status for call in calls]) == [200, 200, 200, 503, 503]
        wrong = await ask(served, "POST", CHAT, QUESTION, {"authorization": "Bearer nobody"})
        assert wrong.status == 401


async def test_who_leaves_while_waiting_gives_his_place_in_the_room_to_others(
    serving: Any, config: Any, script: Any, ask: Any
) -> None:
    async with busy(serving, config, script, ask, max_waiting=1) as served:
        body = json.dumps(QUESTION).encode()
        _, writer = await asyncio.open_connection("127.0.0.1", urlsplit(served.url).port)
        writer.write(b"POST %b HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%b" % (CHAT.encode(), len(body), body))
        await waiting(ask, served, 1)
        writer.close()
        await waiting(ask, served, 0)
        assert (await ask(served, "POST", CHAT, QUESTION)).status == 200
