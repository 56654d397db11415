"""Every price of a model: each service, length and hour, with its source; and what holds at a moment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from pointsman.cli import figures
from pointsman.cli.terminal import plain
from pointsman.core.model import Price
from pointsman.core.money import usd_per_million

KINDS = (
    "input",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "input_audio",
    "cache_audio",
    "input_image",
    "output",
    "reasoning",
    "output_audio",
    "output_image",
)
_PICOS_PER_USD = 10**12
_ALL_DAY = (0, 1_440)
USUAL = "standard"


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """One of a model's prices.

    Attributes:
        service: as in `Usage.service`; empty is the usual way.
        hours: first and last minute of the day in UTC, the last not included; None is any hour that no other row names.
        above: for more than so many input tokens; None is any shorter request.
        now: whether it is of the hour that was asked for.
        price: whose own tiers, hours and services do not count here.
    """

    service: str
    hours: tuple[int, int] | None
    above: int | None
    now: bool
    price: Price


def variants(price: Price, at: int) -> list[Variant]:
    """Every price there is; `at` is nanoseconds since the epoch."""
    return [one for service, each in (("", price), *price.services) for one in _of(service, each, at)]


def _of(service: str, price: Price, at: int) -> Iterator[Variant]:
    holds = price.of_hour(at)
    for start, end, each in price.hours or ((*_ALL_DAY, price),):
        hours = None if (start, end) == _ALL_DAY else (start, end)
        for above, one in ((None, each), *each.tiers):
            yield Variant(service=service, hours=hours, above=above, now=each is holds, price=one)


def current(price: Price, at: int) -> Variant:
    """What is charged for a short request that is served as usual, at a moment."""
    return next(one for one in variants(price, at) if one.now)


def table(found: list[Variant], whole: Price) -> tuple[tuple[str, ...], list[tuple[str, ...]], frozenset[int]]:
    """Head, rows, and which columns are numbers; kinds that none of the prices has are left out."""
    kinds = [kind for kind in KINDS if any(getattr(one.price, kind) is not None for one in found)]
    lengths, hourly = any(one.above for one in found), any(one.hours for one in found)
    names = ["service", *(["input tokens"] if lengths else []), *(["hours (UTC)", "now"] if hourly else [])]
    rows = []
    for one in found:
        cells = [one.service or USUAL]
        cells += [_length(one, found)] if lengths else []
        cells += [_hours(one, found), "now" if one.now else ""] if hourly else []
        cells += [_per_million(getattr(one.price, kind)) for kind in kinds]
        rows.append((*cells, one.price.since or "-", plain(one.price.source or whole.source)))
    head = tuple(name.upper() for name in (*names, *(figures.kind(kind) for kind in kinds), "since", "source"))
    return head, rows, frozenset(range(len(names), len(names) + len(kinds)))


def _length(one: Variant, found: list[Variant]) -> str:
    if one.above is not None:
        return f"above {one.above:,}"
    longer = [each.above for each in found if each.above and (each.service, each.hours) == (one.service, one.hours)]
    return f"up to {min(longer):,}" if longer else "any"


def _hours(one: Variant, found: list[Variant]) -> str:
    if one.hours is not None:
        return f"{figures.clock(one.hours[0])}-{figures.clock(one.hours[1])}"
    return "other" if any(each.hours and each.service == one.service for each in found) else "any"


def _per_million(picos: int | None) -> str:
    return "-" if picos is None else figures.price(usd_per_million(picos))


def lines(price: Price) -> Iterator[str]:
    """One price, kind by kind."""
    for kind in KINDS:
        picos = getattr(price, kind)
        if picos is not None:
            yield f"  {figures.kind(kind):<16} {figures.per_million(picos)} tokens"
    if price.request:
        yield f"  {'request':<16} {figures.each(price.request)}"
    for name, picos in price.fees:
        yield f"  {plain(figures.kind(name)):<16} {figures.each(picos)}"


def kinds_of(price: Price) -> dict[str, Any]:
    """One price as plain data: US dollars per million tokens, for each request and piece, as exact text."""
    said = {kind: getattr(price, kind) for kind in KINDS}
    found: dict[str, Any] = {kind: f"{usd_per_million(picos):f}" for kind, picos in said.items() if picos is not None}
    if price.request:
        found["request"] = _usd(price.request)
    if price.fees:
        found["fees"] = {name: _usd(picos) for name, picos in price.fees}
    return found


def view(one: Variant, whole: Price) -> dict[str, Any]:
    """One of a model's prices as plain data."""
    hours = None if one.hours is None else [figures.clock(one.hours[0]), figures.clock(one.hours[1])]
    return {
        "service": one.service or USUAL,
        "above": one.above,
        "hours": hours,
        "now": one.now,
        "since": one.price.since or None,
        "source": one.price.source or whole.source,
        **kinds_of(one.price),
    }


def _usd(picos: int) -> str:
    return f"{picos / _PICOS_PER_USD:.12f}".rstrip("0").rstrip(".") if picos else "0"
