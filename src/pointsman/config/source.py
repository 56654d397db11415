"""A configuration file's bytes, and its bytes as text, both within limits."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pointsman.config.problems import Mark, error_at
from pointsman.core.errors import ConfigError

VARIABLE = "POINTSMAN_CONFIG"
USUAL = Path("pointsman.yaml")
MAX_BYTES = 1 << 20
NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
"""What YAML does not take for text."""


def read_file(origin: Path, *, wait: bool = True) -> bytes:
    """A file's bytes, at most one more than is allowed.

    Args:
        origin: which.
        wait: whether to wait for the other end, where a pipe stands in the file's place.

    Raises:
        ConfigError: no such file, a folder, no permission.
    """
    try:
        with open(origin, "rb", opener=None if wait else _at_once) as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        hint = f"`--config` or ${VARIABLE} names it; without both, `./{USUAL}` counts, and that is optional"
        raise ConfigError("no such file", where=str(origin), hint=hint) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", where=str(origin)) from None
    except ValueError:  # a NUL in the name
        raise ConfigError("is no file name", where=repr(str(origin))) from None


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # Windows has no such flag, nor such pipes


def text_of_bytes(data: bytes, file: str) -> str:
    """The text of a file.

    Raises:
        ConfigError: too large, not UTF-8, or with characters that are not text.
    """
    if len(data) > MAX_BYTES:
        raise ConfigError(f"larger than {MAX_BYTES:,} bytes", where=file, hint="is this the right file?")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        mark = _mark_at(data[: error.start].decode("utf-8", "replace"))
        raise error_at(f"{file}:{mark.line}:{mark.column}", "not UTF-8 text", "save the file as UTF-8") from None
    found = NOT_TEXT.search(text)
    if found:
        mark = _mark_at(text[: found.start()])
        raise error_at(f"{file}:{mark.line}:{mark.column}", f"the character U+{ord(found[0]):04X} is not text")
    return text


def _mark_at(before: str) -> Mark:
    """Line and column of what follows `before`."""
    return Mark(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
