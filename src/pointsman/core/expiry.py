"""Until when a key is good, as people write it: a length of time from now, a date or a moment. Pure."""

from __future__ import annotations

import datetime as dt
import re

from pointsman.core.errors import InvalidRequest
from pointsman.core.key_terms import LONGEST_SECONDS, read_span

_SECOND = 1_000_000_000
_DAY = 86_400 * _SECOND
_DATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?P<time>[T ].*)?", re.IGNORECASE | re.DOTALL)
WAY_OUT = "or the last day, 2027-01-31 (in UTC); or a moment with its zone, 2027-01-31T12:00Z"


def read_end(said: str | int, now: int, name: str = "expires") -> int:
    """When something ends, in nanoseconds since the epoch: `90d` from `now`, at the end of a day, or at a moment.

    Raises:
        InvalidRequest: it is none of these, lies in the past or more than a hundred years ahead.
    """
    text = str(said).strip()
    if not _DATED.fullmatch(text):
        return now + read_span(text, name, hint=WAY_OUT)
    end = read_date(text, name)
    if end <= now:
        raise InvalidRequest(
            f"`{name}` lies in the past: {text[:40]}",
            param=name,
            hint="to end a key now, revoke it: `pointsman keys revoke`",
        )
    if end > now + LONGEST_SECONDS * _SECOND:
        raise InvalidRequest(f"`{name}` is at most a hundred years ahead", param=name, hint="leave it out for never")
    return end


def read_date(said: str, name: str = "expires") -> int:
    """When something ends that is written as a date, whose whole day counts, or as a moment with its zone.

    Raises:
        InvalidRequest: it is neither.
    """
    text = said.strip()
    found = _DATED.fullmatch(text)
    try:
        moment = dt.datetime.fromisoformat(text.upper()) if found else None
        if found and moment and not found["time"]:
            return _nanos(moment.replace(tzinfo=dt.UTC)) + _DAY
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        what = f"`{name}` is a date such as 2027-01-31, or a moment such as 2027-01-31T12:00Z; not {text[:40]!r}"
        raise InvalidRequest(what, param=name)
    if moment.tzinfo is None:
        hint = "write Z for UTC, or the distance to it: 2027-01-31T12:00+01:00"
        raise InvalidRequest(f"`{name}` is a moment without its zone: {text[:40]}", param=name, hint=hint)
    return _nanos(moment)


def _nanos(moment: dt.datetime) -> int:
    since = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (since.days * 86_400 + since.seconds) * _SECOND + since.microseconds * 1_000
