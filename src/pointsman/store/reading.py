"""SQLAlchemy's side of the store: an engine for readers, over the same way in as the writer's.

Importing this costs 180 ms; only what reads the ledger does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from pointsman.core.errors import StoreUnavailable
from pointsman.store.database import Database, open_database
from pointsman.store.location import locate
from pointsman.store.migrations import NEWEST, version


class Reader:
    """Connections that can only read. Any thread may use it.

    Args:
        url: as for the ledger.

    Raises:
        ConfigError: the URL names no store.
    """

    def __init__(self, url: str) -> None:
        self._location = locate(url)
        driver = "pysqlite" if self._location.engine == "sqlite" else "psycopg"
        self._engine = create_engine(
            f"{self._location.engine}+{driver}://",
            creator=self._connect,
            poolclass=QueuePool,
            pool_pre_ping=True,
            pool_size=4,
        )

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection for one question.

        Raises:
            StoreUnavailable: the store is missing, of another version, or fails.
        """
        try:
            with self._engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            text = " ".join(str(error.orig).split())[:300]
            raise StoreUnavailable(f"store {self._location.shown}: {text}") from error

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()

    def _connect(self) -> Any:
        database = open_database(self._location, create=False)
        try:
            self._demand_version(database)
            if database.engine == "sqlite":
                database.run("PRAGMA query_only=ON")
            else:
                database.run("SET default_transaction_read_only = on")
                database.raw.autocommit = False
        except StoreUnavailable:
            database.close()
            raise
        return database.raw

    def _demand_version(self, database: Database) -> None:
        found = version(database)
        if found != NEWEST:
            raise StoreUnavailable(
                f"the store {self._location.shown} has schema version {found}, this Pointsman reads {NEWEST}",
                hint="start the gateway once: it brings the store up to date",
            )
