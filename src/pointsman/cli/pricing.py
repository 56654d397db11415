"""One model's prices, found by any of its names, as lines for people or plain data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from pointsman.catalog import ModelRow
from pointsman.cli import figures
from pointsman.cli.terminal import paint, plain
from pointsman.compose import House
from pointsman.core.model import Price
from pointsman.core.money import usd_per_million

HEAD = ("MODEL", "IN", "OUT", "CACHED", "SOURCE")
_KINDS = ("input", "cache_read", "cache_write", "cache_write_1h", "input_audio", "output", "reasoning", "output_audio")
_PICOS_PER_USD = 10**12


class Priced(msgspec.Struct, frozen=True, kw_only=True):
    """A model by name, its price in force, and the catalogue's row where it comes from there."""

    name: str
    price: Price | None
    row: ModelRow | None = None


def find(house: House, name: str) -> list[Priced]:
    """The model of that name; of a bare one that nobody configured, every provider's."""
    catalog, directory = house.pieces.catalog, house.directory
    provider, slash, upstream = name.partition("/")
    configured = directory.models.get(name) or (directory.find_model(name) if not slash else None)
    if configured is not None:
        row = catalog.model(configured.provider.name, configured.upstream)
        own = configured.price is not None and configured.price.source.startswith(("configuration", "rent"))
        return [Priced(name=name, price=configured.price, row=None if own else row)]
    if slash:
        row = catalog.model(provider, upstream)
        return [] if row is None else [_of(row)]
    rows = [catalog.model(owner.name, name) for owner in catalog.providers()]
    found = [_of(row) for row in rows if row is not None and row.price is not None]
    return sorted(found, key=lambda one: (one.price is None, one.price.input if one.price else 0, one.name))


def row(one: Priced) -> tuple[str, ...]:
    """A line of a table."""
    price = one.price
    if price is None:
        return (plain(one.name), "unpriced", "unpriced", "unpriced", "-")
    return (
        plain(one.name),
        figures.price(usd_per_million(price.input)),
        figures.price(usd_per_million(price.output)),
        figures.price(None if price.cache_read is None else usd_per_million(price.cache_read)),
        plain(price.source),
    )


def whole(one: Priced) -> Iterator[str]:
    """All that is known of a model's price."""
    yield paint(plain(one.name), "bold")
    if one.price is None:
        yield "  unpriced: what it costs is not known here, which does not mean that it is free"
    else:
        yield from _lines(one.price)
        since = f", since {one.price.since}" if one.price.since else ""
        yield f"  {'source':<16} {plain(one.price.source)}{since}"
    if one.row is None:
        return
    for tier in one.row.tiers:
        yield paint(f"  above {tier.above:,} input tokens", "dim")
        yield from _lines(tier.price)
    for hours in one.row.hours:
        yield paint(f"  from {_clock(hours.start)} to {_clock(hours.end)} UTC", "dim")
        yield from _lines(hours.price)
    for unit, amount in one.row.other_prices.items():
        yield f"  {plain(unit):<16} {plain(amount)} (not billed by token; not in a call's cost)"
    if one.row.retires:
        heir = f", replaced by {one.row.replaced_by}" if one.row.replaced_by else ""
        yield plain(f"  {'retires':<16} {one.row.retires}{heir}")


def view(one: Priced) -> dict[str, Any]:
    """As plain data; US dollars per million tokens as text, exact."""
    found = one.row
    return {
        "name": one.name,
        "price": None if one.price is None else _view(one.price),
        "source": one.price.source if one.price else None,
        "since": (one.price.since or None) if one.price else None,
        "tiers": [{"above": tier.above, **_view(tier.price)} for tier in found.tiers] if found else [],
        "hours": [{"from": _clock(h.start), "to": _clock(h.end), **_view(h.price)} for h in found.hours]
        if found
        else [],
        "other": found.other_prices if found else {},
    }


def _of(found: ModelRow) -> Priced:
    return Priced(name=f"{found.provider}/{found.id}", price=found.price, row=found)


def _view(price: Price) -> dict[str, str]:
    said = {kind: getattr(price, kind) for kind in _KINDS}
    found = {kind: f"{usd_per_million(picos):f}" for kind, picos in said.items() if picos is not None}
    if price.request:
        found["request"] = f"{price.request / _PICOS_PER_USD:f}"
    return found


def _lines(price: Price) -> Iterator[str]:
    for kind in _KINDS:
        picos = getattr(price, kind)
        if picos is not None:
            yield f"  {kind.replace('_', ' '):<16} ${figures.price(usd_per_million(picos))} per million tokens"
    if price.request:
        yield f"  {'request':<16} ${price.request / _PICOS_PER_USD:f} each"


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
