"""How providers write spans of time and moments in their headers: all the notations in use, as seconds."""

from __future__ import annotations

import math
import re
from datetime import datetime
from email.utils import parsedate_to_datetime

NANOS = 1_000_000_000
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s|d)")
_SPAN_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|us|µs|ns|h|m|s|d))+")
_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_EPOCH = 1_000_000_000  # seconds; a larger number is a moment, a smaller one a span
_LONGEST = 10 * 86_400.0


def seconds(text: str) -> float | None:
    """A span such as `20s`, `6m0s`, `1h2m3.5s`, `17ms`; None if it is none. At most ten days."""
    if not _SPAN_WHOLE.fullmatch(text):
        return None
    return bounded(sum(float(number) * _UNITS[unit] for number, unit in _SPAN.findall(text)))


def bounded(value: float) -> float | None:
    """Seconds as a wait: never negative, at most ten days; None for what is no number."""
    return min(max(value, 0.0), _LONGEST) if math.isfinite(value) else None


def number(text: str, unit: float = 1.0) -> float | None:
    """A plain number of some unit (in seconds), as a wait; None if it is none."""
    try:
        return bounded(float(text) * unit)
    except ValueError:
        return None


def http_date(text: str) -> float | None:
    """Seconds since the epoch of an HTTP date; None if it is none."""
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, OverflowError):
        return None


def reset(text: str, moment: float | None) -> float | None:
    """Seconds until a budget's reset; None where it cannot be read.

    Args:
        text: a span (`6m0s`, seconds) or a moment (epoch in seconds or milliseconds, RFC 3339).
        moment: seconds since the epoch when it was written; None leaves moments unread.
    """
    span = seconds(text)
    if span is not None:
        return span
    try:
        found = float(text)
    except ValueError:
        found = _rfc3339(text)
    if found < _EPOCH:
        return bounded(found)
    if moment is None:
        return None
    return bounded((found / 1e3 if found > _EPOCH * 100 else found) - moment)


def _rfc3339(text: str) -> float:
    """Seconds since the epoch; not a number if it is none, or does not say its zone."""
    try:
        found = datetime.fromisoformat(text)
        return found.timestamp() if found.tzinfo is not None else math.nan
    except (ValueError, OverflowError):
        return math.nan
