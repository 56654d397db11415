"""Aligned tables. In a pipe nothing is ever cut; on a terminal a line fits, as far as it can."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence

from pointsman.cli.terminal import paint

_PAINTED = re.compile(r"\x1b\[\d+m")
_NARROWEST = 10
_GAP = 2


class Table:
    """The layout of one table, for rows that are known and such that come later.

    Args:
        head: names of the columns.
        rows: from which the widths are taken.
        right: columns of numbers.
        keep: columns that are never cut.
        spare: columns that are left out on a terminal too narrow for all, the first one first.
    """

    def __init__(
        self,
        head: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        right: frozenset[int] = frozenset(),
        keep: frozenset[int] = frozenset(),
        spare: Sequence[int] = (),
    ) -> None:
        self._head = head
        self._right = right
        widths = dict(enumerate(max(_visible(cell) for cell in column) for column in zip(head, *rows, strict=True)))
        if sys.stdout.isatty():
            _narrow(widths, shutil.get_terminal_size().columns, keep, spare)
        self._widths = widths

    @property
    def head(self) -> str:
        """The head's line."""
        return paint(self.line(self._head), "dim")

    def line(self, row: Sequence[str]) -> str:
        """One line."""
        cells = [_fit(row[i], width, right=i in self._right) for i, width in self._widths.items()]
        return (" " * _GAP).join(cells).rstrip()


def print_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: frozenset[int] = frozenset(),
    keep: frozenset[int] = frozenset(),
    spare: Sequence[int] = (),
) -> None:
    """A table on standard output; see `Table`."""
    table = Table(head, rows, right=right, keep=keep, spare=spare)
    print(table.head)
    for row in rows:
        print(table.line(row))


def _narrow(widths: dict[int, int], columns: int, keep: frozenset[int], spare: Sequence[int]) -> None:
    """Leave out spare columns until the rest can be cut to fit, then cut the widest."""

    def room() -> int:
        return columns - _GAP * (len(widths) - 1)

    for column in spare:
        if sum(width if i in keep else min(width, _NARROWEST) for i, width in widths.items()) <= room():
            break
        del widths[column]
    while sum(widths.values()) > room():
        widest = max((i for i in widths if i not in keep), key=lambda i: widths[i], default=None)
        if widest is None or widths[widest] <= _NARROWEST:
            return
        widths[widest] -= 1


def _visible(cell: str) -> int:
    return len(_PAINTED.sub("", cell))


def _fit(cell: str, width: int, *, right: bool) -> str:
    seen = _visible(cell)
    if seen > width:
        return _PAINTED.sub("", cell)[: width - 1] + "…"
    return " " * (width - seen) + cell if right else cell + " " * (width - seen)
