"""What is compared, and the judgement. Pure: two sums in, what differs out."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from pointsman.insight.reconcile.figures import EXACT

Verdict = Literal["missing_here", "missing_there", "doubled", "differing", "border"]
VERDICTS: tuple[Verdict, ...] = ("missing_here", "missing_there", "doubled", "differing", "border")
COUNTS = ("requests", "input", "cache_read", "cache_write", "output")
_NANO = Decimal("1e-9")
_HALF_NANO = Decimal("0.5e-9")
_HALF = Decimal("0.5")
_CENTS = -2
_NONE = Decimal(0)
ZERO = Decimal(0)


class Sums:
    """Figures of one side, added up. `cost` is exact US dollars; a figure that nobody told is None.

    Attributes:
        rows: lines, or attempts.
        unpriced: attempts with an answer and no cost; `unknown`: failed ones with none; `estimated`: by us.
        kinds: of tokens that lines billed one by one.
        place: file and line of the first.
    """

    __slots__ = (*COUNTS, "cost", "estimated", "kinds", "place", "rows", "unknown", "unpriced")

    def __init__(self) -> None:
        self.rows = self.unpriced = self.unknown = self.estimated = 0
        self.requests: int | None = None
        self.input: int | None = None
        self.cache_read: int | None = None
        self.cache_write: int | None = None
        self.output: int | None = None
        self.cost: Decimal | None = None
        self.kinds: set[str] = set()
        self.place: tuple[str, int] = ("", 0)

    def add(self, other: Sums) -> None:
        """Another's figures on top; each by its name, for this is done several times a row."""
        if other.requests is not None:
            self.requests = (self.requests or 0) + other.requests
        if other.input is not None:
            self.input = (self.input or 0) + other.input
        if other.cache_read is not None:
            self.cache_read = (self.cache_read or 0) + other.cache_read
        if other.cache_write is not None:
            self.cache_write = (self.cache_write or 0) + other.cache_write
        if other.output is not None:
            self.output = (self.output or 0) + other.output
        if other.cost is not None:
            self.cost = EXACT.add(self.cost or _NONE, other.cost)
        self.rows += other.rows
        self.unpriced += other.unpriced
        self.unknown += other.unknown
        self.estimated += other.estimated
        if other.kinds:
            self.kinds |= other.kinds
        if not self.place[0]:
            self.place = other.place

    @property
    def tokens(self) -> int:
        """All tokens, each once."""
        return (self.input or 0) + (self.output or 0)

    @property
    def billed(self) -> bool:
        """Whether a provider would bill anything of it."""
        return bool(self.tokens or self.cost or self.requests)


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Sums as they are told: `cost` in exact US dollars as text, None where that side does not say.

    Attributes:
        rows: attempts of the ledger, or lines of the export.
        unpriced, unknown, estimated: of attempts, see the bill.
    """

    rows: int
    requests: int | None
    input: int | None
    cache_read: int | None
    cache_write: int | None
    output: int | None
    cost: str | None
    unpriced: int = 0
    unknown: int = 0
    estimated: int = 0


def told(sums: Sums) -> Figures:
    """Sums to be shown."""
    return Figures(
        rows=sums.rows,
        **{name: getattr(sums, name) for name in COUNTS},
        cost=None if sums.cost is None else plain(sums.cost),
        unpriced=sums.unpriced,
        unknown=sums.unknown,
        estimated=sums.estimated,
    )


def plain(amount: Decimal) -> str:
    """An amount in plain digits, without zeros at its end."""
    text = f"{amount:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def dollars(nanos: int) -> Decimal:
    """Nano-dollars as dollars, exact."""
    return EXACT.multiply(Decimal(nanos), _NANO)


class Judge:
    """Says in what two sums differ.

    Args:
        says: which figures the export has; only these are compared.
        finest: the exponent of its finest amount: amounts to cents are rounded, and no more is demanded of them.
    """

    def __init__(self, says: set[str], finest: int) -> None:
        self.counts = tuple(name for name in COUNTS if name in says)
        self.money = "cost" in says
        self._half = Decimal(1).scaleb(min(finest, _CENTS)) * _HALF

    def differs(self, here: Sums, there: Sums) -> tuple[str, ...]:
        """The figures that differ, those of tokens first."""
        found = [name for name in self.counts if (getattr(here, name) or 0) != (getattr(there, name) or 0)]
        if self.money and abs(self.gap(here, there)) > self.allowed(here, there):
            found.append("cost")
        return tuple(found)

    def gap(self, here: Sums, there: Sums) -> Decimal:
        """What the export has more than the ledger, in US dollars; 0 where it says nothing of money."""
        return EXACT.subtract(there.cost or ZERO, here.cost or ZERO) if self.money else ZERO

    def allowed(self, here: Sums, there: Sums) -> Decimal:
        """What rounding explains: half of the last digit for each line, half a nano-dollar for each attempt."""
        return EXACT.add(self._half * there.rows, _HALF_NANO * here.rows)

    def lacks(self, here: Sums, there: Sums) -> tuple[str, ...]:
        """Kinds of tokens that were used and that no line bills, where lines are by kind."""
        if not there.kinds:
            return ()
        fresh = (here.input or 0) - (here.cache_read or 0) - (here.cache_write or 0)
        used = {"input": fresh, "cache_read": here.cache_read, "cache_write": here.cache_write, "output": here.output}
        return tuple(kind for kind, count in used.items() if count and kind not in there.kinds)

    def cancels(self, one: tuple[Sums, Sums], other: tuple[Sums, Sums]) -> bool:
        """Whether two neighbouring stretches differ by the same in opposite directions: it crossed their border."""
        here, there = Sums(), Sums()
        for ours, theirs in (one, other):
            here.add(ours)
            there.add(theirs)
        return not self.differs(here, there)


def drift(part: Decimal, whole: Decimal) -> float | None:
    """A share of the export's sum; None where the export has nothing and the ledger something: no share says that."""
    if not part:
        return 0.0
    return float(part / whole) if whole else None
