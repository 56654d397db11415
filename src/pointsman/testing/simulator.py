"""The provider simulator: many providers in one process, over real sockets.

Example:
    async with Simulator(one_model(name="sim-1", pace={"events_per_second": 20})) as sim:
        client = AsyncOpenAI(base_url=sim.base_url, api_key="any")
        sim.inject("rate_limit", times=1)
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from pointsman.core.clock import Clock, SystemClock
from pointsman.testing.chaos import settled
from pointsman.testing.control import Control
from pointsman.testing.dialect import Refusal
from pointsman.testing.directory import Directory, build_stages
from pointsman.testing.http import Exchange, Server
from pointsman.testing.journal import Entry, Journal
from pointsman.testing.player import Player, Timeline
from pointsman.testing.ports import Ports
from pointsman.testing.script import Script, one_model
from pointsman.testing.temper import Injected, Temper
from pointsman.testing.trouble import at_once, refused

_JSON = [(b"content-type", b"application/json")]


class Simulator:
    """Plays a script.

    Args:
        script: what to play; one model `sim-1` that answers at once if None.
        clock: for outages, quotas and the journal; pauses between bytes always pass in real time.
        host: to listen on.
        port: to listen on; 0 takes any.

    Attributes:
        journal: what arrived.
    """

    def __init__(
        self, script: Script | None = None, *, clock: Clock | None = None, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.script = settled(script or one_model())
        self.journal = Journal(self.script.journal, self.script.journal_body)
        self._clock = clock or SystemClock()
        self._host = host
        self._temper = Temper(self.script.seed)
        self._control = Control(self)
        self._server = Server(self._handle, host, port)
        self._stages = build_stages(self.script, self._temper, self._clock)
        self._ports = Ports(self.script.providers, self._handle, host, self._since_start)
        self._directory = Directory(self._stages, self._ports.numbers)
        self._start = self._clock.now()

    @property
    def port(self) -> int:
        """The shared port, known once started."""
        return self._server.port

    @property
    def root_url(self) -> str:
        """The shared port's root: control endpoints are below `/_sim`."""
        return f"http://{self._host}:{self.port}"

    @property
    def base_url(self) -> str:
        """For a client of all models, chosen by name."""
        return f"{self.root_url}/v1"

    def url_of(self, provider: str, dialect: str = "") -> str:
        """For a client of one provider: its own port if it has one, else a path of the shared one.

        With the version at its end, as the dialect (empty: the provider's main one) has it.
        """
        own = self._ports.numbers().get(provider)
        root = f"{self.root_url}/p/{provider}" if own is None else f"http://{self._host}:{own}"
        return root + self._stages[provider].version(dialect)

    async def start(self) -> None:
        """Listen. Outages count from now.

        Raises:
            OSError: the port is taken.
        """
        self._start = self._clock.now()
        await self._server.open()
        await self._ports.open()

    async def close(self) -> None:
        """Reset every connection and let go of the ports."""
        await self._ports.shut()
        await self._server.shut(keep_port=False)
        await asyncio.sleep(0)  # transports close on the next turn of the loop

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()

    def inject(
        self, fault: str, *, provider: str = "", model: str = "", times: int = 1, after: int | None = None
    ) -> None:
        """The next `times` requests to this provider and model (empty: any) meet this fault.

        Raises:
            ConfigError: no fault of that name.
        """
        self.queue(Injected(fault=fault, provider=provider, model=model, times=times, after=after))

    def queue(self, injected: Injected) -> None:
        """As `inject`, with every setting."""
        self._temper.inject(injected)

    def reset(self) -> None:
        """Forget injected faults, refused ports, quotas, caches and the journal. The timetable starts again."""
        self._temper.reset()
        self._ports.accept_all()
        self.journal.clear()
        for stage in self._stages.values():
            stage.forget()
        self._start = self._clock.now()

    def refuse(self, provider: str) -> None:
        """Refuse connections from the next `tick` on (20 times a second by itself).

        Raises:
            ConfigError: the provider has no port of its own.
        """
        self._ports.refuse(provider)

    def accept(self, provider: str) -> None:
        """Accept connections again from the next `tick` on."""
        self._ports.accept(provider)

    async def tick(self) -> None:
        """Open and close ports as the timetable and `refuse` say. Only needed by tests that move a clock by hand."""
        await self._ports.tick()

    def _since_start(self) -> float:
        return (self._clock.now() - self._start) / 1e9

    def _handle(self, exchange: Exchange) -> None:
        if exchange.path.startswith("/_sim/"):
            self._control.handle(exchange)
            return
        clock = self._clock
        entry = self.journal.open(exchange.method, exchange.path, exchange.headers, exchange.body, clock.now())
        timeline = self._timeline(entry, exchange)
        entry.status = timeline.status
        if timeline.ending == "end" and timeline.at == [0.0]:  # the usual case under load: no timer, one write
            entry.answered = entry.finished = clock.now()
            entry.sent = 1
            self.journal.book(entry)
            exchange.reply(timeline.status, timeline.headers, timeline.pieces[0])
            return
        Player(exchange, timeline, clock.now, lambda player: self._closed(entry, player)).step()

    def _closed(self, entry: Entry, player: Player) -> None:
        entry.sent, entry.answered = player.sent, player.began
        if player.hung_up:
            entry.hung_up = self._clock.now()
        else:
            entry.finished = self._clock.now()
        self.journal.book(entry)

    def _timeline(self, entry: Entry, exchange: Exchange) -> Timeline:
        stage, request = self._directory.find(exchange)
        heard = stage.hear(request) if stage else None
        if stage is None or heard is None:
            return at_once(404, _JSON, self._directory.unknown(stage, exchange, request))
        dialect, entry.surface = heard
        entry.provider = stage.provider.name
        try:
            listing = dialect.listing(request, entry.surface, self._directory.models(exchange, stage))
        except Refusal as refusal:
            return refused(refusal, dialect, request, [])
        if listing is not None:
            return at_once(200, _JSON, listing)
        return stage.play(entry, request, dialect, self._since_start())
