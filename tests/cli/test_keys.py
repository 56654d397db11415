"""`pointsman keys` and `pointsman users`: what they take, print and refuse."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from pointsman.core.clock import SystemClock
from pointsman.core.outcome import Outcome
from pointsman.store.ledger import Ledger


def made(invoke: Any, *arguments: str) -> dict[str, Any]:
    return dict(json.loads(invoke("keys", "create", "app", *arguments, "--json").out))


def test_a_key_with_all_that_it_can_have(invoke: Any, lab: Any) -> None:
    value = made(
        invoke,
        *("--team", "search", "--project", "beta", "--allow", "small,lab/*", "--allow", "auto", "--parallel", "3"),
        *("--budget", "5usd/day", "--budget", "$100/month", "--expires", "24h", "--admin"),
    )
    shown = json.loads(invoke("keys", "show", "app", "--json").out)
    assert value.pop("key") not in json.dumps(shown)
    assert shown == value
    assert (shown["team"], shown["project"], shown["parallel"], shown["role"]) == ("search", "beta", 3, "admin")
    assert shown["allow"] == ["small", "lab/*", "auto"]
    assert shown["budgets"] == ["5usd/day", "100usd/month"]
    people = invoke("keys", "show", value["prefix"]).out
    assert "5usd/day, 100usd/month" in people
    assert "role      admin" in people
    budgets = {(one["scope"], one["whose"], one["limit"]) for one in json.loads(invoke("budgets", "--json").out)}
    assert budgets == {("key", "app", 5_000_000_000), ("key", "app", 100_000_000_000)}


def test_the_first_key_is_an_ordinary_one(invoke: Any, lab: Any) -> None:
    assert made(invoke)["role"] == "caller"


def test_a_key_is_changed_in_what_may_change(invoke: Any, lab: Any) -> None:
    before = made(invoke, "--allow", "small", "--budget", "5usd/day", "--expires", "90")
    said = invoke("keys", "edit", "app", "--allow", "all", "--budget", "none", "--expires", "never", "--parallel", "9")
    assert said.code == 0
    after = json.loads(invoke("keys", "show", "app", "--json").out)
    assert (after["allow"], after["budgets"], after["expires"], after["parallel"]) == ([], [], None, 9)
    assert after["id"] == before["id"]
    again = json.loads(invoke("keys", "edit", "app", "--parallel", "1", "--json").out)
    assert again == {**after, "parallel": 1}, "what is not said stays"
    assert invoke("keys", "edit", "app").code == 2
    assert invoke("keys", "edit", "app", "--team", "other").code == 2


def test_a_rotated_key_says_until_when_the_old_one_is_good(invoke: Any, lab: Any) -> None:
    before = made(invoke)
    said = invoke("keys", "rotate", "app", "--overlap", "24h")
    assert said.out.startswith("pm-")
    assert "the old one is good until 20" in said.err
    after = json.loads(invoke("keys", "show", "app", "--json").out)
    assert after["id"] == before["id"]
    assert [one["prefix"] for one in after["former"]] == [before["prefix"]]
    assert "the old one is good no more" in invoke("keys", "rotate", "app", "--overlap", "0").err
    assert json.loads(invoke("keys", "show", "app", "--json").out)["former"] == []


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--allow", "a b"), "names no route"),
        (("--expires", ""), "length of time"),
        (("--budget", "much"), "not a limit"),
        (("--expires", "soon"), "length of time"),
        (("--parallel", "-1"), "whole number"),
        (("--team", "x" * 101), "team"),
    ],
)
def test_what_is_no_key_is_refused_and_not_made(invoke: Any, lab: Any, arguments: tuple[str, ...], word: str) -> None:
    said = invoke("keys", "create", "app", *arguments)
    assert (said.code, said.out) == (1, "")
    assert word in said.err
    assert json.loads(invoke("keys", "list", "--json").out) == []


def test_nothing_after_allow_opens_nothing_and_all_is_everything(invoke: Any, lab: Any) -> None:
    """As of a script whose variable is not set."""
    assert invoke("keys", "create", "app", "--allow", "").code == 2
    assert made(invoke, "--allow", "all")["allow"] == []
    assert invoke("keys", "edit", "app", "--allow", " , ").code == 2


def test_a_name_that_leads_nowhere_is_said(invoke: Any, lab: Any) -> None:
    assert "there is no route or model `smal` now" in invoke("keys", "create", "app", "--allow", "smal").err


def test_a_key_of_the_file_is_listed_and_changed_there(invoke: Any, nothing: Any, folder: Path) -> None:
    (folder / "pointsman.yaml").write_text("keys: [{name: ci, env: CI_KEY, budgets: [1usd/day]}]", encoding="utf-8")
    (listed,) = json.loads(invoke("keys", "list", "--json").out)
    assert (listed["id"], listed["prefix"], listed["origin"]) == ("file:ci", "$CI_KEY", "file")
    assert "stands in the configuration" in invoke("keys", "revoke", "ci").err
    assert "variable CI_KEY is not set" in invoke("check").out


def call(number: int, user: str) -> Outcome:
    return Outcome(
        id=f"{number:026}", started=1, duration=1, surface="x", dialect="y", asked="z", status="ok", http_status=200,
        user=user, cost=5,
    )  # fmt: skip


def test_a_users_data_are_deleted_after_a_yes(invoke: Any, lab: Any, folder: Path) -> None:
    path = folder / "ledger.db"
    ledger = Ledger(f"sqlite:///{path}", SystemClock())
    ledger.start()
    for number, user in enumerate(("ann", "ann", "ben")):
        ledger.record(call(number, user))
    assert ledger.close()
    refused = invoke("users", "delete", "ann")  # nobody is there to say yes
    assert (refused.code, "Delete what 2 calls" in refused.err) == (130, True), refused
    done = invoke("users", "delete", "ann", "--yes", "--json")
    assert done.code == 0, done.err
    gone = json.loads(done.out)
    assert gone["calls"] == 2
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT end_user, sum(cost_nanousd) FROM calls GROUP BY 1 ORDER BY 1").fetchall()
    connection.close()
    assert found == [("ben", 5), (gone["label"], 10)]
    said = invoke("users", "delete", "ann", "--yes")
    assert (said.code, said.out) == (1, "")
    assert "no call has the user" in said.err
