"""Uvicorn's server around our protocol: sockets, TLS, signals and graceful shutdown are its, the sweep is ours."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec
import uvicorn

from pointsman.core.errors import ConfigError
from pointsman.server.app import App
from pointsman.server.http1 import Http1Protocol

_TICKS_PER_SWEEP = 5
_BACKLOG = 4096


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen.

    Attributes:
        host: an address or a name of this machine; IPv6 without brackets.
        port: 0 takes a free one.
        tls: serves HTTPS; None is plain HTTP. A Unix socket is always plain.
        handshake_seconds: within these a TLS handshake is complete, or its connection is closed.
        drain_seconds: for answers under way at the end.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    handshake_seconds: float = 10.0
    drain_seconds: float = 30.0


class Host(uvicorn.Server):
    """Listens until told to stop."""

    def __init__(
        self,
        app: App,
        binding: Binding,
        on_start: Callable[[], Awaitable[None]],
        on_stop: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app=cast("Any", app),  # our protocol calls `handle`, not ASGI
                interface="asgi3",
                http=Http1Protocol,
                ws="none",
                loop="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                backlog=_BACKLOG,
                timeout_graceful_shutdown=int(binding.drain_seconds),
            )
        )
        self._binding = binding
        self._on_start = on_start
        self._on_stop = on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start what works behind, then take calls; who connects meanwhile waits in the socket's queue."""
        await self._on_start()
        self.servers = [await self._listen(sock) for sock in sockets or ()]
        self.started = True

    async def _listen(self, sock: socket.socket) -> asyncio.base_events.Server:
        """What uvicorn does too, but with a limit for the handshake; its own is a minute."""
        tls = None if sock.family == socket.AF_UNIX else self._binding.tls
        return await asyncio.get_running_loop().create_server(
            lambda: Http1Protocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state),
            sock=sock,
            ssl=tls,
            ssl_handshake_timeout=None if tls is None else self._binding.handshake_seconds,
            backlog=_BACKLOG,
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, let answers finish, then stop what works behind."""
        await super().shutdown(sockets)
        await self._on_stop()

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second."""
        if counter % _TICKS_PER_SWEEP == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                cast("Http1Protocol", connection).sweep(now)
        return await super().on_tick(counter)


def bind(binding: Binding) -> socket.socket:
    """Bind the listening socket before anything else starts, so that a taken port is the first thing said.

    Raises:
        ConfigError: the address is taken, not ours, or not permitted.
    """
    family = socket.AF_INET6 if ":" in binding.host else socket.AF_INET
    where = f"{binding.host}:{binding.port}"
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((binding.host, binding.port))
    except OSError as error:
        sock.close()
        raise _bind_error(error, where) from None
    return sock  # not inheritable: a child that held it would keep the port when we have stopped


def _bind_error(error: OSError, where: str) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        return ConfigError(
            f"{where} is taken by another process",
            hint="stop it, or choose another port: `pointsman serve --port 4546` (0 takes a free one)",
        )
    if error.errno == errno.EACCES:
        return ConfigError(f"{where} may not be bound by this user", hint="choose a port above 1023")
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return ConfigError(f"{where} is not an address of this machine", hint="use 127.0.0.1 or 0.0.0.0")
    return ConfigError(f"cannot listen on {where}: {error.strerror}")
