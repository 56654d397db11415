"""Stretches of time as people name them: `2026-11`, `last-month`, `2026-11-01..2026-11-15`.

In UTC, as providers bill.
"""

from __future__ import annotations

import datetime as dt
import re

import msgspec

from pointsman.core.errors import InvalidRequest

NANO = 1_000_000_000
DAY_NS = 86_400 * NANO
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_WEEK = re.compile(r"(\d{4})-W(\d{2})")
_WAY_OUT = "write 2026-11, 2026-11-28, 2026-W48, 2026, today, yesterday, this-week, last-month, 7d, or FROM..TO"
_FIRST_YEAR, _LAST_YEAR = 1970, 2200  # what fits into nanoseconds as a database counts them


class Period(msgspec.Struct, frozen=True):
    """From `start` up to, not including, `end`: nanoseconds since the epoch; `name` as it was asked for."""

    start: int
    end: int
    name: str = ""

    @property
    def shown(self) -> str:
        """First and last moment for people: `2026-11-01 to 2026-11-30`, with hours where they are not whole days."""
        last = self.end - (DAY_NS if not self.end % DAY_NS else 0)
        if self.start % DAY_NS or self.end % DAY_NS:
            return f"{moment_text(self.start)} to {moment_text(self.end)}"
        first, final = moment_text(self.start)[:10], moment_text(last)[:10]
        return first if first == final else f"{first} to {final}"


def period(text: str, now: int) -> Period:
    """A period by its name.

    Args:
        text: as `_WAY_OUT` has it; weeks begin on Monday (ISO 8601).
        now: nanoseconds since the epoch; `7d` ends there, `today` and the like are the whole day.

    Raises:
        InvalidRequest: it is no such name, or ends before it begins.
    """
    said = text.strip()
    if ".." in said:
        first, _, last = said.partition("..")
        return between(first, last, now, said)
    try:
        found = _named(said.lower(), now) or _dated(said)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise InvalidRequest(f"`{said[:60]}` is no period", param="period", hint=_WAY_OUT)
    return Period(*found, name=said)


def between(first: str, last: str, now: int, name: str = "") -> Period:
    """From a date or moment to another; a date as the end is the whole of that day, an empty end is now.

    Raises:
        InvalidRequest: one of them is neither, or the end lies before the beginning.
    """
    start = _moment(first, "from", now, ends=False)
    end = _moment(last, "to", now, ends=True) if last.strip() else now
    if end <= start:
        raise InvalidRequest(f"`{first[:40]}..{last[:40]}` ends before it begins", param="period", hint=_WAY_OUT)
    return Period(start, end, name=name or f"{first}..{last}")


def moment_text(nanos: int) -> str:
    """A moment in UTC, to the second."""
    return dt.datetime.fromtimestamp(nanos // NANO, tz=dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _moment(text: str, param: str, now: int, *, ends: bool) -> int:
    said = text.strip()
    try:
        span = _SPAN.fullmatch(said.lower())
        if span:
            return now - int(span[1]) * _UNITS[span[2]] * NANO
        whole = _named(said.lower(), now) or _dated(said)
        if whole is not None:
            return whole[1] if ends else whole[0]
        return _nanos(dt.datetime.fromisoformat(said))
    except (ValueError, OverflowError):
        hint = f"{_WAY_OUT}; a time of day as 2026-11-28T13:00Z"
        raise InvalidRequest(f"`{said[:60]}` is no moment", param=param, hint=hint) from None


def _named(said: str, now: int) -> tuple[int, int] | None:
    span = _SPAN.fullmatch(said)
    if span and int(span[1]):
        return max(0, now - int(span[1]) * _UNITS[span[2]] * NANO), now
    today = dt.datetime.fromtimestamp(now // NANO, tz=dt.UTC).date()
    if said in ("today", "yesterday"):
        day = today - dt.timedelta(days=said == "yesterday")
        return _days(day, day + dt.timedelta(days=1))
    which, _, unit = said.partition("-")
    back = {"this": 0, "last": 1}.get(which)
    if back is None:
        return None
    if unit == "week":
        monday = today - dt.timedelta(days=today.weekday() + 7 * back)
        return _days(monday, monday + dt.timedelta(days=7))
    if unit == "month":
        return _months(today.year * 12 + today.month - 1 - back)
    return _months((today.year - back) * 12, 12) if unit == "year" else None


def _dated(said: str) -> tuple[int, int] | None:
    week = _WEEK.fullmatch(said.upper())
    if week:
        monday = dt.date.fromisocalendar(int(week[1]), int(week[2]), 1)
        return _days(monday, monday + dt.timedelta(days=7))
    if re.fullmatch(r"\d{4}", said):
        return _months(int(said) * 12, 12)
    if re.fullmatch(r"\d{4}-\d{2}", said):
        year, month = int(said[:4]), int(said[5:])
        return _months(year * 12 + month - 1) if 1 <= month <= 12 else None
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", said):
        day = dt.date.fromisoformat(said)
        return _days(day, day + dt.timedelta(days=1))
    return None


def _months(count: int, length: int = 1) -> tuple[int, int]:
    """Months since the year 0."""
    after = count + length
    return _days(dt.date(count // 12, count % 12 + 1, 1), dt.date(after // 12, after % 12 + 1, 1))


def _days(first: dt.date, after: dt.date) -> tuple[int, int]:
    return tuple(_nanos(dt.datetime(day.year, day.month, day.day)) for day in (first, after))  # type: ignore[return-value]  # noqa: DTZ001 - UTC, see below


def _nanos(moment: dt.datetime) -> int:
    """Of a moment; in UTC where it does not say."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    if not _FIRST_YEAR <= aware.year <= _LAST_YEAR:
        raise ValueError(moment)
    since = aware - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (since.days * 86_400 + since.seconds) * NANO + since.microseconds * 1_000
