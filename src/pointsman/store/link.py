"""A way to the database for what is asked and written while calls are served: opened when first needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pointsman.core.clock import Clock
from pointsman.core.errors import PointsmanError, StoreUnavailable
from pointsman.store.database import Database, open_database
from pointsman.store.location import Location, file_id
from pointsman.store.migrations import migrate

T = TypeVar("T")
_REST_NS = 250_000_000
"""After an opening that failed, whoever asks within that time gets the same error, and the database its peace."""


class Link:
    """One connection, used by one thread at a time; opened anew after a failure, and when its file was replaced."""

    def __init__(self, location: Location, clock: Clock) -> None:
        self._location = location
        self._clock = clock
        self._database: Database | None = None
        self._file: tuple[int, int] | None = None
        self._failed: StoreUnavailable | None = None
        self._retry_at = 0

    @property
    def in_place(self) -> bool:
        """Whether what was written last is in the file that is at the store's place now."""
        return file_id(self._location) == self._file

    def use(self, work: Callable[[Database], T]) -> T:
        """Do something with the database.

        Raises:
            StoreUnavailable: it cannot be opened, or failed at the work; then the next use opens it anew.
        """
        if self._database is not None and not self.in_place:
            self.close()
        database = self._database or self._open()
        try:
            return work(database)
        except StoreUnavailable:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the connection."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _open(self) -> Database:
        if self._failed is not None and self._clock.monotonic() < self._retry_at:
            raise StoreUnavailable(self._failed.message, hint=self._failed.hint)
        try:
            database = open_database(self._location)
            try:
                self._file = file_id(self._location)  # before migrating: a file that is swapped meanwhile is noticed
                migrate(database, self._clock.now())
            except PointsmanError:
                database.close()
                raise
        except PointsmanError as error:
            self._failed = StoreUnavailable(error.message, hint=error.hint)
            self._retry_at = self._clock.monotonic() + _REST_NS
            raise self._failed from error
        self._database, self._failed = database, None
        return database
