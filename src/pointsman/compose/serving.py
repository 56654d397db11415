"""`serve`: a house behind HTTP, until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
from collections.abc import Callable
from pathlib import Path

import uvloop

from pointsman.compose.building import Settings
from pointsman.compose.certificates import check_certificates
from pointsman.compose.house import House
from pointsman.compose.peers import Peers
from pointsman.compose.state import HouseState
from pointsman.compose.storage import demand_store
from pointsman.compose.web import application
from pointsman.compose.workers import supervise
from pointsman.config.schema import Server
from pointsman.core.errors import ConfigError
from pointsman.observe.log import to_terminal
from pointsman.server.host import Binding, Host, bind

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
    sock = bind(binding_of(said))
    try:
        demand_store(house.pieces.keys)
    except ConfigError:
        sock.close()
        raise
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
    house: House,
    sock: socket.socket,
    announce: Callable[[], None] | None = None,
    *,
    peer: socket.socket | None = None,
    peers: Peers | None = None,
) -> None:
    """Serve on a listening socket until told to stop; as one of several workers also on `peer`, for `peers`."""
    log = house.loaded.config.log
    to_terminal(log.level, log.format)
    state = HouseState(house, peers)
    keeping: list[asyncio.Task[None]] = []

    async def started() -> None:
        await house.start()
        if peers is not None:
            keeping.append(asyncio.create_task(peers.keep(state.own_metrics), name="figures"))
        _settle_memory()
        if announce is not None:
            announce()

    async def ended() -> None:
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
        await house.aclose()
        if peers is not None:
            state.own_metrics()  # for whoever takes this worker's place

    host = Host(application(house, state), binding_of(house.loaded.config.server), started, ended)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    uvloop.run(host.serve([sock] if peer is None else [sock, peer]))


def _settle_memory() -> None:
    """What was made until now stays: no collection need look at it again.

    Calls make no cycles to speak of, so collections may be rare; measured, the default thresholds cost 3 % of the CPU.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def binding_of(said: Server) -> Binding:
    """Where to listen, from the configuration."""
    return Binding(
        host=said.host,
        port=said.port,
        tls_cert=said.tls.cert if said.tls else "",
        tls_key=said.tls.key if said.tls else "",
    )


def url_of(said: Server, port: int) -> str:
    """The address that people open."""
    scheme = "https" if said.tls else "http"
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(said.host, said.host)
    return f"{scheme}://{f'[{shown}]' if ':' in shown and not shown.startswith('[') else shown}:{port}{said.root_path}"
