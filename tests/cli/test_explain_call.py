"""`pointsman explain ID`: what a call cost, part by part, over real sockets; the parts add up to what was booked."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest

import harness
from pointsman.testing import FaultRule, Script, SimModel, SimProvider, running
from stating import provider

STATED = {
    "rich": {
        "service_tier": "flex",
        "usage": {
            "prompt_tokens": 1500,
            "completion_tokens": 420,
            "total_tokens": 1920,
            "prompt_tokens_details": {"cached_tokens": 1000, "audio_tokens": 40},
            "completion_tokens_details": {"reasoning_tokens": 300},
            "server_tool_use": {"web_search_requests": 2, "code_execution_requests": 1},
        },
    },
    "long": {"usage": {"prompt_tokens": 250_000, "completion_tokens": 10, "total_tokens": 250_010}},
    "silent": {},
}
PRICE = {
    "input": 1.25,
    "output": 10,
    "cached_input": 0.125,
    "input_audio": 40,
    "request": 0.001,
    "fees": {"web_search": 0.01},
    "above": {200_000: {"input": 2.5, "output": 15}},
    "services": {"flex": {"factor": 0.5}, "priority": {"factor": 2}},
}
MODELS = (
    SimModel(name="slow", first_token=5.0),
    SimModel(name="quick"),
    SimModel(name="busy", faults=(FaultRule(fault="overloaded"),)),
    SimModel(name="cut", output_tokens=60, faults=(FaultRule(fault="cut_reset", after=20, only="stream"),)),
)


@pytest.fixture(scope="module")
def gate():
    """A gateway before a provider that states what it is told to, and one that is slow, busy or breaks."""
    script = Script(providers=(SimProvider(name="lab", models=MODELS),))
    with provider(STATED) as (url, _), running(script) as sim:
        models = {name: {"provider": "stated", "model": name, "price": PRICE} for name in STATED}
        price = {"input": 0.15, "output": 0.6}
        models |= {one.name: {"provider": "lab", "model": one.name, "price": price} for one in MODELS}
        said = {
            "providers": {
                "stated": {"dialect": "openai-chat", "base_url": url, "api_key_env": ""},
                "lab": {"dialect": "openai-chat", "base_url": sim.url_of("lab"), "api_key_env": ""},
            },
            "models": {**models, "bare": {"provider": "stated", "model": "rich"}},
            "routes": {
                "hedged": {"try": ["slow", "quick"], "hedge": {"after": 0.05, "extra": 1}},
                "failing": {"try": ["busy", "quick"]},
                "going": {"try": ["cut", "quick"]},
            },
        }
        with harness.gateway(said) as served:
            yield served


def called(gate, model, **more):
    """A call's id, once it is in the ledger."""
    body = {"model": model, "messages": [{"role": "user", "content": "What is a shunting yard?"}], **more}
    made = gate.post("/v1/chat/completions", body)[1]["x-request-id"]
    return gate.recorded(made)["call"]["id"]


@pytest.fixture
def explain(invoke, gate):
    """The table's cells, and all that was said."""

    def ask(model, **more):
        made = called(gate, model, **more)
        said = invoke("explain", made, "--config", str(gate.config))
        assert said.code == 0, said.err
        table = said.out.partition("\ncost\n")[2].partition("\n\n")[0]
        return [re.split(r"  +", line.strip()) for line in table.splitlines()[1:]], said, made

    return ask


def test_a_service_a_cache_thoughts_sound_and_tools_each_have_their_line(explain, invoke, gate):
    rows, said, made = explain("rich")
    assert rows == [
        ["1", "answer", "rich (stated)", "input", "460", "$0.625 per million", "$0.0002875"],
        ["cached input", "1,000", "$0.0625 per million", "$0.0000625"],
        ["audio input", "40", "$20.00 per million", "$0.0008000"],
        ["output", "120", "$5.00 per million", "$0.0006000"],
        ["reasoning", "300", "$5.00 per million", "$0.0015000"],
        ["request", "1", "$0.001 each", "$0.0010000"],
        ["web search", "2", "$0.01 each", "$0.0200000"],
        ["code execution", "1", "unpriced", "unpriced"],
        ["total", "$0.0242500"],
    ]
    assert "  1. configuration; served as flex\n" in said.out
    assert "not in the total: code execution" in said.err
    assert "asked for by name" in said.out, "and how it was decided"
    shown = json.loads(invoke("explain", made[:16], "--config", str(gate.config), "--json").out)
    lines = shown["attempts"][0]["bill"]["lines"]
    assert shown["cost"] == sum(line["cost"] or 0 for line in lines) == gate.json(f"/api/calls/{made}")["call"]["cost"]


def test_a_length_is_named_and_an_estimate_is_marked(explain):
    rows, said, _ = explain("long")
    assert rows[0][-3:] == ["250,000", "$2.50 per million", "$0.62500"]
    assert "; above 200,000 input tokens\n" in said.out
    rows, said, _ = explain("silent")
    assert rows[0][4].startswith("≈")
    assert [row[-1][0] for row in rows] == ["≈", "≈", "$", "≈"], "a request is one, whoever counts"
    assert "the provider stated none" in said.err


def test_without_a_price_every_part_is_unpriced_and_no_sum_is_claimed(explain):
    rows, said, _ = explain("bare")
    assert {row[-1] for row in rows} == {"unpriced"}
    assert "unpriced: no price is known, which is not zero" in said.out
    assert "$" not in said.out.partition("\ncost\n")[2]


@pytest.mark.parametrize(
    ("model", "more", "purposes"),
    [
        ("hedged", {}, ["answer", "hedge"]),
        ("failing", {}, ["answer"]),
        ("going", {"stream": True}, ["answer", "continuation"]),
        ("busy", {}, ["answer"]),
    ],
)
def test_by_purpose_it_adds_up_to_what_was_booked(explain, gate, model, more, purposes):
    rows, _, made = explain(model, **more)
    sums = {row[0]: Decimal(row[-1].strip("≈$")) for row in rows if row[0] == "total" or row[1:2] == ["sum"]}
    assert list(sums) == [*purposes, "total"]
    total = sums.pop("total")
    parts = sum(Decimal(row[-1].strip("≈$")) for row in rows if row[0] != "total" and row[1:2] != ["sum"])
    assert sum(sums.values()) == parts == total
    booked = gate.json(f"/api/calls/{made}")
    assert total == Decimal(sum(one["cost"] for one in booked["attempts"])).scaleb(-9)
    failed = [one["number"] for one in booked["attempts"] if one["error"] == "upstream_refused"]
    assert [row[0] for row in rows if row[-2:] == ["not billed", row[-1]]] == [str(number) for number in failed]


def test_an_old_call_keeps_its_price(invoke, gate):
    made = called(gate, "quick")
    before = invoke("explain", made, "--config", str(gate.config)).out
    dearer = gate.folder / "dearer.yaml"
    dearer.write_text(gate.config.read_text(encoding="utf-8").replace("input: 0.15", "input: 9"), encoding="utf-8")
    assert "$9.00" in invoke("prices", "show", "quick", "--config", str(dearer)).out
    assert invoke("explain", made, "--config", str(dearer)).out == before


def test_what_is_no_call_is_a_question_and_an_unknown_one_is_said(invoke, gate):
    assert "chosen" in invoke("explain", "hello", "--config", str(gate.config)).out
    none = invoke("explain", "01m8gqezhs2z2t0821ew5s6akz", "--config", str(gate.config))
    assert (none.code, none.out) == (1, "")
    assert "there is no call" in none.err
