"""Keys in the database, with the budgets that came with them. Satisfies the port `KeyStore` of `access/` by shape."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from pointsman.core.clock import Clock
from pointsman.core.errors import StoreUnavailable
from pointsman.core.key import BudgetRow, Former, KeyRow
from pointsman.core.key_terms import Changes
from pointsman.core.scope import Allow
from pointsman.store.database import Database, open_database
from pointsman.store.location import file_id, locate
from pointsman.store.migrations import migrate

_Result = TypeVar("_Result")
_COLUMNS = "id, name, prefix, digest, created_ns, expires_ns, revoked_ns, team, project, allow, parallel, role"
_OWN = len(_COLUMNS.split(", "))
# One statement: a key between two secrets is never seen with neither.
_LOAD = (
    f"SELECT {', '.join(f'keys.{name}' for name in _COLUMNS.split(', '))}, former.digest, former.prefix, "  # noqa: S608 - our names
    "former.until_ns FROM keys LEFT JOIN former_secrets AS former ON former.key_id = keys.id "
    "ORDER BY keys.created_ns, keys.id, former.until_ns"
)
_BUDGET = "id, scope, subject, unit, amount, period, soft, key_id, created_ns, ended_ns"
_ALLOW = msgspec.json.Decoder(Allow)


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
        rows = self._with(lambda database: database.rows(_LOAD))
        return [_key(list(same)) for _, same in groupby(rows, key=itemgetter(0))]

    def budgets(self) -> list[BudgetRow]:
        """Every budget that came with a key and has not ended, oldest first."""
        query = f"SELECT {_BUDGET} FROM budgets WHERE ended_ns IS NULL ORDER BY created_ns, id"  # noqa: S608
        return [_budget(row) for row in self._with(lambda database: database.rows(query))]

    def add(self, row: KeyRow, budgets: Iterable[BudgetRow] = ()) -> None:
        """Keep a new key and its budgets."""

        def work(database: Database) -> None:
            _insert(database, "keys", _COLUMNS, _values(row))
            for budget in budgets:
                _insert(database, "budgets", _BUDGET, _budget_values(budget))

        self._change(work)

    def rotate(self, row: KeyRow, now: int) -> bool:
        """Put a new secret in force: `row` has it, and the former ones; whether there was an active key of that id."""

        def work(database: Database) -> bool:
            if not _is_active(database, row.id):
                return False
            _run(database, "DELETE FROM former_secrets WHERE key_id = ? OR until_ns <= ?", (row.id, now))
            for one in row.former:
                values = (one.digest, row.id, one.prefix, one.until)
                _insert(database, "former_secrets", "digest, key_id, prefix, until_ns", values)
            _run(database, "UPDATE keys SET prefix = ?, digest = ? WHERE id = ?", (row.prefix, row.digest, row.id))
            return True

        return self._change(work)

    def edit(self, key_id: str, changes: Changes, budgets: Iterable[BudgetRow] | None, now: int) -> bool:
        """Keep what changes of a key, and its budgets instead of those before; None leaves them.

        Whether there was an active key of that id.
        """
        said = {
            "allow": UNSET if changes.allow is UNSET else msgspec.json.encode(changes.allow).decode(),
            "parallel": changes.parallel,
            "expires_ns": changes.expires,
        }

        def work(database: Database) -> bool:
            if not _is_active(database, key_id):
                return False
            for column, value in said.items():
                if value is not UNSET:
                    _run(database, f"UPDATE keys SET {column} = ? WHERE id = ?", (value, key_id))  # noqa: S608
            if budgets is not None:
                _end_budgets(database, key_id, now)
                for budget in budgets:
                    _insert(database, "budgets", _BUDGET, _budget_values(budget))
            return True

        return self._change(work)

    def revoke(self, key_id: str, now: int) -> bool:
        """Revoke a key for good, all its secrets and its budgets; whether there was an active one of that id."""

        def work(database: Database) -> bool:
            if not _is_active(database, key_id):
                return False
            _run(database, "UPDATE keys SET revoked_ns = ? WHERE id = ?", (now, key_id))
            _run(database, "DELETE FROM former_secrets WHERE key_id = ?", (key_id,))
            _end_budgets(database, key_id, now)
            return True

        return self._change(work)

    def close(self) -> None:
        """Let go of the connection; the next use opens a new one."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _change(self, work: Callable[[Database], _Result]) -> _Result:
        """A change, all of it or nothing, that every gateway at this store will notice."""

        def whole(database: Database) -> _Result:
            with database.transaction():
                result = work(database)
                if result is not False:
                    _raise_version(database)
            return result

        return self._with(whole)

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


def _insert(database: Database, table: str, columns: str, values: tuple[Any, ...]) -> None:
    marks = ", ".join("?" * len(values))
    _run(database, f"INSERT INTO {table} ({columns}) VALUES ({marks})", values)  # noqa: S608 - our names


def _run(database: Database, text: str, values: tuple[Any, ...]) -> None:
    database.run(database.sql(text), values)


def _is_active(database: Database, key_id: str) -> bool:
    return bool(database.rows("SELECT 1 FROM keys WHERE id = ? AND revoked_ns IS NULL", (key_id,)))


def _end_budgets(database: Database, key_id: str, now: int) -> None:
    _run(database, "UPDATE budgets SET ended_ns = ? WHERE key_id = ? AND ended_ns IS NULL", (now, key_id))


def _raise_version(database: Database) -> None:
    database.run(
        "INSERT INTO settings VALUES ('keys_version', '1') ON CONFLICT (name) "
        "DO UPDATE SET value = CAST(CAST(settings.value AS BIGINT) + 1 AS TEXT)"
    )


def _key(rows: Sequence[tuple[Any, ...]]) -> KeyRow:
    """A key from its rows, one for each former secret."""
    row = rows[0]
    return KeyRow(
        id=row[0],
        name=row[1],
        prefix=row[2],
        digest=row[3],
        created=row[4],
        expires=row[5],
        revoked=row[6],
        team=row[7],
        project=row[8],
        allow=_ALLOW.decode(row[9]),
        parallel=row[10],
        role=row[11],
        former=tuple([Former(digest=a, prefix=b, until=c) for a, b, c in (one[_OWN:] for one in rows) if a]),
    )


def _values(row: KeyRow) -> tuple[Any, ...]:
    times = (row.created, row.expires, row.revoked)
    allow = msgspec.json.encode(row.allow).decode()
    return (row.id, row.name, row.prefix, row.digest, *times, row.team, row.project, allow, row.parallel, row.role)


def _budget(row: tuple[Any, ...]) -> BudgetRow:
    return BudgetRow(
        id=row[0],
        scope=row[1],
        subject=row[2],
        unit=row[3],
        limit=row[4],
        period=row[5],
        soft=row[6],
        key=row[7],
        created=row[8],
        ended=row[9],
    )


def _budget_values(one: BudgetRow) -> tuple[Any, ...]:
    said = (one.id, one.scope, one.subject, one.unit, one.limit, one.period)
    return (*said, one.soft, one.key, one.created, one.ended)
