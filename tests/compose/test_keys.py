"""Who may call, what a key sees, and what never shows."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest

import harness

QUESTION = {"model": "auto", "messages": [{"role": "user", "content": "What is the capital of France?"}]}
CLOSED = [
    "/v1/models",
    "/v1/models/small",
    "/models",
    "/api/status",
    "/api/calls",
    "/api/totals",
    "/api/conformance",
    "/api/spend",
    "/bill",
    "/metrics",
]
CLOSED += ["/v1/generation?id=x", "/api/calls/x"]
OPEN = ["/", "/health", "/ready", "/static/app.js"]


async def make_key(served: Any, name: str) -> str:
    key = await asyncio.to_thread(served.house.pieces.keys.create, name)
    await asyncio.to_thread(served.house.pieces.keys.refresh)
    return str(key.secret)


@pytest.mark.parametrize("how", [{"keys": "required"}, {"server": {"host": "0.0.0.0"}}])
async def test_where_keys_are_due_nothing_but_page_and_health_answers_without(
    how: dict[str, Any], sim: Any, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim, **how)) as served:
        for key, code in (({}, "missing_api_key"), ({"authorization": "Bearer pm-wrong"}, "invalid_api_key")):
            for path in CLOSED:
                refused = await ask(served, "GET", path, None, key)
                assert (refused.status, refused.error["code"]) == (401, code), path
            for path in ("/v1/chat/completions", "/v1/completions", "/chat/completions"):
                refused = await ask(served, "POST", path, QUESTION, key)
                assert (refused.status, refused.error["code"]) == (401, code), path
                assert "pointsman keys" in refused.error["pointsman"]["hint"], "the way out is said"
                assert set(refused.error) >= {"message", "type", "param", "code"}
        for path in OPEN:
            assert (await ask(served, "GET", path)).status == 200, path
        assert sim.journal.requests == 0


async def test_the_sdk_raises_its_own_error_for_a_missing_key(sim: Any, config: Any, serving: Any) -> None:
    async with (
        serving(config(sim, keys="required")) as served,
        openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="sk-other", max_retries=0) as sdk,
    ):
        with pytest.raises(openai.AuthenticationError, match="not valid"):
            await sdk.chat.completions.create(**QUESTION)


@pytest.mark.parametrize(
    "header",
    ["authorization: Bearer {}", "authorization: bearer  {}", "x-api-key: {}", "api-key: {}", "x-pointsman-key: {}"],
)
async def test_a_key_is_accepted_wherever_clients_put_it(
    header: str, sim: Any, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim, keys="required")) as served:
        name, _, value = header.format(await make_key(served, "app")).partition(": ")
        answer = await ask(served, "POST", "/v1/chat/completions", QUESTION, {name: value})
        assert answer.status == 200
        assert (await ask(served, "GET", "/v1/models", None, {name: value})).status == 200
        assert sim.journal[-1].header("authorization") == "", "our key stays with us"
        assert sim.journal[-1].header("x-api-key") == ""


async def test_on_loopback_without_keys_any_bearer_is_ignored(sim: Any, config: Any, serving: Any, ask: Any) -> None:
    async with serving(config(sim)) as served:
        for headers in ({}, {"authorization": "Bearer whatever"}, {"authorization": "Basic eDp5"}, {"x-api-key": "x"}):
            assert (await ask(served, "POST", "/v1/chat/completions", QUESTION, headers)).status == 200
            assert (await ask(served, "GET", "/api/calls", None, headers)).status == 200


async def test_a_key_sees_its_own_calls_only(sim: Any, config: Any, serving: Any, ask: Any) -> None:
    async with serving(config(sim, keys="required")) as served:
        mine = {"authorization": f"Bearer {await make_key(served, 'mine')}"}
        yours = {"authorization": f"Bearer {await make_key(served, 'yours')}"}
        own = await ask(served, "POST", "/v1/chat/completions", QUESTION, mine)
        for _ in range(2):
            other = await ask(served, "POST", "/v1/chat/completions", {**QUESTION, "model": "large"}, yours)
        assert await asyncio.to_thread(served.house.pieces.ledger.flush)

        listed = (await ask(served, "GET", "/api/calls", None, mine)).json["calls"]
        assert [call["id"] for call in listed] == [own.headers["x-request-id"]]
        for wanted in (other.headers["x-request-id"], other.json["id"]):
            assert (await ask(served, "GET", f"/v1/generation?id={wanted}", None, mine)).status == 404
            assert (await ask(served, "GET", f"/api/calls/{wanted}", None, mine)).status == 404
            assert (await ask(served, "GET", f"/v1/generation?id={wanted}", None, yours)).status == 200
        totals = (await ask(served, "GET", "/api/totals", None, mine)).json
        assert totals["all"]["calls"] == 1
        assert list(totals["by_model"]) == ["small"], "what others use and spend is theirs"
        assert (await ask(served, "GET", "/api/totals", None, yours)).json["all"]["calls"] == 2


async def test_no_filter_of_the_query_opens_other_keys_calls(sim: Any, config: Any, serving: Any, ask: Any) -> None:
    async with serving(config(sim, keys="required")) as served:
        mine = {"authorization": f"Bearer {await make_key(served, 'mine')}"}
        yours = {"authorization": f"Bearer {await make_key(served, 'yours')}"}
        await ask(served, "POST", "/v1/chat/completions", QUESTION, yours)
        assert await asyncio.to_thread(served.house.pieces.ledger.flush)
        row = (await ask(served, "GET", "/api/calls", None, yours)).json["calls"][0]
        for query in (
            "after=0",
            f"after=0&key={row['key']}",
            f"key={row['key']}",
            f"id={row['id']}",
            "model=small",
            "status=ok",
            "key=",
            "seconds=60",
        ):
            assert (await ask(served, "GET", f"/api/calls?{query}", None, mine)).json["calls"] == [], query


def cli(folder: Path, *arguments: str) -> Any:
    command = [sys.executable, "-m", "pointsman", *arguments, "--config", str(folder / "pointsman.yaml")]
    done = subprocess.run(command, cwd=folder, env=dict(os.environ), capture_output=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_a_running_server_knows_a_key_of_another_process_within_a_second_and_its_end_too(
    sim_thread: Any, config: Callable[..., dict[str, Any]]
) -> None:
    with harness.gateway(config(sim_thread, keys="required")) as running:
        secret = json.loads(cli(running.folder, "keys", "create", "app", "--json"))["key"]
        bearer = {"authorization": f"Bearer {secret}"}
        assert _status_becomes(running, bearer, 200) < 1.0
        for path in running.folder.glob("ledger.db*"):
            assert secret.encode() not in path.read_bytes(), "hashed at rest"
            assert secret.removeprefix("pm-").encode() not in path.read_bytes()
        cli(running.folder, "keys", "revoke", "app")
        assert _status_becomes(running, bearer, 401) < 1.0
        assert secret not in running.log()


def _status_becomes(running: Any, headers: dict[str, str], wanted: int) -> float:
    """Seconds until the server answers so."""
    began = time.monotonic()
    while time.monotonic() - began < 5:
        if running.post("/v1/chat/completions", QUESTION, headers)[0] == wanted:
            return time.monotonic() - began
        time.sleep(0.02)
    raise AssertionError(f"no {wanted} within 5 s")
