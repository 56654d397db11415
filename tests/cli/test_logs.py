from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import time

import pytest

from pointsman.core.clock import SystemClock
from pointsman.core.usage import Usage
from pointsman.store.decisions import Decisions
from pointsman.store.ledger import Ledger
from pointsman.store.rows import flatten
from pointsman.store.spool import Spool


@pytest.fixture
def called(invoke, lab):
    """One call that was answered, one that failed, one that was refused."""
    invoke("ask", "-m", "chain", "say: hello")
    invoke("ask", "-m", "broken", "hi")
    invoke("ask", "-m", "nobody", "hi")


def test_no_ledger_yet(invoke, lab):
    said = invoke("logs")
    assert (said.code, said.out) == (0, "")
    assert said.err.startswith("no calls yet in ")
    assert json.loads(invoke("logs", "--json").out) == []
    assert invoke("logs", "01abc").code == 1


def test_path(invoke, lab, folder):
    assert invoke("logs", "path").out == f"{folder}/ledger.db\n"
    assert json.loads(invoke("logs", "path", "--json").out) == {"path": f"{folder}/ledger.db"}


def test_the_list_is_newest_last(invoke, called):
    said = invoke("logs")
    head, *rows = said.out.splitlines()
    assert head.split()[:3] == ["WHEN", "STATUS", "ASKED"]
    assert [re.split(r"  +", row)[1:4] for row in rows] == [
        ["ok", "chain", "large"],
        ["failed", "broken", "all_attempts_failed"],
        ["refused", "nobody", "model_not_found"],
    ]
    assert all(re.search(r"  [0-9a-z]{26}$", row) for row in rows)


def test_durations_are_the_calls_own(invoke, called):
    assert all(one["duration"] < 30_000_000_000 for one in json.loads(invoke("logs", "--json").out))


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (("-n", "1"), ["nobody"]),
        (("--status", "failed"), ["broken"]),
        (("--route", "chain"), ["chain"]),
        (("--model", "large"), ["chain"]),
        (("--since", "1h"), ["chain", "broken", "nobody"]),
    ],
)
def test_filters(invoke, called, arguments, asked):
    assert [one["asked"] for one in json.loads(invoke("logs", "--json", *arguments).out)] == asked


def test_one_call_with_its_decision_attempts_and_dropped_candidates(invoke, called):
    call = json.loads(invoke("logs", "--route", "chain", "--json").out)[0]
    said = invoke("logs", call["id"])
    assert said.code == 0
    assert said.out.startswith(f"{call['id']}  ok  HTTP 200\n")
    assert "  asked        chain\n" in said.out
    assert "  answered by  large (lab: sim-1)\n" in said.out
    assert "  1. broken\n  2. large\n  x  gpt-mini  dropped  $OPENAI_API_KEY is not set\n" in said.out
    assert re.search(r"  1\. broken \(dead\)  no answer  .*  connect_failed: ", said.out)
    assert re.search(r"  2\. large \(lab\)  HTTP 200  .*  \$0\.0", said.out)
    detail = json.loads(invoke("logs", call["id"], "--json").out)
    assert [one["error"] for one in detail["attempts"]] == ["connect_failed", ""]


def test_a_call_by_the_beginning_of_its_id_or_by_the_answers_id(invoke, called):
    call = json.loads(invoke("logs", "--route", "chain", "--json").out)[0]
    assert invoke("logs", call["id"][:20]).out.startswith(call["id"])
    assert invoke("logs", call["answer_id"]).out.startswith(call["id"])


def test_a_beginning_that_several_share_and_one_that_nobody_has(invoke, called):
    several = invoke("logs", "0")
    assert (several.code, several.err) == (1, "error: several calls begin with `0`\nhint: give more of the id\n")
    assert invoke("logs", "zzz").err.startswith("error: there is no call `zzz`\nhint: ")


def test_a_length_of_time_that_is_none(invoke, lab):
    said = invoke("logs", "--since", "soon")
    assert said.code == 2
    assert said.err.startswith("error: `soon` is no length of time")


