"""What one call cost, part by part and attempt by attempt, at the prices that it was billed by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from pointsman.cli import figures
from pointsman.cli.terminal import paint, plain
from pointsman.core.billed import Billed, BilledAs, Line
from pointsman.insight.answers import AttemptRow, CallDetail, Decision

HEAD = ("#", "PURPOSE", "MODEL", "PART", "COUNT", "PRICE", "COST")
RIGHT = frozenset({4, 5, 6})
KEPT = frozenset({0, 3, 4, 6})
SPARE = (5, 1, 2)
_SHORT: Mapping[BilledAs, str] = {
    "billed": "nothing used",
    "not_billed": "not billed",
    "whole": "as a whole",
    "unpriced": "unpriced",
    "unknown": "unknown",
}
_WHY: Mapping[BilledAs, str] = {
    "billed": "",
    "not_billed": "not billed: it brought nothing",
    "whole": "booked as a whole: of what it is made is not known",
    "unpriced": "unpriced: no price is known, which is not zero",
    "unknown": "unknown: it ended before it said what it used, and may have cost something",
}


def rows(found: CallDetail) -> list[tuple[str, ...]]:
    """The table: each attempt's parts; where there are several, the sum of each purpose; the total that was booked."""
    attempts = found.attempts
    places = _places(found)
    table = [row for one in attempts for row in _attempt(one, places)]
    if len(attempts) > 1:
        spent = by_purpose(found)
        marks: dict[str, str] = {one.purpose: "≈" for one in attempts if _about(one)}
        table += [("", name, "", "sum", "", "", marks.get(name, "") + _usd(usd, places)) for name, usd in spent.items()]
    mark = max((_about(one) for one in attempts), default="")
    table.append(("", "total", "", "", "", "", paint(mark + _usd(total(found), places), "bold")))
    return table


def by_purpose(found: CallDetail) -> dict[str, int | None]:
    """Nano-dollars by what attempts were for, in the order of the attempts; None where a cost is not known."""
    spent: dict[str, int | None] = {}
    for one in found.attempts:
        so_far = spent.get(one.purpose, 0)
        spent[one.purpose] = None if so_far is None or one.cost is None else so_far + one.cost
    return spent


def total(found: CallDetail) -> int | None:
    """Nano-dollars of all attempts, also where nobody answered; None where the cost of one is not known."""
    costs = [one.cost for one in found.attempts if one.cost is not None]
    whole = len(costs) == len(found.attempts)
    return sum(costs) if whole and found.attempts else found.call.cost


def prices(found: CallDetail) -> Iterator[str]:
    """By which price each attempt was billed, or why it was not."""
    for one in found.attempts:
        yield f"  {one.number}. {_why(one)}"


def notes(found: CallDetail) -> Iterator[str]:
    """What a reader of the sum has to know."""
    unknown = [one for one in found.attempts if one.cost is None]
    known = sum(one.cost for one in found.attempts if one.cost is not None)
    if unknown and known:
        numbers = ", ".join(str(one.number) for one in unknown)
        yield f"what attempt {numbers} cost is not known; the others cost {figures.cost(known)}"
    if any(_about(one) for one in found.attempts):
        yield "≈ stands on tokens counted here, because the provider stated none"
    billed = (one.bill for one in found.attempts if one.bill.state == "billed")
    lacking = sorted({figures.kind(line.kind) for bill in billed for line in bill.lines if line.price is None})
    if lacking:
        yield f"used without a known price, and so not in the total: {', '.join(lacking)}"


def view(found: CallDetail) -> dict[str, Any]:
    """The same as plain data; money in nano-dollars, prices in pico-dollars for one."""
    call = found.call
    return {
        "id": call.id,
        "status": call.status,
        "asked": call.asked,
        "model": call.model,
        "provider": call.provider,
        "decision": None if found.decision is None else _decision(found.decision),
        "cost": total(found),
        "estimated": any(_about(one) for one in found.attempts),
        "by_purpose": by_purpose(found),
        "attempts": [{name: getattr(one, name) for name in _SHOWN} for one in found.attempts],
    }


_SHOWN = (
    "number", "purpose", "model", "provider", "upstream", "started", "status", "error", "usage", "cost", "price_digest",
    "bill",
)  # fmt: skip


def _decision(said: Decision) -> dict[str, Any]:
    names = ("digest", "route", "strategy", "policy", "reason", "dropped", "warnings", "propensity")
    steps = [{"model": step.model, "provider": step.provider, "upstream": step.upstream} for step in said.steps]
    return {**{name: getattr(said, name) for name in names}, "steps": steps}


def _attempt(one: AttemptRow, places: int) -> Iterator[tuple[str, ...]]:
    """The rows of one attempt; its name stands in the first."""
    name = (str(one.number), one.purpose, plain(f"{one.model} ({one.provider})"))
    if not one.bill.lines:
        cost = "unknown" if one.bill.state == "unknown" else _about(one) + _usd(one.cost, places)
        yield (*name, _SHORT[one.bill.state], "", "", cost)
    for at, line in enumerate(one.bill.lines):
        yield (*(("", "", "") if at else name), *_line(line, _about(one), places))


def _line(line: Line, about: str, places: int) -> tuple[str, ...]:
    mark = about if line.unit == "token" else ""
    if line.price is None:
        price = "unpriced"
    else:
        price = figures.each(line.price) if line.unit == "piece" else figures.per_million(line.price)
    return (
        plain(figures.kind(line.kind)),
        f"{mark}{line.count:,}",
        price,
        (mark if line.cost else "") + _usd(line.cost, places),
    )


def _why(one: AttemptRow) -> str:
    bill = one.bill
    if bill.state != "billed":
        terms = "".join(f", {term}" for term in terms_of(bill))
        return plain(f"{_WHY[bill.state]}{terms}" + (f" ({one.error})" if one.error else ""))
    since = f", since {bill.since}" if bill.since else ""
    ended = (f"ended by {one.error}",) if one.error else ()
    return plain("; ".join((f"{bill.source or 'a price without a source'}{since}", *terms_of(bill), *ended)))


def terms_of(bill: Billed) -> list[str]:
    """Which of a model's prices held, where it was not the usual one."""
    terms = [f"served as {bill.service}"] if bill.service else []
    if bill.hours is not None:
        terms.append(f"from {figures.clock(bill.hours[0])} to {figures.clock(bill.hours[1])} UTC")
    if bill.above is not None:
        terms.append(f"above {bill.above:,} input tokens")
    return terms


def _places(found: CallDetail) -> int:
    """Decimals that show every amount of the table in full, so that its points stand below each other."""
    amounts = [one.cost for one in found.attempts] + [line.cost for one in found.attempts for line in one.bill.lines]
    return max((figures.decimals(one) for one in (*amounts, total(found)) if one), default=0)


def _usd(nanos: int | None, places: int) -> str:
    return "unpriced" if nanos is None else f"${Decimal(nanos).scaleb(-9):,.{places}f}"


def _about(one: AttemptRow) -> str:
    """The mark of what stands on tokens counted here."""
    return "≈" if one.usage is not None and one.usage.estimated else ""
