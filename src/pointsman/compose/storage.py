"""The store at the start: one that can never be used ends the start; one that is away for now does not."""

from __future__ import annotations

import errno
import sqlite3

from pointsman.access.keys import KeyRing
from pointsman.core.errors import ConfigError, MissingExtra, StoreUnavailable

_FILE_CODES = frozenset(
    {
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM,
    }
)
_FILE_ERRORS = (FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)
_FILE_ERRNOS = frozenset({errno.ENAMETOOLONG, errno.EROFS})


def demand_store(keys: KeyRing) -> None:
    """Read the keys, which brings the store up to date; what waiting may mend is no error here. Does I/O.

    Raises:
        ConfigError: the store cannot be used as it is: no database, not ours to write, of a newer Pointsman.
    """
    try:
        keys.refresh()
    except MissingExtra as error:
        raise ConfigError(error.message, hint=error.hint) from error
    except StoreUnavailable as error:
        if _is_for_good(error):
            hint = error.hint or "name another place as `store`, or put this one right"
            raise ConfigError(error.message, hint=hint) from error


def _is_for_good(error: StoreUnavailable) -> bool:
    """Whether somebody has to act. What we found wrong ourselves has no driver's error behind it."""
    cause = error.__cause__
    if cause is None:
        return True
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _FILE_CODES
    return isinstance(cause, _FILE_ERRORS) or (isinstance(cause, OSError) and cause.errno in _FILE_ERRNOS)
