"""Budgets that hold: over real sockets, against the simulator."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import pytest_asyncio

from pointsman.core.errors import StoreUnavailable
from pointsman.core.money import NANOS_PER_USD
from pointsman.testing import Pace, Quota, Script, SimModel, SimProvider, Simulator

Serving = Callable[..., AbstractAsyncContextManager[Any]]
ASK = [{"role": "user", "content": "What is the capital of France?"}]


@pytest_asyncio.fixture
async def sim() -> AsyncIterator[Simulator]:
    models = (SimModel(name="m-1", pace=Pace(events_per_second=400)),)
    script = Script(
        providers=(
            SimProvider(name="one", own_port=True, models=models),
            SimProvider(name="two", own_port=True, models=models),
        )
    )
    async with Simulator(script) as simulator:
        yield simulator


def config(sim: Simulator, *budgets: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Two models: `dear` for 10 and 100 dollars per million, `cheap` for a hundredth of that."""
    return {
        "providers": {
            name: {"dialect": "openai-chat", "base_url": sim.url_of(name), "api_key_env": ""} for name in ("one", "two")
        },
        "models": {
            "dear": {
                "provider": "one",
                "model": "m-1",
                "price": {"input": 10, "output": 100},
                "context": 8000,
                "max_output": 1000,
            },
            "cheap": {
                "provider": "two",
                "model": "m-1",
                "price": {"input": 0.1, "output": 1},
                "context": 8000,
                "max_output": 1000,
            },
        },
        "routes": {"auto": {"try": ["dear", "cheap"]}},
        "budgets": list(budgets),
        **more,
    }


async def ask(served: Any, **more: Any) -> httpx.Response:
    async with httpx.AsyncClient(base_url=served.url, timeout=30) as client:
        body = {"model": "dear", "messages": ASK, "max_tokens": 50, **more}
        return await client.post("/v1/chat/completions", json=body)


async def spent(served: Any) -> tuple[int, int, int]:
    """What is spent, held and leased in all accounts."""
    accounts = served.house.pieces.purse._accounts.values()
    return tuple(sum(getattr(one, name) for one in accounts) for name in ("spent", "held", "leased"))  # type: ignore[return-value]


async def test_a_call_within_its_budget_is_told_what_is_left(sim: Simulator, serving: Serving) -> None:
    async with serving(config(sim, {"limit": "1usd/day"})) as served:
        answer = await ask(served)
        again = await ask(served)
    assert answer.status_code == 200
    cost = float(answer.headers["x-pointsman-cost-usd"])
    left = float(again.headers["x-pointsman-budget-left-usd"])
    assert 0 < cost < 0.01
    assert 1 - cost - 0.02 < left < 1 - cost


async def test_a_call_that_could_cost_more_than_is_left_is_refused(sim: Simulator, serving: Serving) -> None:
    async with serving(config(sim, {"limit": "0.004usd/day"})) as served:
        refused = await ask(served)  # 50 tokens of output alone may cost 0.005
        small = await ask(served, model="cheap")
        used = await spent(served)
    assert refused.status_code == 402
    error = refused.json()["error"]
    assert error["code"] == "budget_exceeded"
    assert "organisation: 0.004 usd a day" in error["message"]
    assert "0.004 usd left" in error["message"]
    assert "resets at" in error["message"]
    assert refused.headers["x-should-retry"] == "false"
    assert small.status_code == 200
    assert used[1] == 0


async def test_near_the_limit_a_route_goes_on_with_a_cheaper_model(sim: Simulator, serving: Serving) -> None:
    async with serving(config(sim, {"limit": "0.004usd/day"})) as served:
        answer = await ask(served, model="auto")
    assert answer.status_code == 200
    assert answer.headers["x-pointsman-model"] == "cheap"


