"""Handlers of the paths that callers use: data paths go to the line, lists come from the directory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from pointsman.core.call import Arrival
from pointsman.core.ports import Principal, Reply
from pointsman.line.walk import Line
from pointsman.server.table import Handler
from pointsman.wire.port import Spoken, Surface

_JSON = (b"content-type", b"application/json")


class Listing(Protocol):
    """What the list of models shows."""

    def models_body(self) -> bytes:
        """Every route and model in OpenAI's shape."""
        ...

    def model_body(self, name: str) -> bytes:
        """One of them.

        Raises:
            UnknownModel: nothing of that name.
        """
        ...


def data_path(line: Callable[[], Line], surface: Surface, dialect: Spoken) -> Handler:
    """A handler that lets a call walk the line in force when it arrives."""

    def handle(arrival: Arrival, reply: Reply) -> Awaitable[object]:
        return line().walk(arrival, surface, dialect, reply)

    return handle


def models(listing: Listing, admit: Callable[[Arrival], Principal]) -> tuple[Handler, Handler]:
    """Handlers of `GET /v1/models` and `GET /v1/models/{name}`."""

    async def every(arrival: Arrival, reply: Reply) -> None:
        admit(arrival)
        await reply.whole(200, (_JSON,), listing.models_body())

    async def one(arrival: Arrival, reply: Reply) -> None:
        admit(arrival)
        name = arrival.path.partition("/models/")[2]
        await reply.whole(200, (_JSON,), listing.model_body(name))

    return every, one
