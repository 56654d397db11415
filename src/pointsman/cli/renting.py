"""What a rented machine costs, beside what calls were booked at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from pointsman.cli import figures
from pointsman.compose import House
from pointsman.compose.rents import Share, share, uses
from pointsman.core.errors import PointsmanError
from pointsman.core.rent import Rent


class Rented(msgspec.Struct, frozen=True, kw_only=True):
    """A machine's rent, and its month; None where the ledger cannot be read."""

    rent: Rent
    month: Share | None


def measured(house: House, name: str) -> Rented | None:
    """A model's rent, with its price in force as the gateway works it out; None where it has none."""
    rent = house.rents().get(name)
    if rent is None:
        return None
    now = house.pieces.clock.now()
    try:
        questions = house.questions()
        house.on_uses(uses(questions, list(house.rents()), now))
        return Rented(rent=rent, month=share(questions, name, rent, now))
    except PointsmanError:
        return Rented(rent=rent, month=None)


def lines(one: Rented) -> Iterator[str]:
    """For people."""
    yield f"  {'rent':<16} {figures.cost(one.rent.hour)} an hour, used or idle"
    month = one.month
    if month is None:
        yield "  the ledger cannot be read, so that nothing is measured"
        return
    since = figures.moment(month.since)
    yield f"  {'allocated':<16} {figures.cost(month.allocated)} this month, since {since}: what the machine has cost"
    used = f"{month.input:,} tokens read, {month.output:,} written"
    yield f"  {'booked':<16} {figures.cost(month.booked)} to {month.attempts:,} attempts ({used})"
    rest = month.allocated - month.booked
    what = "idle, or used less than the price supposes" if rest >= 0 else "more than the machine has cost"
    yield f"  {'difference':<16} {figures.cost(abs(rest))}: {what}"


def view(one: Rented) -> dict[str, Any]:
    """As plain data, in nano-dollars."""
    data: dict[str, Any] = msgspec.to_builtins(one)
    return data
