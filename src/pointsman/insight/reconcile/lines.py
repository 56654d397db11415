"""What an export says, in one form whatever wrote it; and how a bad file is spoken of."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from pointsman.core.errors import InvalidRequest


class Place(msgspec.Struct, frozen=True):
    """Where in which file: lines and columns count from 1; `column` is a name, or empty."""

    file: str
    line: int = 0
    column: str = ""

    def __str__(self) -> str:
        """`costs.csv, line 14, column amount_value`."""
        parts = [self.file, f"line {self.line}" if self.line else "", f"column {self.column}" if self.column else ""]
        return ", ".join(part for part in parts if part)

    def at(self, column: str) -> Place:
        """The same line, in a column."""
        return Place(self.file, self.line, column)


def bad(place: Place, what: str, hint: str = "") -> InvalidRequest:
    """The error for a file that cannot be read as what it should be: what is wrong, where, and the way out."""
    return InvalidRequest(f"{place}: {what}", param=place.column or None, hint=hint)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One row of an export: one request, or the sum of some, or what one kind of their tokens cost.

    Attributes:
        file, line: where it stands.
        start, end: nanoseconds since the epoch; equal for a single request.
        model, key: as the provider writes them; empty where the export does not say.
        id: of a single answer, as in its body.
        kind: of tokens that the row bills, where it bills one kind: `input`, `cache_read`, `cache_write`, `output`.
        also: whatever else tells rows apart (tier, workspace, project …); only ever compared with itself.
        requests: how many; None where the export does not say, as in all that follows.
        input: tokens, cached ones included; `cache_read` and `cache_write` are parts of it.
        output: tokens, reasoning included.
        cost: US dollars, exact.
    """

    file: str
    line: int
    start: int
    end: int
    model: str = ""
    key: str = ""
    id: str = ""
    kind: str = ""
    also: str = ""
    requests: int | None = None
    input: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    output: int | None = None
    cost: Decimal | None = None

    @property
    def empty(self) -> bool:
        """Whether it says nothing but that there was nothing: exports list days without use."""
        return not any((self.id, self.requests, self.input, self.cache_read, self.cache_write, self.output, self.cost))