def test_follow_prints_calls_as_they_end_and_stops_at_an_interrupt(invoke, called, folder):
    with subprocess.Popen(
        [sys.executable, "-m", "pointsman", "logs", "--follow", "--json", "-n", "1"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["asked"] == "nobody"
        time.sleep(0.1)
        invoke("ask", "-m", "small", "say: followed")
        assert json.loads(process.stdout.readline())["asked"] == "small"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert (out, err.strip(), process.returncode) == ("", "", 130)


@contextlib.contextmanager
def following(folder, *arguments):
    """`logs --follow --json` in a process of its own; what it says on standard error is in a file."""
    with (
        (folder / "said.txt").open("w") as said,
        subprocess.Popen(
            [sys.executable, "-m", "pointsman", "logs", "--follow", "--json", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def until_said(folder, text, seconds=10.0):
    end = time.monotonic() + seconds
    while text not in (folder / "said.txt").read_text():
        assert time.monotonic() < end, (folder / "said.txt").read_text()
        time.sleep(0.02)


def test_follow_says_once_that_the_store_is_away_and_when_it_is_back(invoke, called, folder):
    ledger = folder / "ledger.db"
    with following(folder, "-n", "1") as process:
        assert json.loads(process.stdout.readline())["asked"] == "nobody"
        ledger.rename(folder / "elsewhere.db")
        until_said(folder, "hint: ")
        time.sleep(1.0)  # it goes on trying, and does not repeat itself
        (folder / "elsewhere.db").rename(ledger)
        until_said(folder, "the store is back\n")
        invoke("ask", "-m", "small", "say: again")
        assert json.loads(process.stdout.readline())["asked"] == "small"
        ledger.rename(folder / "elsewhere.db")
        until_said(folder, "the store is back\nwarning: ")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stdout.read() == ""
    lines = (folder / "said.txt").read_text().strip().splitlines()
    away = f"warning: store {ledger}: no such file; trying again"
    assert [lines[0], lines[2], lines[3]] == [away, "the store is back", away]
    assert lines[1] == lines[4] == "hint: it is made when the first call is recorded"
    assert len(lines) == 5


def test_follow_waits_for_the_first_call_of_all(invoke, lab, folder):
    with following(folder) as process:
        until_said(folder, f"no calls yet in {folder}/ledger.db: waiting for the first one\n")
        invoke("ask", "-m", "small", "say: first")
        assert json.loads(process.stdout.readline())["asked"] == "small"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    assert len((folder / "said.txt").read_text().strip().splitlines()) == 1


def test_follow_shows_every_call_however_many_come_and_however_late_one_ends(invoke, called, folder, make):
    with following(folder, "-n", "1") as process:
        process.stdout.readline()
        now = time.time_ns()
        hour = 3_600_000_000_000
        made = [make.outcome() for _ in range(2_500)] + [make.outcome(now=now - hour, duration=hour)]
        ledger = Ledger(f"sqlite:///{folder}/ledger.db", SystemClock())
        ledger.start()
        for one in made:
            ledger.record(one)
        assert ledger.flush()
        assert ledger.close()
        seen = [json.loads(process.stdout.readline())["id"] for _ in made]
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stdout.read() == ""
    assert seen == [one.id for one in made]


def test_follow_goes_on_in_a_store_that_took_the_place_of_another(invoke, called, folder):
    with following(folder, "-n", "1") as process:
        process.stdout.readline()
        for path in folder.glob("ledger.db*"):
            path.unlink()
        until_said(folder, "no such file")
        invoke("ask", "-m", "small", "say: new")
        assert json.loads(process.stdout.readline())["asked"] == "small"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    assert "warning: calls may be missing here: the store was replaced" in (folder / "said.txt").read_text()


def test_a_store_that_cannot_be_read_is_no_store_without_calls(invoke, lab, folder):
    ledger, spool = folder / "ledger.db", folder / "ledger.db.spool"
    spool.mkdir()
    (spool / "1-2-3.jsonl").write_text("{}\n")
    said = invoke("logs")
    assert (said.code, said.out) == (1, "")
    assert f"error: store {ledger}: no such file, but calls wait in {spool}" in said.err
    assert "hint: " in said.err
    assert invoke("logs", "--follow").code == 1
    ledger.write_bytes(b"this is no database" * 500)
    said = invoke("logs")
    assert (said.code, said.out) == (1, "")
    assert "not a database" in said.err
    assert "hint: the file is damaged" in said.err


def test_what_no_store_can_hold_is_an_error_without_a_traceback(command, called):
    for arguments in (("\udcff\udcfe",), ("--route", "\udcff")):
        said = command("logs", *arguments)
        assert (said.code, said.out) == (1, "")
        assert said.err.startswith("error: no store can hold what was asked for\nhint: ")
        assert "Traceback" not in said.err


def test_a_store_without_a_folder_names_it(invoke, lab, folder):
    config = folder / "pointsman.yaml"
    config.write_text(config.read_text().replace(f"{folder}/ledger.db", f"{folder}/none/such/x.db"))
    said = invoke("logs")
    assert (said.code, said.out) == (1, "")
    assert f"the folder {folder}/none does not exist" in said.err
    said = invoke("keys", "list")
    assert said.code == 1
    assert f"the folder {folder}/none does not exist" in said.err
    assert not (folder / "none").exists()


def test_calls_that_wait_for_a_store_are_told_of(invoke, called, folder, make):
    spool = Spool(folder / "ledger.db.spool", 1_000_000)
    spool.append(flatten([make.outcome(), make.outcome()], Decisions()))
    said = invoke("logs", "--json")
    assert len(json.loads(said.out)) == 3
    assert re.match(rf"warning: 2 calls wait in {folder}/ledger.db.spool since \d{{4}}-\S+ \S+Z and cannot", said.err)
    said = invoke("logs", "--route", "none")
    assert "2 calls wait" in said.err
    assert "the first one" not in said.err
    checks = {one["about"]: one for one in json.loads(invoke("doctor", "--json").out)["checks"]}
    assert checks["ledger"]["state"] == "warning"
    assert f"; 2 calls wait in {folder}/ledger.db.spool since " in checks["ledger"]["text"]
    assert "its log says why" in checks["ledger"]["hint"]
    spool.replay(lambda _: None)
    assert invoke("logs").err == ""


def test_a_step_says_into_which_dialect_its_request_is_translated(invoke, lab, folder, make):
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", SystemClock())
    ledger.start()
    one = make.outcome(dialect="anthropic-messages")
    ledger.record(one)
    assert ledger.flush()
    ledger.close()
    assert "  1. small  translated to openai-chat\n" in invoke("logs", one.id).out
    steps = json.loads(invoke("logs", one.id, "--json").out)["decision"]["steps"]
    assert [step["dialect"] for step in steps] == ["openai-chat", "openai-chat"]


def test_an_attempt_says_whether_the_json_that_was_asked_for_came(invoke, lab, folder, make):
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", SystemClock())
    ledger.start()
    made = {form: make.outcome(attempts=(make.attempt(form=form),)) for form in ("", "ok", "broken")}
    for one in made.values():
        ledger.record(one)
    assert ledger.flush()
    ledger.close()
    assert "  1. small\n" in invoke("logs", made["ok"].id).out, "asked in the caller's own dialect"
    last = {form: invoke("logs", one.id).out.splitlines()[-1].rpartition("  ")[2] for form, one in made.items()}
    assert (last["ok"], last["broken"]) == ("JSON", "broken JSON")
    assert "JSON" not in last[""]
    detail = json.loads(invoke("logs", made["broken"].id, "--json").out)
    assert [one["form"] for one in detail["attempts"]] == ["broken"]


def test_estimated_tokens_and_cost_are_marked_in_the_list_and_in_full(invoke, lab, folder, make):
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", SystemClock())
    ledger.start()
    guess = Usage(input=812, output=31, estimated=True)
    made = make.outcome(
        asked="guess", usage=guess, cost=1_000_000, attempts=[make.attempt(usage=guess, cost=1_000_000)]
    )
    known = Usage(input=7, output=5)
    lost = make.attempt(1, usage=guess, cost=1_000_000, error="outpaced")
    raced = make.outcome(
        asked="raced", usage=known, cost=3_000_000, attempts=[lost, make.attempt(2, usage=known, cost=2_000_000)]
    )
    for one in (made, raced, make.outcome(asked="exact", usage=known, cost=2_000_000)):
        ledger.record(one)
    assert ledger.flush()
    ledger.close()
    rows = {cells[2]: cells[6:9] for cells in (re.split(r"  +", row) for row in invoke("logs").out.splitlines())}
    assert rows["guess"] == ["≈812", "≈31", "≈$0.001"]
    assert rows["exact"] == ["7", "5", "$0.002"]
    assert rows["raced"] == ["7", "5", "≈$0.003"], "what lost the race is in its cost, and an estimate"
    text = invoke("logs", made.id).out
    assert "  tokens       812 in, 31 out, estimated\n  cost         ≈$0.001\n" in text
    assert "812 in, 31 out, estimated  ≈$0.001" in text


def test_the_key_that_was_used_is_named(invoke, lab, folder, monkeypatch):
    monkeypatch.setenv("FIRST_OF_TWO", "secret-1")
    monkeypatch.setenv("SECOND_OF_TWO", "secret-2")
    path = folder / "pointsman.yaml"
    text = path.read_text(encoding="utf-8").replace('api_key_env: ""', "api_key_envs: [FIRST_OF_TWO, SECOND_OF_TWO]", 1)
    path.write_text(text, encoding="utf-8")
    explained = invoke("explain", "-m", "small", "hi").out
    assert "small ($FIRST_OF_TWO)" in explained
    assert "small ($SECOND_OF_TWO)" in explained
    steps = json.loads(invoke("explain", "-m", "small", "--json", "hi").out)["steps"]
    assert sorted(step["key_env"] for step in steps) == ["FIRST_OF_TWO", "SECOND_OF_TWO"]
    invoke("ask", "-m", "small", "hi")
    said = invoke("logs", json.loads(invoke("logs", "--json").out)[0]["id"]).out
    assert re.search(r"1\. small \(lab, \$(FIRST|SECOND)_OF_TWO\)", said)
    assert "secret" not in said + explained
