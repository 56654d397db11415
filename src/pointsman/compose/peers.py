"""The figures of all workers as one: each keeps its own on disk, so that a death takes nothing out of `/metrics`.

A worker's file holds its counters and those of all that had its number before, so each is added once. It is written
every second, before every scrape is answered, and at the end: what was once shown never goes back, and a killed worker
takes at most its last second with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pointsman.observe.merging import lasting, merge
from pointsman.server.health import OWN_METRICS

_PEER_SECONDS = 1.0
_KEEP_SECONDS = 1.0


class Peers:
    """One worker among several.

    Args:
        own: this worker's Unix socket; its figures lie beside it.
        others: those of the others.
    """

    def __init__(self, own: Path, others: tuple[Path, ...]) -> None:
        self._file = _figures(own)
        self._others = others
        self._before = _kept(own)

    def with_former(self, text: bytes) -> bytes:
        """This worker's figures and those of all that had its number before; kept on disk before they are shown."""
        whole = merge([text, self._before]) if self._before else text
        hidden = self._file.with_suffix(".new")
        with suppress(OSError):  # a full disk costs at most what a death would then take
            hidden.write_bytes(whole)
            hidden.replace(self._file)
        return whole

    async def theirs(self) -> list[bytes]:
        """The others' figures."""
        return await asyncio.gather(*(_fetch(path) for path in self._others))

    async def keep(self, render: Callable[[], bytes]) -> None:
        """Keep what `render` says on disk, through `with_former`, until cancelled."""
        while True:
            await asyncio.sleep(_KEEP_SECONDS)
            render()


def _figures(socket: Path) -> Path:
    return socket.with_suffix(".prom")


def _kept(socket: Path) -> bytes:
    """What a worker that is gone has counted; its gauges went with it."""
    try:
        return lasting(_figures(socket).read_bytes())
    except OSError:
        return b""


async def _fetch(path: Path) -> bytes:
    """Another worker's figures; what it kept if it does not answer, for it may be about to be replaced."""
    try:
        async with asyncio.timeout(_PEER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(str(path))
            try:
                writer.write(f"GET {OWN_METRICS} HTTP/1.0\r\n\r\n".encode())
                head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return _kept(path)
    return body if head.startswith(b"HTTP/1.1 200 ") else _kept(path)
