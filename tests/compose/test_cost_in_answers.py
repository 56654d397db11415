"""What an answer says of its cost to who asks, as OpenRouter's callers do, in each dialect of OpenAI's."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

import harness
from pointsman.testing import FaultRule, Script, SimModel, SimProvider, running
from stating import provider

USAGE = {
    "prompt_tokens": 1500,
    "completion_tokens": 420,
    "total_tokens": 1920,
    "prompt_tokens_details": {"cached_tokens": 1000},
    "completion_tokens_details": {"reasoning_tokens": 300},
}
VECTOR = {"object": "embedding", "index": 0, "embedding": [0.5]}
STATED = {
    "rich": {"usage": {**USAGE, "server_tool_use": {"web_search_requests": 2}}},
    "told": {"usage": {**USAGE, "cost": 0.5, "cost_details": {"upstream_inference_cost": 0.4}}},
    "bare": {"usage": USAGE},
    "free": {"usage": USAGE},
    "vector": {"raw": {"object": "list", "model": "v", "data": [VECTOR], "usage": {"prompt_tokens": 4}}},
}
PRICE = {"input": 1.25, "output": 10, "cached_input": 0.125, "request": 0.001, "fees": {"web_search": 0.01}}
PARTS = {"input": "0.000625", "cache_read": "0.000125", "output": "0.0012", "reasoning": "0.003", "request": "0.001"}
SIM = (
    SimModel(name="slow", first_token=5.0),
    SimModel(name="quick", output_tokens=30),
    SimModel(name="busy", faults=(FaultRule(fault="overloaded"),)),
    SimModel(name="cut", output_tokens=60, faults=(FaultRule(fault="cut_reset", after=20, only="stream"),)),
)
INCLUDE = {"usage": {"include": True}}


@pytest.fixture(scope="module")
def gate():
    """A gateway, and what a provider was asked that states what it is told to; other models are slow, busy, broken."""
    lab = SimProvider(name="lab", models=SIM)
    other = SimProvider(name="other", dialect="anthropic-messages", models=(SimModel(name="claude"),))
    with provider(STATED) as (url, asked), running(Script(providers=(lab, other))) as sim:
        models = {name: {"provider": "stated", "model": name, "price": PRICE} for name in STATED if name != "bare"}
        models["bare"] = {"provider": "stated", "model": "bare"}
        models["free"] |= {"price": {"input": 0, "output": 0}}
        price = {"input": 0.15, "output": 0.6}
        models |= {one.name: {"provider": "lab", "model": one.name, "price": price} for one in SIM}
        models["claude"] = {"provider": "other", "model": "claude", "price": price}
        said = {
            "providers": {
                "stated": {"dialect": "openai-chat", "base_url": url, "api_key_env": ""},
                "lab": {"dialect": "openai-chat", "base_url": sim.url_of("lab"), "api_key_env": ""},
                "other": {"dialect": "anthropic-messages", "base_url": sim.url_of("other"), "api_key_env": ""},
            },
            "models": models,
            "routes": {
                "hedged": {"try": ["slow", "quick"], "hedge": {"after": 0.05, "extra": 1}},
                "failing": {"try": ["busy", "quick"]},
                "going": {"try": ["cut", "quick"]},
            },
        }
        with harness.gateway(said) as served:
            yield served, asked


@pytest.fixture
def ask(gate):
    """The usage that comes back with an answer, as exact decimals, and the headers."""

    def call(model, path="chat/completions", **more):
        body = {"model": model, **({"input": "Hi"} if path != "chat/completions" else MESSAGES), **more}
        status, headers, raw = gate[0].post(f"/v1/{path}", body)
        assert status == 200, raw
        if more.get("stream"):
            events = [
                json.loads(line[6:], parse_float=Decimal) for line in raw.decode().splitlines() if "{" in line[:8]
            ]
            found = [one["usage"] for one in (event.get("response", event) for event in events) if one.get("usage")]
            return (found[-1] if found else None), headers
        return json.loads(raw, parse_float=Decimal)["usage"], headers

    return call


MESSAGES = {"messages": [{"role": "user", "content": "What is a shunting yard?"}]}


@pytest.mark.parametrize("stream", [False, True])
def test_who_asks_is_told_the_parts_and_they_add_up_to_the_cost(gate, ask, stream):
    usage, headers = ask("rich", stream=stream, **INCLUDE)
    details = usage["cost_details"]
    assert details == {name: Decimal(usd) for name, usd in PARTS.items()} | {"web_search": Decimal("0.02")}
    assert usage["cost"] == sum(details.values())
    assert {name: usage[name] for name in USAGE} == USAGE
    sent = gate[1][-1]
    assert "usage" not in sent, "a field of the gateway's: others refuse it"
    if stream:
        assert sent["stream_options"]["include_usage"] is True
        assert "x-pointsman-cost-usd" not in headers
    else:
        assert Decimal(headers["x-pointsman-cost-usd"]) == usage["cost"]


@pytest.mark.parametrize("more", [{}, {"usage": {"include": False}}])
def test_who_does_not_ask_gets_what_he_got(gate, ask, more):
    usage, _ = ask("rich", **more)
    assert "cost_details" not in usage
    assert usage["cost"] > 0
    assert "usage" not in gate[1][-1]
    assert ask("rich", stream=True, **more)[0] is None, "a stream shows usage to who asks for it"


def test_unpriced_is_no_cost_free_is_nought_and_a_provider_keeps_its_word(ask):
    usage, headers = ask("bare", **INCLUDE)
    assert "cost" not in usage
    assert "cost_details" not in usage
    assert "unpriced" in headers["x-pointsman-warning"]
    assert ask("free", **INCLUDE)[0]["cost"] == 0
    told = ask("told", **INCLUDE)[0]
    assert (told["cost"], told["cost_details"]) == (Decimal("0.5"), {"upstream_inference_cost": Decimal("0.4")})


@pytest.mark.parametrize(
    ("path", "model", "stream"),
    [
        ("responses", "quick", False),
        ("responses", "quick", True),
        ("responses", "claude", True),
        ("chat/completions", "claude", False),
        ("chat/completions", "claude", True),
        ("embeddings", "vector", False),
    ],
)
def test_in_each_dialect_of_openais_also_where_another_one_is_spoken_behind(ask, path, model, stream):
    usage, _ = ask(model, path, **INCLUDE, **({"stream": True} if stream else {}))
    assert usage["cost"] == sum(usage["cost_details"].values()) > 0
    assert "input" in usage["cost_details"]


@pytest.mark.parametrize(
    ("model", "stream", "beside"),
    [("hedged", False, True), ("hedged", True, True), ("failing", False, False), ("going", True, False)],
)
def test_what_other_attempts_cost_is_told_beside_or_as_a_part_of_its_own(gate, ask, model, stream, beside):
    usage, headers = ask(model, stream=stream, **INCLUDE)
    details = usage["cost_details"]
    assert usage["cost"] == sum(details.values())
    assert ("earlier_attempts" in details) == (model == "going"), "what the caller had of the stream that broke"
    assert ("x-pointsman-cost-beside-usd" in headers) == beside
    whole = usage["cost"] + Decimal(headers.get("x-pointsman-cost-beside-usd", "0"))
    booked = gate[0].recorded(headers["x-request-id"])
    assert whole == Decimal(booked["call"]["cost"]).scaleb(-9)
    purposes = [one["purpose"] for one in booked["attempts"]]
    assert (
        purposes
        == {"hedged": ["answer", "hedge"], "failing": ["answer"] * 2, "going": ["answer", "continuation"]}[model]
    )
