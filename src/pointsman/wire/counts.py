"""Counts of tokens as providers state them. A made-up count would be billed as if it were real."""

from __future__ import annotations

from typing import Any

MOST = 1 << 40
"""Tokens; more in one answer is no count."""


class NoCountError(ValueError):
    """What stands where a count belongs is none: text, negative, absurdly large."""


def stated(*names: Any) -> int | None:
    """What the first of one count's names states that is more than 0; None where none of them states anything.

    Raises:
        NoCountError: what is stated is no count.
    """
    found: int | None = None
    for value in names:
        if value is None:
            continue
        found = int(value) if isinstance(value, float) and value.is_integer() else value
        if type(found) is not int or not 0 <= found <= MOST:
            raise NoCountError
        if found:
            break
    return found
