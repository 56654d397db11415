from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from pointsman.cli import document
from pointsman.cli.main import VERBS, root

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"
HEAVY = {"msgspec", "sqlalchemy", "uvloop", "uvicorn", "yaml", "asyncio", "pointsman.compose", "pointsman.library"}


def commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(root)
    for name in VERBS:
        command = root.get_command(context, name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            for each, sub in command.commands.items():
                yield f"{name} {each}", sub


def test_help_lists_every_verb(invoke):
    said = invoke("--help")
    assert said.code == 0
    assert all(f"\n  {name}" in said.out for name in VERBS)
    assert "[VERB]" in said.out


def test_help_is_quick_and_loads_no_verb(folder):
    best = 10.0
    for _ in range(5):
        begun = time.monotonic()
        subprocess.run([sys.executable, "-m", "pointsman", "--help"], check=True, stdout=subprocess.DEVNULL)
        best = min(best, time.monotonic() - begun)
    assert best < 1.0
    code = "import sys, pointsman.cli.main; print(','.join(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert not HEAVY & set(out.strip().split(","))


@pytest.mark.parametrize(
    ("name", "command"), tuple(commands()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_verb_shows_an_example_of_itself(name, command):
    assert "\b\nExample" in command.help
    assert f"pointsman {name}" in command.help


def test_every_reading_verb_prints_json():
    doing = {"serve", "simulate", "get", "keys", "users", "prices", "alerts", "budgets release"}
    reading = {name for name, _ in commands()} - doing
    with_json = {name for name, command in commands() if any("--json" in p.opts for p in command.params)}
    assert reading <= with_json


def test_every_verb_takes_a_configuration():
    without = {
        name
        for name, command in commands()
        if not isinstance(command, click.Group) and not any("--config" in p.opts for p in command.params)
    }
    assert without == {"pull"}


def test_the_table_of_verbs_says_what_the_verbs_say():
    context = click.Context(root)
    for name, text in VERBS.items():
        command = root.get_command(context, name)
        assert command is not None
        assert command.short_help == text


def test_the_reference_page_is_fresh():
    assert PAGE.read_text(encoding="utf-8") == document.page(), "run `python -m pointsman.cli.document`"


@pytest.mark.parametrize(
    ("word", "hint"), [("modles", "did you mean `pointsman models`?"), ("zzz", "`pointsman --help` lists the verbs")]
)
def test_an_unknown_verb_gets_the_nearest(invoke, word, hint):
    said = invoke(word)
    assert (said.code, said.out) == (2, "")
    assert said.err == f"error: there is no verb `{word}`\nhint: {hint}\n"


def test_a_wrong_option_says_where_help_is(invoke):
    said = invoke("models", "--provder", "x")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: no such option '--provder'")
    assert said.err.endswith("hint: `pointsman models --help`\n")


def test_an_option_before_the_verb(invoke):
    said = invoke("--port", "5000", "serve")
    assert (said.code, said.out) == (2, "")
    assert "hint: options come after the verb" in said.err


def test_a_group_without_its_verb_shows_its_help(invoke):
    said = invoke("keys")
    assert (said.code, said.out) == (2, "")
    assert "pointsman keys create ci" in said.err
    assert "error:" not in said.err


def test_version(invoke):
    said = invoke("--version")
    assert (said.code, said.out.split()[0]) == (0, "pointsman,")


def test_a_missing_file_is_an_error_with_a_way_out(command):
    said = command("models", "--config", "nowhere.yaml")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: nowhere.yaml: no such file\nhint: ")


@pytest.mark.parametrize("verb", ["serve", "logs", "keys list", "ask hi"])
def test_a_postgresql_store_without_its_driver_is_a_wrong_set_up(invoke, lab, folder, monkeypatch, verb):
    config = folder / "pointsman.yaml"
    config.write_text(config.read_text().replace(f"sqlite:///{folder}/ledger.db", "postgresql://127.0.0.1:9/x"))
    find = importlib.util.find_spec
    without = lambda name, *more: None if name == "psycopg" else find(name, *more)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", without)
    said = invoke(*verb.split())
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("error: a PostgreSQL store needs the package psycopg\nhint: ")
    assert "pointsman[postgres]" in said.err
    said = invoke("check", "--json")
    assert said.code == 2
    assert [one["code"] for one in json.loads(said.out)["findings"]] == ["missing_extra"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", ["models", "models --providers", "logs path"])
def test_a_full_disk_is_said_without_a_traceback(lab, arguments):
    line = f"{sys.executable} -m pointsman {arguments} > /dev/full"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith("error: the output cannot be written: No space left on device\n")
    assert "Traceback" not in done.stderr


def test_a_reader_that_leaves_is_no_failure(folder):
    line = f"set -o pipefail; {sys.executable} -m pointsman models --providers | head -1"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith("PROVIDER")
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
@pytest.mark.parametrize("words", ["models", "logs --json", "--version", "keys create first"])
def test_a_stream_that_was_closed_is_no_failure(lab, folder, closed, words):
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m pointsman {words} {closed}"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr
    if (folder / "ledger.db").exists():
        assert (folder / "ledger.db").read_bytes()[:15] == b"SQLite format 3"
