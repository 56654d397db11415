from __future__ import annotations

import json
import sqlite3
import subprocess
from pathlib import Path

import pytest


def test_a_key_is_shown_once_and_can_be_revoked(invoke, lab):
    made = invoke("keys", "create", "ci", "--expires", "7")
    assert made.code == 0
    secret = made.out.strip()
    assert "\n" not in secret
    assert made.err.startswith("hint: this is the only time that it is shown")
    listed = invoke("keys", "list")
    assert secret not in listed.out
    assert " active " in listed.out
    assert invoke("keys", "revoke", "ci").code == 0
    assert json.loads(invoke("keys", "list", "--json").out)[0]["state"] == "revoked"


def test_a_key_as_json(invoke, lab):
    value = json.loads(invoke("keys", "create", "ci", "--json").out)
    assert value["key"].startswith(value["prefix"])


def test_the_first_key_says_that_from_now_on_every_caller_needs_one(invoke, lab, folder):
    words = "from now on every caller needs one"
    assert invoke("keys", "create", "first").err.count(words) == 1
    assert words not in invoke("keys", "create", "second").err
    invoke("keys", "revoke", "first")
    invoke("keys", "revoke", "second")
    assert words not in invoke("keys", "create", "third").err  # they were demanded all the time
    (folder / "pointsman.yaml").write_text("keys: required\nstore: sqlite:///other.db\n", encoding="utf-8")
    made = invoke("keys", "create", "first", "--json")
    assert made.err == ""
    assert json.loads(made.out)["name"] == "first"


def test_no_keys_and_no_such_key(invoke, lab):
    assert invoke("keys", "list").err == "no keys yet\nhint: `pointsman keys create NAME` makes one\n"
    said = invoke("keys", "revoke", "nobody")
    assert (said.code, said.out) == (1, "")
    assert "no active key" in said.err


def test_env_is_for_a_shell(invoke, lab):
    said = invoke("env")
    shell = subprocess.run(
        ["sh", "-c", f'{said.out}\necho "$OPENAI_BASE_URL $OPENAI_API_KEY"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shell.stdout == "http://127.0.0.1:4545/v1 not-needed-on-loopback\n"
    values = json.loads(invoke("env", "--json").out)
    assert values["OPENAI_BASE_URL"] == "http://127.0.0.1:4545/v1"
    assert values["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:4545", "its clients write /v1 themselves"
    assert "ANTHROPIC_API_KEY" not in values, "a gateway started in this shell would take it for its own"


def test_env_quotes_what_a_shell_would_read(invoke, lab):
    assert "OPENAI_API_KEY='a b'\"'\"'$(x)'" in invoke("env", "--key", "a b'$(x)").out


def test_env_of_a_server_that_demands_keys_invents_none(invoke, nothing, folder):
    (folder / "pointsman.yaml").write_text("server: {host: 0.0.0.0}", encoding="utf-8")
    said = invoke("env")
    assert "OPENAI_API_KEY" not in said.out
    assert "keys create" in said.err


def test_env_once_there_are_keys_invents_none(invoke, lab):
    assert "not-needed-on-loopback" in invoke("env").out
    invoke("keys", "create", "ci")
    said = invoke("env")
    assert "OPENAI_API_KEY" not in said.out
    assert "this server demands keys" in said.err
    assert "OPENAI_API_KEY" not in json.loads(invoke("env", "--json").out)


def test_check_lists_findings(invoke, lab):
    said = invoke("check")
    assert said.code == 0
    assert "has no key: the variable OPENAI_API_KEY is not set" in said.out
    assert "pointsman.yaml:" in said.out
    assert "good, with " in said.err
    assert invoke("check", "--strict").code == 1


def test_check_of_a_refused_file(invoke, lab, folder):
    (folder / "pointsman.yaml").write_text("providrs: {}\nroutes: 3\n", encoding="utf-8")
    said = invoke("check")
    assert said.code == 2
    assert "error: pointsman.yaml:1:1: unknown key `providrs`\n  hint: did you mean `providers`?\n" in said.out
    assert "2 errors" in said.err
    value = json.loads(invoke("check", "--json").out)
    assert value["ok"] is False
    assert {one["level"] for one in value["findings"]} == {"error"}


def test_check_tells_where_the_schema_for_editors_lies(invoke, folder):
    said = invoke("check", "--schema-path")
    assert said.code == 0
    assert json.loads(Path(said.out.strip()).read_text(encoding="utf-8"))["title"] == "pointsman.yaml"


def test_check_without_a_file(invoke, folder):
    said = invoke("check")
    assert (said.code, said.out, said.err) == (0, "", "no file: defaults: good\n")


def test_env_with_a_store_that_cannot_be_read_invents_no_key(invoke, nothing, folder):
    (folder / "ledger.db").mkdir()
    said = invoke("env")
    assert (said.code, "OPENAI_API_KEY" in said.out) == (0, False)
    assert "cannot be told" in said.err


@pytest.mark.parametrize("words", [("keys", "create", "ci"), ("keys", "list"), ("keys", "revoke", "ci")])
def test_the_store_is_let_go_of(invoke, lab, monkeypatch, words):
    from pointsman.store import keys  # noqa: PLC0415

    opened = []
    real = keys.open_database

    def noted(*args, **more):
        opened.append(real(*args, **more))
        return opened[-1]

    monkeypatch.setattr(keys, "open_database", noted)
    invoke(*words)
    assert len(opened) == 1
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].raw.execute("SELECT 1")
