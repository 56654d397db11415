"""Keys in the database. Satisfies the port `KeyStore` of `access/` by shape."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from typing import TypeVar

from pointsman.core.clock import Clock
from pointsman.core.errors import StoreUnavailable
from pointsman.core.key import KeyRow
from pointsman.store.database import Database, open_database
from pointsman.store.location import file_id, locate
from pointsman.store.migrations import migrate

_Result = TypeVar("_Result")
_COLUMNS = "id, name, prefix, digest, created_ns, expires_ns, revoked_ns"


class SqlKeyStore:
    """Keys in the ledger's database, through a connection of its own that is opened when first needed.

    Args:
        url: as for the ledger.
        clock: for the record of migrations.

    Raises:
        ConfigError: the URL names no store.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self._location = locate(url)
        self._clock = clock
        self._database: Database | None = None
        self._opened_file: tuple[int, int] | None = None
        self._openings = 0
        self._lock = threading.Lock()

    def salt(self) -> bytes:
        """The store's own salt; made by whoever asks first, kept by the primary key."""

        def work(database: Database) -> bytes:
            query = "SELECT value FROM settings WHERE name = 'key_salt'"
            found = database.rows(query)
            if not found:
                insert = "INSERT INTO settings VALUES ('key_salt', ?) ON CONFLICT DO NOTHING"
                database.run(database.sql(insert), (secrets.token_hex(16),))
                found = database.rows(query)
            return bytes.fromhex(found[0][0])

        return self._with(work)

    def version(self) -> str:
        """A counter that every change raises, and every opening: what is opened anew may be another store.

        A time would not do: clocks go back.
        """
        found = self._with(lambda database: database.rows("SELECT value FROM settings WHERE name = 'keys_version'"))
        return f"{self._openings}.{found[0][0] if found else 0}"

    def load(self) -> list[KeyRow]:
        """All keys, oldest first."""
        rows = self._with(lambda database: database.rows(f"SELECT {_COLUMNS} FROM keys ORDER BY created_ns, id"))  # noqa: S608
        return [
            KeyRow(id=a, name=b, prefix=c, digest=d, created=e, expires=f, revoked=g) for a, b, c, d, e, f, g in rows
        ]

    def add(self, row: KeyRow) -> None:
        """Keep a new key."""
        values = (row.id, row.name, row.prefix, row.digest, row.created, row.expires, row.revoked)

        def work(database: Database) -> None:
            with database.transaction():
                database.run(database.sql(f"INSERT INTO keys ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"), values)  # noqa: S608
                _raise_version(database)

        self._with(work)

    def revoke(self, key_id: str, now: int) -> bool:
        """Revoke a key for good; whether there was an active one of that id."""

        def work(database: Database) -> bool:
            with database.transaction():
                query = "SELECT 1 FROM keys WHERE id = ? AND revoked_ns IS NULL"
                found = bool(database.rows(query, (key_id,)))
                if found:
                    database.run(database.sql("UPDATE keys SET revoked_ns = ? WHERE id = ?"), (now, key_id))
                    _raise_version(database)
            return found

        return self._with(work)

    def close(self) -> None:
        """Let go of the connection; the next use opens a new one."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _with(self, work: Callable[[Database], _Result]) -> _Result:
        with self._lock:
            if file_id(self._location) != self._opened_file:
                self._drop()  # deleted or replaced: its keys are no longer this store's
            try:
                if self._database is None:
                    self._database = open_database(self._location)
                    self._opened_file = file_id(self._location)
                    self._openings += 1
                    migrate(self._database, self._clock.now())
                return work(self._database)
            except StoreUnavailable:
                self._drop()  # a broken connection is not asked twice
                raise


def _raise_version(database: Database) -> None:
    database.run(
        "INSERT INTO settings VALUES ('keys_version', '1') ON CONFLICT (name) "
        "DO UPDATE SET value = CAST(CAST(settings.value AS BIGINT) + 1 AS TEXT)"
    )
