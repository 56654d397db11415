"""`pointsman bill` and `pointsman reconcile` as a user has them: after real calls, with the provider's own word."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pointsman import Gateway
from stating import provider

CALLS = 30
PRICES = {"small": (Decimal("0.15"), Decimal("0.60")), "large": (Decimal(5), Decimal(25))}
HEAD = ["generation_id", "created_at", "cost_total", "tokens_prompt", "tokens_completion", "model_permaslug"]


@pytest.fixture
def answers(lab: str) -> list[tuple[str, dict[str, Any]]]:
    """What a provider answered to real calls through the gateway, with the model of ours that it was."""
    found = []
    with Gateway(lab) as gateway:
        for number in range(CALLS):
            model = "large" if number % 3 else "small"
            found.append((model, gateway.chat(f"word {'and ' * number}again", model=model).body))
    return found


def cost_of(model: str, usage: dict[str, Any]) -> Decimal:
    """The provider's own arithmetic."""
    price_in, price_out = PRICES[model]
    return (usage["prompt_tokens"] * price_in + usage["completion_tokens"] * price_out) / 1_000_000


def activity(answers: list[tuple[str, dict[str, Any]]], factor: dict[int, str] | None = None) -> list[list[Any]]:
    """The export that its provider would write: each request with its id, tokens and price."""
    at, rows = dt.datetime.fromtimestamp(time.time(), tz=dt.UTC).strftime("%Y-%m-%d %H:%M:%S"), []
    for number, (model, body) in enumerate(answers):
        used = body["usage"]
        amount = cost_of(model, used) * Decimal((factor or {}).get(number, "1"))
        rows.append([body["id"], at, f"{amount:f}", used["prompt_tokens"], used["completion_tokens"], "sim-1"])
    return rows


