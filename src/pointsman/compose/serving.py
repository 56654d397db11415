"""`serve`: a house behind HTTP, until it is told to stop."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import os
import signal
import socket
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop

from pointsman.compose.building import Settings
from pointsman.compose.certificates import check_certificates
from pointsman.compose.house import House
from pointsman.compose.member import Member
from pointsman.compose.renewal import Renewal
from pointsman.compose.service import READY, STOPS, handed_over, notify
from pointsman.compose.state import HouseState
from pointsman.compose.storage import demand_store
from pointsman.compose.web import application
from pointsman.compose.workers import supervise
from pointsman.config.schema import Server
from pointsman.core.errors import ConfigError
from pointsman.observe.log import to_terminal
from pointsman.server.host import Binding, Host, bind

_log = logging.getLogger("pointsman")

_BACKLOG = 4096


def serve(
    house: House,
    announce: Callable[[str], None] | None = None,
    config: Path | None = None,
    settings: Settings | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        ConfigError: the address cannot be bound, or a certificate or the store cannot be used.
    """
    check_certificates(house.loaded)
    said = house.loaded.config.server
    sock = handed_over(os.environ, said) or bind(binding_of(said))
    try:
        demand_store(house.pieces.keys)
    except ConfigError:
        sock.close()
        raise
    if not said.reuse_port:  # who connects meanwhile waits; with another gateway there, that one answers
        sock.listen(_BACKLOG)
    url = url_of(said, sock.getsockname()[1])

    def tell() -> None:
        if announce is not None:
            announce(url)

    if said.workers > 1:
        to_terminal(house.loaded.config.log.level, house.loaded.config.log.format)
        supervise(house, sock, config, settings or Settings(), tell)
    else:
        serve_on(house, sock, tell)


def serve_on(
    house: House, sock: socket.socket, announce: Callable[[], None] | None = None, member: Member | None = None
) -> None:
    """Serve on a listening socket until told to stop; as one of several workers until the parent is gone, too.

    Raises:
        ConfigError: a certificate cannot be used.
    """
    log = house.loaded.config.log
    to_terminal(log.level, log.format)
    said = house.loaded.config.server
    renewal = Renewal(said.tls, house.pieces.clock) if said.tls else None
    state = HouseState(house, member.peers if member else None)
    behind = _Behind(house, state, renewal, member, announce)
    binding = binding_of(said, renewal.context if renewal else None)
    stopping = (lambda: None) if member else functools.partial(notify, os.environ, STOPS)
    host = Host(application(house, state), binding, behind.started, behind.ended, behind.listening, stopping)
    behind.host = host
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    uvloop.run(host.serve([sock] if member is None else [sock, member.peer]))


class _Behind:
    """What works behind the listener, from start to end."""

    def __init__(
        self,
        house: House,
        state: HouseState,
        renewal: Renewal | None,
        member: Member | None,
        announce: Callable[[], None] | None,
    ) -> None:
        self._house = house
        self._state = state
        self._renewal = renewal
        self._member = member
        self._announce = announce
        self._tasks: set[asyncio.Task[None]] = set()
        self.host: Host | None = None

    async def started(self) -> None:
        """Start the house and all that goes with it."""
        member = self._member
        if member is not None and member.in_force.digest != self._house.loaded.digest:
            self._house.adopt(member.in_force)
        await self._house.start()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hang_up)
        if self._renewal is not None:
            self._go(self._renewal.watch())
        if member is not None:
            self._go(member.peers.keep(self._state.own_metrics))
        _settle_memory()

    def listening(self) -> None:
        """Tell whoever waits for it."""
        if self._member is not None:
            self._member.tether.hold(self._hang_up, self._alone)
        else:
            notify(os.environ, READY)
        if self._announce is not None:
            self._announce()

    async def ended(self) -> None:
        """Stop it all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._house.aclose()
        if self._member is not None:
            self._state.own_metrics()  # for whoever takes this worker's place

    def _go(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _hang_up(self) -> None:
        """SIGHUP: somebody means "look now", or closed the terminal; neither may cut an answer."""
        self._go(self._look())

    async def _look(self) -> None:
        if self._renewal is not None:
            await self._renewal.look(now=True)
        if self._house.watcher is not None:
            await self._house.watcher.again()
        _log.info("looked again: configuration %s is in force", self._house.loaded.version)

    def _alone(self) -> None:
        _log.error("the parent process is gone: this worker ends when the answers under way are complete")
        if self.host is not None:
            self.host.should_exit = True


def _settle_memory() -> None:
    """What was made until now stays: no collection need look at it again.

    Calls leave no cycles, whatever becomes of them, so collections may be rare; measured, the default thresholds cost
    3 % of the CPU.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def binding_of(said: Server, tls: ssl.SSLContext | None = None) -> Binding:
    """Where to listen, from the configuration; HTTPS with `tls`."""
    return Binding(
        host=said.host,
        port=said.port,
        tls=tls,
        handshake_seconds=float(said.header_timeout),
        drain_seconds=said.drain,
        shared=said.reuse_port,
    )


def url_of(said: Server, port: int) -> str:
    """The address that people open."""
    scheme = "https" if said.tls else "http"
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(said.host, said.host)
    return f"{scheme}://{f'[{shown}]' if ':' in shown and not shown.startswith('[') else shown}:{port}{said.root_path}"
