"""Alerts on their way: a bounded queue, one task that tells every channel, and nothing on the path of calls."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from pointsman.core.errors import PointsmanError, UpstreamTimeout
from pointsman.observe.alerts.alert import Alert, Kind
from pointsman.observe.alerts.channel import Channel

_log = logging.getLogger("pointsman.alerts")
_QUEUE = 256
_LEVELS = {"critical": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO}
LOG = "log"
"""The channel that is always there."""

Count = Callable[[str, str, str], None]
"""Counts a kind, a channel and a result: `delivered`, `failed`, `dropped` or `elsewhere`."""
Claim = Callable[[Alert], Awaitable[bool]]
"""Whether this process tells it, and not another one that has told the same. Takes a few seconds at most."""


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long a channel is tried (seconds): at most `limit` each time, and again after each of `pauses`."""

    limit: float = 15.0
    pauses: tuple[float, ...] = (1.0, 4.0)


class Addressee(msgspec.Struct, frozen=True, kw_only=True):
    """A channel and which kinds of alert it gets; None is all."""

    channel: Channel
    kinds: tuple[Kind, ...] | None = None


class Courier:
    """Tells alerts. `put` from the event loop, `run` as a task of it.

    Args:
        count: counts what became of each.
        patience: time limits.
        sleep: waits, in seconds.
        claim: see `Claim`; None tells everything.
    """

    def __init__(
        self,
        count: Count,
        patience: Patience | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        claim: Claim | None = None,
    ) -> None:
        self._claim = claim
        self.addressees: Mapping[str, Addressee] = {}
        self._count = count
        self._patience = patience or Patience()
        self._sleep = sleep
        self._queue: deque[Alert] = deque()
        self._wake = asyncio.Event()
        self._failing: set[str] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, alert: Alert) -> None:
        """Take an alert. Never waits, never raises: where 256 wait, the oldest is dropped and counted."""
        _log.log(_LEVELS[alert.severity], "%s", alert.summary)
        self._count(alert.kind, LOG, "delivered")
        if not self.addressees:
            return
        if len(self._queue) >= _QUEUE:
            dropped = self._queue.popleft()
            for name in self.addressed(dropped):
                self._count(dropped.kind, name, "dropped")
        self._queue.append(alert)
        self._idle.clear()
        self._wake.set()

    async def run(self) -> None:
        """Tell what comes, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                await self._tell(self._queue.popleft())
            self._idle.set()

    async def drained(self) -> None:
        """Wait until nothing waits to be told; whoever calls limits the time."""
        await self._idle.wait()

    async def once(self, name: str, alert: Alert) -> str:
        """Tell one channel once, now; why it was not taken, empty if it was. No secret of the channel is in it."""
        channel = self.addressees[name].channel
        try:
            await self._deliver(channel, alert)
        except PointsmanError as error:
            return _safe(error.message, channel)
        return ""

    def addressed(self, alert: Alert) -> dict[str, Channel]:
        """The channels that take an alert of its kind."""
        found = self.addressees.items()
        return {name: one.channel for name, one in found if one.kinds is None or alert.kind in one.kinds}

    async def _tell(self, alert: Alert) -> None:
        """All channels at once, so that one that is down keeps the others waiting for one alert, not for all."""
        channels = self.addressed(alert)
        if not channels:
            return
        if self._claim is not None and not await self._claim(alert):
            for name in channels:
                self._count(alert.kind, name, "elsewhere")
            return
        await asyncio.gather(*(self._tell_one(name, channel, alert) for name, channel in channels.items()))

    async def _tell_one(self, name: str, channel: Channel, alert: Alert) -> None:
        pauses = (
            () if name in self._failing else self._patience.pauses
        )  # one that is down is tried once, until it is up
        for pause in (*pauses, None):
            try:
                await self._deliver(channel, alert)
            except PointsmanError as error:
                if pause is not None and error.retryable:
                    await self._sleep(pause)
                    continue
                self._failed(name, alert, _safe(error.message, channel))
            except Exception as error:  # noqa: BLE001 - the task's edge: a defect costs an alert, never the others
                self._failed(name, alert, f"a defect: {type(error).__name__}")
            else:
                self._delivered(name, alert)
            return

    async def _deliver(self, channel: Channel, alert: Alert) -> None:
        limit = self._patience.limit
        try:
            async with asyncio.timeout(limit):
                await channel.deliver(alert)
        except TimeoutError:
            raise UpstreamTimeout(f"no answer within {limit:g} s", phase="total") from None

    def _delivered(self, name: str, alert: Alert) -> None:
        self._count(alert.kind, name, "delivered")
        if name in self._failing:
            self._failing.discard(name)
            _log.warning("alerts reach the channel %s again", name)

    def _failed(self, name: str, alert: Alert, why: str) -> None:
        self._count(alert.kind, name, "failed")
        if name not in self._failing:
            self._failing.add(name)
            _log.error("alerts do not reach the channel %s: %s; each further one is tried once", name, why)


def _safe(text: str, channel: Channel) -> str:
    """A failure's text without the channel's secrets."""
    for secret in channel.secrets():
        if secret:
            text = text.replace(secret, "***")
    return text
