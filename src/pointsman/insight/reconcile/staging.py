"""Lines of an export, kept on disk while the ledger is walked: memory stays bounded, however long the export is.

A private database of SQLite's that has no name and is gone with its connection. It never holds anything of the store's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from pointsman.insight.reconcile.lines import Line

_TABLES = """
CREATE TABLE lines (
    n INTEGER PRIMARY KEY, file TEXT, line INTEGER, start INTEGER, "end" INTEGER, model TEXT, "key" TEXT, id TEXT,
    kind TEXT, requests INTEGER, input INTEGER, cache_read INTEGER, cache_write INTEGER, output INTEGER, cost TEXT,
    again INTEGER NOT NULL, met INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE marks (mark TEXT PRIMARY KEY, n INTEGER) WITHOUT ROWID;
CREATE TABLE left_here (
    n INTEGER PRIMARY KEY, call TEXT, at INTEGER, model TEXT, "key" TEXT, input INTEGER, cache_read INTEGER,
    cache_write INTEGER, output INTEGER, cost INTEGER, estimated INTEGER
);
"""
_AT_ONCE = 500
_COUNTS = ("requests", "input", "cache_read", "cache_write", "output")
_FIELDS = (
    'n, file, line, start, "end", model, "key", id, kind, requests, input, cache_read, cache_write, output, cost, again'
)


_TAKE = f"INSERT INTO lines ({_FIELDS}) VALUES ({','.join('?' * 16)})"  # noqa: S608 - our own names
_MEET = (
    "UPDATE lines SET met = 1 WHERE n = "  # noqa: S608 - likewise
    f"(SELECT n FROM lines WHERE id = ? AND id <> '' AND again = 0 AND met = 0 LIMIT 1) RETURNING {_FIELDS}"
)


class Kept(NamedTuple):
    """A line with its number; `again` is the number of the line that it repeats, or 0."""

    n: int
    again: int
    line: Line


class Left(NamedTuple):
    """An attempt of the ledger that no line was found for, by its id. Times and money as there."""

    n: int
    call: str
    at: int
    model: str
    key: str
    input: int
    cache_read: int
    cache_write: int
    output: int
    cost: int | None
    estimated: bool


class Staged:
    """What was read so far.

    Attributes:
        rows, singles: lines, and how many of them are single requests.
        start, end: of all lines, nanoseconds since the epoch; `longest` is the longest of them.
        says: which figures the export has: `requests`, `input`, … `cost`.
        finest: the exponent of the finest amount, -2 for cents.
        files, format, more: what was read, as what, and whether more pages of it are missing.
        odd: the first line that is of another sort than the first of all, single or a sum.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA cache_size=-16384")
        self._database.execute("PRAGMA journal_mode=OFF")
        self._database.executescript(_TABLES)
        self._database.execute("BEGIN")
        self.rows = self.singles = self.longest = self.finest = 0
        self.start, self.end = 1 << 63, 0
        self.says: set[str] = set()
        self.odd: Line | None = None
        self._taken: list[tuple[Any, ...]] = []
        self.files: list[str] = []
        self.format = ""
        self.more = False

    def take(self, line: Line) -> None:
        """Keep one."""
        self.rows += 1
        single = bool(line.id)
        self.singles += single
        if self.odd is None and self.singles not in (0, self.rows):
            self.odd = line
        self.start, self.end = min(self.start, line.start), max(self.end, line.end + single)
        self.longest = max(self.longest, line.end - line.start)
        figures = (line.requests, line.input, line.cache_read, line.cache_write, line.output)
        says = self.says
        for name, value in zip(_COUNTS, figures, strict=True):
            if value is not None:
                says.add(name)
        if line.model:
            says.add("model")
        if line.key:
            says.add("key")
        if line.cost is not None:
            says.add("cost")
            self.finest = min(self.finest, int(line.cost.as_tuple().exponent))
        cost = None if line.cost is None else str(line.cost)
        sort = (
            (line.id,) if single else (line.start, line.end, line.model, line.key, line.kind, line.also, *figures, cost)
        )
        mark, again = "\x1e".join([str(part) for part in sort]), 0
        if not self._database.execute("INSERT OR IGNORE INTO marks VALUES (?, ?)", (mark, self.rows)).rowcount:
            again = self._one("SELECT n FROM marks WHERE mark = ?", (mark,))[0]
        place = (self.rows, line.file, line.line, line.start, line.end, line.model, line.key, line.id, line.kind)
        self._taken.append((*place, *figures, cost, again))
        if len(self._taken) >= _AT_ONCE:
            self._write()

    def ready(self) -> None:
        """All are taken: what looks them up is built."""
        self._write()
        self._database.execute("CREATE INDEX by_start ON lines (start)")
        self._database.execute("CREATE INDEX by_id ON lines (id) WHERE id <> '' AND again = 0")

    def models(self) -> list[str]:
        """The models that lines name, sorted."""
        return [row[0] for row in self._database.execute("SELECT DISTINCT model FROM lines ORDER BY 1")]

    def keys(self) -> list[str]:
        """The keys that lines name, sorted."""
        return [
            row[0] for row in self._database.execute('SELECT DISTINCT "key" FROM lines WHERE "key" <> \'\' ORDER BY 1')
        ]

    def in_order(self) -> Iterator[Kept]:
        """Every line by its start."""
        return map(_kept, self._database.execute(f"SELECT {_FIELDS} FROM lines ORDER BY start, n"))  # noqa: S608

    def by_id(self, wanted: str) -> Kept | None:
        """The line of a single request, marked as met."""
        row = self._one(_MEET, (wanted,))
        return None if row is None else _kept(row)

    def leave(self, left: tuple[Any, ...]) -> None:
        """Keep an attempt for which there is no line of its id: the fields of `Left` behind `n`."""
        self._database.execute("INSERT INTO left_here VALUES (NULL,?,?,?,?,?,?,?,?,?,?)", left)

    def left(self) -> Iterator[Left]:
        """Those attempts, in the order in which they came."""
        rows = self._database.execute("SELECT * FROM left_here ORDER BY n")
        return map(Left._make, rows)

    def nearest(self, left: Left, models: tuple[str, ...], within: int) -> Kept | None:
        """The line that has an attempt's tokens and one of these models, nearest in time; marked as met."""
        names = ",".join("?" * len(models))
        query = (
            f"SELECT {_FIELDS} FROM lines WHERE start BETWEEN ? AND ? AND met = 0 AND again = 0 AND input = ? "  # noqa: S608
            f"AND output = ? AND model IN ({names}) ORDER BY abs(start - ?), n LIMIT 1"
        )
        span = (left.at - within, left.at + within, left.input, left.output)
        return self._met(self._one(query, (*span, *models, left.at)))

    def unmet(self) -> Iterator[Kept]:
        """Single requests that no attempt was found for, and those that repeat another line, by their start."""
        query = f"SELECT {_FIELDS} FROM lines WHERE met = 0 ORDER BY start, n"  # noqa: S608
        return map(_kept, self._database.execute(query))

    def place(self, n: int) -> tuple[str, int]:
        """File and line of a number."""
        found = self._one("SELECT file, line FROM lines WHERE n = ?", (n,))
        return found or ("", 0)

    def close(self) -> None:
        """Let go of it; nothing is left."""
        self._database.close()

    def _write(self) -> None:
        self._database.executemany(_TAKE, self._taken)
        self._taken.clear()

    def _met(self, row: Any) -> Kept | None:
        if row is None:
            return None
        self._database.execute("UPDATE lines SET met = 1 WHERE n = ?", (row[0],))
        return _kept(row)

    def _one(self, query: str, params: tuple[Any, ...]) -> Any:
        return self._database.execute(query, params).fetchone()


def _kept(row: Any) -> Kept:
    n, file, line, start, end, model, key, single, kind, requests, fresh, read, write, output, cost, again = row
    return Kept(
        n,
        again,
        Line(
            file=file,
            line=line,
            start=start,
            end=end,
            model=model,
            key=key,
            id=single,
            kind=kind,
            requests=requests,
            input=fresh,
            cache_read=read,
            cache_write=write,
            output=output,
            cost=None if cost is None else Decimal(cost),
        ),
    )
