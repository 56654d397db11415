"""What a reconciliation says in one line, in the same words on a terminal and in an alert."""

from __future__ import annotations

from decimal import Decimal

from pointsman.insight.reconcile.answer import Part, Reconciliation
from pointsman.insight.reconcile.comparing import Figures
from pointsman.insight.reconcile.figures import EXACT


def verdict(found: Reconciliation) -> str:
    """How far both sides drift apart."""
    here, there = figure(found.here, found.of), figure(found.there, found.of)
    net = "new, for the export has nothing" if found.drift is None else f"{100 * found.drift:+.3f} % of {found.of}"
    gross = "" if found.gross is None else f", differences add up to {100 * found.gross:.3f} %"
    return f"{net} (there {there}, here {here}){gross}"


def figure(figures: Figures | None, of: str) -> str:
    """One side's figure of what is compared: money, tokens or requests."""
    if figures is None:
        return "-"
    if of == "money":
        return "-" if figures.cost is None else f"${figures.cost}"
    return f"{_count(figures, of):,}"


def worst(found: Reconciliation) -> Part | None:
    """The model of which both sides differ most; None where no model's sums differ."""
    parts = [part for part in found.by_model if _apart(part, found.of)]
    return max(parts, key=lambda part: _apart(part, found.of), default=None)


def _apart(part: Part, of: str) -> Decimal:
    if of == "money":
        return abs(EXACT.subtract(Decimal(part.there.cost or 0), Decimal(part.here.cost or 0)))
    return abs(Decimal(_count(part.there, of) - _count(part.here, of)))


def _count(figures: Figures, of: str) -> int:
    return (figures.input or 0) + (figures.output or 0) if of == "tokens" else figures.requests or 0
