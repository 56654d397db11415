from __future__ import annotations

import json
import re

import pytest

from pointsman.cli.models_verb import matches


def test_models_of_the_file(invoke, lab):
    said = invoke("models")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0].split() == ["ROUTE", "CHOICE", "MODELS"]
    assert "auto   cheapest that fits  small, large" in lines
    rows = {line.split()[0]: line for line in lines[5:]}
    assert rows["small"].split() == ["small", "lab", "economy", "128k", "0.15", "0.60", "-", "ready"]
    assert rows["broken"].endswith("ready, unpriced")
    assert rows["gpt-mini"].endswith("$OPENAI_API_KEY is not set")
    assert "US dollars per million tokens" in said.err


def test_models_as_json(invoke, lab):
    said = invoke("models", "--json", "small")
    assert said.err == ""
    value = json.loads(said.out)
    assert value["routes"] == []
    assert [model["name"] for model in value["models"]] == ["small"]
    assert value["models"][0]["price"]["input"] == "0.15"


def test_all_models_of_a_provider_that_is_not_configured(invoke, lab):
    value = json.loads(invoke("models", "--all", "-p", "anthropic", "claude-*", "--json").out)
    assert len(value["models"]) > 5
    assert {model["provider"] for model in value["models"]} == {"anthropic"}
    assert not any(model["ready"] for model in value["models"])


def test_all_models_of_the_ready_ones(invoke, folder, monkeypatch):
    (folder / "pointsman.yaml").write_text("{discover: false, local: false}", encoding="utf-8")
    monkeypatch.setenv("MISTRAL_API_KEY", "abcdefghijklmnop1234")
    value = json.loads(invoke("models", "--all", "--json").out)
    assert {model["provider"] for model in value["models"]} == {"mistral"}
    assert len(value["models"]) > 10


def test_an_unknown_provider_gets_the_nearest(invoke, lab):
    said = invoke("models", "--all", "-p", "antropic")
    assert (said.code, said.out) == (1, "")
    assert "did you mean `anthropic`" in said.err


def test_providers(invoke, lab):
    said = invoke("models", "--providers")
    assert said.code == 0
    rows = {line.split()[0]: line for line in said.out.splitlines()}
    assert len(rows) > 200
    assert "MISTRAL_API_KEY" in rows["mistral"]
    assert " FR " in rows["mistral"]
    assert "not spoken yet" in rows["amazon-bedrock"] if "amazon-bedrock" in rows else True
    assert rows["lab"].endswith("ready")
    assert rows["openai"].endswith("$OPENAI_API_KEY is not set")


def test_providers_as_json(invoke, lab):
    rows = json.loads(invoke("models", "--providers", "--json", "mistral").out)
    assert rows[0]["key_variable"] == "MISTRAL_API_KEY"
    assert rows[0]["spoken"] is True


def test_providers_say_where_data_go_and_where_that_is_from(invoke, folder):
    (folder / "pointsman.yaml").write_text(
        "{discover: false, local: false, providers: {groq: {retention: none by contract}}}", encoding="utf-8"
    )
    rows = {row["name"]: row for row in json.loads(invoke("models", "--providers", "--json").out)}
    cohere, groq = rows["cohere"], rows["groq"]
    assert (cohere["retention_days"], cohere["zero_retention"]) == (30, "agreement")
    assert cohere["sources"]["retention"]["url"].startswith("https://cohere.com/")
    assert (groq["retention"], groq["retention_days"], groq["sources"]) == ("none by contract", None, {})
    assert groq["jurisdiction"] == "US"
    said = invoke("models", "--providers")
    lines = {line.split()[0]: line for line in said.out.splitlines()}
    assert "SG (CN)" in lines["zai"]
    assert "30 days" in lines["cohere"]
    assert re.search(r"known: jurisdiction of \d+, regions of \d+, retention of \d+", said.err)


def test_limits_are_those_published_unless_the_file_says_otherwise(invoke, folder):
    (folder / "pointsman.yaml").write_text(
        "discover: false\nlocal: false\nmodels:\n"
        "  fast: {provider: groq, model: openai/gpt-oss-120b, quotas: {rpm: 300, tpm: 250000}}\n"
        "  plain: {provider: groq, model: openai/gpt-oss-20b}\n"
        "  dark: {provider: groq, model: nobody-knows}\n",
        encoding="utf-8",
    )
    models = {model["name"]: model["quotas"] for model in json.loads(invoke("models", "--json").out)["models"]}
    fast, plain = models["fast"], models["plain"]
    assert (fast["rpm"], fast["tpm"], fast["rpd"]) == (300, 250_000, 1000)
    assert fast["configured"] == ["rpm", "tpm"]
    assert (plain["rpm"], plain["tier"], plain["configured"]) == (30, "free plan", [])
    assert plain["source"] == "https://console.groq.com/docs/rate-limits"
    assert models["dark"] is None


def test_no_models_says_what_fills_the_list(invoke, nothing):
    said = invoke("models")
    assert (said.code, said.out) == (0, "")
    assert said.err.startswith("no models yet\nhint: ")


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("", "anything", True),
        ("gpt", "openai/gpt-5", True),
        ("GPT-*", "openai/gpt-5", True),
        ("openai/*", "openai/gpt-5", True),
        ("gpt-*", "openai/other", False),
    ],
)
def test_patterns(pattern, name, expected):
    assert matches(pattern, name) is expected
