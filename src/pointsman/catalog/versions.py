"""Refreshed price files on disk: written whole or not at all, numbered, the last few kept, with a way back.

`0007-2026-11-21-1f0c9a2b.json.gz` is the seventh file, dated, with the first digits of its sha256; `current` names the
one in use. Both are put in place by rename, so a reader or a crash never meets half a file.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import msgspec

from pointsman.catalog.document import Document, encode
from pointsman.core.errors import ConfigError

_NAME = re.compile(r"^(\d{4,})-(\d{4}-\d{2}-\d{2})-([0-9a-f]{16})\.json\.gz$")
_POINTER = "current"


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A stored version's bytes and where they lie."""

    path: Path
    data: bytes


class Versions:
    """The files of one directory.

    Args:
        directory: made when the first file is written.
        keep: how many versions are kept, the one in use always among them.
    """

    def __init__(self, directory: Path, *, keep: int = 5) -> None:
        self._directory = directory
        self._keep = max(keep, 1)

    def names(self) -> tuple[str, ...]:
        """File names of all versions, oldest first."""
        try:
            found = [entry.name for entry in self._directory.iterdir() if _NAME.match(entry.name)]
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise ConfigError(f"cannot list: {error.strerror}", where=str(self._directory)) from None
        return tuple(sorted(found, key=_number))

    def current(self) -> Stored | None:
        """The version in use; None if there is none.

        Raises:
            ConfigError: it is named but missing, changed since it was written, or unreadable.
        """
        name = self._pointer()
        if not name:
            return None
        path = self._directory / name
        match = _NAME.match(name)
        if match is None:
            raise ConfigError(f"names {name!r}, which is no price file", where=str(self._directory / _POINTER))
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"cannot read: {error.strerror}", where=str(path)) from None
        if _digest(data) != match[3]:
            raise ConfigError("is not what was written (sha256 differs)", where=str(path))
        return Stored(path=path, data=data)

    def install(self, document: Document) -> Path:
        """Write a version and use it from now on.

        Raises:
            ConfigError: the directory cannot be written; what was in use stays in use.
        """
        data = encode(document)
        number = max((_number(name) for name in self.names()), default=0) + 1
        path = self._directory / f"{number:04d}-{document.date}-{_digest(data)}.json.gz"
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            _replace(path, data)
            self._point(path.name)
            self._prune(path.name)
        except OSError as error:
            raise ConfigError(f"cannot write: {error.strerror}", where=str(self._directory)) from None
        return path

    def roll_back(self) -> str:
        """Use the version before the current one; returns its name, or empty when what ships is used again.

        Raises:
            ConfigError: nothing to roll back, or the directory cannot be written.
        """
        name = self._pointer()
        if not name:
            raise ConfigError("no refreshed prices are in use", where=str(self._directory))
        number = _number(name)
        older = [each for each in self.names() if _number(each) < number]
        try:
            if older:
                self._point(older[-1])
                return older[-1]
            (self._directory / _POINTER).unlink()
        except OSError as error:
            raise ConfigError(f"cannot write: {error.strerror}", where=str(self._directory)) from None
        return ""

    def _pointer(self) -> str:
        try:
            return (self._directory / _POINTER).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot read: {error}", where=str(self._directory / _POINTER)) from None

    def _point(self, name: str) -> None:
        _replace(self._directory / _POINTER, f"{name}\n".encode())

    def _prune(self, current: str) -> None:
        for name in self.names()[: -self._keep]:
            if name != current:
                (self._directory / name).unlink(missing_ok=True)


def _number(name: str) -> int:
    match = _NAME.match(name)
    return int(match[1]) if match else 0


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _replace(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
