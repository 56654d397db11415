"""What an answer cost, line by line: how many of what, at which price, and which of a model's prices held."""

from __future__ import annotations

from typing import Literal

import msgspec

from pointsman.core.price import Price
from pointsman.core.usage import Usage

BilledAs = Literal["billed", "not_billed", "whole", "unpriced", "unknown"]
"""How an attempt stands in the books: by its lines; with nothing, for it brought nothing; with an amount of which no
lines are known; without a known price; without its use being known."""
Unit = Literal["token", "piece"]
_ALL_DAY = (0, 1_440)
_NO_PRICE = Price(input=0, output=0)
"""Only for the names of kinds."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of what was used.

    Attributes:
        kind: as in `Usage` and its fees: `input`, `cache_read`, `output`, `request`, `web_search` …
        unit: what is counted.
        count: how many.
        price: pico-dollars for one; None where no price is known.
        cost: nano-dollars; None where no price is known. They are rounded so that they add up to the total.
    """

    kind: str
    unit: Unit
    count: int
    price: int | None
    cost: int | None


class Billed(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt was billed by.

    Attributes:
        state: whether it was, and how far that is known.
        lines: everything used, what has no known price last; empty unless `state` is `billed` or `unpriced`.
        service: as which it was served; empty is the usual way.
        hours: first and last minute of the day (UTC, the last not included) for which the price holds; None is all day.
        above: the price is that of more than so many input tokens; None is that of any shorter request.
        source, since: where the price comes from, and the ISO date from which it holds.
    """

    state: BilledAs
    lines: tuple[Line, ...] = ()
    service: str = ""
    hours: tuple[int, int] | None = None
    above: int | None = None
    source: str = ""
    since: str = ""


def billed(price: Price | None, usage: Usage | None, at: int, cost: int | None, *, failed: bool = False) -> Billed:
    """What an attempt was billed by, worked out again.

    Lines are there only where they add up to what was booked: it may have failed, or only counted tokens, or be of
    before prices were kept.

    Args:
        price: by which it was billed; None is unpriced, or not known any more.
        usage: what it used; None is unknown.
        at: when it was sent, nanoseconds since the epoch.
        cost: nano-dollars, as booked.
        failed: it ended with an error.
    """
    service = "" if usage is None else usage.service
    if cost is None:
        return Billed(state="unknown" if failed else "unpriced") if usage is None else _unpriced(usage)
    held = None if price is None or usage is None else price.held(usage, at)
    nothing = cost == 0 and (failed or usage is None)
    if price and usage and held and not nothing and price.cost(usage, at) == cost:
        return _by_lines(price, held, usage, at)
    return Billed(state="not_billed" if nothing else "whole", service=service)


def _unpriced(usage: Usage) -> Billed:
    lines = [_line(kind, "token", count, None, {}) for kind, count, _ in _NO_PRICE.lines(usage) if count > 0]
    lines += [_line(name, "piece", count, None, {}) for name, count in usage.fees]
    return Billed(state="unpriced", lines=tuple(lines), service=usage.service)


def _by_lines(price: Price, held: Price, usage: Usage, at: int) -> Billed:
    bill = price.bill(usage, at)
    nanos = {} if bill is None else bill.nanos
    lines = [_line(kind, "token", count, each, nanos) for kind, count, each in held.lines(usage) if count > 0]
    if held.request:
        lines.append(_line("request", "piece", 1, held.request, nanos))
    known = dict(held.fees)
    fees = sorted(usage.fees, key=lambda fee: fee[0] not in known)
    lines += [_line(name, "piece", count, known.get(name), nanos) for name, count in fees]
    served = next((one for name, one in price.services if name == usage.service), price)
    return Billed(
        state="billed",
        lines=tuple(lines),
        service=usage.service,
        hours=_hours(served, held),
        above=_above(served, held),
        source=held.source or price.source,
        since=held.since or price.since,
    )


def _line(kind: str, unit: Unit, count: int, price: int | None, nanos: dict[str, int]) -> Line:
    return Line(kind=kind, unit=unit, count=count, price=price, cost=None if price is None else nanos.get(kind, 0))


def _hours(served: Price, held: Price) -> tuple[int, int] | None:
    """The hours that `held` belongs to, found by identity: equal prices may stand at several."""
    for start, end, one in served.hours:
        if one is held or any(longer is held for _, longer in one.tiers):
            return None if (start, end) == _ALL_DAY else (start, end)
    return None


def _above(served: Price, held: Price) -> int | None:
    every = (served, *(one for _, _, one in served.hours))
    return next((above for one in every for above, longer in one.tiers if longer is held), None)