async def test_a_dear_fallback_does_not_take_what_is_left_from_others(sim: Simulator, serving: Serving) -> None:
    """The longest answers of `cheap` are a tenth of a cent each; one of `dear`, which follows it, is eleven cents."""
    said = config(sim, {"limit": "0.05usd/day"}, routes={"auto": {"try": ["cheap", "dear"]}})
    async with serving(said) as served:
        answers = await asyncio.gather(*(ask(served, model="auto", max_tokens=None) for _ in range(10)))
        sim.inject("unavailable", provider="two", times=5)
        fallen = await ask(served, model="auto", max_tokens=None)
        told = sim.journal[-1].json()
        used = await spent(served)
    assert [answer.status_code for answer in answers] == [200] * 10
    assert fallen.headers["x-pointsman-model"] == "dear"
    assert 256 <= told["max_tokens"] < 500, "what follows is told what fits by then"
    assert used[1] == 0


async def test_beyond_the_soft_limit_the_cheapest_is_asked_first(sim: Simulator, serving: Serving) -> None:
    async with serving(config(sim, {"limit": "0.2usd/day", "soft": 0.001})) as served:
        first = await ask(served, model="auto")
        second = await ask(served, model="auto")
    assert first.headers["x-pointsman-model"] == "dear"
    assert second.headers["x-pointsman-model"] == "cheap"
    assert "budget is nearly used up" in second.headers["x-pointsman-decision"]


async def test_a_soft_budget_alone_refuses_nobody(sim: Simulator, serving: Serving) -> None:
    async with serving(config(sim, {"limit": "0.000001usd/day", "soft": 0.5, "hard": False})) as served:
        answers = [await ask(served) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/chat/completions", {"model": "dear", "messages": ASK}, "max_tokens"),
        ("/v1/responses", {"model": "dear", "input": "What is the capital of France?"}, "max_completion_tokens"),
        (
            "/v1beta/models/dear:generateContent",
            {"contents": [{"role": "user", "parts": [{"text": "What is the capital of France?"}]}]},
            "max_completion_tokens",
        ),
    ],
)
async def test_a_missing_limit_of_length_is_set_to_what_is_left(
    sim: Simulator, serving: Serving, path: str, body: dict[str, Any], field: str
) -> None:
    async with serving(config(sim, {"limit": "0.05usd/day"})) as served:
        async with httpx.AsyncClient(base_url=served.url) as client:
            answer = await client.post(path, json=body)
        told = sim.journal[-1].json()
    assert answer.status_code == 200, answer.text
    assert 256 <= told[field] < 500  # 0.05 dollars, less what the input may cost, at 0.0001 a token


async def test_what_is_unpriced_is_refused_under_a_hard_budget(sim: Simulator, serving: Serving) -> None:
    said = config(sim, {"limit": "1usd/day"})
    del said["models"]["dear"]["price"]
    async with serving(said) as served:
        refused = await ask(served)
        other = await ask(served, model="auto")
    assert refused.status_code == 402
    assert "unpriced" in refused.json()["error"]["message"]
    assert other.headers["x-pointsman-model"] == "cheap"


async def test_a_limit_on_requests_is_a_429_with_the_time_to_wait(sim: Simulator, serving: Serving) -> None:
    async with serving(config(sim, {"limit": "2 requests/hour"})) as served:
        answers = [await ask(served, model="cheap") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers.get("x-ratelimit-remaining-requests") for answer in answers[:2]] == ["1", "0"]
    assert answers[0].headers["x-ratelimit-limit-requests"] == "2"
    assert 1 <= int(answers[2].headers["retry-after"]) <= 3600
    assert answers[2].json()["error"]["code"] == "rate_limited"


async def test_a_limit_on_tokens_counts_what_was_used(sim: Simulator, serving: Serving) -> None:
    async with serving(config(sim, {"limit": "1500 tokens/hour"})) as served:
        first = await ask(served, model="cheap")
        used = first.json()["usage"]["total_tokens"]
        second = await ask(served, model="cheap", max_tokens=1495)
        third = await ask(served, model="cheap")
    assert first.status_code == 200
    assert second.status_code == 429
    assert f"{1500 - used:,} tokens left" in second.json()["error"]["message"]
    assert third.status_code == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_what_was_used_outlives_a_restart(sim: Simulator, serving: Serving, stream: bool) -> None:
    said = config(sim, {"limit": "1usd/day"})
    async with serving(said) as served:
        answer = await ask(served, stream=stream)
        assert answer.status_code == 200
        await answer.aread()
        cost, held, _ = await spent(served)
        assert cost > 0
        assert held == 0
    async with serving(said) as served:
        again = await ask(served, model="cheap")
    left = float(again.headers["x-pointsman-budget-left-usd"])
    assert 1 - cost / NANOS_PER_USD - 0.002 < left <= 1 - cost / NANOS_PER_USD


