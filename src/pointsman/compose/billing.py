"""From a price in the configuration to the one that bills: US dollars per million tokens to pico-dollars per token."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from pointsman.catalog.services import times
from pointsman.config import schema
from pointsman.core.model import Price
from pointsman.core.money import picos_per_token, usd

_PICOS_PER_USD = 1_000_000_000_000
_OURS = {"cached_input": "cache_read", "cached_audio": "cache_audio"}
"""Kinds that the configuration calls otherwise."""


def price_of(said: schema.Price) -> Price:
    """A price from US dollars per million tokens."""
    base = replace(
        Price(
            input=picos_per_token(said.input), output=picos_per_token(said.output), source="configuration", flat=True
        ),
        **_kinds(said),
        request=_picos(said.request) if said.request is not None else 0,
        fees=tuple((name, _picos(each)) for name, each in said.fees.items()),
    )
    hours = tuple(
        (*_minutes(span), _tiered(replace(base, **_kinds(kinds)), said)) for span, kinds in said.hours.items()
    )
    whole = _tiered(base, said)
    if hours:
        whole = replace(whole, hours=((0, 1_440, whole), *hours))
    services = tuple((name, _served(whole, service)) for name, service in said.services.items())
    return replace(whole, services=services)


def _tiered(base: Price, said: schema.Price) -> Price:
    above = sorted(((int(tokens), kinds) for tokens, kinds in said.above.items()), key=lambda one: one[0])
    return replace(base, tiers=tuple((tokens, replace(base, **_kinds(kinds))) for tokens, kinds in above))


def _served(price: Price, said: schema.ServicePrice) -> Price:
    served = price if said.factor is None else times(price, said.factor)
    return _everywhere(served, _kinds(said))


def _everywhere(price: Price, kinds: dict[str, Any]) -> Price:
    """A price in which some kinds cost the same at any length and hour."""
    return replace(
        price,
        **kinds,
        tiers=tuple((tokens, _everywhere(one, kinds)) for tokens, one in price.tiers),
        hours=tuple((start, end, _everywhere(one, kinds)) for start, end, one in price.hours),
    )


def _kinds(said: schema.Price | schema.PriceKinds) -> dict[str, Any]:
    """The kinds that are said, as fields of a price."""
    names = schema.PriceKinds.__struct_fields__
    return {_OURS.get(n, n): picos_per_token(each) for n in names if (each := getattr(said, n)) is not None}


def _picos(said: Decimal) -> int:
    return int(usd(said) * _PICOS_PER_USD)


def _minutes(span: str) -> tuple[int, int]:
    """The first and the last minute of hours in a day."""
    start, end = (int(clock[:2]) * 60 + int(clock[3:]) for clock in span.split("-"))
    return start, end
