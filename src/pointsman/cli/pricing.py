"""One model's prices, found by any of its names, as lines for people or plain data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from pointsman.catalog import ModelRow
from pointsman.catalog.compiling import BILLED_UNITS
from pointsman.cli import figures, price_table
from pointsman.cli.terminal import paint, plain
from pointsman.compose import House
from pointsman.core.model import Price
from pointsman.core.money import usd_per_million

HEAD = ("MODEL", "IN", "OUT", "CACHED", "SOURCE")


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


def whole(one: Priced, at: int) -> Iterator[str]:
    """All that is known of a model's price; `at` (nanoseconds since the epoch) is when it would be charged."""
    yield paint(plain(one.name), "bold")
    price = one.price
    if price is None:
        yield "  unpriced: what it costs is not known here, which does not mean that it is free"
    else:
        yield from _now(price, at)
    if one.row is None:
        return
    for later in one.row.announced:
        yield paint(f"  announced, from {later.since} on", "dim")
        yield from price_table.lines(later)
    if units := _unbilled(one):
        said = ", ".join(f"{unit} ${amount}" for unit, amount in units.items())
        yield plain(f"  {'other units':<16} {said}: for the record, no call is billed by them")
    if one.row.retires:
        heir = f", replaced by {one.row.replaced_by}" if one.row.replaced_by else ""
        yield plain(f"  {'retires':<16} {one.row.retires}{heir}")


def _now(price: Price, at: int) -> Iterator[str]:
    """What is charged for a short request that is served as usual."""
    now = price_table.current(price, at)
    terms = [f"at {figures.moment(at)[11:16]} UTC"] if price.hours else []
    terms += [f"up to {now.price.tiers[0][0]:,} input tokens"] if now.price.tiers else []
    terms += [f"served as {price_table.USUAL}"] if price.services else []
    if terms:
        yield paint(f"  charged now, {', '.join(terms)}", "dim")
    yield from price_table.lines(now.price)
    since = now.price.since or price.since
    yield f"  {'source':<16} {plain(now.price.source or price.source)}" + (f", since {since}" if since else "")


def all_prices(one: Priced, at: int) -> tuple[tuple[str, ...], list[tuple[str, ...]], frozenset[int]] | None:
    """The table of every service, length and hour; None where there is but one price."""
    found = [] if one.price is None else price_table.variants(one.price, at)
    return price_table.table(found, one.price) if one.price is not None and len(found) > 1 else None


def others(one: Priced) -> str:
    """What is charged for a service that is not listed."""
    if one.price is None:
        return ""
    if one.price.flat:
        return "served in any other way it costs as `standard`"
    return "served in any way that is not listed it is unpriced"


def view(one: Priced, at: int) -> dict[str, Any]:
    """As plain data; US dollars per million tokens as text, exact."""
    price = one.price
    found = [] if price is None else [price_table.view(each, price) for each in price_table.variants(price, at)]
    usual = [each for each in found if each["service"] == price_table.USUAL]
    return {
        "name": one.name,
        "price": None if price is None else price_table.kinds_of(price_table.current(price, at).price),
        "source": price.source if price else None,
        "since": (price.since or None) if price else None,
        "tiers": [each for each in usual if each["above"] is not None and each["hours"] is None],
        "hours": [each for each in usual if each["hours"] is not None and each["above"] is None],
        "prices": found,
        "other_services": None if price is None else "as standard" if price.flat else "unpriced",
        "announced": [{"since": each.since, **price_table.kinds_of(each)} for each in one.row.announced]
        if one.row
        else [],
        "other": _unbilled(one),
    }


def _of(found: ModelRow) -> Priced:
    return Priced(name=f"{found.provider}/{found.id}", price=found.full, row=found)


def _unbilled(one: Priced) -> dict[str, str]:
    """US dollars for units in which the catalogue has a price and no answer is billed."""
    every = {} if one.row is None else one.row.other_prices
    return {unit: usd for unit, usd in every.items() if unit not in BILLED_UNITS}
