"""What calls cost, worked out again from the store alone: usage, price and time of each attempt stand there."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import select
from sqlalchemy.engine import Connection

from pointsman.core.model import Price
from pointsman.core.usage import Fees, Usage
from pointsman.store.tables import prices

_PRICE = msgspec.json.Decoder(Price)


def prices_of(connection: Connection, digests: Iterable[str | None]) -> dict[str, Price]:
    """The prices of these digests, as far as the store has them."""
    wanted = sorted({one for one in digests if one})
    if not wanted:
        return {}
    rows = connection.execute(select(prices.c.digest, prices.c.price).where(prices.c.digest.in_(wanted)))
    return {digest: _PRICE.decode(text) for digest, text in rows}


def parts_of(
    price: Price | None, usage: Usage | None, started: int, booked: int | None
) -> tuple[dict[str, int] | None, Fees]:
    """Nano-dollars by kind, and what has no price; None where they do not add up to what was booked.

    That is so where an attempt was not billed by its tokens: it failed, or only counted. `started` is when it was sent,
    in nanoseconds since the epoch, `booked` is in nano-dollars.
    """
    bill = None if price is None or usage is None else price.bill(usage, started)
    if bill is None or bill.total != booked:
        return None, ()
    return bill.nanos, bill.unpriced
