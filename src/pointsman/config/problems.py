"""All that is wrong with one file, collected and raised together."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pointsman.core.errors import ConfigError
from pointsman.core.secret import redacted

_SHOWN = 50  # a file that is wrong in more places is no configuration; nobody reads on
_LONGEST_NAME = 60

KeyPath = tuple[str, ...]
"""Where a value stands: the keys that lead to it, list positions as `[0]`."""


class Mark(msgspec.Struct, frozen=True):
    """A place in the text; line and column count from 1."""

    line: int
    column: int


class ConfigErrors(ConfigError):
    """Every error of one file; `errors` has at least one, in the order of the file.

    With a single error, message, place and hint are its own.
    """

    def __init__(self, errors: Sequence[ConfigError], file: str = "") -> None:
        self.errors = tuple(errors)
        first = self.errors[0]
        if len(self.errors) == 1:
            super().__init__(first.bare, where=first.where, hint=first.hint)
            return
        lines = [f"{len(self.errors)} errors in {file or 'the configuration'}"]
        lines += [f"  {line}" for error in self.errors[:_SHOWN] for line in text_of(error).splitlines()]
        if len(self.errors) > _SHOWN:
            lines.append(f"  and {len(self.errors) - _SHOWN} more")
        super().__init__("\n".join(lines))
        self.where = first.where


def text_of(error: ConfigError) -> str:
    """Message and hint as a terminal shows them, two lines at most per error."""
    return f"{error.message}\n  hint: {error.hint}" if error.hint else error.message


def dotted(path: KeyPath) -> str:
    """A path for people: `models.small.price`, `routes.auto.pool[1]`."""
    clear = [redacted(part) for part in path]
    parts = (part if len(part) <= _LONGEST_NAME else part[: _LONGEST_NAME - 1] + "…" for part in clear)
    return ".".join(parts).replace(".[", "[")


def error_at(where: str, message: str, hint: str = "") -> ConfigError:
    """An error in one line of text, that does not repeat a secret from a name."""
    shown = redacted(message).replace("\n", "⏎")
    return ConfigError(shown, where=where, hint=redacted(hint).replace("\n", "⏎"))


class Problems:
    """Collects the errors of one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._found: list[tuple[Mark, ConfigError]] = []

    def __len__(self) -> int:
        return len(self._found)

    def where(self, mark: Mark) -> str:
        """A place as `file:line:column`."""
        return f"{self.file}:{mark.line}:{mark.column}"

    def add(self, mark: Mark, path: KeyPath, message: str, hint: str = "") -> None:
        """One more error, about the value at `path`."""
        name = dotted(path)
        text = f"{name}: {message}" if name else message
        self._found.append((mark, error_at(self.where(mark), text, hint)))

    def raise_any(self) -> None:
        """Raise what was found, if anything.

        Raises:
            ConfigErrors: with all of it, in the order of the file.
        """
        if self._found:
            ordered = sorted(self._found, key=lambda found: (found[0].line, found[0].column))
            raise ConfigErrors([error for _, error in ordered], self.file)