def write(path: Path, rows: list[list[Any]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([HEAD, *rows])
    path.write_text(out.getvalue(), encoding="utf-8")
    return str(path)


def test_the_providers_own_arithmetic_matches_to_the_nano_dollar(answers, command, folder):
    path = write(folder / "activity.csv", activity(answers))
    said = command("reconcile", path, "--provider", "lab", "--period", "2d", "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert (found["matched"], found["findings"], found["alarm"]) == (CALLS, [], False)
    assert abs(found["drift"]) < 1e-6
    assert "ok: drift is" in said.err


def test_how_far_it_is_stands_on_a_terminal_alone_and_is_gone_in_the_end(answers, invoke, folder, monkeypatch):
    at = dt.datetime.fromtimestamp(time.time(), tz=dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    rows = "".join(f"{at},small,{number},1,0.01\n" for number in range(1_100))
    path = folder / "invoice.csv"
    path.write_text(f"time,model,input,output,cost\n{rows}", encoding="utf-8")
    ask = ("reconcile", str(path), "--provider", "lab", "--format", "csv", "--top", "0")
    piped = invoke(*ask).err
    assert "\r" not in piped
    assert "1,000" not in piped
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    seen = invoke(*ask).err
    assert "\r\x1b[K500 rows read" in seen
    assert "\r\x1b[K500 of 1,100 rows compared" in seen
    assert "rows compared" not in seen.rpartition("\r\x1b[K")[2], "nothing of it is left"
    assert "rows read" not in invoke(*ask, "--json").err


def test_each_wrong_row_is_named_and_the_exit_code_says_it(answers, command, folder):
    rows = activity(answers, {7: "1.5"})
    gone, twice, wrong = rows.pop(3)[0], rows[10][0], rows[6][0]
    path = write(folder / "activity.csv", [*rows, rows[10], ["gen-foreign", *rows[0][1:]]])
    said = command("reconcile", path, "--provider", "lab", "--period", "2d")
    assert said.code == 1
    lines = {line.split("  ")[0]: line for line in said.out.splitlines() if line.strip()}
    assert wrong in lines["differing (cost)"]
    assert twice in lines["doubled"]
    assert "line 31" in lines["doubled"]
    assert "gen-foreign" in lines["missing here"]
    assert "missing there" in lines
    assert gone not in said.out  # the provider does not know it; ours is named by the call's id
    assert "error: drift is" in said.err
    assert "above 1 %" in said.err
    lenient = command("reconcile", path, "--provider", "lab", "--period", "2d", "--tolerance", "100%")
    assert lenient.code == 0


def test_drift_is_told_once_through_the_channels_of_alerts_and_so_is_its_end(answers, invoke, folder, lab):
    wrong = write(folder / "wrong.csv", activity(answers, {7: "1.5"}))
    right = write(folder / "right.csv", activity(answers))
    rest = ("--provider", "lab", "--period", "2d", "--alert")
    none = invoke("reconcile", wrong, *rest)
    assert none.code == 1
    assert "nobody was told" in none.err
    with provider({}) as (url, bodies):
        before = Path(lab).read_text(encoding="utf-8")
        hook = f"type: webhook, url: '{url}'"
        channels = f"own: {{{hook}}}, duty: {{{hook}, kinds: [route_down]}}"
        Path(lab).write_text(f"{before}alerts: {{channels: {{{channels}}}}}\n", encoding="utf-8")
        assert invoke("reconcile", right, *rest).code == 0
        assert bodies == []
        assert "told own: the bill of lab" in invoke("reconcile", wrong, *rest).err
        assert invoke("reconcile", wrong, *rest).code == 1
        assert invoke("reconcile", right, *rest).code == 0
        assert invoke("reconcile", right, *rest).code == 0
    assert [(one["kind"], one["state"], one["subject"], one["severity"]) for one in bodies] == [
        ("reconciliation_drift", "firing", "lab", "warning"),
        ("reconciliation_drift", "reminder", "lab", "warning"),
        ("reconciliation_drift", "resolved", "lab", "info"),
    ]
    first, again, end = bodies
    assert first["since"] == again["since"] == end["since"]
    assert first["details"]["drift"] > first["details"]["tolerance"] == 0.01
    assert (first["details"]["model"], first["details"]["differences"]) == ("sim-1", 1)
    assert "above 1 %; most of it at sim-1" in first["summary"]
    unreached = invoke("reconcile", wrong, *rest)
    assert unreached.code == 1
    assert "the alert did not reach the channel own" in unreached.err


def test_a_file_or_command_line_that_cannot_be_used_is_two(lab, command, folder):
    bad = folder / "bad.csv"
    bad.write_text("generation_id,created_at,cost_total\ng,2026-11-01,abc\n", encoding="utf-8")
    for arguments, text in (
        ([str(bad)], "bad.csv, line 2, column cost_total: `abc` is no amount of US dollars"),
        (["nix.csv"], "nix.csv: it cannot be read"),
        ([str(bad), "--tolerance", "lots"], "`lots` is no share"),
        ([str(bad), "--map", "x"], "--map takes THEIRS=OURS"),
        ([str(bad), "--timezone", "Mars/Base"], "no time zone"),
        ([str(bad), "--period", "soon"], "`soon` is no period"),
        ([str(bad), "--period", "today", "--since", "2026-11-01"], "--period, or --since and --until"),
    ):
        said = command("reconcile", *arguments)
        assert (said.code, said.out) == (2, ""), said
        assert text in said.err
        assert "Traceback" not in said.err


def test_a_bill_after_real_calls(answers, invoke, folder):
    expected = sum((cost_of(model, body["usage"]) for model, body in answers), Decimal(0))
    found = json.loads(invoke("bill", "--period", "2d", "--json").out)
    assert found["total"]["calls"] == CALLS
    assert Decimal(found["total"]["cost"]).scaleb(-9) == pytest.approx(expected, abs=Decimal("1e-8") * CALLS)
    assert sum(line["spend"]["cost"] for line in found["lines"]) == found["total"]["cost"]
    assert [line["names"] for line in found["lines"]] == [["lab", "large"], ["lab", "small"]]
    rows = list(csv.DictReader(io.StringIO(invoke("bill", "--period", "2d", "--csv", "--by", "route").out)))
    assert [row["route"] for row in rows][-1] == "total"
    said = invoke("bill", "--period", "2d", "--html", "bill.html")
    assert said.out == ""
    assert "<table>" in (folder / "bill.html").read_text(encoding="utf-8")
    shown = invoke("bill", "--period", "2d").out.splitlines()
    assert shown[0].split()[:3] == ["PROVIDER", "MODEL", "CALLS"]
    assert shown[-1].split()[0] == "total"


def test_a_bill_of_nothing_and_of_nonsense(answers, invoke):
    assert "nothing was asked" in invoke("bill", "--period", "2020-01").err
    for arguments in (["--by", "colour"], ["--period", "soon"], ["--csv", "--json"]):
        said = invoke("bill", *arguments)
        assert (said.code, said.out) == (2, "")
    assert invoke("bill", "--html", "/nowhere/bill.html").code != 0
