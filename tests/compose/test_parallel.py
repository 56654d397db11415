"""How many calls of a key may be under way: over HTTP, given back however a call ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from keeping import CHAT, QUESTION, key
from pointsman.testing import Simulator
from pointsman.testing.script import Pace

STREAM = {**QUESTION, "stream": True}
SLOW = Pace(events_per_second=4)


@pytest_asyncio.fixture
async def slow(script: Any) -> Any:
    """A simulator whose streams take seconds."""
    async with Simulator(script(SLOW)) as simulator:
        yield simulator


@contextlib.contextmanager
def hanging(served: Any, headers: dict[str, str], body: bytes) -> Any:
    """A call that has begun to be answered, and is left when the block ends."""
    port = urlsplit(served.url).port
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection(("127.0.0.1", port), timeout=10) as caller:
        caller.sendall(
            f"POST {CHAT} HTTP/1.1\r\nhost: 127.0.0.1\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body
        )
        yield caller


async def begun(served: Any, caller: socket.socket) -> None:
    """Its first bytes have come."""
    assert (await asyncio.to_thread(caller.recv, 4096)).startswith(b"HTTP/1.1 200")


async def eventually_free(served: Any, ask: Any, who: dict[str, str]) -> None:
    """The key's place is given back within a second."""
    for _ in range(50):
        answer = await ask(served, "POST", CHAT, {**QUESTION, "max_tokens": 1}, who)
        if answer.status != 429:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the place was never given back")


async def test_one_call_too_many_is_told_when_to_come_back(
    slow: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    body = b'{"model": "auto", "stream": true, "messages": [{"role": "user", "content": "Hi"}]}'
    async with serving(config(slow)) as served:
        two, other = await key(served, "two", parallel=2), await key(served, "other")
        with hanging(served, two, body) as first, hanging(served, two, body) as second:
            await begun(served, first)
            await begun(served, second)
            for path, asked in (
                (CHAT, QUESTION),
                (CHAT, STREAM),
                ("/v1/messages", {**QUESTION, "max_tokens": 5}),
                ("/passthrough/one/v1/models", None),
            ):
                method = "POST" if asked else "GET"
                refused = await ask(served, method, path, asked, two)
                assert refused.status == 429, path
                assert refused.headers["retry-after"] == "1"
                assert b"2 calls under way" in refused.body
            assert (await ask(served, "POST", CHAT, {**QUESTION, "max_tokens": 1}, other)).status == 200
        await eventually_free(served, ask, two)  # both callers hung up


@pytest.mark.parametrize("fault", ["unavailable", "bad_request", "reset", "html", "cut_reset", "silent", "stall"])
async def test_the_place_is_given_back_after_a_failure(
    fault: str, sim: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    said = config(sim)
    said["providers"]["one"]["timeouts"] = {"first_byte": 0.2, "between_bytes": 0.2}
    async with serving(said) as served:
        one = await key(served, "one", parallel=1, allow=("small",))
        for body in (QUESTION, STREAM):
            sim.inject(fault, provider="one", times=9)
            answer = await ask(served, "POST", CHAT, body, one)
            assert answer.status not in (200, 429) or b'"error"' in answer.body
            assert served.house.line.parts.turnstile.inside == {}, "nothing is held once the answer is out"


async def test_a_refused_call_gives_back_its_own_place_and_no_other(
    sim: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim)) as served:
        one = await key(served, "one", parallel=1, allow=("small",))
        for body, status in ((b"no json", 400), ({**QUESTION, "model": "large"}, 403), (QUESTION, 200), (STREAM, 200)):
            assert (await ask(served, "POST", CHAT, body, one)).status == status
        assert served.house.line.parts.turnstile.inside == {}


async def test_never_more_than_the_limit_of_many_at_once(sim: Simulator, config: Any, serving: Any, ask: Any) -> None:
    async with serving(config(sim)) as served:
        three = await key(served, "three", parallel=3)
        answers = await asyncio.gather(*(ask(served, "POST", CHAT, STREAM, three) for _ in range(24)))
        statuses = [answer.status for answer in answers]
        assert set(statuses) == {200, 429}
        assert most_at_once(sim) <= 3
        assert served.house.line.parts.turnstile.inside == {}


def most_at_once(sim: Simulator) -> int:
    """How many requests the providers had at one time."""
    moments = [(entry.received, 1) for entry in sim.journal] + [(entry.finished, -1) for entry in sim.journal]
    inside = most = 0
    for _, change in sorted(moments):
        inside += change
        most = max(most, inside)
    return most


async def test_the_limit_lasts_over_a_change_of_the_configuration(
    slow: Simulator, config: Any, serving: Any, ask: Any
) -> None:
    body = b'{"model": "auto", "stream": true, "messages": [{"role": "user", "content": "Hi"}]}'
    async with serving(config(slow)) as served:
        one = await key(served, "one", parallel=1)
        with hanging(served, one, body) as first:
            await begun(served, first)
            await served.house.apply(served.house.loaded)
            assert (await ask(served, "POST", CHAT, QUESTION, one)).status == 429
        await eventually_free(served, ask, one)
