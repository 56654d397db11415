"""What a machine of one's own costs, turned into a price by token: money by time, shared out by measured use.

A call is booked at the price in force while it happens, like any other. That price follows the use of the week before,
so that what is booked comes near to what the machine costs; it never meets it exactly, and the two sums are shown
beside each other: `allocated` is what the machine has cost since a moment, `booked` what calls were billed since then.
"""

from __future__ import annotations

import msgspec

from pointsman.core.model import Price
from pointsman.core.money import NANOS_PER_USD, PICOS_PER_NANO

HOUR = 3_600_000_000_000
HOURS_A_MONTH = 730.5
"""A twelfth of a year."""
LEAST_HOURS = 24.0
"""Less measured use than that says nothing of a usual hour."""
_LEAST_USE = 0.01
"""Of the expected use: a machine that nobody uses makes no call dearer than a hundred times what is expected."""
SOURCE = "rent"


class Rent(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine costs.

    Attributes:
        hour: nano-dollars an hour, of all its cards.
        tokens_per_hour: expected, until use has been measured; a written token counts `output_weight` times.
        output_weight: how much more of the machine's time a written token takes than one that is read.
    """

    hour: int
    tokens_per_hour: int
    output_weight: float = 4.0


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """What a model was used for over a stretch of time: hours since it was first used in it, and tokens in all."""

    hours: float
    input: int
    output: int


def weighed(rent: Rent, use: Use) -> float:
    """Tokens an hour, as `Rent.tokens_per_hour` counts them; the expected where too little is known."""
    if use.hours < LEAST_HOURS:
        return float(rent.tokens_per_hour)
    measured = (use.input + rent.output_weight * use.output) / use.hours
    return max(measured, rent.tokens_per_hour * _LEAST_USE)


def price_of(rent: Rent, use: Use | None = None) -> Price:
    """The price by token at which calls are booked, from the use of the trailing week."""
    known = use is not None and use.hours >= LEAST_HOURS
    tokens = weighed(rent, use) if use is not None else float(rent.tokens_per_hour)
    read = rent.hour * PICOS_PER_NANO / max(tokens, 1.0)
    basis = "measured" if known else "expected"
    said = f"{SOURCE}: ${rent.hour / NANOS_PER_USD:g} an hour over {tokens:,.0f} {basis} tokens an hour"
    return Price(input=round(read), output=round(read * rent.output_weight), source=said)


def allocated(rent: Rent, since: int, until: int) -> int:
    """Nano-dollars that the machine has cost between two moments (nanoseconds since the epoch), used or idle."""
    return round(rent.hour * max(until - since, 0) / HOUR)
