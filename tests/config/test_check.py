from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from pointsman.config import EmptyCatalogue, End, check, load_text
from pointsman.config.document import example

TODAY = dt.date(2026, 11, 21)


class Catalogue:
    def __init__(self, ends=None):
        self.ends = ends or {}

    def key_variable(self, provider):
        return {"openai": "OPENAI_API_KEY"}.get(provider, "")

    def unspoken(self, _provider, said):
        return "" if (said or "openai-chat") == "openai-chat" else said

    def private(self, provider):
        return provider in {"local", "ollama"}

    def priced(self, provider, model):
        return provider == "openai" and model.startswith("gpt-5")

    def nearest(self, provider, model):
        if provider == "local" or self.priced(provider, model):
            return None
        return "gpt-5" if provider == "openai" else ""

    def end(self, provider, model):
        return self.ends.get(f"{provider}/{model}")


def found(text, env=None, catalogue=None):
    findings = check(load_text(text, Path("p.yaml")), env or {}, catalogue or Catalogue(), TODAY)
    return {(f.level, f.code, f.where) for f in findings}, findings


def test_a_missing_key_is_named_and_no_value_is_shown():
    text = """providers:
  openai: {}
  lab: {api_key_env: LAB_KEY}
  open: {api_key_env: ''}
  theirs: {api_key_env: X, credentials: caller}
"""
    some, findings = found(text, {"LAB_KEY": "s3cret"})
    assert some == {("warning", "key_missing", "p.yaml:2:3")}
    assert "OPENAI_API_KEY is not set" in findings[0].message
    assert found(text, {"OPENAI_API_KEY": ""})[0] == {
        ("warning", "key_missing", "p.yaml:2:3"),
        ("warning", "key_missing", "p.yaml:3:3"),
    }
    assert "s3cret" not in str(findings)


def test_a_route_on_one_provider_or_without_a_fallback_at_home():
    text = """
providers: {home: {private: true}, ollama: {private: false}}
routes:
  single: {try: [openai/gpt-5, openai/gpt-5-mini]}
  double: {try: [openai/gpt-5, other/x]}
  safe: {pool: [openai/gpt-5, local/smol]}
  own: {pool: [openai/gpt-5, home/x]}
  said: {pool: [openai/gpt-5, ollama/x]}
"""
    some, _ = found(text)
    assert {item for item in some if item[1] != "unpriced"} == {
        ("warning", "single_provider", "p.yaml:4:3"),
        ("note", "no_private_fallback", "p.yaml:4:3"),
        ("note", "no_private_fallback", "p.yaml:5:3"),
        ("note", "no_private_fallback", "p.yaml:8:3"),
    }


def test_a_model_is_priced_by_itself_its_base_or_the_catalogue():
    text = """
models:
  own: {provider: lab, price: {input: 0, output: 0}}
  known: {provider: openai, model: gpt-5-mini}
  tuned: {provider: openai, model: "ft:x", base: gpt-5}
  heir: {provider: lab, base: own}
  many: {provider: lab, model: "m-*"}
  bare: {provider: lab}
routes:
  r: {pool: [bare, openai/gpt-4, own]}
"""
    some, findings = found(text)
    assert {item for item in some if item[1] == "unpriced"} == {
        ("warning", "unpriced", "p.yaml:8:3"),
        ("warning", "unpriced", "p.yaml:10:20"),
    }
    assert [f.message for f in findings if f.code == "unpriced"] == [
        "model `bare` has no price, so its calls are shown as unpriced",
        "model `openai/gpt-4` has no price, so its calls are shown as unpriced",
    ]


def test_the_end_of_a_model_is_announced_thirty_days_ahead():
    def end(days, successor=""):
        catalogue = Catalogue({"openai/gpt-5": End(day=TODAY + dt.timedelta(days=days), successor=successor)})
        findings = found("models: {a: {provider: openai, model: gpt-5}}", catalogue=catalogue)[1]
        return [(f.level, f.code, f.hint) for f in findings]

    assert end(31) == []
    assert end(30, "gpt-6") == [("warning", "retires_soon", "its successor is `gpt-6`")]
    assert end(1) == [("warning", "retires_soon", "no successor is announced")]
    assert end(0, "gpt-6") == [("warning", "retired", "its successor is `gpt-6`")]
    assert end(-5) == [("error", "retired", "no successor is announced")]


def test_a_wildcard_member_leads_to_its_own_model():
    catalogue = Catalogue({"openai/gpt-5-nano": End(day=TODAY)})
    text = 'models: {"fast/*": {provider: openai, model: "gpt-*"}}\nroutes: {r: {try: [fast/5-nano, local/x]}}'
    codes = {f.code for f in found(text, catalogue=catalogue)[1]}
    assert "retired" in codes


