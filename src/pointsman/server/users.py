"""`/api/users/{user}`: one end user's data are removed, by whoever has an admin key."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec

from pointsman.core.call import Arrival
from pointsman.core.errors import NotFound
from pointsman.core.ports import Reply
from pointsman.server.reading import query, send
from pointsman.server.tenants import Admit, manager

_log = logging.getLogger("pointsman")
_PATH = "/api/users/"


class Users:
    """Handlers over end users.

    Args:
        forget: removes a user (name, team), once all that was recorded before is written; tells what went.
        admit: who is calling.
    """

    def __init__(self, forget: Callable[[str, str], Awaitable[msgspec.Struct]], admit: Admit) -> None:
        self._forget = forget
        self._manages = manager(admit)
        self._one_at_a_time = asyncio.Lock()

    async def delete(self, arrival: Arrival, reply: Reply) -> None:
        """`DELETE /api/users/{user}?team=`: contents, stored responses and the name itself; sums stay."""
        admin = self._manages(arrival)
        user, team = arrival.path.partition(_PATH)[2], query(arrival).get("team", "")
        async with self._one_at_a_time:
            gone = msgspec.to_builtins(await self._forget(user, team))
        if not gone["calls"]:
            raise NotFound("No call has that user", hint="the name is the label that callers sent, in full")
        _log.info("the data of one end user (%d calls) were deleted by key %s", gone["calls"], admin.id)
        await send(reply, gone)
