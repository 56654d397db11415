"""From the file's decimal text to rows with integer prices: once per row that is looked up."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from typing import get_args

import msgspec

from pointsman.catalog.document import KINDS, FileModel, FilePrice, FileTier, Source, amount
from pointsman.catalog.rows import HourPrice, ModelRow, PriceTier, ProviderRow, Quotas
from pointsman.catalog.services import with_services
from pointsman.core.errors import ConfigError
from pointsman.core.model import Ability, Price, Tier
from pointsman.core.money import picos_per_token
from pointsman.core.usage import Fees

_PICOS_PER_USD = 10**12
_OTHER_KINDS = {
    "cache_audio_read_mtok": "cache_audio",
    "input_image_mtok": "input_image",
    "output_image_mtok": "output_image",
}
"""Kinds of tokens under the feed's names for them."""
_BY_THOUSAND = {"web_searches_kcount": "web_search", "storage_searches_kcount": "file_search"}
"""What the feed prices by the thousand, to its name in `core.usage.Usage.fees`."""
_BY_UNIT = {
    "input_audio_hours": ("audio_second", 3_600),
    "input_document_kpages": ("page", 1_000),
    "input_annotated_document_kpages": ("annotated_page", 1_000),
}
"""What else the feed prices, to its name in `core.usage.Usage.fees` and how many of these a unit has."""
BILLED_UNITS = frozenset((*_OTHER_KINDS, *_BY_THOUSAND, *_BY_UNIT))
"""What of `FilePrice.other` an answer is billed by; the rest is for the record."""
_TIERS: dict[str, Tier] = {tier: tier for tier in get_args(Tier)}
_NO_QUOTAS = Quotas()


def in_force(prices: tuple[FilePrice, ...], day: str) -> FilePrice | None:
    """The price on an ISO day; the dearest of those that hold at some hour of it."""
    always, hourly = standing(prices, day)
    candidates = [*([always] if always else []), *hourly]
    return max(candidates, key=_weight) if candidates else None


def standing(prices: tuple[FilePrice, ...], day: str) -> tuple[FilePrice | None, tuple[FilePrice, ...]]:
    """Of the prices that have begun on an ISO day: the last one for any hour, and those for certain hours."""
    begun = [price for price in prices if price.since <= day]
    always = [price for price in begun if not price.hours]
    return (always[-1] if always else None), tuple(price for price in begun if price.hours)


def _weight(price: FilePrice) -> Decimal:
    return amount(price.input or "0") + amount(price.output or "0")


def _hour_prices(hourly: tuple[FilePrice, ...], sources: dict[str, Source]) -> Iterator[HourPrice]:
    for each in hourly:
        start, _, end = each.hours.partition("-")
        price = compile_price(each, sources)
        if price is not None:
            yield HourPrice(start=_minutes(start), end=_minutes(end), price=price)


def _minutes(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)


def compile_price(price: FilePrice, sources: dict[str, Source]) -> Price | None:
    """Integers of a price; None where it has none per token and none per request."""
    if price.input is None and price.output is None and price.request is None:
        return None
    if price.input is None and price.output is not None:
        return None  # half a price would bill the other half as nothing
    values = {kind: picos_per_token(amount(text)) for kind in KINDS if (text := getattr(price, kind)) is not None}
    values |= {
        ours: picos_per_token(amount(price.other[name])) for name, ours in _OTHER_KINDS.items() if name in price.other
    }
    if "input_audio_hours" in price.other:
        values.setdefault("input_audio", 0)  # sound is billed by its time, and its tokens are not
    source = sources.get(price.source)
    return Price(
        input=values.get("input", 0),
        output=values.get("output", 0),
        request=int(amount(price.request or "0") * _PICOS_PER_USD),
        source=f"{source.title} ({source.date})" if source else price.source,
        since=price.since,
        cache_read=values.get("cache_read"),
        cache_write=values.get("cache_write"),
        cache_write_1h=values.get("cache_write_1h"),
        reasoning=values.get("reasoning"),
        input_audio=values.get("input_audio"),
        output_audio=values.get("output_audio"),
        cache_audio=values.get("cache_audio"),
        input_image=values.get("input_image"),
        output_image=values.get("output_image"),
        fees=_fees(price.other),
    )


def piece_price(price: FilePrice | None, sources: dict[str, Source]) -> Price | None:
    """What a model without a price per token costs by the piece (a page, a second of sound); None where it has none.

    It holds for answers that state such pieces, and for no others: tokens cost nothing by it.
    """
    if price is None or price.input is not None or price.output is not None or not _fees(price.other):
        return None
    return compile_price(msgspec.structs.replace(price, input="0", output="0"), sources)


