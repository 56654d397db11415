"""Uvicorn's server around our protocol: sockets, TLS and signals are its, the sweep and the end are ours."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any, cast

import msgspec
import uvicorn

from pointsman.core.errors import ConfigError
from pointsman.server.app import App
from pointsman.server.http1 import Http1Protocol

_TICK = 0.1
_TICKS_PER_SWEEP = 5
_LOOK_SECONDS = 0.02
_LAST_WORDS_SECONDS = 1.0
_SAME_WISH_SECONDS = 1.0
"""A second SIGTERM within these is the first once more: a service manager tells a whole group, and so does a parent."""
_BACKLOG = 4096


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen.

    Attributes:
        host: an address or a name of this machine; IPv6 without brackets.
        port: 0 takes a free one.
        tls: serves HTTPS; None is plain HTTP. A Unix socket is always plain.
        handshake_seconds: within these a TLS handshake is complete, or its connection is closed.
        drain_seconds: for answers under way at the end.
        shared: other processes of this user may listen on the same port.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    handshake_seconds: float = 10.0
    drain_seconds: float = 30.0
    shared: bool = False


class Host(uvicorn.Server):
    """Listens until told to stop."""

    def __init__(
        self,
        app: App,
        binding: Binding,
        on_start: Callable[[], Awaitable[None]],
        on_stop: Callable[[], Awaitable[None]],
        on_listening: Callable[[], None] = lambda: None,
        on_stopping: Callable[[], None] = lambda: None,
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
            )
        )
        self._app = app
        self._binding = binding
        self._ticked = 0.0
        self._told = 0.0
        self._accepting: set[asyncio.Task[Any]] = set()
        self._on_start = on_start
        self._on_stop = on_stop
        self._on_listening = on_listening
        self._on_stopping = on_stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start what works behind, then take calls; who connects meanwhile waits in the socket's queue."""
        await self._on_start()
        self.servers = [await self._listen(sock) for sock in sockets or ()]
        self.started = True
        self._on_listening()

    async def _listen(self, sock: socket.socket) -> asyncio.base_events.Server:
        """What uvicorn does too, but with a limit for the handshake; its own is a minute."""
        tls = self._tls(sock)
        return await asyncio.get_running_loop().create_server(
            self._protocol,
            sock=sock,
            ssl=tls,
            ssl_handshake_timeout=None if tls is None else self._binding.handshake_seconds,
            backlog=_BACKLOG,
        )

    def _protocol(self) -> Http1Protocol:
        return Http1Protocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    def _tls(self, sock: socket.socket) -> ssl.SSLContext | None:
        return None if sock.family == socket.AF_UNIX else self._binding.tls

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM or SIGINT: stop. Once more: do not wait for the answers under way."""
        del frame
        now = time.monotonic()
        self._captured_signals.append(sig)
        if self.should_exit and (sig == signal.SIGINT or now - self._told >= _SAME_WISH_SECONDS):
            self.force_exit = True
        if not self.should_exit:
            self._told = now
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, let answers finish, tell those that take too long, then stop what works behind."""
        self._app.shared.stopping = True
        self._on_stopping()
        for connection in self._connections():
            connection.shutdown()
        for sock in sockets or ():
            self._take_rest(sock)
        for server in self.servers:
            server.close()
        for sock in sockets or ():
            sock.close()
        await self._until_gone(self._binding.drain_seconds, lambda: self.force_exit)
        for connection in self._connections():
            connection.stop()
        await self._until_gone(_LAST_WORDS_SECONDS, lambda: False)
        for connection in self._connections():
            connection.abort()
        await self._settled()
        await self._on_stop()

    def _take_rest(self, sock: socket.socket) -> None:
        """Who is connected already, and waits to be accepted, gets an answer too."""
        loop = asyncio.get_running_loop()
        tls = self._tls(sock)
        sock.setblocking(False)
        while True:
            try:
                accepted, _ = sock.accept()
            except OSError:
                return
            accepted.setblocking(False)
            timeout = None if tls is None else self._binding.handshake_seconds
            task: asyncio.Task[Any] = loop.create_task(
                loop.connect_accepted_socket(self._protocol, accepted, ssl=tls, ssl_handshake_timeout=timeout)
            )
            self._accepting.add(task)
            task.add_done_callback(self._accepting.discard)

    def _connections(self) -> list[Http1Protocol]:
        return cast("list[Http1Protocol]", list(self.server_state.connections))

    async def _until_gone(self, seconds: float, hurry: Callable[[], bool]) -> None:
        """Wait until no connection is left, or it has taken too long, or there is no more time for it."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while (self.server_state.connections or self._accepting) and not hurry() and (now := loop.time()) < end:
            for connection in self._connections():
                connection.sweep(now)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _settled(self) -> None:
        """Wait for the calls of the connections that are gone to be booked."""
        tasks = {*self.server_state.tasks, *self._accepting}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_LAST_WORDS_SECONDS)
            for task in late:
                task.cancel()

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self._ticked:
            self._app.lagged(max(now - self._ticked - _TICK, 0.0), now)
        if counter % _TICKS_PER_SWEEP == 0:
            for connection in self._connections():
                connection.sweep(now)
        self._ticked = loop.time()
        return await super().on_tick(counter)


def bind(binding: Binding) -> socket.socket:
    """Bind the listening socket before anything else starts, so that a taken port is the first thing said.

    Raises:
        ConfigError: the address is taken, not ours, or not permitted.
    """
    family = socket.AF_INET6 if ":" in binding.host else socket.AF_INET
    where = f"{binding.host}:{binding.port}"
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named, or asyncio leaves Nagle on
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if binding.shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
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
