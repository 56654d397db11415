"""Numbers as requests write them: JSON has them of any size, and whole ones also with a fraction of zero."""

from __future__ import annotations

import math
import re
from typing import Any

_NUMERAL = re.compile(r"-?[0-9]{1,19}(?:\.[0-9]{1,19})?(?:[eE][+-]?[0-9]{1,3})?")
_MOST = 1 << 63
"""Whole numbers that can be written again: the encoder's have 64 bits."""


def whole(value: Any) -> int | None:
    """A whole number, also where it came as `2.0`; None if it is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and -_MOST <= value < _MOST else None


def number(value: Any) -> float | None:
    """A number; None if it is none."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    found = whole(value)
    return None if found is None else float(found)


def untexted(value: Any) -> Any:
    """A number that came as a text, which Google takes for one; anything else as it is."""
    if not isinstance(value, str) or not _NUMERAL.fullmatch(value):
        return value
    return int(value) if value.removeprefix("-").isdecimal() else float(value)