def test_the_example_has_no_more_than_what_it_says():
    env = dict.fromkeys(("LAB_KEY", "OPENAI_API_KEY", "SLACK_WEBHOOK_URL", "ALERTS_SECRET"), "x")
    findings = check(load_text(example(), Path("p.yaml")), env, EmptyCatalogue(), TODAY)
    assert {f.code for f in findings} <= {"single_provider", "unpriced", "no_private_fallback"}
    assert all(f.where.startswith("p.yaml:") and f.hint for f in findings)


def test_nothing_to_say_of_the_defaults():
    assert found("{}")[1] == ()


def test_a_dialect_that_is_not_spoken_is_a_warning():
    text = "providers: {lab: {dialect: gemini, base_url: 'http://127.0.0.1:1', api_key_env: ''}}\n"
    some, findings = found(text)
    assert some == {("warning", "dialect_unspoken", "p.yaml:1:13")}
    assert "speaks gemini, which this version does not" in findings[0].message


def test_a_server_on_this_machine_is_self_hosted_unless_the_file_says_no():
    def notes(url, more=""):
        text = f"""providers: {{lab: {{dialect: openai-chat, base_url: "{url}"{more}}}, openai: {{}}}}
routes: {{r: {{pool: [openai/gpt-5, lab/x]}}}}
"""
        return [finding.code for finding in found(text)[1] if finding.code == "no_private_fallback"]

    for url in ("http://127.0.0.1:9/v1", "http://localhost:9", "http://[::1]:9/v1"):
        assert notes(url) == []
    assert notes("http://127.0.0.1:9", ", private: false") == ["no_private_fallback"]
    assert notes("http://lab.example:9") == ["no_private_fallback"]


def test_a_base_that_names_nothing_is_told_with_the_nearest_name():
    text = """
models:
  near: {provider: openai, base: gtp-5, price: {input: 1, output: 1}}
  far: {provider: lab, base: foo/nope, price: {input: 1, output: 1}}
  good: {provider: openai, base: gpt-5}
  heir: {provider: lab, base: near}
  here: {provider: local, base: anything, price: {input: 0, output: 0}}
"""
    some, findings = found(text)
    assert some == {("warning", "base_unknown", "p.yaml:3:28"), ("warning", "base_unknown", "p.yaml:4:24")}
    assert findings[0].hint == "did you mean `gpt-5`?"
    assert "inherits from `foo/nope`, which names nothing" in findings[1].message


@pytest.mark.parametrize("end", ["chat/completions", "chat/completions/", "completions", "models", "responses"])
def test_a_base_url_with_the_path_of_an_endpoint_asks_whether_the_base_was_meant(end):
    text = f"providers: {{lab: {{dialect: openai-chat, api_key_env: '', base_url: 'https://h/v1/{end}'}}}}"
    some, findings = found(text)
    assert {(level, code) for level, code, _ in some} == {("warning", "endpoint_in_base_url")}
    assert findings[0].hint == "did you mean `https://h/v1`?"


def test_a_server_for_every_web_page_is_told_while_no_key_is_demanded():
    def codes(server, more=""):
        return [finding.code for finding in found(f"server: {server}\n{more}")[1]]

    assert codes("{cors: ['*']}") == ["cors_for_all"]
    assert codes("{cors: ['*'], host: '::1'}") == ["cors_for_all"]
    assert codes("{cors: ['*']}", "keys: required\n") == []
    assert codes("{cors: ['*'], host: 0.0.0.0}") == []  # that demands keys anyway
    assert codes("{cors: ['https://app.example', 'http://localhost:3000']}") == []


def test_an_origin_that_no_browser_sends_is_told():
    some, findings = found("server: {cors: ['https://app.example:443', 'http://app.example:443']}")
    assert some == {("warning", "origin_never_matches", "p.yaml:1:17")}
    assert findings[0].hint == "write `https://app.example`"


def test_a_key_whose_last_day_is_over_is_told_and_keeps_no_gateway_from_starting():
    text = "keys: [{name: a, env: A_KEY, expires: 2020-01-31}, {name: b, env: A_KEY, expires: 2099-01-31}]"
    some, findings = found(text, {"A_KEY": "x"})
    assert some == {("warning", "key_expired", "p.yaml:1:30")}
    assert "the key `a` opens nothing: it was good until 2020-01-31" in findings[0].message
    some, _ = found("keys: {named: [{name: a, env: A_KEY, expires: '2020-01-31T12:00Z'}]}", {"A_KEY": "x"})
    assert some == {("warning", "key_expired", "p.yaml:1:38")}
