"""The writer's way to its database: opened when needed, reopened with growing patience, never a file that is gone."""

from __future__ import annotations

from contextlib import suppress

from pointsman.core.clock import Clock
from pointsman.core.errors import InternalError, PointsmanError, StoreUnavailable
from pointsman.store import health_rows, response_rows
from pointsman.store.database import Database, open_database
from pointsman.store.inserts import Inserts
from pointsman.store.location import Location, file_id
from pointsman.store.migrations import migrate

REST_NS = 5_000_000_000
"""Once nothing was written for so long, the log is brought into the file."""

FIRST_RETRY_NS = 250_000_000
_LAST_RETRY_NS = 4_000_000_000
_PURGES = 20


class Replaced(Exception):
    """The file in use is no longer the one at the store's place."""


class Connection:
    """The writer's database connection.

    Args:
        location: where.
        clock: for retries.
        page_limit: see `open_database`.

    Attributes:
        is_new: opened since the spool of others was last looked at.
        error: why it is not open.
    """

    def __init__(self, location: Location, clock: Clock, page_limit: int) -> None:
        self.is_new = False
        self.error: PointsmanError | None = None
        self._location = location
        self._clock = clock
        self._page_limit = page_limit
        self._database: Database | None = None
        self._inserts: Inserts | None = None
        self._retry_at = 0
        self._opened_file: tuple[int, int] | None = None
        self._patience = FIRST_RETRY_NS
        self._changes = self._changed_at = 0
        self._rested = False

    @property
    def is_open(self) -> bool:
        """Whether rows can be written, as far as known."""
        return self._database is not None

    def inserts(self) -> Inserts | None:
        """The open connection, opened if it is time to try; None while it is not.

        Raises:
            StoreUnavailable: tried and failed.
            Replaced: as `demand_place`.
        """
        if self._database is not None:
            self.demand_place()
            self._rest(self._database)
        if self._inserts is None and self._clock.monotonic() >= self._retry_at:
            try:
                database = open_database(self._location, page_limit=self._page_limit)
            except PointsmanError as error:
                raise StoreUnavailable(error.message, hint=error.hint) from error
            try:
                opened = file_id(self._location)  # before migrating: a file that is swapped meanwhile is noticed
                migrate(database, self._clock.now())
            except PointsmanError as error:
                database.close()
                raise StoreUnavailable(error.message, hint=error.hint) from error
            self._database, self._inserts, self._opened_file = database, Inserts(database), opened
            self.is_new, self.error, self._patience = True, None, FIRST_RETRY_NS
        return self._inserts

    def write_events(self, rows: list[health_rows.Row]) -> list[InternalError]:
        """Write changes of health in one transaction, through an open connection; why some can be in no store.

        Raises:
            StoreUnavailable: the store failed; nothing was written.
        """
        if self._database is None:
            raise StoreUnavailable("the store is not open")
        return health_rows.write(self._database, rows)

    def demand_place(self) -> None:
        """After a commit: rows in a file that was deleted meanwhile are found by nobody, so they are written again.

        One `stat` a transaction. If the file was moved away, its last rows are in both files.

        Raises:
            Replaced: the file in use is no longer the one at the store's place.
        """
        if file_id(self._location) != self._opened_file:
            raise Replaced

    def failed(self, error: StoreUnavailable) -> None:
        """Close, and wait before the next try."""
        self.close()
        self.error = error
        self._retry_at = self._clock.monotonic() + self._patience
        self._patience = min(self._patience * 2, _LAST_RETRY_NS)

    def purge(self, now: int) -> None:
        """Delete texts whose time is over, and overwrite their bytes; bring the log into the file (both SQLite)."""
        database = self._database
        if database is None:
            return
        if database.rows("SELECT 1 FROM contents WHERE expires_ns < ? LIMIT 1", (now,)):
            if database.engine == "sqlite":
                database.run("PRAGMA secure_delete=ON")
            database.run(database.sql("DELETE FROM contents WHERE expires_ns < ?"), (now,))
            if database.engine == "sqlite":
                database.run("PRAGMA secure_delete=OFF")
        response_rows.purge(database, now, rounds=_PURGES)
        _checkpoint(database)

    def _rest(self, database: Database) -> None:
        """Where calls are few, SQLite's log would hold them for days, and whoever moves the file alone loses them."""
        if database.engine != "sqlite":
            return
        changes, now = database.raw.total_changes, self._clock.monotonic()
        if changes != self._changes:
            self._changes, self._changed_at, self._rested = changes, now, False
        elif not self._rested and now - self._changed_at >= REST_NS:
            self._rested = True
            _checkpoint(database)

    def close(self) -> None:
        """Let go of the database."""
        if self._database is not None:
            self._database.close()
        self._database = self._inserts = None


def _checkpoint(database: Database) -> None:
    """SQLite: what the log holds goes into the file, as far as no reader still needs it there. Waits for nobody."""
    if database.engine == "sqlite":
        with suppress(StoreUnavailable):  # the rows are safe in the log; what ails the file shows at the next one
            database.rows("PRAGMA wal_checkpoint(PASSIVE)")
