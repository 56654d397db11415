"""How long a provider asks to be left alone: all the places and notations in use, as seconds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pointsman.core.spans import NANOS, bounded, http_date, number, reset, seconds
from pointsman.wire.parse import as_dict, as_list, as_text

_AGAIN_IN = re.compile(r"(?:try again|retry) in ((?:\d+(?:\.\d+)?(?:ms|h|m|s))+|\d+(?:\.\d+)? seconds?)", re.IGNORECASE)


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
    moment = http_date(by_name.get(b"date", ""))
    if moment is None and now is not None:
        moment = now / NANOS
    for wait in (
        number(by_name.get(b"retry-after-ms", ""), 1e-3),
        _after(by_name.get(b"retry-after", ""), moment),
        _retry_info(error),
    ):
        if wait is not None:
            return wait
    if status != 429:
        return None
    wait = _resets(by_name, moment)
    return wait if wait is not None else _in_words(message)


def _after(text: str, moment: float | None) -> float | None:
    if not text:
        return None
    wait = number(text, 1.0)
    if wait is None:
        wait = seconds(text)
    if wait is None and moment is not None and (date := http_date(text)) is not None:
        wait = bounded(date - moment)
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
        if left is None or number(left, 1.0) == 0.0:
            waits.append(reset(value, moment))
    return max((wait for wait in waits if wait is not None), default=None)


def _in_words(message: str) -> float | None:
    found = _AGAIN_IN.search(message)
    if not found:
        return None
    text = found[1].lower()
    return number(text.split()[0], 1.0) if "second" in text else seconds(text)
