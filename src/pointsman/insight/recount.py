"""What calls cost, worked out again from the store alone: usage, price and time of each attempt stand there."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import select
from sqlalchemy.engine import Connection

from pointsman.core.billed import Billed
from pointsman.core.model import Price
from pointsman.core.usage import Fees
from pointsman.store.tables import prices

_PRICE = msgspec.json.Decoder(Price)


def prices_of(connection: Connection, digests: Iterable[str | None]) -> dict[str, Price]:
    """The prices of these digests, as far as the store has them."""
    wanted = sorted({one for one in digests if one})
    if not wanted:
        return {}
    rows = connection.execute(select(prices.c.digest, prices.c.price).where(prices.c.digest.in_(wanted)))
    return {digest: _PRICE.decode(text) for digest, text in rows}


def parts_of(bill: Billed) -> tuple[dict[str, int] | None, Fees]:
    """Nano-dollars by kind, and what has no price; None where an attempt has no lines, or they are not known."""
    if bill.state != "billed":
        return None, ()
    costs = {line.kind: line.cost for line in bill.lines if line.cost is not None and line.price}
    return costs, tuple((line.kind, line.count) for line in bill.lines if line.price is None)
