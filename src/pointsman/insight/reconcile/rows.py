"""Rows of a file, from CSV or JSON, with what their fields say as values; every complaint names line and column."""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from pointsman.insight.reconcile import figures
from pointsman.insight.reconcile.lines import Place, bad

_T = TypeVar("_T")
_SEPARATORS = ",;\t|"
_MOST_CHARS = 256
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Style:
    """How a file writes what has more than one way: its decimal mark (empty: seen from each), its time zone."""

    def __init__(self, decimal: str = "", zone: dt.tzinfo = dt.UTC) -> None:
        self.decimal = decimal
        self.zone = zone


class Row:
    """One row: fields by `plain_name`, and where it stands."""

    __slots__ = ("fields", "place", "style")

    def __init__(self, fields: Mapping[str, Any], place: Place, style: Style) -> None:
        self.fields = fields
        self.place = place
        self.style = style

    def has(self, name: str) -> bool:
        """Whether there is such a field with something in it."""
        return self.fields.get(name) not in (None, "")

    def text(self, *names: str) -> str:
        """The first of these fields that has something in it, as bounded text without what no text should hold."""
        for name in names:
            value = self.fields.get(name)
            if value not in (None, ""):
                if isinstance(value, (dict, list)):
                    raise bad(self.place.at(name), "a text has to be here")
                text = str(value).strip()[:_MOST_CHARS]
                return text if text.isprintable() else _CONTROL.sub("\ufffd", text)
        return ""

    def count(self, *names: str) -> int | None:
        """The first of these as a whole number; None where none has anything in it."""
        return self._read(names, figures.count)

    def money(self, *names: str) -> Decimal | None:
        """The first of these as US dollars; likewise."""
        return self._read(names, lambda value: figures.money(value, self.style.decimal))

    def moment(self, *names: str) -> int:
        """The first of these as nanoseconds since the epoch.

        Raises:
            InvalidRequest: there is none, or it is no moment.
        """
        found = self._read(names, lambda value: figures.moment(value, self.style.zone))
        if found is None:
            raise bad(self.place.at(names[0]), "a date or time is missing")
        return found

    def _read(self, names: tuple[str, ...], read: Callable[[Any], _T]) -> _T | None:
        for name in names:
            value = self.fields.get(name)
            if value is None or (isinstance(value, str) and not value.strip()):
                continue
            try:
                return read(value)
            except figures.Unreadable as error:
                raise bad(self.place.at(name), str(error)) from None
        return None


def plain_name(name: str) -> str:
    """A column's name as it is looked up: `Prompt Tokens` and `prompt-tokens` are `prompt_tokens`."""
    return re.sub(r"[\s\-]+", "_", name.strip().strip("\ufeff").casefold())


def csv_rows(lines: Iterator[str], name: str, style: Style) -> tuple[list[str], Iterator[Row]]:
    """The names of the columns, and the rows.

    Raises:
        InvalidRequest: there is no head, or (as rows are taken) one does not have its fields.
    """
    first, skipped = "", 0
    for line in lines:
        said = re.fullmatch(r"sep=(.)\s*", line.strip("\ufeff"), re.IGNORECASE)
        if line.strip() and not said:
            first = line
            break
        skipped += 1
    if not first:
        raise bad(Place(name), "it is empty")
    separator = _separator(first)
    if separator == ";" and not style.decimal:
        style.decimal = ","  # who separates by semicolons does so because commas are decimal marks
    reader = csv.reader(_again(first, lines), delimiter=separator, strict=True)
    head = _next(reader, name, skipped) or []
    columns = [plain_name(one) for one in head]
    twice = next((one for one in columns if one and columns.count(one) > 1), "")
    if twice:
        raise bad(Place(name, skipped + 1, twice), "this column is there twice")
    return columns, _rows(reader, columns, name, style, skipped)


def _rows(reader: Any, columns: list[str], name: str, style: Style, skipped: int) -> Iterator[Row]:
    while True:
        begun = reader.line_num + 1 + skipped
        fields = _next(reader, name, skipped)
        if fields is None:
            return
        if not any(field.strip() for field in fields):
            continue
        if len(fields) != len(columns):
            what = f"it has {len(fields)} fields, the head has {len(columns)} columns"
            raise bad(Place(name, begun), what, "a value with the separator in it has to be in quotes")
        yield Row(dict(zip(columns, fields, strict=True)), Place(name, begun), style)


def _next(reader: Any, name: str, skipped: int) -> list[str] | None:
    begun = reader.line_num + 1 + skipped
    try:
        found: list[str] | None = next(reader, None)
    except csv.Error as error:
        raise bad(Place(name, begun), f"this is no CSV: {error}") from None
    return found


def _again(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _separator(head: str) -> str:
    """The one that the head has most of, outside of quotes."""
    bare = re.sub(r'"[^"]*"', "", head)
    return max(_SEPARATORS, key=bare.count)
