"""Batches into the database with few statements.

sqlite3's `executemany` lets go of the interpreter lock and takes it again for every row, and behind a busy event loop
each taking can wait 5 ms. So many rows go into one statement, and a batch is a handful of steps. Statement sizes are
powers of two, so that few texts serve all batches and the driver keeps them prepared.

PostgreSQL gets one array per column: a statement with thousands of place holders costs it a millisecond a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from pointsman.core.errors import InternalError
from pointsman.store.columns import CALLS, FLAGS, TABLES, kind
from pointsman.store.database import Database
from pointsman.store.rows import Batch

LARGEST = 256
_SLICE = 64
_STATEMENTS = 3
_TELLING = CALLS[:5]
"""The id and what tells two calls apart: when they began, and times in nanoseconds."""


class Inserts:
    """Writes batches through one connection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._texts: dict[tuple[str, int, int], str] = {}

    def width(self, count: int) -> int:
        """How many of `count` calls to put into one statement.

        Many at once mean that the writer gets too few turns already: then it should make fewer stops. PostgreSQL is
        asked over a socket, where each question costs a round trip.
        """
        if self._database.engine == "postgresql":
            return max(count, 1)
        return _SLICE if count <= LARGEST else LARGEST

    def write(self, batches: Iterable[Batch]) -> None:
        """All rows in one transaction; rows that are there already are left as they are.

        Raises:
            StoreUnavailable: the store failed; nothing was written.
            InternalError: a value does not fit its column, or another call has a call's id; nothing was written.
        """
        with self._database.transaction():
            for batch in batches:
                for table in TABLES:
                    rows = getattr(batch, table)
                    if rows and self._table(table, rows) < len(rows) and table == "calls":
                        self._demand_same(rows)

    def _demand_same(self, calls: Sequence[Sequence[Any]]) -> None:
        """Calls that were there already are these, from before a crash; if another has the id, a row would be lost."""
        told = {ident: told for ident, *told in self._told([call[0] for call in calls])}
        for call in calls:
            if told.get(call[0]) != list(call[1 : len(_TELLING)]):
                raise InternalError(f"the id {call[0]} belongs to another call already")

    def _told(self, ids: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(ids), LARGEST):
            part = ids[start : start + LARGEST]
            marks = ", ".join("?" * len(part))
            yield from self._database.rows(f"SELECT {', '.join(_TELLING)} FROM calls WHERE id IN ({marks})", part)  # noqa: S608

    def _table(self, table: str, rows: Sequence[Sequence[Any]]) -> int:
        """How many rows were not there before."""
        rows, columns = even(rows, TABLES[table])
        if self._database.engine == "postgresql":
            pairs = zip(columns, zip(*rows, strict=True), strict=True)
            arrays = [_flags(values) if name in FLAGS else list(values) for name, values in pairs]
            return self._database.run(self._text(table, columns, 0), arrays)
        start = fresh = 0
        for size in sizes(len(rows)):
            part = rows[start : start + size]
            if len(part) < size:
                # Rather a few rows twice, which the primary key ignores, than another statement.
                part = [*part, *[part[-1]] * (size - len(part))]
            fresh += self._database.run(self._text(table, columns, size), tuple(chain.from_iterable(part)))
            start += size
        return fresh

    def _text(self, table: str, columns: Sequence[str], size: int) -> str:
        key = (table, len(columns), size)
        text = self._texts.get(key)
        if text is None:
            made = insert(table, columns, size) if size else insert_arrays(table, columns)
            text = self._texts[key] = self._database.sql(made)
        return text


def even(rows: Sequence[Sequence[Any]], columns: Sequence[str]) -> tuple[Sequence[Sequence[Any]], Sequence[str]]:
    """Rows of one width, and their columns: where some leave out the last ones, which are empty then, all may.

    >>> even([(1, 2), (3,)], ("a", "b", "c"))
    ([(1, 2), (3, None)], ('a', 'b'))
    """
    widths = set(map(len, rows))
    width = max(widths)
    if len(widths) > 1:
        rows = [(*row, *(None,) * (width - len(row))) for row in rows]
    return rows, columns[:width]


def _flags(values: Iterable[int | None]) -> list[bool | None]:
    return [None if value is None else bool(value) for value in values]


def insert(table: str, columns: Sequence[str], size: int) -> str:
    """An INSERT of `size` rows that ignores rows whose primary key is taken."""
    group = f"({', '.join('?' * len(columns))})"
    values = ", ".join([group] * size)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values} ON CONFLICT DO NOTHING"  # noqa: S608 - our names


def insert_arrays(table: str, columns: Sequence[str]) -> str:
    """The same for PostgreSQL, of as many rows as the arrays are long."""
    arrays = ", ".join(f"?::{kind(column)}[]" for column in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING"  # noqa: S608


def sizes(count: int) -> list[int]:
    """Statement sizes that cover `count` rows: powers of two, the last one rounded up.

    >>> sizes(300)
    [256, 32, 16]
    """
    found = [LARGEST] * (count // LARGEST)
    rest = count % LARGEST
    for _ in range(_STATEMENTS - 1):
        if not rest:
            return found
        size = 1 << (rest.bit_length() - 1)
        found.append(size)
        rest -= size
    if rest:
        found.append(1 << (rest - 1).bit_length())
    return found
