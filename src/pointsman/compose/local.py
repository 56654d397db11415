"""What runs on this machine: servers found on their usual ports, and the embedded model.

Looking takes a moment, so it happens beside the serving, at the start and then once a minute; whoever needs the answer
waits for `settled`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from pointsman.catalog import Catalog
from pointsman.compose.names import Found
from pointsman.core.model import Model, Price
from pointsman.core.ports import Carrier
from pointsman.upstream import discover

_log = logging.getLogger("pointsman.local")
_LOOK_AGAIN = 60.0
_NOT_BILLED = Price(input=0, output=0, source="runs on this machine: not billed by the token")
OnFound = Callable[[Sequence[Found]], Awaitable[None]]


class Embedded(Protocol):
    """The embedded model."""

    @property
    def found(self) -> Found:
        """Its provider and model."""
        ...

    async def start(self) -> None:
        """Begin to load, without waiting for it."""
        ...

    async def ready(self) -> None:
        """Wait until it answers or has failed."""
        ...

    async def aclose(self) -> None:
        """End it."""
        ...


class Machine:
    """Looks for local models and keeps looking. `lacking` says why there is no embedded one."""

    def __init__(
        self,
        carrier: Carrier,
        env: Mapping[str, str],
        catalog: Catalog,
        embedded: Embedded | None,
        *,
        look: bool,
        lacking: str = "",
    ) -> None:
        self._carrier = carrier
        self._env = env
        self._catalog = catalog
        self._look = look
        self.embedded = embedded
        self.lacking = lacking
        self._settled = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.found: tuple[Found, ...] = ()

    async def start(self, on_found: OnFound) -> None:
        """Begin; `on_found` hears of every change."""
        if self.embedded is not None:
            await self.embedded.start()
        self._tasks.append(asyncio.create_task(self._watch(on_found), name="local models"))

    async def settled(self, seconds: float) -> None:
        """Wait until the first look is done and the embedded model is ready or has failed, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._settled.wait()
                if self.embedded is not None:
                    await self.embedded.ready()
        except TimeoutError:
            _log.info("local models are not ready after %s s", seconds)

    async def look(self, on_found: OnFound) -> None:
        """Look once, starting nothing: for verbs that only list."""
        await self._once(on_found)

    async def aclose(self) -> None:
        """Stop looking; end the embedded model."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self.embedded is not None:
            await self.embedded.aclose()

    async def _watch(self, on_found: OnFound) -> None:
        while True:
            await self._once(on_found)
            self._settled.set()
            await asyncio.sleep(_LOOK_AGAIN)

    async def _once(self, on_found: OnFound) -> None:
        found = [self.embedded.found] if self.embedded is not None else []
        if self._look:
            found += [self._models(one) for one in await discover.discover(self._carrier, self._env)]
        if tuple(found) != self.found:
            self.found = tuple(found)
            await on_found(self.found)

    def _models(self, one: discover.Found) -> Found:
        """A found server's models, with what the catalogue knows of models of that name."""
        provider = one.provider
        models = []
        for each in one.models:
            row = self._catalog.model(provider.name, each.name)
            models.append(
                Model(
                    name=f"{provider.name}/{each.name}",
                    provider=provider,
                    upstream=each.name,
                    context=each.context or (row.context if row else 0),
                    abilities=row.abilities if row else None,
                    tier="economy",
                    price=_NOT_BILLED if provider.private else None,
                )
            )
        return Found(provider=provider, models=tuple(models))