def _fees(other: dict[str, str]) -> Fees:
    units = {name: (ours, 1_000) for name, ours in _BY_THOUSAND.items()} | _BY_UNIT
    return tuple((ours, _picos(other[name], size)) for name, (ours, size) in units.items() if name in other)


def _picos(usd: str, size: int) -> int:
    """Pico-dollars for one of `size` pieces that together cost so many dollars; a second of an hour may be rounded."""
    return int((amount(usd) * _PICOS_PER_USD / size).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def full_price(prices: tuple[FilePrice, ...], sources: dict[str, Source], day: str) -> Price | None:
    """The price in force on an ISO day with its tiers and hours; the fields of the dearest hour stand for the day."""
    dearest = in_force(prices, day)
    base = _tiered(dearest, sources) if dearest is not None else None
    if base is None:
        return None
    always, hourly = standing(prices, day)
    otherwise = _tiered(always, sources) if always is not None else None
    hours = [(0, 1_440, otherwise)] if otherwise is not None and hourly else []
    for each in hourly:
        start, _, end = each.hours.partition("-")
        price = _tiered(each, sources)
        if price is not None:
            hours.append((_minutes(start), _minutes(end), price))
    return msgspec.structs.replace(base, hours=tuple(hours))


def _announced(prices: tuple[FilePrice, ...], sources: dict[str, Source], day: str) -> Iterator[Price]:
    """The prices of any hour of later days, the nearest first."""
    for one in sorted((each for each in prices if each.since > day and not each.hours), key=lambda each: each.since):
        price = _tiered(one, sources)
        if price is not None:
            yield price


def _tiered(price: FilePrice, sources: dict[str, Source]) -> Price | None:
    base = compile_price(price, sources)
    if base is None or not price.tiers:
        return base
    return msgspec.structs.replace(base, tiers=tuple((one.above, one.price) for one in compile_tiers(price, sources)))


def compile_tiers(price: FilePrice, sources: dict[str, Source]) -> tuple[PriceTier, ...]:
    """Whole prices for long inputs, ascending."""
    tiers = []
    for tier in sorted(price.tiers, key=lambda each: each.above):
        compiled = compile_price(_raised(price, tier), sources)
        if compiled is not None:
            tiers.append(PriceTier(above=tier.above, price=compiled))
    return tuple(tiers)


def _raised(price: FilePrice, tier: FileTier) -> FilePrice:
    kinds = {kind: getattr(tier, kind) or getattr(price, kind) for kind in KINDS}
    return FilePrice(since=price.since, source=price.source, request=price.request, other=price.other, **kinds)


def abilities(names: tuple[str, ...]) -> Ability:
    """The bit set of ability names; names that this version does not know are left out."""
    members = Ability.__members__
    found = Ability(0)
    for name in names:
        found |= members.get(name.upper(), Ability(0))
    return found


def compile_model(model: FileModel, asked: str, owner: ProviderRow, sources: dict[str, Source], day: str) -> ModelRow:
    """The row for one name of a model of a provider.

    Raises:
        ConfigError: a price in the file is none.
    """
    try:
        price = in_force(model.prices, day)
        compiled = compile_price(price, sources) if price else None
        tiers = compile_tiers(price, sources) if price else ()
        always, hourly = standing(model.prices, day)
        hours = tuple(_hour_prices(hourly, sources))
        otherwise = compile_price(always, sources) if always and hours else None
        full = full_price(model.prices, sources, day)
        full = None if full is None else with_services(full, owner, model.id, day)
        pieces = piece_price(price, sources)
        announced = tuple(_announced(model.prices, sources, day))
    except ValueError as error:
        raise ConfigError(f"catalogue: {owner.name}/{model.id}: {error}") from None
    return ModelRow(
        provider=owner.name,
        id=asked,
        base=model.id,
        title=model.title,
        kind=model.kind,
        aliases=model.aliases,
        context=model.context,
        max_output=model.max_output,
        abilities=None if model.abilities is None else abilities(model.abilities + model.unsure),
        known=abilities(model.abilities or ()),
        tier=_TIERS.get(model.tier),
        strengths=model.strengths,
        weaknesses=model.weaknesses,
        quotas=model.quotas or _NO_QUOTAS,
        price=compiled,
        tiers=tiers,
        hours=hours,
        otherwise=otherwise,
        other_prices=price.other if price else {},
        full=full,
        pieces=pieces,
        announced=announced,
        deprecated=model.deprecated,
        retires=model.retires,
        replaced_by=model.replaced_by,
    )
