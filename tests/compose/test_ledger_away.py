"""The ledger's database goes away while calls are served: answers go on, rows wait, and come back."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

QUESTION = {"model": "auto", "messages": [{"role": "user", "content": "What is the capital of France?"}]}


async def test_answers_go_on_over_a_locked_database_and_rows_come_back(
    sim: Any, config: Any, serving: Any, ask: Any, tmp_path: Path
) -> None:
    async with serving(config(sim)) as served:
        ledger = served.house.pieces.ledger
        first = await ask(served, "POST", "/v1/chat/completions", QUESTION)
        assert await asyncio.to_thread(ledger.flush)
        with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            ids = []
            for _ in range(20):
                answer = await ask(served, "POST", "/v1/chat/completions", QUESTION)
                assert answer.status == 200
                ids.append(answer.headers["x-request-id"])
            await until(lambda: ledger.stats().spooled + ledger.stats().pending == 20, 15)
            await until(lambda: not ledger.stats().up, 15)
            shown = (await ask(served, "GET", "/api/status")).json["ledger"]
            assert shown["up"] is False
            assert shown["spooled"] + shown["pending"] == 20
            assert shown["last_error"]
            metrics = (await ask(served, "GET", "/metrics")).body.decode()
            assert "gw_ledger_up 0" in metrics
            assert (await ask(served, "GET", "/ready")).status == 200, "calls are served all the same"
            other.execute("ROLLBACK")
        await until(lambda: ledger.stats().written == 21, 15)
        listed = (await ask(served, "GET", "/api/calls?limit=100")).json["calls"]
        assert [call["id"] for call in listed] == [*reversed(ids), first.headers["x-request-id"]]
        after = (await ask(served, "GET", "/api/status")).json["ledger"]
        assert (after["up"], after["spooled"], after["pending"], after["dropped"]) == (True, 0, 0, 0)
        assert "gw_ledger_up 1" in (await ask(served, "GET", "/metrics")).body.decode()


async def test_a_database_that_is_deleted_is_made_anew_and_what_follows_is_kept(
    sim: Any, config: Any, serving: Any, ask: Any, tmp_path: Path
) -> None:
    async with serving(config(sim)) as served:
        ledger = served.house.pieces.ledger
        await ask(served, "POST", "/v1/chat/completions", QUESTION)
        assert await asyncio.to_thread(ledger.flush)
        for suffix in ("", "-wal", "-shm"):
            (tmp_path / f"ledger.db{suffix}").unlink(missing_ok=True)
        await asyncio.sleep(1.5)  # a deletion is noticed within about a second
        kept = await ask(served, "POST", "/v1/chat/completions", QUESTION)
        assert kept.status == 200
        assert await asyncio.to_thread(ledger.flush)
        with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db")) as fresh:
            assert fresh.execute("SELECT id FROM calls").fetchall() == [(kept.headers["x-request-id"],)]
        answer = await ask(served, "GET", "/api/calls")
        assert [call["id"] for call in answer.json["calls"]] == [kept.headers["x-request-id"]], "the reader follows too"


async def test_a_question_that_fails_half_way_says_where_and_the_way_out(
    sim: Any, config: Any, serving: Any, ask: Any, tmp_path: Path
) -> None:
    async with serving(config(sim)) as served:
        made = await ask(served, "POST", "/v1/chat/completions", QUESTION)
        assert await asyncio.to_thread(served.house.pieces.ledger.flush)
        assert (await ask(served, "GET", "/api/calls")).status == 200
        with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db")) as other:
            other.execute("ALTER TABLE calls RENAME TO moved")
        for path in ("/api/calls", "/api/totals", f"/api/calls/{made.headers['x-request-id']}"):
            answer = await ask(served, "GET", path)
            assert (answer.status, answer.error["code"]) == (503, "store_unavailable"), path
            assert "ledger.db: no such table: calls" in answer.error["message"]
            assert answer.error["pointsman"]["hint"] == "restore a copy, or name another store"


async def test_reading_an_unusable_ledger_is_a_clear_503(
    sim: Any, config: Any, serving: Any, ask: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "odd.db").write_bytes(b"this is no database at all, but long enough to be looked at" * 100)
    async with serving(config(sim, store=f"sqlite:///{tmp_path / 'odd.db'}")) as served:
        # Whether keys exist cannot be known, so calls are refused: a key that is due must not be waived by a fault.
        for path in ("/v1/chat/completions", "/api/status"):
            method = "POST" if "chat" in path else "GET"
            for headers in ({}, {"authorization": "Bearer pm-some"}):
                answer = await ask(served, method, path, QUESTION, headers)
                assert (answer.status, answer.error["code"]) == (503, "store_unavailable")
                assert "odd.db" not in answer.body.decode(), "where the store is concerns no caller"
        assert "odd.db" in caplog.text, "but the operator is told"
        assert (await ask(served, "GET", "/health")).status == 200
        assert (tmp_path / "odd.db").read_bytes().startswith(b"this is no database"), "nobody's file is overwritten"


async def until(check: Callable[[], bool], seconds: float) -> None:
    """Wait until `check()` holds."""
    async with asyncio.timeout(seconds):
        while not check():  # noqa: ASYNC110 - another thread's state
            await asyncio.sleep(0.02)
