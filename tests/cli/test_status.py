"""`pointsman status` as a user has it: it asks the gateway that runs."""

from __future__ import annotations

import json

import pytest

import harness
from pointsman.testing import one_model, running

QUESTION = {"messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="module")
def gate():
    with running(one_model(name="sim-1")) as sim:
        lab = {"dialect": "openai-chat", "base_url": sim.base_url, "api_key_env": ""}
        dead = {**lab, "base_url": "http://127.0.0.1:9/v1"}
        models = {"small": {"provider": "lab", "model": "sim-1"}, "broken": {"provider": "dead", "model": "x"}}
        providers = {"lab": lab, "dead": dead, "idle": lab, "off": {**lab, "api_key_env": "NEVER_SET"}}
        with harness.gateway({"providers": providers, "models": models}) as served:
            for model in ("small", *["broken"] * 4):
                served.post("/v1/chat/completions", {**QUESTION, "model": model})
            yield served


def test_every_provider_with_its_models(invoke, gate):
    said = invoke("status", "--config", str(gate.config))
    assert said.code == 0, said.err
    lines = {line.split("  ")[0] or line.split()[0]: line for line in said.out.splitlines()}
    assert lines["PROVIDER"].split()[:3] == ["PROVIDER", "STATE", "FOR"]
    assert "closed" in lines["lab"]
    assert "closed" in lines["sim-1"]
    assert " ms / " in lines["sim-1"]
    assert "open" in lines["dead"]
    assert "failed" in lines["x"]
    assert "failures in a row" in lines["x"]
    assert "not asked yet" in lines["idle"]
    assert "$NEVER_SET is not set" in lines["off"]


def test_as_json_and_by_its_address(invoke, gate):
    said = invoke("status", "--url", gate.root_url, "--json")
    assert {one["name"]: one["state"] for one in json.loads(said.out)} == {
        "lab": "closed",
        "dead": "open",
        "idle": None,
        "off": None,
    }


def test_where_nobody_answers_it_says_what_to_do(invoke):
    said = invoke("status", "--url", f"http://127.0.0.1:{harness.free_port()}")
    assert said.code == 1
    assert "pointsman serve" in said.err
    assert said.out == ""


def test_who_is_no_gateway_is_told_apart(invoke):
    with running(one_model(name="sim-1")) as sim:
        said = invoke("status", "--url", sim.root_url)
    assert said.code == 1
    assert "status 404" in said.err


def test_a_gateway_that_demands_a_key_says_how_to_show_one(invoke, tmp_path):
    folder = tmp_path / "gate"
    folder.mkdir()
    with harness.gateway({"keys": "required", "providers": {}}, folder=folder) as served:
        said = invoke("status", "--url", served.root_url)
        assert (said.code, said.out) == (1, "")
        assert "--key" in said.err
