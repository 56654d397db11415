"""One cell's call, and everything that is known of it afterwards."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from bench.failover import caller
from bench.failover.bed import NAMES, PRICES, PROMPT, WORDS, Bed
from bench.failover.caller import Heard
from bench.failover.owed import LONGEST, Result
from bench.failover.rows import Cell

from pointsman.testing import recital

_BEGUN = 37  # letters of the answer that a caller has begun, where the row is about that
_LEDGER = 3.0  # seconds in which a call has to be found there


async def call(bed: Bed, cell: Cell) -> Result:
    """Make a cell's call."""
    text = recital(PROMPT, WORDS)
    begun = text[:_BEGUN].rstrip() if cell.row.begun else ""
    turns = [("user", PROMPT), *([("assistant", begun)] if begun else [])]
    for _ in range(cell.row.warm):
        await _ask(bed, cell, cell.name, turns)
    since = time.time_ns()
    heard = await _ask(bed, cell, cell.name, turns)
    found = await _kept(bed, heard.headers.get("x-request-id", ""))
    first, second = bed.asked(cell, since)
    row, attempts = found.get("call") or {}, tuple(found.get("attempts") or ())
    alive = await _ask(bed, cell, cell.second, [("user", PROMPT)])
    return Result(
        cell=cell,
        heard=heard,
        got=caller.understood(cell.dialect, heard),
        wanted=text[len(begun) :],
        firsts=tuple(entry.received / 1e9 for entry in first),
        seconds=tuple(entry.received / 1e9 for entry in second),
        gaps=_gaps(attempts),
        by={cell.first: "a", cell.second: "b"}.get(row.get("provider", ""), ""),
        ledger=row,
        attempts=attempts,
        prices=PRICES,
        names=NAMES,
        alive=caller.understood(cell.dialect, alive).text == text,
    )


async def _ask(bed: Bed, cell: Cell, model: str, turns: list[tuple[str, str]]) -> Heard:
    path, body = caller.request(cell.dialect, model, turns, stream=cell.stream)
    return await caller.exchange(bed.served.port, "POST", path, body, patience=LONGEST + 1)


async def _kept(bed: Bed, name: str) -> dict[str, Any]:
    """The ledger's call of that id with its attempts; empty if it does not come."""
    end = time.monotonic() + _LEDGER
    while name and time.monotonic() < end:
        heard = await caller.exchange(bed.served.port, "GET", f"/api/calls/{name}")
        if heard.status == 200:
            found: dict[str, Any] = json.loads(heard.body)
            return found
        await asyncio.sleep(0.05)
    return {}


def _gaps(attempts: tuple[dict[str, Any], ...]) -> tuple[float, ...]:
    """Seconds from the end of each attempt to the beginning of the next."""
    ends = [attempt["started"] + attempt["duration"] for attempt in attempts]
    return tuple((after["started"] - end) / 1e9 for end, after in zip(ends, attempts[1:], strict=False))
