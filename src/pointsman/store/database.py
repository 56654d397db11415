"""One connection to SQLite or PostgreSQL, spoken to in the few statements that both understand.

The writer and the keys use the driver directly: SQLAlchemy costs 180 ms to import, which the way to the first answer
cannot pay, and several times the driver's work per row. Statements are written once with `?`; PostgreSQL's driver
wants `%s`. Every driver error leaves here as `StoreUnavailable` (the store cannot be used now) or `InternalError`
(this row cannot be stored at all).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pointsman.core.errors import InternalError, MissingExtra, StoreUnavailable
from pointsman.store.failures import Failures, postgresql, sqlite
from pointsman.store.location import Location

BUSY_SECONDS = 2.0
CONNECT_SECONDS = 3
_STATEMENT_MS = 5_000
_STATEMENTS_KEPT = 64
# One number for every Pointsman on a PostgreSQL database: who migrates holds it.
_MIGRATION_LOCK = 0x706F696E7473
_RETRY_SECONDS = 0.02
_EFFECTIVE = os.access in os.supports_effective_ids


class Database:
    """An open connection in autocommit mode; used by one thread at a time.

    Attributes:
        engine: `sqlite` or `postgresql`.
        raw: the driver's own connection.
    """

    def __init__(self, location: Location, raw: Any, failures: Failures) -> None:
        self.engine = location.engine
        self.raw = raw
        self._location = location
        self._failures = failures
        self._mark = "?" if location.engine == "sqlite" else "%s"

    def sql(self, text: str) -> str:
        """A statement with this driver's place holders."""
        return text if self._mark == "?" else text.replace("?", self._mark)

    def run(self, text: str, params: Sequence[Any] = ()) -> int:
        """Run a statement that returns nothing; how many rows it wrote, below 0 if that means nothing for it.

        `text` has passed through `sql` or has no parameters.
        """
        try:
            return int(self.raw.execute(text, params or ()).rowcount)
        except self._failures.value as error:
            raise self._failures.row(self._location, error) from error
        except self._failures.store as error:
            raise self._failures.explain(self._location, error) from error

    def rows(self, text: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query and take all its rows."""
        try:
            return list(self.raw.execute(self.sql(text), params or ()).fetchall())
        except self._failures.store as error:
            raise self._failures.explain(self._location, error) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing. On SQLite the write lock is taken at once, so that no upgrade can dead-lock."""
        self.run("BEGIN IMMEDIATE" if self.engine == "sqlite" else "BEGIN")
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            with suppress(StoreUnavailable, InternalError):  # the first error is the one to tell
                self.run("ROLLBACK")
            raise

    def lock_for_migration(self) -> None:
        """Inside a transaction: wait until no other process migrates. SQLite's write lock does so already."""
        if self.engine == "postgresql":
            self.run(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")

    def close(self) -> None:
        """Let go of the connection."""
        with suppress(*self._failures.store):
            self.raw.close()


def open_database(location: Location, *, create: bool = True, page_limit: int = 0) -> Database:
    """Connect.

    Args:
        location: where.
        create: make the SQLite file (mode 0600) and its folder, not those above, if they are missing. Without it, a
            file that we may only read is opened to be read.
        page_limit: SQLite: the most pages that the file may grow to; 0 is no limit.

    Raises:
        StoreUnavailable: it cannot be reached, opened or read.
        MissingExtra: the driver for PostgreSQL is not installed.
    """
    if location.engine == "sqlite":
        return _open_sqlite(location, create, page_limit)
    return _open_postgresql(location)


def _make_file(path: Path) -> None:
    """Make the file, so that it is never readable by others, not even for a moment; an existing one is not touched.

    Not even opened and closed: that would drop every lock that this process holds on it through another connection
    (POSIX locks belong to the process), and the next outside reader would delete the write-ahead log under us.

    What lies beside a file that was deleted is the deleted one's: a new file must not be read with an old log. The
    folder's lock keeps two processes from taking each other's new log for an old one.
    """
    if os.path.lexists(path):
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # some network file systems cannot lock
            fcntl.flock(folder, fcntl.LOCK_EX)
        if not os.path.lexists(path):
            for suffix in ("-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    finally:
        os.close(folder)


def demand_folder(location: Location) -> None:
    """SQLite: the file's folder is there, or can be made in one that is: a mistyped path grows no tree of folders.

    Raises:
        StoreUnavailable: the folder that is missing, by name.
    """
    folder = Path(location.path).parent
    missing = [one for one in folder.parents if not os.path.lexists(one)]
    if missing:
        raise StoreUnavailable(
            f"store {location.shown}: the folder {missing[-1]} does not exist",
            hint=f"make it, or correct `store`; of the path only the last folder, {folder.name}, is made by itself",
        )


def _open_sqlite(location: Location, create: bool, page_limit: int) -> Database:
    failures = sqlite()
    try:
        if create:
            demand_folder(location)
            Path(location.path).parent.mkdir(exist_ok=True, mode=0o700)
            _make_file(Path(location.path))
        elif not Path(location.path).exists():
            raise StoreUnavailable(
                f"store {location.shown}: no such file", hint="it is made when the first call is recorded"
            )
        to_read = not create and not os.access(location.path, os.W_OK, effective_ids=_EFFECTIVE)
        if to_read:
            _demand_company(location)
        raw = sqlite3.connect(
            f"{Path(location.path).as_uri()}?mode=ro&readonly_shm=1" if to_read else location.path,
            uri=to_read,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=_STATEMENTS_KEPT,
        )
    except (OSError, sqlite3.Error) as error:
        raise failures.explain(location, error) from error
    database = Database(location, raw, failures)
    if to_read:
        return database
    try:
        _set_up_sqlite(database, page_limit)
    except StoreUnavailable:
        database.close()
        raise
    return database


def _demand_company(location: Location) -> None:
    """Who may only read needs the log's index of somebody who writes; one made by a reader would shut writers out.

    Raises:
        StoreUnavailable: nobody has the file open.
    """
    if all(Path(f"{location.path}{suffix}").exists() for suffix in ("-wal", "-shm")):
        return
    raise StoreUnavailable(
        f"store {location.shown}: this user may only read it, and so only while a gateway has it open",
        hint="start the gateway, ask as its user, or copy the file and name the copy with `store`",
    )


def _set_up_sqlite(database: Database, page_limit: int) -> None:
    # Two processes that switch the same new file to WAL meet a lock that SQLite's own waiting does not cover.
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            database.run("PRAGMA journal_mode=WAL")
            break
        except StoreUnavailable as error:
            if "locked" not in error.message or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)
    database.run("PRAGMA synchronous=NORMAL")  # a crash of ours loses nothing; a power cut the last moments
    database.run("PRAGMA foreign_keys=ON")
    database.run("PRAGMA secure_delete=OFF")  # Debian turns it on; only `contents` deletes, and asks for it then
    database.run("PRAGMA cache_size=-2000")  # four times as much made nothing quicker (bench/ledger.py)
    database.run("PRAGMA journal_size_limit=67108864")
    if page_limit:
        database.run(f"PRAGMA max_page_count={page_limit}")


def _open_postgresql(location: Location) -> Database:
    try:
        import psycopg  # noqa: PLC0415 - the extra [postgres]; SQLite users do without
    except ImportError as error:
        raise MissingExtra(
            "a PostgreSQL store needs the package psycopg", hint="install pointsman[postgres]"
        ) from error
    failures = postgresql(psycopg)
    try:
        raw = psycopg.connect(
            location.conninfo,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            prepare_threshold=None,  # types vary from batch to batch, so that prepared texts would never be met again
            application_name="pointsman",
            options=f"-c statement_timeout={_STATEMENT_MS} -c lock_timeout={_STATEMENT_MS}",
        )
    except psycopg.ProgrammingError as error:  # the URL itself: waiting mends nothing, so no cause is kept
        raise failures.explain(location, error) from None
    except (psycopg.Error, OSError) as error:
        raise failures.explain(location, error) from error
    return Database(location, raw, failures)
