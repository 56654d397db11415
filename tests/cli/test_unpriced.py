"""Wherever money is shown, a model without a price is shown as unpriced: never as 0, and never left out."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import time

import pytest

import harness
from pointsman.testing import one_model, running

QUESTION = {"messages": [{"role": "user", "content": "How far is the moon? " * 5}]}


@pytest.fixture(scope="module")
def gate():
    with running(one_model(name="sim-1", pace={"events_per_second": 20})) as sim:
        lab = {"dialect": "openai-chat", "base_url": sim.base_url, "api_key_env": ""}
        models = {
            "bare": {"provider": "lab", "model": "sim-1"},
            "free": {"provider": "lab", "model": "sim-1", "price": {"input": 0, "output": 0}},
        }
        said = {"providers": {"lab": lab}, "models": models, "routes": {"auto": {"pool": ["bare", "free"]}}}
        with harness.gateway(said) as served:
            yield served


@pytest.fixture(scope="module")
def answers(gate):
    """A whole answer by each model, and one of the unpriced that its caller left."""
    bare = gate.post("/v1/chat/completions", {**QUESTION, "model": "bare"})
    free = gate.post("/v1/chat/completions", {**QUESTION, "model": "free"})
    with socket.create_connection(("127.0.0.1", gate.port)) as sock:
        body = json.dumps({**QUESTION, "model": "bare", "stream": True})
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
        sock.sendall((head + body).encode())
        assert sock.recv(4096)
    for _ in range(100):
        if len(gate.json("/api/calls")["calls"]) == 3:
            break
        time.sleep(0.05)
    return bare, free


def test_in_headers(answers):
    (_, bare, _), (_, free, _) = answers
    assert "unpriced" in bare["x-pointsman-warning"]
    assert "x-pointsman-cost-usd" not in bare
    assert free["x-pointsman-cost-usd"] == "0"
    assert "x-pointsman-warning" not in free


def test_in_lists_and_totals_also_of_a_call_that_its_caller_left(gate, answers):
    calls = gate.json("/api/calls")["calls"]
    assert {(one["model"], one["status"], one["cost"]) for one in calls} == {
        ("bare", "ok", None), ("bare", "cancelled", None), ("free", "ok", 0)
    }  # fmt: skip
    totals = gate.json("/api/totals")
    assert totals["all"]["unpriced"] == 2, "what was cancelled used tokens, too"
    assert totals["by_model"]["bare"]["unpriced"] == 2
    assert totals["by_model"]["free"]["unpriced"] == 0
    assert totals["all"]["estimated"] == 1
    assert totals["all"]["estimated_cost"] == 0


def test_in_metrics(gate, answers):
    text = gate.get("/metrics")[2].decode()
    assert 'gw_unpriced_calls_total{provider="lab",model="bare"} 2' in text
    assert 'gw_estimated_calls_total{provider="lab",model="bare"} 1' in text
    assert 'gw_cost_usd_total{provider="lab",model="bare"}' not in text


def test_in_the_status(invoke, gate):
    assert gate.json("/api/status")["prices"]["unpriced"] == ["bare"]
    said = invoke("status", "--config", str(gate.config))
    assert "unpriced" in said.err
    assert "bare" in said.err
    assert "free" not in said.err


def test_in_the_banner(gate):
    assert any(line.split()[:2] == ["unpriced", "bare:"] for line in gate.log().splitlines())


def test_in_logs(invoke, gate, answers):
    rows = invoke("logs", "--config", str(gate.config)).out.splitlines()[1:]
    assert [("unpriced" in row, "$0" in row) for row in rows].count((True, False)) == 2
    assert sum("$0" in row for row in rows) == 1
    left = next(one for one in gate.json("/api/calls")["calls"] if one["status"] == "cancelled")
    whole = invoke("logs", left["id"], "--config", str(gate.config)).out
    assert "estimated" in whole
    assert "unpriced" in whole


def test_in_explanations(invoke, gate):
    said = invoke("explain", "hello", "--config", str(gate.config))
    lines = {line.split()[1]: line for line in said.out.splitlines()}
    assert "unpriced" in lines["bare"]
    assert "unpriced" not in lines["free"]
    shown = json.loads(invoke("explain", "hello", "--config", str(gate.config), "--json").out)
    assert {one["model"]: one["priced"] for one in shown["steps"]} == {"bare": False, "free": True}


def test_in_models_and_prices(invoke, gate):
    lines = {line.split()[0]: line for line in invoke("models", "--config", str(gate.config)).out.splitlines() if line}
    assert lines["bare"].endswith("ready, unpriced")
    assert "unpriced" not in lines["free"]
    assert "unpriced" in invoke("prices", "show", "bare", "--config", str(gate.config)).out


def test_when_asked(invoke, gate):
    assert "unpriced" in invoke("ask", "hi", "-m", "bare", "--config", str(gate.config)).err
    assert "$0" in invoke("ask", "hi", "-m", "free", "--config", str(gate.config)).err


@pytest.fixture(scope="module")
def passed():
    """Passed through unread: a whole answer, one that its caller left, one that broke, one that was refused."""
    with running(one_model(name="sim-1", pace={"events_per_second": 20})) as sim:
        lab = {"dialect": "openai-chat", "base_url": sim.base_url, "api_key_env": ""}
        with harness.gateway({"providers": {"lab": lab}}) as gate:
            path, body = "/passthrough/lab/chat/completions", {**QUESTION, "model": "sim-1", "stream": True}
            gate.post(path, {**body, "max_tokens": 2})
            text = json.dumps(body)
            head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(text)}\r\n\r\n"
            with socket.create_connection(("127.0.0.1", gate.port)) as sock:
                sock.sendall((head + text).encode())
                assert sock.recv(4096)
            sim.inject("cut_reset", times=1)
            with contextlib.suppress(http.client.HTTPException, ConnectionError):
                gate.post(path, body)
            gate.post("/passthrough/lab/nothing", {})
            for _ in range(100):
                if len(gate.json("/api/calls")["calls"]) == 4:
                    break
                time.sleep(0.05)
            yield gate


def test_what_was_passed_through_is_unpriced_everywhere_however_it_ended(invoke, passed):
    calls = {one["status"]: one for one in passed.json("/api/calls")["calls"]}
    assert {status: one["unpriced"] for status, one in calls.items()} == {
        "ok": True, "cancelled": True, "failed": True, "refused": False
    }  # fmt: skip
    config = ("--config", str(passed.config))
    rows = {row.split()[2]: row.split() for row in invoke("logs", *config).out.splitlines()[1:]}
    assert {status: row[-2] for status, row in rows.items()} == {
        "ok": "unpriced", "cancelled": "unpriced", "failed": "unpriced", "refused": "-"
    }  # fmt: skip
    for status in ("ok", "cancelled", "failed"):
        whole = invoke("logs", calls[status]["id"], *config).out
        assert re.search(r"^  cost +unpriced$", whole, re.MULTILINE)
        assert re.search(r"^  1\. .*  unpriced\b", whole, re.MULTILINE), "the attempt too"
        parts = invoke("explain", calls[status]["id"], *config).out
        assert "unknown" not in parts
        assert re.search(r"^ *total +unpriced$", parts, re.MULTILINE)
    spend = json.loads(invoke("bill", "--json", *config).out)["total"]
    assert (spend["attempts"], spend["unpriced"], spend["unknown"]) == (4, 3, 0)
    assert passed.json("/api/totals")["all"]["unpriced"] == 3
    assert 'gw_unpriced_calls_total{provider="lab",model="lab/*"} 3' in passed.get("/metrics")[2].decode()
