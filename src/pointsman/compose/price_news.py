"""Tells when a model in use has another price: after a refresh, a change of the configuration, or a restart."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from pointsman.catalog.changes import price_text
from pointsman.core.clock import Clock
from pointsman.core.errors import InternalError, StoreUnavailable
from pointsman.core.model import Model, Price
from pointsman.core.rent import SOURCE
from pointsman.observe.alerts.spending import Spending
from pointsman.store.price_memory import PriceMemory

_log = logging.getLogger("pointsman.alerts")
_AGAIN = 60.0


class PriceNews:
    """Compares the prices in force with those that the store remembers; in a thread, beside the calls.

    Args:
        memory: what was in force before.
        spending: hears of changes.
        clock: where time comes from.
    """

    def __init__(self, memory: PriceMemory, spending: Spending, clock: Clock) -> None:
        self._memory = memory
        self._spending = spending
        self._clock = clock
        self._prices: dict[str, str] = {}
        self._due = asyncio.Event()

    def expect(self, models: Iterable[Model]) -> None:
        """These models are in use from now on."""
        prices = {
            model.name: described(model.price)
            for model in models
            if model.price is None or not model.price.source.startswith(SOURCE)  # those follow use, hour by hour
        }
        if prices != self._prices:
            self._prices = prices
            self._due.set()

    async def run(self) -> None:
        """Compare whenever there may be something new, until cancelled; again later where the store is away."""
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                changed = await asyncio.to_thread(self._memory.swap, self._prices)
            except (StoreUnavailable, InternalError) as error:
                _log.debug("whether prices have changed is not known now: %s", error)
                await asyncio.sleep(_AGAIN)
                self._due.set()
                continue
            for model, (old, new) in changed.items():
                self._spending.repriced(model, old, new, self._clock.now())


def described(price: Price | None) -> str:
    """A price for people, with those for longer requests; where two differ, these differ."""
    if price is None:
        return price_text(None)
    tiers = (f"above {above:,} tokens {price_text(each)}" for above, each in price.tiers)
    return "; ".join((price_text(price), *tiers))
