"""Where the store lives: a URL taken apart, with a text that is safe to show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import msgspec

from pointsman.core.errors import ConfigError

_PASSWORD = re.compile(r"(//[^/@:]*):[^@]*@|(password=)[^&\s]*", re.IGNORECASE)


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """A store's place.

    Attributes:
        engine: which database.
        path: SQLite: the file, absolute. PostgreSQL: empty.
        conninfo: PostgreSQL: the connection URL, which may hold a password. SQLite: empty.
        shown: the place without secrets, for people.
    """

    engine: Literal["sqlite", "postgresql"]
    path: str = ""
    conninfo: str = ""
    shown: str

    def __repr__(self) -> str:
        return f"Location({self.shown})"


def locate(url: str) -> Location:
    """Read a store URL: `sqlite:///relative.db`, `sqlite:////absolute.db`, `sqlite:///~/home.db` or `postgresql://…`.

    Raises:
        ConfigError: another scheme, or no file name.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite":
        name = rest.removeprefix("/")
        if not rest.startswith("/") or not name or name == ":memory:":
            raise ConfigError(
                "the SQLite store needs a file name", hint="for example: store: sqlite:///pointsman.db (three slashes)"
            )
        path = Path(name).expanduser().absolute()
        return Location(engine="sqlite", path=str(path), shown=str(path))
    if scheme in ("postgresql", "postgres", "postgresql+psycopg"):
        return Location(engine="postgresql", conninfo=f"postgresql://{rest}", shown=_hide(f"postgresql://{rest}"))
    raise ConfigError(f"no store of kind {scheme[:32]!r}", hint="use sqlite:///FILE or postgresql://HOST/DATABASE")


def _hide(url: str) -> str:
    return _PASSWORD.sub(lambda found: f"{found[1]}:***@" if found[1] else f"{found[2]}***", url)


def file_id(location: Location) -> tuple[int, int] | None:
    """SQLite: which file is at the place now (device and number), None if none; PostgreSQL: None."""
    try:
        found = Path(location.path).stat() if location.path else None
    except OSError:
        return None
    return None if found is None else (found.st_dev, found.st_ino)
