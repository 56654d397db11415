"""How long a provider asks to be left alone: all the places and notations in use, as seconds."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Any

from pointsman.wire.parse import as_dict, as_list, as_text

_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s|d)")
_SPAN_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|us|µs|ns|h|m|s|d))+")
_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_AGAIN_IN = re.compile(r"(?:try again|retry) in ((?:\d+(?:\.\d+)?(?:ms|h|m|s))+|\d+(?:\.\d+)? seconds?)", re.IGNORECASE)
_EPOCH = 1_000_000_000  # seconds; a larger number is a moment, a smaller one a span
_NANOS = 1_000_000_000
_LONGEST = 10 * 86_400.0


def wait_of(
    status: int, headers: Sequence[tuple[bytes, bytes]], error: dict[str, Any], message: str, now: int | None
) -> float | None:
    """Seconds to wait before the next attempt, or None where the provider does not say.

    In this order: `retry-after-ms`, `retry-after` (seconds or a date), Google's `RetryInfo` in the body, the resets of
    used-up `x-ratelimit-*` budgets (429 only), "try again in 7.66s" in the text (429 only).

    Args:
        status: HTTP status.
        headers: names in lower case.
        error: the error object of the body.
        message: the provider's text.
        now: nanoseconds since the epoch, to read dates against where the answer has no `date` header of its own; with
            one, the difference is of one clock and right however wrong ours goes.
    """
    by_name = {name: value.decode("latin-1").strip() for name, value in headers}
    moment = _date(by_name.get(b"date", ""))
    if moment is None and now is not None:
        moment = now / _NANOS
    for wait in (
        _number(by_name.get(b"retry-after-ms", ""), 1e-3),
        _after(by_name.get(b"retry-after", ""), moment),
        _retry_info(error),
    ):
        if wait is not None:
            return wait
    if status != 429:
        return None
    wait = _resets(by_name, moment)
    return wait if wait is not None else _in_words(message)


def seconds(text: str) -> float | None:
    """A span such as `20s`, `6m0s`, `1h2m3.5s`, `17ms`; None if it is none."""
    if not _SPAN_WHOLE.fullmatch(text):
        return None
    return _bounded(sum(float(number) * _UNITS[unit] for number, unit in _SPAN.findall(text)))


def _bounded(value: float) -> float | None:
    return min(max(value, 0.0), _LONGEST) if math.isfinite(value) else None


def _number(text: str, unit: float) -> float | None:
    try:
        return _bounded(float(text) * unit)
    except ValueError:
        return None


def _date(text: str) -> float | None:
    """Seconds since the epoch of an HTTP date."""
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (ValueError, OverflowError):
        return None


def _after(text: str, moment: float | None) -> float | None:
    if not text:
        return None
    wait = _number(text, 1.0)
    if wait is None:
        wait = seconds(text)
    if wait is None and moment is not None and (date := _date(text)) is not None:
        wait = _bounded(date - moment)
    return wait


def _retry_info(error: dict[str, Any]) -> float | None:
    for detail in as_list(error.get("details")):
        delay = as_text(as_dict(detail).get("retryDelay"))
        if delay:
            return seconds(delay)
    return None


def _resets(by_name: dict[bytes, str], moment: float | None) -> float | None:
    """The longest reset among the budgets that are used up."""
    waits = []
    for name, value in by_name.items():
        if not name.startswith(b"x-ratelimit-reset"):
            continue
        left = by_name.get(name.replace(b"-reset", b"-remaining"))
        if left is None or _number(left, 1.0) == 0.0:
            waits.append(_reset(value, moment))
    return max((wait for wait in waits if wait is not None), default=None)


def _reset(text: str, moment: float | None) -> float | None:
    """A reset as a span (`6m0s`, seconds) or as a moment (epoch in seconds or milliseconds)."""
    span = seconds(text)
    if span is not None:
        return span
    try:
        number = float(text)
    except ValueError:
        return None
    if number < _EPOCH:
        return _bounded(number)
    if moment is None:
        return None
    return _bounded((number / 1e3 if number > _EPOCH * 100 else number) - moment)


def _in_words(message: str) -> float | None:
    found = _AGAIN_IN.search(message)
    if not found:
        return None
    text = found[1].lower()
    return _number(text.split()[0], 1.0) if "second" in text else seconds(text)
