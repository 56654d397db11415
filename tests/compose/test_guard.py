"""Without keys a gateway answers programs on this machine, and no web page that is open in its browser."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import openai
import pytest

from pointsman.core.call import Arrival
from pointsman.core.errors import Forbidden
from pointsman.server.cors import Cors
from pointsman.server.guard import Guard

QUESTION = {"model": "small", "messages": [{"role": "user", "content": "Hi"}]}
CHAT = "/v1/chat/completions"
GUARDED = ["/v1/models", "/api/status", "/api/calls", "/api/totals", "/api/conformance", "/metrics"]


def own(served: Any) -> str:
    """The gateway's own origin."""
    return str(served.url)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.test", "sec-fetch-site": "same-origin"},
        {"host": "evil.test"},
        {"host": "evil.test:4545"},
        {"host": "192.168.1.5"},
        {"host": "127.0.0.1.evil.test"},
        {"host": "localhost.evil.test:80"},
        {"host": "evil.test", "origin": "http://evil.test"},
        {"host": "[2001:db8::1]:4545"},
    ],
)
async def test_web_pages_are_refused_and_spend_nothing(
    headers: dict[str, str], sim: Any, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim)) as served:
        answer = await ask(served, "POST", CHAT, QUESTION, headers)
        assert answer.status == 403
        assert answer.error["code"] == "not_permitted"
        assert "pointsman keys create" in answer.error["pointsman"]["hint"]
        for path in GUARDED:
            assert (await ask(served, "GET", path, None, headers)).status == 403, path
        for path in ("/health", "/ready", "/"):
            assert (await ask(served, "GET", path, None, headers)).status == 200, path
        assert (await ask(served, "GET", "/api/totals")).json["all"]["calls"] == 0, "no provider was asked"


async def test_programs_and_the_own_page_go_on(sim: Any, config: Any, serving: Any, ask: Any) -> None:
    async with serving(config(sim)) as served:
        port = own(served).rpartition(":")[2]
        for headers in (
            {"host": "localhost"},
            {"host": f"LOCALHOST:{port}"},
            {"host": "app.localhost:1"},
            {"host": "127.8.9.1:80"},
            {"host": f"[::1]:{port}"},
            {"origin": own(served), "sec-fetch-site": "same-origin"},
            {"host": f"localhost:{port}", "origin": f"http://localhost:{port}"},
            {"sec-fetch-site": "none"},
            {"sec-fetch-site": "same-origin"},
        ):
            assert (await ask(served, "POST", CHAT, QUESTION, headers)).status == 200, headers
            assert (await ask(served, "GET", "/api/status", None, headers)).status == 200, headers
        client = openai.AsyncOpenAI(base_url=f"{own(served)}/v1", api_key="any", max_retries=0)
        async with client:
            assert (await client.models.list()).data


async def test_listed_origins_may_call_and_keys_replace_the_guard(
    sim: Any, config: Any, serving: Any, ask: Any
) -> None:
    page = {"origin": "https://app.test", "sec-fetch-site": "cross-site"}
    async with serving(config(sim, server={"cors": ["https://app.test"]})) as served:
        allowed = await ask(served, "POST", CHAT, QUESTION, page)
        assert allowed.status == 200
        assert allowed.headers["access-control-allow-origin"] == "https://app.test"
        other = {**page, "origin": "https://evil.test"}
        assert (await ask(served, "POST", CHAT, QUESTION, other)).status == 403
        assert (await ask(served, "POST", CHAT, QUESTION, {**page, "host": "evil.test"})).status == 403
        new = await asyncio.to_thread(served.house.pieces.keys.create, "proxy")
        await asyncio.to_thread(served.house.pieces.keys.refresh)
        keyed = {**other, "host": "llm.example.com", "authorization": f"Bearer {new.secret}"}
        assert (await ask(served, "POST", CHAT, QUESTION, keyed)).status == 200, "the key decides"
        assert (await ask(served, "POST", CHAT, QUESTION, other)).status == 401


def arrival(host: bytes) -> Arrival:
    """A request of a program."""
    headers = ((b"host", host),)
    return Arrival(
        method="POST", path=CHAT, query="", headers=headers, lookup=dict(headers), body=b"", client="", received=0
    )


def test_it_costs_next_to_nothing_and_remembers_only_so_many_hosts() -> None:
    guard = Guard(lambda: False, "127.0.0.1", Cors(()))
    for number in range(1_000):
        with pytest.raises(Forbidden):
            guard.check(arrival(b"h%d.test" % number))
    usual = arrival(b"127.0.0.1:4545")
    best = min(_seconds(guard, usual) for _ in range(5))
    assert best / 10_000 < 5e-6, "seconds a request"


def _seconds(guard: Guard, usual: Arrival) -> float:
    begun = time.perf_counter()
    for _ in range(10_000):
        guard.check(usual)
    return time.perf_counter() - begun
