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
    budgets = {
        (one["scope"], one["whose"], one["limit"]) for one in json.loads(invoke("budgets", "--json").out)["budgets"]
    }
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
        (("--expires", "2020-01-01"), "in the past"),
        (("--expires", "2099-01-31T12:00"), "without its zone"),
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
    patterns = invoke("keys", "create", "two", "--allow", "lab/*,anthropc/*")
    assert "`anthropc/*` now" in patterns.err
    assert "lab/*" not in patterns.err


def test_a_key_is_good_until_the_end_of_a_day_or_a_moment(invoke: Any, lab: Any) -> None:
    assert made(invoke, "--expires", "2099-01-31")["expires"] == "2099-02-01 00:00:00Z"
    edited = invoke("keys", "edit", "app", "--expires", "2099-01-31T12:00+01:00", "--json")
    assert json.loads(edited.out)["expires"] == "2099-01-31 11:00:00Z"


KEYS = """\
keys:
  - {name: unset, env: UNSET_KEY}
  - {name: short, env: SHORT_KEY}
  - {name: old, env: UNSET_KEY, old_env: GOOD_KEY}
  - {name: good, env: GOOD_KEY, allow: [small, gone]}
  - {name: over, env: GOOD_KEY, expires: 2020-01-31}
"""


def test_a_key_that_opens_nothing_is_not_listed_as_active(
    invoke: Any, lab: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHORT_KEY", "abc")
    monkeypatch.setenv("GOOD_KEY", "a-secret-of-our-own-0123456789")
    (folder / "pointsman.yaml").write_text(Path(lab).read_text(encoding="utf-8") + KEYS, encoding="utf-8")
    for name, allow in (
        ("typo", "smal,anthropc/*"),
        ("all", "all"),
        ("route", "auto"),
        ("any", "lab/*"),
        ("part", "s*"),
    ):
        invoke("keys", "create", name, "--allow", allow)
    said = invoke("keys", "list", "--json")
    assert {one["name"]: (one["state"], one["why"]) for one in json.loads(said.out)} == {
        "unset": ("closed", "$UNSET_KEY is not set here"),
        "short": ("closed", "$SHORT_KEY has fewer than 20 characters"),
        "old": ("active", ""),
        "good": ("active", ""),
        "over": ("expired", ""),
        "typo": ("closed", "`smal`, `anthropc/*` name no route and no model now"),
        "all": ("active", ""),
        "route": ("active", ""),
        "any": ("active", ""),
        "part": ("active", ""),
    }
    people = invoke("keys", "list")
    assert "the key unset opens nothing: $UNSET_KEY is not set here" in people.err
    assert "the key typo opens nothing: `smal`, `anthropc/*` name" in people.err
    assert people.err.count("opens nothing") == 3
    assert "why       $UNSET_KEY is not set here" in invoke("keys", "show", "unset").out


def test_keys_that_open_nothing_are_named_up_to_ten(invoke: Any, nothing: Any, folder: Path) -> None:
    keys = ", ".join(f"{{name: k{at}, env: UNSET_{at}}}" for at in range(13))
    with (folder / "pointsman.yaml").open("a", encoding="utf-8") as file:
        file.write(f"keys: [{keys}]\n")
    said = invoke("keys", "list").err
    assert said.count("opens nothing: ") == 10
    assert "3 more open nothing" in said


SECRETS = ("pm-" + "Ab1" * 13 + "x", "sk-proj-abcdefghijklmnop0123456789", "Zk3QpW8rT5vY1nB6mC9xD2sF7gH4")


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "words",
    [
        ("keys", "revoke", "SECRET"),
        ("keys", "show", "SECRET"),
        ("keys", "rotate", "SECRET"),
        ("keys", "edit", "SECRET", "--parallel", "1"),
        ("keys", "create", "SECRET"),
        ("keys", "create", "app", "--team", "SECRET"),
        ("users", "delete", "SECRET"),
        ("reconcile", "x.csv", "--key", "SECRET"),
        ("reconcile", "x.csv", "--key", "SECRET=A_KEY"),
    ],
)
def test_a_secret_in_the_place_of_a_name_is_said_to_be_one_and_not_repeated(
    invoke: Any, lab: Any, folder: Path, words: tuple[str, ...], secret: str
) -> None:
    (folder / "x.csv").write_text("date,cost\n", encoding="utf-8")
    said = invoke(*(word.replace("SECRET", secret) for word in words))
    assert said.code != 0
    assert secret not in said.out + said.err
    assert secret[-12:] not in said.out + said.err
    assert "looks like a secret" in said.err
    if words[0] == "keys" and words[1] != "create":
        assert "the key's name, its first eight characters or its id" in said.err


def test_the_secret_of_a_key_of_the_file_is_known_whatever_it_looks_like(
    invoke: Any, nothing: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI_KEY", "correct-horse-battery-staple")
    with (folder / "pointsman.yaml").open("a", encoding="utf-8") as file:
        file.write("keys: [{name: ci, env: CI_KEY}]\n")
    for verb in ("show", "revoke"):
        said = invoke("keys", verb, "correct-horse-battery-staple")
        assert said.code == 1
        assert "horse" not in said.err
        assert "looks like a secret" in said.err


@pytest.mark.parametrize("words", ["SECRET", "keys SECRET", "keys revoke a SECRET", "logs SECRET"])
def test_a_secret_in_any_other_wrong_place_is_not_repeated_either(invoke: Any, lab: Any, words: str) -> None:
    said = invoke(*words.replace("SECRET", SECRETS[1]).split())
    assert said.code != 0
    assert SECRETS[1] not in said.err
    assert "looks like a secret" in said.err


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
