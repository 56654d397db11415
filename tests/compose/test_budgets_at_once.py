"""500 calls at once of all sizes, with failures, streams and callers who hang up, over budgets within budgets.

In one process and in four that share a store, SQLite or PostgreSQL: nothing is spent beyond a hard limit, as the
gateway counts and as the provider bills, and no hold or lease is left behind.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import closing, suppress
from typing import Any

import httpx2
import pytest

from harness import Running, gateway, stop
from pointsman.core.money import usd_text
from pointsman.testing import FaultRule, Pace, Script, SimModel, SimProvider, running
from pointsman.testing.script import Prices

CALLS = 500
LIMIT, PER_USER, ROUTE = 300_000_000, 60_000_000, 200_000_000
PRICES = {"dear": (10, 100), "cheap": (0.1, 1)}


def script() -> Script:
    faults = (
        FaultRule(fault="unavailable", probability=0.05),
        FaultRule(fault="cut_reset", probability=0.05, only="stream", after=3),
        FaultRule(fault="slow_first", probability=0.05, seconds=0.2),
    )
    return Script(
        seed=5,
        journal=10_000,
        providers=tuple(
            SimProvider(
                name=name,
                own_port=True,
                models=(
                    SimModel(
                        name="m-1",
                        pace=Pace(events_per_second=500),
                        recites=40,
                        price=Prices(input=read, output=write),
                        faults=faults,
                    ),
                ),
            )
            for name, (read, write) in PRICES.items()
        ),
    )


def config(sim: Any, workers: int) -> dict[str, Any]:
    return {
        "store_env": "STORE",
        "providers": {
            name: {"dialect": "openai-chat", "base_url": sim.url_of(name), "api_key_env": ""} for name in PRICES
        },
        "models": {
            name: {
                "provider": name,
                "model": "m-1",
                "price": {"input": read, "output": write},
                "context": 8000,
                "max_output": 500,
            }
            for name, (read, write) in PRICES.items()
        },
        "routes": {"auto": {"try": list(PRICES)}},
        "budgets": [
            {"limit": f"{usd_text(LIMIT)}usd/month"},
            {"each": "user", "limit": f"{usd_text(PER_USER)}usd/month"},
            {"route": "auto", "limit": f"{usd_text(ROUTE)}usd"},
            {"limit": "450 requests/month"},
        ],
        "server": {"workers": workers},
    }


async def one(up: Running, draw: random.Random, number: int) -> int:
    body: dict[str, Any] = {
        "model": draw.choice(["auto", "auto", "dear", "cheap"]),
        "messages": [{"role": "user", "content": "go on " * draw.randrange(1, 300)}],
        "stream": draw.random() < 0.5,
        "user": f"u{number % 7}",
    }
    if draw.random() < 0.8:
        body["max_tokens"] = draw.randrange(1, 200)
    patience = draw.uniform(0.02, 0.2) if draw.random() < 0.2 else 60
    async with httpx2.AsyncClient(timeout=patience) as client:
        with suppress(httpx2.TransportError):
            answer = await client.post(f"{up.base_url}/chat/completions", json=body)
            return answer.status_code
    return 0


def connected(store: str) -> Any:
    if store.startswith("sqlite"):
        return sqlite3.connect(store.removeprefix("sqlite:///"))
    import psycopg  # noqa: PLC0415

    return psycopg.connect(store)


@pytest.mark.parametrize(
    ("store_url", "workers"),
    [("sqlite", 1), ("sqlite", 4), pytest.param("postgresql", 4, marks=pytest.mark.slow)],
    indirect=["store_url"],
)
def test_nothing_is_spent_beyond_a_hard_limit_and_no_hold_is_left(store_url: str, workers: int) -> None:
    draw = random.Random(11)

    async def all_at_once(up: Running) -> list[int]:
        return await asyncio.gather(*(one(up, draw, number) for number in range(CALLS)))

    with running(script()) as sim, gateway(config(sim, workers), env={"STORE": store_url}) as up:
        statuses = asyncio.run(all_at_once(up))
        assert up.get("/ready")[0] == 200, "it lives"
        stop(up)
        with closing(connected(store_url)) as database:
            rows = database.execute("SELECT account, granted, spent FROM allowances").fetchall()
            booked, calls = database.execute("SELECT sum(cost_nanousd), count(*) FROM calls").fetchone()
            users = database.execute("SELECT end_user, sum(cost_nanousd) FROM calls GROUP BY end_user")
            by_user = dict(users.fetchall())
        billed = sum(entry.cost for entry in sim.journal)
    assert set(statuses) <= {0, 200, 402, 429, 503}, set(statuses)
    assert statuses.count(200) > 20
    assert statuses.count(402) > 0
    assert calls >= CALLS - statuses.count(0)
    for account, granted, spent in rows:
        assert granted == spent, f"something of {account} was left behind"
    everybody = next(spent for account, _, spent in rows if account.startswith('["organisation", "usd"'))
    assert booked <= everybody <= LIMIT
    assert billed <= LIMIT
    assert everybody > LIMIT * 0.05, "a budget is there to be used"
    assert all(spent <= PER_USER for spent in by_user.values() if spent)
    for account, _, spent in rows:
        if account.startswith('["user"'):
            assert spent <= PER_USER
        if account.startswith('["route"'):
            assert spent <= ROUTE
        if '"requests"' in account:
            assert spent <= 450
