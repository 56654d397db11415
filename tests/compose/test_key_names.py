"""Which of a provider's keys was used: by the name of its variable, never by its value."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

from pointsman.testing import Simulator

KEYS = {"KEY_A": "secret-of-the-first", "KEY_B": "secret-of-the-second"}
QUESTION = {"model": "small", "messages": [{"role": "user", "content": "Hi"}]}


async def test_each_attempt_says_its_key(sim: Simulator, serving: Any, config: Any, ask: Any, tmp_path: Path) -> None:
    said = config(sim)
    said["providers"]["one"]["api_key_envs"] = list(KEYS)
    async with serving(said, KEYS) as served:
        sim.inject("rate_limit", provider="one")
        answer = await ask(served, "POST", "/v1/chat/completions", QUESTION)
        assert answer.status == 200
        await ask(served, "POST", "/v1/chat/completions", {**QUESTION, "model": "large"})
        assert await asyncio.to_thread(served.house.pieces.ledger.flush)
        detail = (await ask(served, "GET", f"/api/calls/{answer.headers['x-request-id']}")).json
        used = [entry.header("authorization").removeprefix("Bearer ") for entry in list(sim.journal)[:2]]
        names = {secret: name for name, secret in KEYS.items()}
        assert [attempt["key_env"] for attempt in detail["attempts"]] == [names[secret] for secret in used]
        assert set(used) == set(KEYS.values())
        assert not any(secret in str(detail) for secret in KEYS.values())
    with sqlite3.connect(tmp_path / "ledger.db") as ledger:
        found = ledger.execute("SELECT provider, key_env FROM attempts ORDER BY started_ns").fetchall()
    ledger.close()
    assert sorted(found[:2]) == [("one", "KEY_A"), ("one", "KEY_B")]
    assert found[2] == ("two", None), "a single key needs no name"
