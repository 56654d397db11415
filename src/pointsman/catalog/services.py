"""Prices for other ways of serving a request (batch, flex, priority …) and for what is billed by the piece."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal
from fnmatch import fnmatchcase
from typing import Protocol

import msgspec
from msgspec.structs import replace

from pointsman.catalog.document import amount
from pointsman.catalog.rows import ProviderRow, ServicePrice
from pointsman.core.model import Price
from pointsman.core.money import picos_per_token

_PICOS_PER_USD = 10**12
TOKENS = (
    "input",
    "output",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "reasoning",
    "input_audio",
    "output_audio",
    "cache_audio",
    "input_image",
    "output_image",
)
"""The fields of a price that are per token."""


class _Row(Protocol):
    @property
    def models(self) -> tuple[str, ...]: ...
    @property
    def since(self) -> str: ...


def with_services(price: Price, owner: ProviderRow, model_id: str, day: str) -> Price:
    """A model's price with those of its provider's services and fees on an ISO day.

    Raises:
        ValueError: a factor or price is none.
    """
    fees = dict(price.fees)
    fees |= {one.name: int(amount(one.usd) * _PICOS_PER_USD) for one in owner.fees if _holds(one, model_id, day)}
    price = _with_fees(price, tuple(fees.items()))
    rows = {one.name: one for one in owner.services if _holds(one, model_id, day)}
    services = {name: _served(price, row) for name, row in rows.items()}
    for name, row in rows.items():
        if row.joins:
            others = [other for other in rows if not rows[other].joins]
            services |= {f"{other}+{name}": _served(services[other], row) for other in others}
    return replace(price, services=tuple(services.items()))


def times(price: Price, factor: Decimal) -> Price:
    """A price with everything that is per token times a factor, rounded to pico-dollars; what is by the piece stays."""
    kinds = {name: _times(picos, factor) for name in TOKENS if (picos := getattr(price, name)) is not None}
    return replace(
        price,
        tiers=tuple((above, times(one, factor)) for above, one in price.tiers),
        hours=tuple((start, end, times(one, factor)) for start, end, one in price.hours),
        **kinds,
    )


def _times(picos: int, factor: Decimal) -> int:
    return int((picos * factor).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def _served(price: Price, row: ServicePrice) -> Price:
    source = f"{row.source} ({row.date})"
    if row.factor:
        return _sourced(times(price, amount(row.factor)), source, row.since)
    kinds = {name: picos_per_token(amount(text)) for name, text in row.prices.items() if name in TOKENS}
    if not {"input", "output"} <= kinds.keys():
        raise ValueError(f"service {row.name} has no price for input and output")
    kinds |= {"request": price.request}
    return replace(msgspec.convert(kinds, Price), fees=price.fees, source=source, since=row.since)


def _sourced(price: Price, source: str, since: str) -> Price:
    """A price that stands on a page of its own, whatever its length and hour."""
    return replace(
        price,
        source=source,
        since=since,
        tiers=tuple((above, _sourced(one, source, since)) for above, one in price.tiers),
        hours=tuple((start, end, _sourced(one, source, since)) for start, end, one in price.hours),
    )


def _with_fees(price: Price, fees: tuple[tuple[str, int], ...]) -> Price:
    return replace(
        price,
        fees=fees,
        tiers=tuple((above, _with_fees(one, fees)) for above, one in price.tiers),
        hours=tuple((start, end, _with_fees(one, fees)) for start, end, one in price.hours),
    )


def _holds(row: _Row, model_id: str, day: str) -> bool:
    return row.since <= day and (not row.models or _among(model_id, row.models))


def _among(model_id: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(model_id, pattern) for pattern in patterns)
