"""Numbers and moments as exports write them: exact, or refused. Never guessed where two readings are possible."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Context, Decimal, InvalidOperation
from typing import Any

NANO = 1_000_000_000
EXACT = Context(prec=120)
"""Sums of amounts in this context lose nothing: they have at most 13 digits before the point and 60 after it."""

_MOST = Decimal(10) ** 12
_FINEST = -60
_MOST_COUNT = 10**17
_MOST_CHARS = 100
_SPACES = re.compile(r"(?<=\d)[ \u00a0\u202f\u2009'\u2019_](?=\d)")
_SIGN = "[+\u2212-]?"
_CURRENCY = r"(?:US\$|USD|\$)?"
_AMOUNT = re.compile(rf"({_SIGN})\s*{_CURRENCY}\s*({_SIGN})\s*(.*?)\s*{_CURRENCY}", re.IGNORECASE)
_PLAIN = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_USUAL = re.compile(r"\d{1,12}(?:\.\d{1,40})?", re.ASCII)
"""What nearly all amounts look like; it has one reading and is within all bounds."""
_USUAL_DIGITS = 17
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:([.,])\d{3})(?:\1\d{3})*", re.ASCII)
_UTC = re.compile(r"\s*(?:UTC|GMT)$", re.IGNORECASE)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FIRST, _LAST = 0, 7_258_118_400  # seconds of 1970 and 2200
_MILLIS = 100_000_000_000  # beyond that an epoch is in milliseconds: as seconds it would be the year 5138
_EARLIEST = 1_000_000_000  # as seconds, September 2001; what is smaller is no epoch but a year, a date, an hour
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}|20\d{6}", re.ASCII)


class Unreadable(ValueError):
    """It is not what it should be; the text says what it is instead."""


def money(value: Any, decimal: str = "") -> Decimal:
    """An amount of US dollars, exactly.

    Args:
        value: a number of JSON (Decimal or int) or a text: `$1,234.50`, `0,0012`, `1e-05`, `(3.20)` for a credit.
        decimal: `.` or `,` where the file's is known; else it is seen from each text, if there is but one reading.

    Raises:
        Unreadable: it is no amount, another currency's, one with two readings, or beyond all bounds.
    """
    if isinstance(value, str) and decimal != "," and _USUAL.fullmatch(value):
        return Decimal(value)
    if isinstance(value, Decimal) or (isinstance(value, int) and not isinstance(value, bool)):
        return _bounded(Decimal(value), str(value))
    if not isinstance(value, str):
        raise Unreadable(f"{_shown(value)} is no amount of money")
    text = value.strip()
    negative = text.startswith("(") and text.endswith(")")
    text = text[1:-1].strip() if negative else text
    found = _AMOUNT.fullmatch(text) if len(text) <= _MOST_CHARS else None
    if found is None or (found[1] and found[2]):
        raise Unreadable(f"{_shown(value)} is no amount of US dollars")
    sign = "-" if (found[1] or found[2]) in ("-", "\u2212") else ""
    number = _point(_SPACES.sub("", found[3]), decimal, value)
    if not _PLAIN.fullmatch(number) or number.startswith(("+", "-")):
        raise Unreadable(f"{_shown(value)} is no amount of US dollars")
    try:
        amount = Decimal(f"{sign}{number}")
    except InvalidOperation:
        raise Unreadable(f"{_shown(value)} is no amount of US dollars") from None
    return _bounded(amount.copy_negate() if negative else amount, value)


def count(value: Any) -> int:
    """How many: a whole number, `3.0` and `1,234` too.

    Raises:
        Unreadable: it is none, negative, has two readings, or is beyond all bounds.
    """
    if isinstance(value, str):
        if len(value) <= _USUAL_DIGITS and value.isascii() and value.isdigit():
            return int(value)
        text = _SPACES.sub("", value.strip())
        grouped = _GROUPED.fullmatch(text)
        if (
            grouped
            and grouped[1] == "."
            and not text.partition(".")[2].replace(".", "").strip("0")
            and text.count(".") < 2
        ):
            raise Unreadable(f"{_shown(value)} may be {text.partition('.')[0]} or a thousand times as many")
        text = re.sub(r"[.,]", "", text) if grouped else text
        if len(text) > _MOST_CHARS or not _PLAIN.fullmatch(text):
            raise Unreadable(f"{_shown(value)} is no whole number")
        value = Decimal(text)
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)) or not Decimal(value).is_finite():
        raise Unreadable(f"{_shown(value)} is no whole number")
    if not 0 <= value < _MOST_COUNT or value != int(value):
        raise Unreadable(f"{_shown(value)} is no whole number from 0 to {_MOST_COUNT:,}")
    return int(value)


def moment(value: Any, zone: dt.tzinfo = dt.UTC) -> int:
    """A moment in nanoseconds since the epoch: seconds or milliseconds since it, or ISO 8601.

    Args:
        value: a number or a text.
        zone: of texts that do not say theirs.

    Raises:
        Unreadable: it is none, or beyond 1970 to 2200.
    """
    try:
        return _moment(value, zone)
    except (ValueError, OverflowError, InvalidOperation) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(f"{_shown(value)} is no moment such as 2026-11-28T13:00:00Z") from None


def is_date(value: Any) -> bool:
    """Whether a text is a day without a time."""
    return isinstance(value, str) and bool(_DATE.fullmatch(value.strip()))


def _moment(value: Any, zone: dt.tzinfo) -> int:
    if isinstance(value, str):
        text = value.strip()
        if not _PLAIN.fullmatch(text) or len(text) > 30 or is_date(text):
            text = _UTC.sub("+00:00", text)
            when = dt.datetime.fromisoformat(text)
            when = when if when.tzinfo else when.replace(tzinfo=zone)
            since = when - _EPOCH
            return _inside(since.days * 86_400 + since.seconds, value) * NANO + since.microseconds * 1_000
        value = Decimal(text)
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise Unreadable(f"{_shown(value)} is no moment")
    number = Decimal(value)
    if not _EARLIEST <= number < _MILLIS * 1_000:
        raise Unreadable(f"{_shown(value)} is no moment between 1970 and 2200")
    seconds = number / 1_000 if number > _MILLIS else number
    _inside(int(seconds), value)
    return int(seconds * NANO)


def _inside(seconds: int, value: Any) -> int:
    if not _FIRST <= seconds <= _LAST:
        raise Unreadable(f"{_shown(value)} is no moment between 1970 and 2200")
    return seconds


def _point(text: str, decimal: str, said: str) -> str:
    """The text with a point as its decimal mark and no marks for thousands."""
    commas, points = text.count(","), text.count(".")
    if not decimal:
        if commas and points:
            decimal = max(",.", key=text.rfind)
        elif commas + points > 1:
            decimal = "." if commas else ","  # there can be but one decimal mark: these are thousands
        elif commas and _GROUPED.fullmatch(text):
            one, other = text.replace(",", "."), text.replace(",", "")
            raise Unreadable(f"{_shown(said)} may be {one} or {other}: say --decimal . or --decimal ,")
        else:
            decimal = "," if commas else "."
    thousands = "," if decimal == "." else "."
    whole, mark, rest = text.partition(decimal)
    if thousands in whole:
        groups = whole.split(thousands)
        if not 1 <= len(groups[0]) <= 3 or any(len(group) != 3 for group in groups[1:]):
            raise Unreadable(f"{_shown(said)} is no amount of US dollars")
        whole = "".join(groups)
    return f"{whole}.{rest}" if mark else whole


def _bounded(amount: Decimal, said: str) -> Decimal:
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or amount.copy_abs() >= _MOST or (amount and exponent < _FINEST):
        raise Unreadable(f"{_shown(said)} is no amount of money that can be")
    return amount if exponent >= _FINEST else Decimal(0)


def _shown(value: Any) -> str:
    text = " ".join(str(value).split())
    return f"`{text[:40]}…`" if len(text) > 40 else f"`{text}`"
