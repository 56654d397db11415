"""What is held before a call is the most that it can cost, and not more than that: over real sockets."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx2 as httpx
import pytest
import pytest_asyncio

from pointsman.line.settle import Run
from pointsman.testing import Pace, Script, SimModel, SimProvider, Simulator

Serving = Callable[..., AbstractAsyncContextManager[Any]]
ASK = [{"role": "user", "content": "What is the capital of France?"}]
DIALECTS = {
    "/v1/chat/completions": "openai-chat",
    "/v1/responses": "openai-responses",
    "/v1/messages": "anthropic-messages",
}


@pytest_asyncio.fixture
async def sim() -> AsyncIterator[Simulator]:
    models = (SimModel(name="gpt-4o", pace=Pace(events_per_second=400)),)
    providers = [SimProvider(name=name, own_port=True, models=models, dialect=name) for name in DIALECTS.values()]
    async with Simulator(Script(providers=tuple(providers))) as simulator:
        yield simulator


def config(sim: Simulator, limit: str, dialect: str = "openai-chat", **model: Any) -> dict[str, Any]:
    """One model for 10 and 100 dollars per million: a cent for 100 tokens of output."""
    said = {"price": {"input": 10, "output": 100}, "context": 8_000, "max_output": 1_000, **model}
    return {
        "providers": {"one": {"dialect": dialect, "base_url": sim.url_of(dialect), "api_key_env": ""}},
        "models": {"m": {"provider": "one", "model": "gpt-4o", **{k: v for k, v in said.items() if v is not None}}},
        "budgets": [{"limit": limit}],
    }


async def ask(served: Any, path: str = "/v1/chat/completions", **body: Any) -> httpx.Response:
    own = {"input": "What is the capital of France?"} if path == "/v1/responses" else {"messages": ASK}
    async with httpx.AsyncClient(base_url=served.url, timeout=30) as client:
        return await client.post(path, json={"model": "m", **own, **body})


def held(served: Any) -> int:
    return sum(one.held for one in served.house.pieces.purse._accounts.values())


SERVICES = {"fast": {"factor": 6}, "priority": {"factor": 2}, "flex": {"factor": 0.5}}
SERVED = {"price": {"input": 10, "output": 100, "services": SERVICES}}


@pytest.mark.parametrize(
    ("limit", "says", "status", "told"),
    [
        # 50 tokens of output are 0.005 dollars, 1,150 of input 0.0115; as `priority` twice that
        ("0.04usd", {}, 200, None),
        ("0.02usd", {}, 200, "default"),
        ("0.02usd", {"service_tier": "auto"}, 200, "default"),
        ("0.02usd", {"service_tier": "default"}, 200, "default"),
        ("0.02usd", {"service_tier": "priority"}, 402, None),
        ("0.04usd", {"service_tier": "priority"}, 200, "priority"),
        ("0.02usd", {"service_tier": "flex"}, 200, "flex"),
        ("0.012usd", {}, 402, None),
    ],
)
async def test_no_more_is_held_than_how_the_request_may_be_served(
    sim: Simulator, serving: Serving, limit: str, says: dict[str, Any], status: int, told: str | None
) -> None:
    async with serving(config(sim, limit, **SERVED)) as served:
        answer = await ask(served, max_tokens=50, **says)
    assert answer.status_code == status, answer.text
    if status == 200:
        assert sim.journal[-1].json().get("service_tier") == told


PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 512, 512) + b"\x08\x02\x00\x00\x00" + b"\0" * 40


def picture(url: str) -> list[dict[str, Any]]:
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    return [{"role": "user", "content": parts}]


async def test_a_picture_is_counted_before_it_is_refused_and_one_behind_a_url_is_the_whole_window(
    sim: Simulator, serving: Serving
) -> None:
    data = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    window = {"context": 100_000}  # a dollar
    async with serving(config(sim, "0.04usd", **window)) as served:
        here = await ask(served, messages=picture(data), max_tokens=50)
        there = await ask(served, messages=picture("https://x.test/y.wav"), max_tokens=50)
    assert here.status_code == 200, here.text
    assert there.status_code == 200, "the largest picture has a known bound at this model"
    async with serving(config(sim, "0.04usd", **window)) as served:
        unknown = [{"role": "user", "content": [FILE]}]
        refused = await ask(served, messages=unknown, max_tokens=50)
    assert refused.status_code == 402
    assert "may cost up to $1.005" in refused.json()["error"]["message"]


async def test_nobody_knows_how_long_an_answer_may_become_so_it_is_told(sim: Simulator, serving: Serving) -> None:
    async with serving(config(sim, "5usd", max_output=None, context=None)) as served:
        answer = await ask(served)
        assert answer.status_code == 200
        assert sim.journal[-1].json()["max_tokens"] == 16_384
    async with serving(config(sim, "5usd")) as served:
        await ask(served)
        assert "max_tokens" not in sim.journal[-1].json(), "here it is known, and fits"


FILE = {"type": "file", "file": {"file_id": "file-123"}}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
FEES = {"price": {"input": 10, "output": 100, "fees": {"web_search": 0.01}}}


@pytest.mark.parametrize(
    ("path", "limit", "body", "uses"),
    [
        # once more reading all is 0.08 dollars at most, and a search 0.01
        ("/v1/responses", "5usd", {"tools": [{"type": "web_search"}]}, 5),
        ("/v1/responses", "0.35usd", {"tools": [{"type": "web_search"}]}, 3),
        ("/v1/responses", "0.3usd", {"tools": [{"type": "web_search"}], "max_tool_calls": 2}, 2),
        ("/v1/responses", "0.3usd", {"tools": [{"type": "web_search"}], "max_tool_calls": 9}, None),
        ("/v1/responses", "0.05usd", {"tools": [{"type": "web_search"}]}, None),
        ("/v1/messages", "5usd", {"tools": [SEARCH]}, 5),
        ("/v1/messages", "0.3usd", {"tools": [SEARCH | {"max_uses": 2}]}, 2),
        ("/v1/messages", "0.3usd", {"tools": [SEARCH | {"max_uses": 9}]}, None),
    ],
)
async def test_tools_of_the_provider_are_bounded_by_how_often_they_are_used(
    sim: Simulator, serving: Serving, path: str, limit: str, body: dict[str, Any], uses: int | None
) -> None:
    most = {"max_output_tokens": 50} if path == "/v1/responses" else {"max_tokens": 50}
    async with serving(config(sim, limit, DIALECTS[path], **FEES)) as served:
        answer = await ask(served, path, **most, **body)
        assert held(served) == 0
    if uses is None:
        assert answer.status_code == 402, answer.text
        return
    assert answer.status_code == 200, answer.text
    sent = sim.journal[-1].json()
    assert (sent.get("max_tool_calls") or sent["tools"][0]["max_uses"]) == uses


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/v1/chat/completions", {"web_search_options": {}}, "web_search_options"),
        ("/v1/responses", {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}, "container"),
        ("/v1/messages", {"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]}, "code_execution"),
    ],
)
async def test_what_has_no_bound_is_refused_by_name(
    sim: Simulator, serving: Serving, path: str, body: dict[str, Any], says: str
) -> None:
    most = {"max_output_tokens": 50} if path == "/v1/responses" else {"max_tokens": 50}
    async with serving(config(sim, "5usd", DIALECTS[path], **FEES)) as served:
        refused = await ask(served, path, **most, **body)
        assert held(served) == 0
    async with serving(config(sim, "100 requests/hour", DIALECTS[path], **FEES)) as served:
        answer = await ask(served, path, **most, **body)
    assert refused.status_code == 402
    assert says in refused.text
    assert "without a hard budget" in refused.text
    if path == "/v1/chat/completions":
        assert refused.json()["error"]["code"] == "unbounded"
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("model", "body", "setting"),
    [
        ({"price": None}, {}, "price"),
        ({"context": None}, {"messages": [{"role": "user", "content": [FILE]}]}, "context"),
    ],
)
async def test_who_is_refused_for_want_of_a_setting_hears_which_and_of_which_model(
    sim: Simulator, serving: Serving, model: dict[str, Any], body: dict[str, Any], setting: str
) -> None:
    async with serving(config(sim, "5usd", **model)) as served:
        refused = await ask(served, max_tokens=50, **body)
    assert refused.status_code == 402
    assert refused.json()["error"]["code"] == "unbounded"
    assert f"set `{setting}` for `m` under `models` in the configuration" in refused.text
    assert "or use a key without a hard budget" in refused.text


async def test_a_rate_of_tokens_holds_what_is_likely(sim: Simulator, serving: Serving) -> None:
    """A thousand bytes are about 250 tokens; by their bytes and what may be added two of these would be too many."""
    text = [{"role": "user", "content": "word " * 200}]
    async with serving(config(sim, "4000 tokens/minute")) as served:
        answers = await asyncio.gather(*(ask(served, messages=text, max_tokens=400) for _ in range(3)))
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    async with serving(config(sim, "4000 tokens/day")) as served:
        answers = await asyncio.gather(*(ask(served, messages=text, max_tokens=400) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 429, 429]


async def test_what_is_held_is_let_go_also_where_booking_fails(
    sim: Simulator, serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    async with serving(config(sim, "5usd")) as served:
        monkeypatch.setattr(Run, "_in_doubt", broken)
        await ask(served, max_tokens=50)
        assert held(served) == 0