def granted(path: Path) -> list[tuple[Any, ...]]:
    with sqlite3.connect(path) as database:
        return database.execute("SELECT account, granted, spent FROM allowances").fetchall()


async def test_many_at_once_never_spend_more_than_the_limit(sim: Simulator, serving: Serving, tmp_path: Path) -> None:
    """500 calls of all sizes, some of which hang up, over budgets within budgets."""
    random.seed(7)
    budgets = (
        {"limit": "0.3usd/day"},
        {"each": "user", "limit": "0.05usd/day"},
        {"route": "auto", "limit": "0.2usd/month"},
        {"limit": "400 requests/hour"},
    )
    statuses: list[int] = []

    async def one(client: httpx.AsyncClient, number: int) -> None:
        body = {
            "model": random.choice(["auto", "dear", "cheap"]),
            "messages": [{"role": "user", "content": "x" * random.randrange(1, 2000)}],
            "stream": random.random() < 0.4,
            "user": f"u{number % 7}",
        }
        if random.random() < 0.8:
            body["max_tokens"] = random.randrange(1, 200)
        patience = 0.03 if random.random() < 0.2 else 30
        with suppress(httpx.TimeoutException):
            answer = await client.post("/v1/chat/completions", json=body, timeout=patience)
            statuses.append(answer.status_code)

    async with serving(config(sim, *budgets)) as served:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(base_url=served.url, timeout=60, limits=limits) as client:
            await asyncio.gather(*(one(client, number) for number in range(500)))
        await asyncio.sleep(0.3)
        accounts = list(served.house.pieces.purse._accounts.values())
        assert all(one.held == 0 for one in accounts)
        assert all(one.spent <= one.budget.amount for one in accounts)
        assert all(one.spent <= one.leased for one in accounts)
    assert statuses.count(200) > 50
    assert 402 in statuses
    assert set(statuses) <= {200, 402, 429}
    rows = granted(tmp_path / "ledger.db")
    assert all(granted == spent for _, granted, spent in rows), "a lease was left behind"
    with sqlite3.connect(tmp_path / "ledger.db") as database:
        total = database.execute("SELECT sum(cost_nanousd) FROM calls").fetchone()[0]
    everybody = next(spent for account, _, spent in rows if '"organisation", "usd"' in account)
    assert total <= everybody <= 0.3 * NANOS_PER_USD


async def test_what_is_passed_through_has_no_bound_and_is_refused_under_a_hard_budget(
    sim: Simulator, serving: Serving
) -> None:
    async def passed(served: Any) -> httpx.Response:
        async with httpx.AsyncClient(base_url=served.url) as client:
            return await client.get("/passthrough/one/models")

    async with serving(config(sim, {"limit": "1usd/day"})) as served:
        refused = await passed(served)
    assert refused.status_code == 402
    assert "no known cost" in refused.json()["error"]["message"]
    async with serving(config(sim, {"limit": "2 requests/hour"})) as served:
        statuses = [(await passed(served)).status_code for _ in range(3)]
        last = await passed(served)
    assert statuses[2] == 429
    assert int(last.headers["retry-after"]) > 0


