"""`pointsman budgets` and `GET /api/budgets`, after real calls."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx2
import yaml

import harness
from pointsman.testing import Script, SimModel, SimProvider, Simulator

Serving = Callable[..., AbstractAsyncContextManager[Any]]


def said(path: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "pointsman", "budgets", "--config", str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


async def test_what_is_spent_is_shown_by_verb_and_path(serving: Serving, tmp_path: Path) -> None:
    script = Script(providers=(SimProvider(name="one", models=(SimModel(name="m-1"),)),))
    async with Simulator(script) as sim:
        config = {
            "providers": {"one": {"dialect": "openai-chat", "base_url": sim.url_of("one"), "api_key_env": ""}},
            "models": {"m": {"provider": "one", "model": "m-1", "price": {"input": 1, "output": 10}, "context": 8000}},
            "budgets": [
                {"limit": "5usd/day"},
                {"each": "user", "limit": "1usd"},
                {"route": "m", "limit": "100 requests/hour"},
                {"team": "search", "limit": "1usd/day", "hard": False, "soft": 0.5},
            ],
            "store": f"sqlite:///{tmp_path / 'ledger.db'}",
            "discover": False,
            "local": False,
        }
        path = tmp_path / "pointsman.yaml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        async with serving(path) as served:
            body = {"model": "m", "user": "anna", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
            async with httpx2.AsyncClient(base_url=served.url) as client:
                answer = await client.post("/v1/chat/completions", json=body)
        cost = round(float(answer.headers["x-pointsman-cost-usd"]) * 1e9)
        sim.inject("truncated", provider="one")
        async with serving(path) as served, httpx2.AsyncClient(base_url=served.url) as client:
            alone = {"x-pointsman-retries": "0"}
            broken = await client.post("/v1/chat/completions", json={**body, "user": ""}, headers=alone)
        async with serving(path) as served, httpx2.AsyncClient(base_url=served.url) as client:
            over_http = (await client.get("/api/budgets")).json()
    printed = json.loads(said(path, "--json"))
    assert printed == over_http
    everybody, anna, route, team = printed["budgets"]
    assert broken.status_code == 502
    doubt = everybody["doubt"]
    assert doubt >= 9 * 10_000, "all that it may have written"
    assert (everybody["spent"], everybody["left"]) == (cost + doubt, 5_000_000_000 - cost - doubt)
    with sqlite3.connect(tmp_path / "ledger.db") as database:  # as a process that was killed leaves it
        database.execute("UPDATE allowances SET granted = granted + 7 WHERE account LIKE '%organisation%'")
    said(path, "release", "--yes")
    assert json.loads(said(path, "--json"))["budgets"][0]["held"] == 7
    said(path, "release", "--yes", "--leases")
    everybody = json.loads(said(path, "--json"))["budgets"][0]
    assert everybody["doubt"] == 0
    assert (everybody["spent"], everybody["held"], everybody["left"]) == (cost, 0, 5_000_000_000 - cost)
    assert (anna["whose"], anna["spent"], anna["resets"]) == ("anna", cost, None)
    assert (route["whose"], route["spent"], route["left"]) == ("m", 2, 98)
    assert (team["spent"], team["hard"]) == (0, False)
    table = said(path).splitlines()
    assert table[0].split() == ["BUDGET", "OF", "LIMIT", "SPENT", "IN", "DOUBT", "HELD", "LEFT", "RESETS"]
    assert table[2].split()[:5] == ["each", "user", "anna", "$1", "in"]
    assert "100 requests an hour" in table[3]
    assert "$1 a day (soft)" in table[4]


def test_leases_are_not_released_under_a_running_gateway_and_nothing_is_asked_where_there_is_nothing() -> None:
    def release(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pointsman", "budgets", "--config", str(path), "release", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, cwd=path.parent)

    with harness.gateway({"budgets": [{"limit": "1usd/day"}]}) as up:
        said = yaml.safe_load(up.config.read_text(encoding="utf-8"))
        named = up.config.parent / "named.yaml"
        named.write_text(yaml.safe_dump({**said, "server": {"port": up.port}}), encoding="utf-8")
        refused, free = release(named, "--leases", "--yes"), release(named)
    assert refused.returncode == 1
    assert f"a gateway listens on port {up.port}" in refused.stderr
    assert "hint: stop it first" in refused.stderr
    assert free.returncode == 0
    assert "nothing is in doubt" in free.stdout + free.stderr
