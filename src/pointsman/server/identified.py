"""An id on every answer, so that whoever asks about one can name it."""

from __future__ import annotations

import secrets

from pointsman.core.ports import Headers, Reply

_NAME = b"x-request-id"


def new_id() -> str:
    """An id for an answer that no call of the ledger stands behind: as long as a call's, and never equal to one."""
    return secrets.token_hex(13)


class Identified:
    """A reply that adds an id where its handler has set none."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    @property
    def started(self) -> bool:
        """Whether the status is committed."""
        return self._reply.started

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """The complete answer at once."""
        await self._reply.whole(status, _with_id(headers), body)

    async def start(self, status: int, headers: Headers) -> None:
        """Status and headers of a streamed answer."""
        await self._reply.start(status, _with_id(headers))

    async def write(self, data: bytes) -> None:
        """Bytes of a streamed answer."""
        await self._reply.write(data)

    async def end(self) -> None:
        """The streamed answer's proper end."""
        await self._reply.end()


def _with_id(headers: Headers) -> Headers:
    if any(name == _NAME for name, _ in headers):
        return headers
    return [*headers, (_NAME, new_id().encode())]
