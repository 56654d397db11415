"""A store that can never be used ends the start with one error; one that is away for now does not."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import harness
from pointsman.cli.banner import banner
from pointsman.compose import build

RUNS_OUT = 30.0
AWAY = f"postgresql://127.0.0.1:{harness.free_port()}/away"


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that wait for PostgreSQL are kept in the working folder."""
    monkeypatch.chdir(tmp_path)


def a_folder(store: Path) -> None:
    """A folder of that name."""
    store.mkdir()


def another_file(store: Path) -> None:
    """A file that is no database."""
    store.write_bytes(b"This is a letter to a friend.\n" * 500)


def a_newer_schema(store: Path) -> None:
    """The store of a Pointsman to come."""
    with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as database:
        database.execute(
            "CREATE TABLE migrations (version BIGINT NOT NULL PRIMARY KEY, brings TEXT, applied_ns BIGINT)"
        )
        database.execute("INSERT INTO migrations VALUES (9999, 'more', 1)")


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    ("spoil", "said"),
    [(a_folder, "unable to open"), (another_file, "not a database"), (a_newer_schema, "schema version 9999")],
)
def test_a_store_of_no_use_ends_the_start(
    spoil: Callable[[Path], None], said: str, workers: str, tmp_path: Path
) -> None:
    store = tmp_path / "store.db"
    spoil(store)
    path = tmp_path / "pointsman.yaml"
    path.write_text(f"store: sqlite:///{store}\ndiscover: false\nlocal: false\nserver: {{port: 0}}\n")
    command = [sys.executable, "-m", "pointsman", "serve", "--config", str(path), "--workers", workers]
    env = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUNS_OUT, check=False, cwd=tmp_path, env=env)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    first, second = done.stderr.splitlines()
    assert first.startswith("error: ")
    assert second.startswith("hint: ")


@pytest.mark.usefixtures("own_folder")
async def test_a_store_that_is_away_lets_it_start_but_not_be_ready(
    serving: Any, ask: Any, sim: Any, config: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(config(sim, store=AWAY)) as served:
        assert (await ask(served, "GET", "/health")).status == 200
        ready = await ask(served, "GET", "/ready")
        assert (ready.status, ready.json) == (503, {"status": "keys cannot be read from the store"})
        question = {"model": "small", "messages": [{"role": "user", "content": "Hi"}]}
        refused = await ask(served, "POST", "/v1/chat/completions", question)
        assert (refused.status, refused.error["code"]) == (503, "store_unavailable")
        banner(served.house, served.url)
    shown = capsys.readouterr().err
    assert "demanded" not in shown
    assert "keys cannot be read" in shown


async def test_the_banner_says_when_every_address_is_listened_on(capsys: pytest.CaptureFixture[str]) -> None:
    for host, told in (("0.0.0.0", True), ("::", True), ("127.0.0.1", False)):
        banner(build({"server": {"host": host}, "local": False, "discover": False}, env={}), "http://127.0.0.1:1")
        assert ("on every address of this machine" in capsys.readouterr().err) is told
