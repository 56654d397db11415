"""The server's certificate while it serves: a replaced one is taken over without a restart, a bad one is not."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

from pointsman.compose.certificates import dated, server_context
from pointsman.config.schema import Tls
from pointsman.core.clock import Clock
from pointsman.core.errors import ConfigError

_log = logging.getLogger("pointsman")
_LOOK_SECONDS = 2.0
_WARN_SECONDS = 24 * 3600.0

Look = tuple[tuple[int, ...], ...]


class Renewal:
    """Certificate and key of one server.

    A connection that begins gets the newest good pair, whole: a context is made and judged before it is shown. A
    change counts when two looks in a row see the same, for certificate and key are rarely replaced in one step.

    Attributes:
        context: for the listener; it stays the same.

    Raises:
        ConfigErrors: the files cannot be used now.
    """

    def __init__(self, tls: Tls, clock: Clock) -> None:
        self._tls = tls
        self._clock = clock
        self._judged = self._last = _look(tls)
        self.context = self._newest = server_context(tls, _nowhere)
        self.context.sni_callback = self._choose

    async def watch(self, seconds: float = _LOOK_SECONDS) -> None:
        """Look every so many seconds, until cancelled; once a day say what runs out."""
        loop = asyncio.get_running_loop()
        warn_at = loop.time() + _WARN_SECONDS
        while True:
            await asyncio.sleep(seconds)
            await self.look()
            if loop.time() >= warn_at:
                warn_at = loop.time() + _WARN_SECONDS
                self._warn()

    async def look(self, *, now: bool = False) -> None:
        """One look; `now`: what is there counts at once."""
        seen = await asyncio.to_thread(_look, self._tls)
        rested, self._last = seen == self._last, seen
        if seen != self._judged and (rested or now):
            self._judged = seen
            await asyncio.to_thread(self._renew)

    def _renew(self) -> None:
        try:
            self._newest = server_context(self._tls, _nowhere)
        except ConfigError as error:
            _log.error("the changed certificate is refused, the old one goes on serving: %s", error.message)
            return
        _log.info("the certificate in %s was replaced: new connections get the new one", self._tls.cert)
        self._warn()

    def _warn(self) -> None:
        for text in dated(self._tls, self._clock.now()):
            _log.warning("%s", text)

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext) -> None:
        """Called for every handshake, whether or not the client names a server."""
        del name
        if context is not self._newest:
            connection.context = self._newest


def _look(tls: Tls) -> Look:
    return tuple(_signature(Path(file)) for file in (tls.cert, tls.key))


def _signature(path: Path) -> tuple[int, ...]:
    """What betrays a change; followed through links, as certificate tools place them."""
    try:
        stat = path.stat()
    except (OSError, ValueError):
        return ()
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino, stat.st_dev


def _nowhere(*_: str) -> str:
    """A file on disk has no line in the configuration."""
    return ""
