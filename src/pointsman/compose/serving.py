"""`serve`: a house behind HTTP, until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable

import uvloop

from pointsman.compose.house import House
from pointsman.compose.web import application
from pointsman.config.schema import Server
from pointsman.server.host import Binding, Host, bind

_BACKLOG = 4096


def serve(house: House, announce: Callable[[str], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        ConfigError: the address cannot be bound.
    """
    said = house.loaded.config.server
    binding = binding_of(said)
    sock = bind(binding)
    sock.listen(_BACKLOG)
    port = sock.getsockname()[1]
    url = url_of(said, port)

    async def started() -> None:
        await house.start()
        _settle_memory()
        if announce is not None:
            announce(url)

    host = Host(application(house), binding, started, house.aclose)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    uvloop.run(_until_stopped(host, sock))


def _settle_memory() -> None:
    """What was made until now stays: no collection need look at it again.

    Calls make no cycles to speak of, so collections may be rare; measured, the default thresholds cost 3 % of the CPU.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _until_stopped(host: Host, sock: object) -> None:
    await host.serve([sock])  # type: ignore[list-item]
    await asyncio.sleep(0)


def binding_of(said: Server) -> Binding:
    """Where to listen, from the configuration."""
    return Binding(
        host=said.host,
        port=said.port,
        root_path=said.root_path,
        tls_cert=said.tls.cert if said.tls else "",
        tls_key=said.tls.key if said.tls else "",
    )


def url_of(said: Server, port: int) -> str:
    """The address that people open."""
    scheme = "https" if said.tls else "http"
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(said.host, said.host)
    return f"{scheme}://{f'[{shown}]' if ':' in shown and not shown.startswith('[') else shown}:{port}{said.root_path}"
