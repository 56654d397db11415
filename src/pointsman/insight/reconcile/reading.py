"""From a file to lines: its format is seen from its first row, unless it is told."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

from pointsman.insight.reconcile.formats import READERS, Format, Reader, detected, generic, mapped
from pointsman.insight.reconcile.jsonvalues import Values
from pointsman.insight.reconcile.lines import Line, Place, bad
from pointsman.insight.reconcile.rows import Row, Style, csv_rows, plain_name
from pointsman.insight.reconcile.source import pieces, text_lines

_UNKNOWN = "say --format openai, anthropic, openrouter or csv; for csv which column is which, by --map column=field"
_BLANK = " \t\r\n\ufeff\x1e"


class Export:
    """One file.

    Args:
        path: where it is.
        told: its format; None looks.
        columns: for CSV of no known format: column to field.
        style: how it writes numbers and times.

    Attributes:
        name: what it is called in errors.
        format: known once the first line was taken.
        more: a page of it says that there are more pages, which are not here.
    """

    def __init__(self, path: Path, told: Format | None, columns: Mapping[str, str], style: Style) -> None:
        self.name = path.name
        self.format: Format | None = told
        self.more = False
        self._path = path
        self._columns = columns
        self._style = style

    def lines(self) -> Iterator[Line]:
        """Each line, those that say that there was nothing left out.

        Raises:
            InvalidRequest: the file cannot be read as what it should be; the message says where.
        """
        source = pieces(self._path, self.name)
        first = ""
        for piece in source:
            first += piece
            if first.strip(_BLANK):
                break
        begin = first.lstrip(_BLANK)[:1]
        if not begin:
            raise bad(Place(self.name), "it is empty")
        again = itertools.chain((first,), source)
        found = self._of_json(again) if begin in "{[" else self._of_csv(again)
        return (line for line in found if not line.empty)

    def _of_csv(self, source: Iterator[str]) -> Iterator[Line]:
        columns, rows = csv_rows(text_lines(source), self.name, self._style)
        read = self._reader(set(columns), Place(self.name, 1))
        for row in rows:
            yield from read(row)

    def _of_json(self, source: Iterator[str]) -> Iterator[Line]:
        values, read = Values(source, self.name), None
        for value, line in values.objects():
            row = Row({plain_name(name): one for name, one in value.items()}, Place(self.name, line), self._style)
            if read is None:
                if isinstance(value.get("error"), (dict, str)):
                    raise bad(row.place, "this is an error of the provider's, no export")
                read = self._reader(set(row.fields), row.place)
            yield from read(row)
            self.more = values.more
        self.more = values.more

    def _reader(self, columns: set[str], place: Place) -> Reader:
        if self.format is None:
            self.format = "csv" if self._columns else detected(columns)
        if self.format is None:
            raise bad(
                place, f"its format is not known: it has {', '.join(sorted(columns)[:12]) or 'nothing'}", _UNKNOWN
            )
        return READERS.get(self.format) or generic(mapped(columns, self._columns))
