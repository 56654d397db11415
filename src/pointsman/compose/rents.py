"""Prices by token for machines that cost by the hour: worked out anew every hour from what the ledger says of use."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from pointsman.compose.spending import month_of
from pointsman.core.clock import Clock
from pointsman.core.errors import PointsmanError
from pointsman.core.rent import HOUR, Rent, Use, allocated

if TYPE_CHECKING:
    from pointsman.insight.queries import Questions

_log = logging.getLogger("pointsman.prices")
_WEEK = 168
_FIRST_LOOK = 5.0
_EVERY = 3_600.0


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What a rented machine has cost this month (UTC), and what of it calls were booked at; nano-dollars.

    Attributes:
        since: when the month began, or the model was first used if that was later (nanoseconds since the epoch).
        allocated: what the machine has cost since then, used or idle.
        booked: what calls were billed.
        attempts, input, output: what it was used for.
    """

    since: int
    allocated: int
    booked: int
    attempts: int
    input: int
    output: int


class RentKeeper:
    """Measures use and hands it on, until cancelled.

    Args:
        questions: the ledger's reading side; called in a thread.
        rents: what machines cost, by model.
        on_uses: gets the use of each.
        clock: where time comes from.
    """

    def __init__(
        self,
        questions: Callable[[], Questions],
        rents: Callable[[], Mapping[str, Rent]],
        on_uses: Callable[[Mapping[str, Use]], None],
        clock: Clock,
    ) -> None:
        self._questions = questions
        self._rents = rents
        self._on_uses = on_uses
        self._clock = clock

    async def run(self) -> None:
        """Measure every hour, where any machine is rented."""
        pause = _FIRST_LOOK
        while True:
            await asyncio.sleep(pause)
            pause = _EVERY
            await self.look()

    async def look(self) -> None:
        """Measure once; while the store is away, the prices stay."""
        names = list(self._rents())
        if not names:
            return
        now = self._clock.now()
        try:
            found = await asyncio.to_thread(lambda: uses(self._questions(), names, now))
        except PointsmanError as error:
            _log.warning("the use of rented machines is not known now, their prices stay: %s", error.message)
            return
        self._on_uses(found)


def uses(questions: Questions, names: list[str], now: int) -> dict[str, Use]:
    """What each model was used for in the trailing week; blocks."""
    found = questions.model_uses(now - _WEEK * HOUR, names)
    return {
        name: Use(hours=(now - one.first) / HOUR, input=one.input, output=one.output) for name, one in found.items()
    }


def share(questions: Questions, name: str, rent: Rent, now: int) -> Share:
    """What a machine has cost this month beside what was booked; blocks."""
    begins, _ = month_of(now)
    found = questions.model_uses(begins, [name]).get(name)
    before = questions.model_uses(begins - _WEEK * HOUR, [name]).get(name)
    since = max(begins, before.first) if before is not None else now
    if found is None:
        return Share(since=since, allocated=allocated(rent, since, now), booked=0, attempts=0, input=0, output=0)
    return Share(
        since=since,
        allocated=allocated(rent, since, now),
        booked=found.cost,
        attempts=found.attempts,
        input=found.input,
        output=found.output,
    )
