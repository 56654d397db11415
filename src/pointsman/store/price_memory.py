"""Which prices were in force when somebody last looked, so that a change is noticed also across restarts."""

from __future__ import annotations

import msgspec

from pointsman.core.clock import Clock
from pointsman.store.database import Database
from pointsman.store.link import Link
from pointsman.store.location import locate

_NAME = "prices_in_use"
_READ = "SELECT value FROM settings WHERE name = ?"
_WRITE = "INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


class PriceMemory:
    """Prices by model, as texts for people. Blocks; used by one thread at a time.

    Args:
        url: as for the ledger.
        clock: for the record of migrations.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self._link = Link(locate(url), clock)

    def swap(self, prices: dict[str, str]) -> dict[str, tuple[str, str]]:
        """Remember these; of the models that were known before with another price, the old one and the new one.

        Models that are not among these stay remembered: one that is configured again later may have changed meanwhile.

        Raises:
            StoreUnavailable: nothing can be read or written now.
        """

        def work(database: Database) -> dict[str, tuple[str, str]]:
            with database.transaction():
                rows = database.rows(_READ, (_NAME,))
                before = _decoded(rows[0][0]) if rows else {}
                after = before | prices
                if after != before:
                    database.run(database.sql(_WRITE), (_NAME, msgspec.json.encode(after).decode()))
            return {name: (before[name], new) for name, new in prices.items() if before.get(name, new) != new}

        try:
            return self._link.use(work)
        finally:
            self._link.close()


def _decoded(text: str) -> dict[str, str]:
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.DecodeError, ValueError):
        return {}
