"""What a driver's error means: what went wrong, where, and the way out. Never with a secret in it."""

from __future__ import annotations

import re
import sqlite3
from typing import Any

from pointsman.core.errors import InternalError, InvalidRequest, StoreUnavailable
from pointsman.store.location import Location, without_secrets

_SHORT = 300
_LOOK = "`pointsman doctor` looks at the store"
_WAYS_OUT = tuple(
    (re.compile(sign), way)
    for sign, way in (
        ("not a database", "the file is damaged or is no SQLite file: move it away, or restore a copy"),
        ("malformed", "the file is damaged: try `sqlite3 FILE .recover`, or move it away and start a new one"),
        ("unable to open", "check that the folder exists and may be written to"),
        ("readonly|read-only", "the file or its folder may not be written to"),
        ("is locked", "another program holds the file"),
        ("full|no space left", "make room on the disk"),
        ("disk i/o", "the disk or its file system fails: the system's log says more"),
        ("no such table|no such column|(relation|column) .*does not exist", "restore a copy, or name another store"),
        ("statement timeout", "the question took too long: ask for fewer calls, or for a shorter time"),
        ("lock timeout", "another program holds a lock on the tables"),
        ("authentication|no password supplied", "check user and password: those of the URL, or $PGUSER and .pgpass"),
        ("database .*does not exist", "make the database first: `createdb NAME`"),
        ("too many (clients|connections)|connection slots", "the database takes no more connections: raise its limit"),
        ("percent-encoded|invalid", "check the store's URL; in a password, `@` is written %40, `/` %2F and `%` %25"),
        ("permission denied", "the user that this runs as may not do that there"),
        ("refused|resolve host|timeout expired|unreachable", "does the database run, and does it listen there?"),
        ("terminating|connection .*(closed|lost)|eof detected", "the database ended the connection: ask again"),
    )
)


class Failures:
    """A driver's exceptions, sorted by what can be done about them.

    Args:
        store: the store cannot be used now.
        value: a value cannot be written, or looked for, at all.
    """

    def __init__(self, store: tuple[type[Exception], ...], value: tuple[type[Exception], ...]) -> None:
        self.store = store
        self.value = value

    def explain(self, location: Location, error: BaseException | None) -> StoreUnavailable:
        """The store cannot be used."""
        text = _brief(location, error)
        hint = next((way for sign, way in _WAYS_OUT if sign.search(text.lower())), "")
        return StoreUnavailable(f"store {location.shown}: {text}", hint=hint)

    def row(self, location: Location, error: BaseException) -> InternalError:
        """A row cannot be stored, whatever the store's state."""
        return InternalError(f"a row cannot be stored: {_brief(location, error)}")

    def question(self, location: Location, error: BaseException | None) -> StoreUnavailable | InvalidRequest:
        """A question failed: for who asked it, so there is always a way out."""
        if isinstance(error, self.value):
            return InvalidRequest("No store can hold what was asked for", hint=_brief(location, error))
        found = self.explain(location, error)
        found.hint = found.hint or _LOOK
        return found


def sqlite() -> Failures:
    """Those of Python's own driver."""
    return Failures((sqlite3.Error,), (OverflowError, UnicodeEncodeError, sqlite3.DataError, sqlite3.InterfaceError))


def postgresql(psycopg: Any) -> Failures:
    """Those of psycopg, which is an extra: who imports it hands it in."""
    return Failures((psycopg.Error, OSError), (psycopg.DataError, UnicodeEncodeError))


def _brief(location: Location, error: BaseException | None) -> str:
    return without_secrets(location, " ".join(str(error).split()))[:_SHORT] or type(error).__name__