async def test_a_stream_that_breaks_while_the_store_is_away_ends_with_its_own_error(
    sim: Simulator, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = config(sim, {"limit": "1usd/day"})
    sim.inject("cut_reset", provider="one")
    async with serving(said) as served:
        purse = served.house.pieces.purse

        async def away(*_: Any) -> None:
            raise StoreUnavailable("away")

        asked = purse.take

        def take(*arguments: Any) -> Any:
            hold = asked(*arguments)
            monkeypatch.setattr(purse, "fund", away)
            monkeypatch.setattr(purse, "more", lambda *_: False)
            return hold

        await ask(served, model="cheap")  # what is left is known from then on
        monkeypatch.setattr(purse, "take", take)
        answer = await ask(served, model="auto", stream=True)
        _, held, _ = await spent(served)
    assert answer.status_code == 200
    assert "upstream_cut" in answer.text
    assert "[DONE]" not in answer.text
    assert held == 0


async def test_a_callers_own_limits_stand_in_place_of_the_providers(serving: Serving) -> None:
    quota = Quota(rpm=600, tpm=100_000)
    script = Script(providers=(SimProvider(name="one", models=(SimModel(name="m-1"),), quota=quota),))
    async with Simulator(script) as sim:
        said = {
            "providers": {"one": {"dialect": "openai-chat", "base_url": sim.url_of("one"), "api_key_env": ""}},
            "models": {"dear": {"provider": "one", "model": "m-1", "context": 8000}},
        }
        async with serving({**said, "budgets": [{"limit": "5 requests/hour"}]}) as served:
            bound = await ask(served)
        async with serving(said) as served:
            free = await ask(served)
    assert free.headers.get_list("x-ratelimit-limit-requests") == ["600"]
    assert bound.headers.get_list("x-ratelimit-limit-requests") == ["5"]
    assert bound.headers.get_list("x-ratelimit-remaining-requests") == ["4"]
    assert bound.headers.get_list("x-ratelimit-limit-tokens") == ["100000"], "no budget of ours says anything of tokens"


async def in_bill(path: Path) -> list[tuple[Any, ...]]:
    with sqlite3.connect(path) as database:
        return database.execute("SELECT error, cost_nanousd, input_tokens FROM attempts ORDER BY started_ns").fetchall()


@pytest.mark.parametrize(
    ("fault", "billed"),
    [("cut_reset", True), ("cut_clean", True), ("truncated", True), ("malformed", True), ("server_error", False)],
)
async def test_an_answer_that_broke_may_be_billed_and_stays_booked_at_its_worst(
    sim: Simulator, serving: Serving, tmp_path: Path, fault: str, billed: bool
) -> None:
    async with serving(config(sim, {"limit": "1usd/day"})) as served:
        assert (await ask(served)).status_code == 200
        before, _, _ = await spent(served)
        sim.inject(fault, provider="one")
        answer = await ask(served, model="auto")
        after, held, _ = await spent(served)
        assert await asyncio.to_thread(served.house.pieces.ledger.flush)
        (error, cost, _), (_, rest, _) = (await in_bill(tmp_path / "ledger.db"))[-2:]
        [(whole,)] = sqlite3.connect(tmp_path / "ledger.db").execute(
            "SELECT cost_nanousd FROM calls ORDER BY started_ns DESC LIMIT 1"
        )
    assert answer.headers["x-pointsman-model"] == "cheap"
    assert error
    assert held == 0
    assert whole == rest, "what is known of it"
    if billed:
        assert cost is None
        assert after - before - rest > 50 * 100_000, "all that it may have written, at 100 dollars a million"
    else:
        assert (cost, after - before) == (0, rest)


async def test_an_answer_that_is_yet_to_be_made_costs_nobody_knows_what(serving: Serving, tmp_path: Path) -> None:
    raw = json.dumps(
        {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "status": "queued",
            "background": True,
            "model": "m-1",
            "output": [],
            "usage": None,
        }
    ).encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.read(65536)
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(raw), raw)
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        said = {
            "providers": {"one": {"dialect": "openai-responses", "base_url": url, "api_key_env": ""}},
            "models": {
                "dear": {
                    "provider": "one",
                    "model": "m-1",
                    "price": {"input": 10, "output": 100},
                    "context": 8000,
                    "max_output": 1000,
                }
            },
            "budgets": [{"limit": "1usd/day"}],
        }
        async with serving(said) as served:
            async with httpx.AsyncClient(base_url=served.url, timeout=30) as client:
                body = {"model": "dear", "input": "write a book", "max_output_tokens": 500, "background": True}
                got = await client.post("/v1/responses", json=body)
            used, held, _ = await spent(served)
            assert await asyncio.to_thread(served.house.pieces.ledger.flush)
            rows = await in_bill(tmp_path / "ledger.db")
    assert got.status_code == 200, got.text
    assert "x-pointsman-cost-usd" not in got.headers
    assert rows == [("", None, None)]
    assert held == 0
    assert used >= 500 * 100_000
