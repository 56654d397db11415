from __future__ import annotations

import json
from pathlib import Path

import pytest

from pointsman.cli.doctor import machine
from pointsman.store.migrations import NEWEST
from pointsman.upstream.local import machine as hardware

SECRET = "sk-test-abcdefghijklmnop7890"


@pytest.fixture(autouse=True)
def _no_cards(monkeypatch):
    async def none() -> tuple[()]:
        return ()

    monkeypatch.setattr(hardware, "gpus", none)


def checks(said) -> dict[str, dict[str, str]]:
    return {one["about"]: one for one in json.loads(said.out)["checks"]}


def test_one_screen_without_a_secret(invoke, lab, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    said = invoke("doctor")
    assert said.code == 0, said.out
    assert len(said.out.splitlines()) <= 32
    assert "$OPENAI_API_KEY is set (…7890)" in said.out
    assert SECRET not in said.out + said.err
    assert "abcdef" not in said.out + said.err
    assert said.err.startswith("nothing to put right")
    for about in ("version", "clock", "config", "port", "ledger", "prices", "hardware", "disk", "open files", "extras"):
        assert f" {about} " in said.out


def test_as_json(invoke, lab):
    said = invoke("doctor", "--json")
    value = json.loads(said.out)
    assert said.err == ""
    assert value["ok"] is True
    assert value["hardware"]["memory"] > 0
    assert {"model", "place", "quantisation", "needs"} <= set(value["fits"][0])
    assert checks(said)["key openai"]["state"] == "warning"


def test_no_model_is_something_to_put_right(invoke, nothing):
    said = invoke("doctor")
    assert said.code == 1
    assert "BAD   models" in said.out
    assert "hint: set a provider's key" in said.out
    assert "1 thing to put right" in said.err


def test_a_refused_file_is_named_and_the_rest_goes_on(invoke, lab, folder):
    (folder / "pointsman.yaml").write_text("providrs: {}\n", encoding="utf-8")
    found = checks(invoke("doctor", "--json"))
    assert found["config"]["state"] == "bad"
    assert "pointsman.yaml:1:1" in found["config"]["text"]
    assert "hardware" in found


def test_a_placeholder_is_no_key(invoke, lab, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "<your key>")
    found = checks(invoke("doctor", "--json"))["key openai"]
    assert (found["state"], "placeholder" in found["text"]) == ("warning", True)


def test_the_ledger_is_measured_and_a_damaged_one_is_named(invoke, lab, folder):
    invoke("keys", "list")
    found = checks(invoke("doctor", "--json"))["ledger"]
    assert found["state"] == "ok"
    assert f"schema {NEWEST}" in found["text"]
    (folder / "ledger.db").write_bytes(b"this is no database" * 100)
    for beside in folder.glob("ledger.db-*"):
        beside.unlink()
    said = invoke("doctor", "--json")
    assert said.code == 1
    assert checks(said)["ledger"]["state"] == "bad"


def test_providers_are_asked_only_on_request(invoke, lab):
    assert not any(about.startswith("reach") for about in checks(invoke("doctor", "--json")))
    text = Path(lab).read_text(encoding="utf-8").replace("  openai: {}\n", "").replace(", gpt-mini]", "]")
    Path(lab).write_text(
        "\n".join(line for line in text.splitlines() if "gpt-mini" not in line) + "\n", encoding="utf-8"
    )
    said = invoke("doctor", "--reach", "--json")
    found = checks(said)
    assert found["reach lab"]["state"] == "ok"
    assert "HTTP " in found["reach lab"]["text"]
    assert found["reach dead"]["state"] == "bad"
    assert said.code == 1


def test_a_clock_before_the_price_list_is_wrong():
    assert machine.clock(0, "2026-11-21").state == "bad"
    assert machine.clock(1_795_305_746_000_000_000, "2026-11-21").state == "ok"


def test_each_disk_is_looked_at_once(tmp_path):
    found = list(machine.disk([tmp_path, tmp_path / "not" / "there"]))
    assert len(found) == 1
    assert str(tmp_path) in found[0].text
