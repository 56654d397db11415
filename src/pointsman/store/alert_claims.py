"""Who of several processes tells people of a trouble: the first, where all write to one store."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import NamedTuple

from pointsman.core.clock import Clock
from pointsman.core.errors import InternalError, StoreUnavailable
from pointsman.store.database import Database
from pointsman.store.link import Link
from pointsman.store.location import locate

_log = logging.getLogger("pointsman")
_TAKE = (
    "INSERT INTO alerts_told (name, state, node, at_ns) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
    "state = excluded.state, node = excluded.node, at_ns = excluded.at_ns "
    "WHERE alerts_told.state <> excluded.state OR alerts_told.at_ns <= ? OR alerts_told.node = excluded.node"
)


_TOLD = "SELECT state, at_ns FROM alerts_told WHERE name = ?"


class Told(NamedTuple):
    """What was told last of a trouble, and when, in nanoseconds since the epoch."""

    state: str
    at: int


class AlertClaims:
    """Claims in the ledger's database. Nothing is opened before the first one.

    Args:
        url: as for the ledger.
        clock: for the record of migrations.
        node: names this process.
        seconds: that the store may take; after that, and where it fails, the alert is told: twice beats never.
    """

    def __init__(self, url: str, clock: Clock, node: str, seconds: float = 3.0) -> None:
        self._link = Link(locate(url), clock)
        self._node = node
        self._seconds = seconds
        self._lock = threading.Lock()
        self._used = False

    async def take(self, name: str, state: str, at: int, hold: int) -> bool:
        """Whether this process tells that `name` is in `state`: nobody else has within the `hold` before `at` (ns)."""
        self._used = True
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.to_thread(self._take, name, state, at, hold)
        except (StoreUnavailable, InternalError, TimeoutError) as error:
            why = str(error) or "too slow"
            _log.warning("whether others have told of %s is not known, so it is told: %s", name, why)
            return True

    async def told(self, name: str) -> Told | None:
        """What was told last of `name`, by whomever; None where that is nothing, or is not known."""

        def work(database: Database) -> Told | None:
            rows = database.rows(database.sql(_TOLD), (name,))
            return Told(*rows[0]) if rows else None

        def ask() -> Told | None:
            with self._lock:
                return self._link.use(work)

        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.to_thread(ask)
        except (StoreUnavailable, InternalError, TimeoutError) as error:
            _log.warning("what was told of %s is not known: %s", name, str(error) or "too slow")
            return None

    def disconnect(self) -> None:
        """This process ends, and what it told stays."""
        with self._lock:
            self._link.close()

    def close(self) -> None:
        """This process ends: what it told of may be told again by the next."""
        if not self._used:
            return
        statement = "DELETE FROM alerts_told WHERE node = ?"
        with self._lock:
            try:
                self._link.use(lambda database: database.run(database.sql(statement), (self._node,)))
            except (StoreUnavailable, InternalError) as error:
                _log.info("claims on alerts stay until their time is over: %s", error)
            self._link.close()

    def _take(self, name: str, state: str, at: int, hold: int) -> bool:
        def work(database: Database) -> bool:
            return database.run(database.sql(_TAKE), (name, state, self._node, at, at - hold)) > 0

        with self._lock:
            return self._link.use(work)
