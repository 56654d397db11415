"""How many calls of a key may be under way: over HTTP, given back however a call ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from harness import Running, gateway
from keeping import CHAT, QUESTION, bearer, key
from pointsman.testing import Simulator, running
from pointsman.testing.script import Pace
from worker_looks import children

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


@pytest.mark.slow
def test_the_limit_holds_over_workers_and_a_dead_worker_holds_no_place(script: Any, config: Any) -> None:
    secret = "a-secret-of-the-file-0123456789"
    with running(script(SLOW)) as sim:
        said = config(sim, keys=[{"name": "four", "env": "FOUR", "parallel": 4}], server={"workers": 3})
        with gateway(said, env={"FOUR": secret}) as up:
            body = json.dumps({**STREAM, "model": "small"}).encode()
            with contextlib.ExitStack() as calls:
                statuses = [held(up, calls, secret, body) for _ in range(24)]
                assert statuses.count(200) == 4, "not four for each worker"
                assert statuses.count(429) == 20
                for pid in children(up.process.pid):
                    os.kill(pid, signal.SIGKILL)
            deadline = time.monotonic() + 10
            with contextlib.ExitStack() as calls:
                while [held(up, calls, secret, body) for _ in range(4)] != [200] * 4:
                    calls.close()
                    assert time.monotonic() < deadline


def held(up: Running, calls: contextlib.ExitStack, secret: str, body: bytes) -> int:
    """A call that stays under way until the block ends, if it was let in: its status."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in bearer(secret).items())
    try:
        caller = calls.enter_context(socket.create_connection(("127.0.0.1", up.port), timeout=10))
        caller.sendall(f"POST {CHAT} HTTP/1.1\r\nhost: x\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body)
        head = caller.recv(4096)
    except OSError:
        return 0
    return int(head[9:12] or 0)
