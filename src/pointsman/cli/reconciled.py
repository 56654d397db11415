"""A reconciliation as tables for people."""

from __future__ import annotations

from decimal import Decimal

from pointsman.cli.figures import moment
from pointsman.cli.table import print_table
from pointsman.cli.terminal import paint, plain, say, say_hint, say_warning
from pointsman.insight.periods import Period
from pointsman.insight.reconcile.answer import Finding, Part, Reconciliation
from pointsman.insight.reconcile.comparing import plain as digits
from pointsman.insight.reconcile.figures import EXACT
from pointsman.insight.reconcile.words import figure

_HEAD = (
    "WHAT",
    "WHEN",
    "MODEL",
    "KEY",
    "REQUEST",
    "IN HERE",
    "IN THERE",
    "OUT HERE",
    "OUT THERE",
    "HERE",
    "THERE",
    "WHERE",
)
_RIGHT = frozenset(range(5, 11))
_PARTS = (
    "",
    "HERE",
    "THERE",
    "DIFFERENCE",
    "MATCHED",
    "MISSING HERE",
    "MISSING THERE",
    "DOUBLED",
    "DIFFERING",
    "BORDER",
)
_STYLES = {"missing_here": "red", "missing_there": "yellow", "doubled": "red", "differing": "red", "border": "dim"}


def show(found: Reconciliation, top: int) -> None:
    """What was compared, what differs, and both sides by day, model and key."""
    shown = Period(found.start, found.end).shown
    who = found.provider or "all providers"
    say(f"{plain(who)}, {shown}, {_matched_by(found)}: {found.rows:,} rows of the export, {found.here.rows:,} attempts")
    if found.findings and top:
        rows = [_row(one) for one in found.findings[:top]]
        print_table(_HEAD, rows, right=_RIGHT, keep=frozenset({0, 1}), spare=(3, 11, 7, 8, 5, 6))
        print()
    left = len(found.findings) + found.unnamed - min(top, len(found.findings))
    if left:
        say_hint(f"{left:,} more differences: --top, or --json which names up to 10,000")
    for title, parts in (("DAY", found.by_day), ("MODEL", found.by_model), ("KEY", found.by_key)):
        if parts:
            rows = [_part(part, found.of) for part in parts]
            print_table((title, *_PARTS[1:]), rows, right=frozenset(range(1, 10)), keep=frozenset({0, 1, 2, 3}))
            print()
    counts = ", ".join(
        f"{getattr(found, name):,} {name.replace('_', ' ')}"
        for name in ("matched", "missing_here", "missing_there", "doubled", "differing", "border")
    )
    say(counts + (f" ({found.paired:,} of the matched by time and tokens, their ids differ)" if found.paired else ""))
    if found.outside:
        say(f"{found.outside:,} rows lie outside of that time and were not compared")
    if found.others:
        say(f"{found.others:,} rows of other keys were set aside: ${found.others_cost}")
    for note in found.notes:
        say_warning(note)


def _matched_by(found: Reconciliation) -> str:
    if found.by == "id":
        return "by generation id"
    lengths = {60: "minute", 3_600: "hour", 86_400: "day"}
    return f"by {lengths[found.width // 1_000_000_000]}, model and key"


def _row(one: Finding) -> tuple[str, ...]:
    def pair(name: str) -> tuple[str, str]:
        sides = (one.here, one.there)
        here, there = (
            "-" if side is None or getattr(side, name) is None else f"{getattr(side, name):,}" for side in sides
        )
        return here, there

    when = moment(one.start)
    fields = " (no " + ", ".join(one.lacks) + ")" if one.lacks else f" ({', '.join(one.fields)})" if one.fields else ""
    unpriced = one.here is not None and bool(one.here.unpriced) and one.here.cost in (None, "0")
    return (
        paint(one.verdict.replace("_", " "), _STYLES[one.verdict]) + fields,
        when[:10] if one.end - one.start >= 86_400_000_000_000 else when,
        plain(one.model) or "-",
        plain(one.key) or "-",
        plain(one.id or one.call) or "-",
        *pair("input"),
        *pair("output"),
        "unpriced" if unpriced else figure(one.here, "money"),
        figure(one.there, "money"),
        plain(one.place) or "-",
    )


def _part(part: Part, of: str) -> tuple[str, ...]:
    counts = (part.matched, part.missing_here, part.missing_there, part.doubled, part.differing, part.border)
    return (
        plain(part.name) or "-",
        figure(part.here, of),
        figure(part.there, of),
        _difference(part, of),
        *(f"{count:,}" if count else "-" for count in counts),
    )


def _difference(part: Part, of: str) -> str:
    if of == "money":
        text = digits(EXACT.subtract(Decimal(part.there.cost or 0), Decimal(part.here.cost or 0)))
        return f"-${text[1:]}" if text.startswith("-") else f"${text}"
    sides = [
        (side.input or 0) + (side.output or 0) if of == "tokens" else side.requests or 0
        for side in (part.there, part.here)
    ]
    return f"{sides[0] - sides[1]:,}"
