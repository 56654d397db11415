"""The test bed: two simulators, places where nobody is as they should be, and one gateway that knows them all."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import trustme
from bench.failover.rows import Cell, Place
from bench.served import Running, gateway

from pointsman.testing import Entry, FaultRule, Pace, Script, SimModel, SimProvider, Simulator, running

PROMPT, WORDS = "tell me", 60
LIMITS = {"connect": 1, "first_byte": 1, "between_bytes": 1, "total": 4}
NAMES = ("one", "two")
"""Of the model, at the first and at the second provider."""
PRICES = ({"input": 1, "output": 2}, {"input": 3, "output": 5})
"""Of the first and of the second provider, in US dollars per million tokens."""
_PACE = Pace(events_per_second=100)  # so that content has gone out when a fault strikes in the middle
_DRIPS = (16, 4000)  # bytes at a time of a whole answer; events of a stream come one at a time
_KEY = "FAILOVER_HAS_NO_SUCH_KEY"


@dataclass(frozen=True)
class Bed:
    """All that runs."""

    served: Running
    firsts: Simulator
    seconds: Simulator

    def asked(self, cell: Cell, since: int) -> tuple[list[Entry], list[Entry]]:
        """Requests to the first and to the second provider of a cell, from a moment (nanoseconds) on."""
        made = self.firsts.journal.of(cell.first), self.seconds.journal.of(cell.second)
        first, second = ([entry for entry in entries if entry.received >= since] for entries in made)
        return first, second


def script(cells: list[Cell], *, first: bool) -> Script:
    """What a simulator plays: each cell's first provider with its fault, or its second, which is well."""
    providers = []
    for cell in cells:
        model = SimModel(name=NAMES[not first], recites=WORDS, pace=_PACE, faults=_faults(cell) if first else ())
        name, dialect = (cell.first, cell.primary) if first else (cell.second, cell.secondary)
        providers.append(SimProvider(name=name, dialect=dialect, models=(model,)))
    return Script(providers=tuple(providers), journal=20 * len(cells) + 100)


def _faults(cell: Cell) -> tuple[FaultRule, ...]:
    row = cell.row
    if not row.fault:
        return ()
    size = _DRIPS[cell.stream] if row.fault == "slow_drip" else None
    return (FaultRule(fault=row.fault, seconds=row.seconds, size=size, first=1 if cell.asked == "once" else 0),)


@contextlib.asynccontextmanager
async def raised(cells: list[Cell]) -> AsyncIterator[Bed]:
    """Everything up."""
    with contextlib.ExitStack() as stack:
        firsts = stack.enter_context(running(script(cells, first=True)))
        seconds = stack.enter_context(running(script(cells, first=False)))
        places = {
            "closed": f"http://127.0.0.1:{stack.enter_context(_closed())}",
            "nowhere": "http://provider.invalid:81",
            "plain": f"https://127.0.0.1:{firsts.port}",
            "full": f"http://127.0.0.1:{stack.enter_context(_full())}",
        }
        async with _stranger() as port:
            places["stranger"] = f"https://127.0.0.1:{port}"
            config = configured(cells, firsts, seconds, places)
            served = await asyncio.to_thread(stack.enter_context, gateway(config))
            yield Bed(served, firsts, seconds)


def configured(cells: list[Cell], firsts: Simulator, seconds: Simulator, places: dict[Place, str]) -> dict[str, Any]:
    """The gateway's configuration: for each cell two providers, their models, and a route over one or both."""
    providers: dict[str, Any] = {}
    models: dict[str, Any] = {}
    routes: dict[str, Any] = {}
    for cell in cells:
        sides = ((cell.first, cell.primary, firsts), (cell.second, cell.secondary, seconds))
        for side, (name, dialect, sim) in enumerate(sides):
            url = sim.url_of(name)
            if not side and cell.row.place in places:
                url = f"{places[cell.row.place]}/v1"
            providers[name] = {"dialect": dialect, "base_url": url, "timeouts": LIMITS}
            context = 100_000 * (side + 1)
            models[name] = {"provider": name, "model": NAMES[side], "price": PRICES[side], "context": context}
        if cell.row.place == "keyless":
            providers[cell.first]["api_key_env"] = _KEY
        routes[cell.name] = {"try": [cell.first, cell.second] if cell.asked == "two" else [cell.first]}
    return {"providers": providers, "models": models, "routes": routes}


@contextlib.contextmanager
def _closed() -> Iterator[int]:
    """A port that is taken and on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@contextlib.contextmanager
def _full() -> Iterator[int]:
    """A port whose queue of connections is full, so that no further one comes about."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filling = stack.enter_context(socket.socket())
            filling.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filling.connect(listener.getsockname())
        yield listener.getsockname()[1]


@contextlib.asynccontextmanager
async def _stranger() -> AsyncIterator[int]:
    """A port that speaks TLS with a certificate of an authority that nobody knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    async def nobody(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(nobody, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]
