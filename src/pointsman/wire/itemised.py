"""A cost that knows what it is made of, for callers who ask: `usage: {"include": true}`, as at OpenRouter.

Whoever writes usage writes `cost` and need not know more; what is behind it comes with the number.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import msgspec

from pointsman.core.model import Price
from pointsman.core.money import usd_text
from pointsman.core.usage import Usage
from pointsman.wire.parse import BAD_JSON
from pointsman.wire.raw import Fields, rest

EARLIER = "earlier_attempts"
"""What the caller had of attempts before, whose stream broke and was gone on with."""


class Itemised(int):
    """Nano-dollars, with the parts that add up to them.

    Attributes:
        parts: nano-dollars by kind.
    """

    parts: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, parts: Iterable[tuple[str, int]]) -> Self:
        """A sum that remembers its parts."""
        kept = tuple(parts)
        made = cls(sum(nanos for _, nanos in kept))
        made.parts = kept
        return made


class Itemising(Price, frozen=True, kw_only=True, dict=True):
    """A price that says of each cost what it is made of."""

    def cost(self, usage: Usage, at: int | None = None) -> int | None:
        """See `Price.cost`."""
        bill = self.bill(usage, at)
        return None if bill is None else Itemised.of(bill.nanos.items())


def itemising(price: Price | None) -> Price | None:
    """The same price, of which each cost says what it is made of."""
    if price is None:
        return None
    return Itemising(**{name: getattr(price, name) for name in Price.__struct_fields__})


def with_earlier(cost: int, spent: int) -> int:
    """A cost on top of what was spent before, as one of its parts where it has any."""
    if isinstance(cost, Itemised) and spent:
        return Itemised.of((*cost.parts, (EARLIER, spent)))
    return cost if isinstance(cost, Itemised) else cost + spent


def opening(cost: int, *, plain: bool = False) -> bytes:
    """How a usage object begins that tells a cost: `{"cost":0.0000042,`; `plain` leaves out of what it is made."""
    amount = usd_text(cost).encode()
    if plain or not isinstance(cost, Itemised):
        return b'{"cost":%b,' % amount
    parts = ",".join(f'"{name}":{usd_text(nanos)}' for name, nanos in cost.parts)
    return b'{"cost":%b,"cost_details":{%b},' % (amount, parts.encode())


class _Asked(msgspec.Struct):
    include: bool


_ASKED = msgspec.json.Decoder(_Asked)


def asked_for(fields: Fields) -> tuple[Fields, bool]:
    """A request without the question what its cost is made of, which is for us alone, and whether it was asked.

    A field `usage` of any other shape is the provider's to judge.
    """
    try:
        asked = _ASKED.decode(fields["usage"])
    except (*BAD_JSON, KeyError):
        return fields, False
    return rest(fields, ("usage",)), asked.include
