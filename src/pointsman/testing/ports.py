"""The ports that single providers listen on: opened and closed by the timetable of a script, or by a test's wish."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from pointsman.core.errors import ConfigError
from pointsman.testing.http import Handler, Server
from pointsman.testing.script import Outage, SimProvider
from pointsman.testing.temper import outage_at

_TICK = 0.05  # seconds between looks at the timetable


class Ports:
    """One port for each provider that has its own.

    Args:
        providers: of the script; those without a port of their own are passed over.
        handler: gets every request.
        host: to listen on.
        since_start: seconds on the simulator's clock, for outages.
    """

    def __init__(
        self, providers: Iterable[SimProvider], handler: Handler, host: str, since_start: Callable[[], float]
    ) -> None:
        own = [provider for provider in providers if provider.own_port]
        self._servers = {provider.name: Server(handler, host, 0) for provider in own}
        self._outages: dict[str, tuple[Outage, ...]] = {provider.name: provider.outages for provider in own}
        self._since_start = since_start
        self._refused: set[str] = set()
        self._watch: asyncio.Task[None] | None = None

    def numbers(self) -> Mapping[str, int]:
        """Port by provider; known once open."""
        return {name: server.port for name, server in self._servers.items()}

    async def open(self) -> None:
        """Listen, and follow the timetable from now on.

        Raises:
            OSError: a port is taken.
        """
        for server in self._servers.values():
            await server.open()
        await self.tick()
        if self._servers:
            self._watch = asyncio.get_running_loop().create_task(self._keep_timetable())

    async def shut(self) -> None:
        """Reset every connection and let go of the ports."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        for server in self._servers.values():
            await server.shut(keep_port=False)

    def refuse(self, provider: str) -> None:
        """Refuse connections from the next `tick` on.

        Raises:
            ConfigError: the provider has no port of its own.
        """
        if provider not in self._servers:
            raise ConfigError(f"{provider!r} has no port of its own to close", hint="set own_port: true")
        self._refused.add(provider)

    def accept(self, provider: str) -> None:
        """Accept connections again from the next `tick` on."""
        self._refused.discard(provider)

    def accept_all(self) -> None:
        """Accept connections everywhere again; outages of the timetable hold."""
        self._refused.clear()

    async def tick(self) -> None:
        """Open and close ports as the timetable and `refuse` say."""
        for name, server in self._servers.items():
            outage = outage_at(self._outages[name], self._since_start())
            closed = name in self._refused or (outage is not None and outage.fault == "refused")
            if closed and server.listening:
                await server.shut(keep_port=True)
            elif not closed and not server.listening:
                await server.open()

    async def _keep_timetable(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            await self.tick()
