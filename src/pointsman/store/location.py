"""Where the store lives: a URL taken apart, with a text that is safe to show."""

from __future__ import annotations

import re
import urllib.parse
from pathlib import Path
from typing import Literal

import msgspec

from pointsman.core.errors import ConfigError

# Up to the last `@`: in a password somebody forgot to encode there may be one.
_PASSWORD = re.compile(r"(//[^/@:]*):(.*)@|(password=)([^&\s]*)", re.IGNORECASE)
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")


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
    return _PASSWORD.sub(lambda found: f"{found[1]}:***@" if found[1] else f"{found[3]}***", url)


def without_secrets(location: Location, text: str) -> str:
    """A driver's text without the password of the store's URL, or a part of it.

    Drivers quote what they do not understand, and of a password that was not encoded they understand a part as host,
    port or database: so every quotation goes that shares a part with it.
    """
    secrets = [found[2] or found[4] or "" for found in _PASSWORD.finditer(location.conninfo)]
    for secret in filter(None, secrets):
        parts = {part for part in re.split(r"[/@:?#&\s]+", secret) if part} | {urllib.parse.unquote(secret)}

        def hide(found: re.Match[str], parts: set[str] = parts) -> str:
            return "***" if any(part in found[0] for part in parts) else found[0]

        text = _QUOTED.sub(hide, text).replace(secret, "***")
    return text


def file_id(location: Location) -> tuple[int, int] | None:
    """SQLite: which file is at the place now (device and number), None if none; PostgreSQL: None."""
    try:
        found = Path(location.path).stat() if location.path else None
    except OSError:
        return None
    return None if found is None else (found.st_dev, found.st_ino)
