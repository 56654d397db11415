"""SQLAlchemy's side of the store: an engine for readers, over the same way in as the writer's.

Importing this costs 180 ms; only what reads the ledger does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as NoneFree
from sqlalchemy.pool import QueuePool

from pointsman.core.errors import PointsmanError, StoreUnavailable
from pointsman.store.database import Database, open_database
from pointsman.store.failures import Failures, postgresql, sqlite
from pointsman.store.location import Location, file_id, locate
from pointsman.store.migrations import NEWEST, version

_AT_ONCE = 4
_PATIENCE = 5.0  # seconds until a connection is free


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
            pool_size=_AT_ONCE,
            pool_timeout=_PATIENCE,
        )
        dialect: Any = self._engine.dialect
        self._failures: Failures = sqlite() if driver == "pysqlite" else postgresql(dialect.dbapi)
        _follow(self._engine, self._location)

    @contextmanager
    def connect(self, patience: int = 0) -> Iterator[Connection]:
        """A connection for one question.

        Args:
            patience: seconds that one statement may take on PostgreSQL, where that is more than the store's own few.

        Raises:
            StoreUnavailable: the store is missing, of another version, or fails.
            InvalidRequest: what is looked for can be in no store.
        """
        try:
            with self._engine.connect() as connection:
                if patience and self._location.engine == "postgresql":
                    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {1_000 * patience}")
                yield connection
        except DBAPIError as error:
            raise self._failures.question(self._location, error.orig) from error
        except self._failures.value as error:  # SQLAlchemy hands on what is not the driver's own
            raise self._failures.question(self._location, error) from error
        except NoneFree as error:
            text = f"store {self._location.shown}: too many questions at once"
            raise StoreUnavailable(text, hint="ask again in a moment") from error

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
        except PointsmanError:
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


def _follow(engine: Any, location: Location) -> None:
    """A file that was deleted or replaced is not read on: its connections are opened anew, before the next question."""
    key = "file"

    @event.listens_for(engine, "connect")
    def remember(_raw: Any, record: Any) -> None:
        record.info[key] = file_id(location)

    @event.listens_for(engine, "checkout")
    def demand_place(_raw: Any, record: Any, _proxy: Any) -> None:
        if record.info[key] != file_id(location):
            raise DisconnectionError
