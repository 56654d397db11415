"""Prices refreshed in the background, where the configuration asks for it (`prices.update: daily` or `weekly`).

The same judgement as `pointsman prices update`: a list that is broken, shrunken or full of jumps does not replace the
one in force. When the last refresh was is read from the installed version, so restarts do not ask again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from pointsman.catalog import Catalog
from pointsman.catalog import load as load_catalog
from pointsman.catalog.update import FEED_URL, Report, install, prepare
from pointsman.catalog.versions import Versions
from pointsman.config.schema import Prices
from pointsman.core.clock import Clock
from pointsman.core.errors import PointsmanError, UpstreamGarbage
from pointsman.core.model import TimeLimits
from pointsman.core.ports import Carrier, UpstreamRequest
from pointsman.routing.planner import iso_date

_log = logging.getLogger("pointsman.prices")
_DAY = 86_400.0
_EVERY = {"daily": _DAY, "weekly": 7 * _DAY}
_AFTER_FAILURE = 3_600.0
_FIRST_LOOK = 30.0
_NANO = 1_000_000_000
_MOST_BYTES = 64 * 1024 * 1024
_LIMITS = TimeLimits(connect=10.0, first_byte=30.0, between_bytes=30.0, total=300.0)
OnPrices = Callable[[Catalog], Awaitable[None]]


class PriceKeeper:
    """Refreshes prices on a schedule, until cancelled."""

    def __init__(self, said: Prices, carrier: Carrier, folder: Path, clock: Clock) -> None:
        self._said = said
        self._carrier = carrier
        self._folder = folder
        self._clock = clock

    async def run(self, catalog: Catalog, on_prices: OnPrices) -> None:
        """Refresh when it is due; `on_prices` gets each new catalogue."""
        every = _EVERY.get(self._said.update)
        if every is None:
            return
        pause = _FIRST_LOOK
        while True:
            await asyncio.sleep(pause)
            left = every - await asyncio.to_thread(self._age)
            if left > 0:
                pause = left
                continue
            try:
                refreshed = await self.refresh(catalog)
            except PointsmanError as error:
                _log.warning("prices were not refreshed, the old ones stay: %s", error.message)
                refreshed = None
            pause = every if refreshed is not None else _AFTER_FAILURE
            if refreshed is not None:
                catalog = refreshed
                await on_prices(catalog)

    async def refresh(self, catalog: Catalog) -> Catalog | None:
        """Fetch, judge, install; the new catalogue, or None where the list was refused.

        Raises:
            UpstreamError: the list could not be fetched.
            ConfigError: it could not be written.
        """
        today = iso_date(self._clock.now())
        data = await fetch(self._carrier, self._said.url or FEED_URL)

        def judge() -> Report:
            proposal = prepare(data, catalog.document, catalog.providers(), today=today)
            if proposal.report.ok:
                install(proposal, self._folder)
            return proposal.report

        report = await asyncio.to_thread(judge)
        if not report.ok:
            _log.warning("the fetched prices are refused, the old ones stay: %s", "; ".join(report.problems))
            return None
        _log.info("prices are refreshed:\n%s", report.text())
        loaded = await asyncio.to_thread(lambda: load_catalog(self._folder, today=today))
        return loaded.catalog

    def _age(self) -> float:
        """Seconds since the last installation; far in the past if there was none."""
        current = Versions(self._folder).current()
        if current is None:
            return float("inf")
        return self._clock.now() / _NANO - current.path.stat().st_mtime


async def fetch(carrier: Carrier, url: str) -> bytes:
    """A file over HTTP.

    Raises:
        UpstreamError: no answer, or another status than 200.
    """
    response = await carrier.send(UpstreamRequest(method="GET", url=url, limits=_LIMITS, max_answer=_MOST_BYTES))
    try:
        if response.status != 200:
            raise UpstreamGarbage(f"{url} answered with status {response.status}")
        return await response.read()
    finally:
        await response.aclose()
