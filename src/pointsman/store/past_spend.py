"""What the ledger says was used within a time, by scope: where a budget begins that comes after its period began."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from pointsman.core.budget import Scope
from pointsman.core.clock import Clock, encode_id
from pointsman.store.database import Database
from pointsman.store.link import Link
from pointsman.store.location import locate
from pointsman.store.text import clip

Used = tuple[int, int, int]
"""Nano-dollars, tokens, requests."""
_RANDOM_BITS = 80
_SLACK_NS = 1_000_000_000  # an id is made a little before its call's time is noted
_PATIENCE_MS = 30_000
_ID_CHARS = 26
_COLUMNS: dict[Scope, tuple[str, ...]] = {
    "organisation": (),
    "team": ("team",),
    "project": ("project",),
    "key": ("key_id",),
    "user": ("team", "key_id", "end_user"),
    "session": ("key_id", "session"),
    "route": ("route",),
}
_SUMS = (
    "COALESCE(SUM(cost_nanousd), 0), COALESCE(SUM(COALESCE(input_tokens, 0) + COALESCE(output_tokens, 0)), 0), COUNT(*)"
)
_THEIRS = "id >= ? AND started_ns >= ? AND surface <> 'check' AND attempts > 0"


class PastSpend:
    """Sums over the ledger, through a connection of its own. Blocks; any thread may call.

    Args:
        url: as for the ledger.
        clock: for the record of migrations.

    Raises:
        ConfigError: the URL names no store.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self._link = Link(locate(url), clock)
        self._lock = threading.Lock()

    def every(self, scope: Scope, begin: int) -> Mapping[tuple[str, ...], Used]:
        """What each of a scope used since `begin` (nanoseconds since the epoch); one reading of that time's calls.

        Raises:
            StoreUnavailable: the store does not answer, or not in half a minute.
        """
        columns = _COLUMNS[scope]
        names = ", ".join(f"COALESCE({name}, '')" for name in columns)
        query = f"SELECT {f'{names}, ' if names else ''}{_SUMS} FROM calls WHERE {_THEIRS}"  # noqa: S608 - our words
        if names:
            query += f" GROUP BY {names}"
        found: dict[tuple[str, ...], Used] = {}
        for row in self._rows(query, (_bound(begin), begin)):
            whose = _whose(scope, row[: len(columns)])
            used = found.get(whose, (0, 0, 0))
            money, tokens, requests = row[len(columns) :]
            found[whose] = (used[0] + int(money), used[1] + int(tokens), used[2] + int(requests))
        return found

    def of(self, scope: Scope, whose: tuple[str, ...], begin: int) -> Used:
        """What one subject (as a budget names it: not a user or session) used since `begin`. Raises as `every`.

        A key's calls are looked for from when the key was made.
        """
        first, where = _bound(begin), _THEIRS
        if scope == "key" and len(whose[0]) == _ID_CHARS:
            first = max(first, whose[0])
        for name in _COLUMNS[scope][-1:]:
            where += f" AND {name} = ?"
        query = f"SELECT {_SUMS} FROM calls WHERE {where}"  # noqa: S608 - our words
        money, tokens, requests = self._rows(query, (first, begin, *map(clip, whose[-1:])))[0]
        return int(money), int(tokens), int(requests)

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            self._link.close()

    def _rows(self, query: str, params: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        def work(database: Database) -> list[tuple[Any, ...]]:
            if database.engine == "sqlite":
                return database.rows(query, params)  # outside a transaction: nobody waits to write
            with database.transaction():
                database.run(f"SET LOCAL statement_timeout = {_PATIENCE_MS}")
                return database.rows(query, params)

        with self._lock:
            return self._link.use(work)


def _whose(scope: Scope, names: tuple[str, ...]) -> tuple[str, ...]:
    """As `Budget.whose` says it: a user is the team's, or the key's where it has none."""
    return (names[0] or names[1], names[2]) if scope == "user" else names


def _bound(begin: int) -> str:
    return encode_id((max(0, begin - _SLACK_NS) // 1_000_000) << _RANDOM_BITS)
