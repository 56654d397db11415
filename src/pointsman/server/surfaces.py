"""Handlers of the paths that callers use: data paths go to the line, lists come from the directory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from pointsman.core.call import Arrival
from pointsman.core.dialects import CHAT, GEMINI, MESSAGES
from pointsman.core.errors import NotFound
from pointsman.core.ports import Principal, Reply
from pointsman.core.scope import Allow
from pointsman.line.opaque import OpaqueLine
from pointsman.line.walk import Line
from pointsman.server.table import Handler
from pointsman.wire.model_lists import ListWriter
from pointsman.wire.openai_chat.models import Listed
from pointsman.wire.port import Spoken
from pointsman.wire.trip import Surface

_JSON = (b"content-type", b"application/json")
_VERBS: Mapping[str, Surface] = {
    "generateContent": "gemini.generate",
    "streamGenerateContent": "gemini.generate",
    "countTokens": "gemini.count_tokens",
}


class Listing(Protocol):
    """What the list of models shows."""

    def entries(self, allow: Allow) -> Sequence[Listed]:
        """Every route and model that a key may use which is allowed so much."""
        ...

    def entry(self, name: str, allow: Allow) -> Listed:
        """One of them, or any other name that would be served.

        Raises:
            Forbidden: the key may not use it.
            UnknownModel: nothing of that name.
        """
        ...


def data_path(line: Callable[[], Line], surface: Surface, dialect: Spoken) -> Handler:
    """A handler that lets a call walk the line in force when it arrives."""

    def handle(arrival: Arrival, reply: Reply) -> Awaitable[object]:
        return line().walk(arrival, surface, dialect, reply)

    return handle


def gemini_path(line: Callable[[], Line], dialect: Spoken) -> Handler:
    """A handler of `/models/{model}:{verb}`: the path says what is called."""

    def handle(arrival: Arrival, reply: Reply) -> Awaitable[object]:
        verb = arrival.path.rpartition(":")[2].strip("/")
        surface = _VERBS.get(verb)
        if surface is None:
            raise NotFound(
                f"A model is asked as `{{model}}:VERB`, and `{verb[:60]}` is none of {', '.join(_VERBS)}",
                hint="POST /v1beta/models/{model}:generateContent",
            )
        return line().walk(arrival, surface, dialect, reply)

    return handle


def opaque(line: Callable[[], OpaqueLine]) -> Handler:
    """A handler of what is passed through unread."""

    def handle(arrival: Arrival, reply: Reply) -> Awaitable[object]:
        return line().walk(arrival, reply)

    return handle


def models(
    listing: Listing, writers: Mapping[str, ListWriter], admit: Callable[[Arrival], Principal]
) -> tuple[Handler, Handler]:
    """Handlers of `GET /v1/models` and `GET /v1/models/{name}`, in the dialect of whoever asks."""

    async def every(arrival: Arrival, reply: Reply) -> None:
        allow = admit(arrival).allow
        await reply.whole(200, (_JSON,), writers[asked_in(arrival)].many(listing.entries(allow)))

    async def one(arrival: Arrival, reply: Reply) -> None:
        allow = admit(arrival).allow
        name = arrival.path.partition("/models/")[2]
        await reply.whole(200, (_JSON,), writers[asked_in(arrival)].one(listing.entry(name, allow)))

    return every, one


def asked_in(arrival: Arrival) -> str:
    """The dialect of a question that several dialects ask at the same path."""
    if b"anthropic-version" in arrival.lookup:
        return MESSAGES
    if b"x-goog-api-key" in arrival.lookup or b"x-goog-api-client" in arrival.lookup or "/v1beta" in arrival.path:
        return GEMINI
    return CHAT
