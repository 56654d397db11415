"""Responses that are kept, so that a later request can go on from one by naming its id."""

from __future__ import annotations

import msgspec


class Maker(msgspec.Struct, frozen=True, array_like=True):
    """Who made some neighbouring items of a conversation: a provider by name, or the caller, whose name is empty."""

    provider: str
    items: int


class KeptResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A response with the conversation that led to it.

    Attributes:
        id: as its caller knows it.
        tenant: whose it is: the id of the caller's key, empty without keys. Nobody else can find it.
        call: the id of the call that it answered.
        created, expires: nanoseconds since the epoch.
        model, provider: who answered, by their configured names.
        input: JSON list of the items that the model was given, those of earlier responses included.
        makers: who made these items, in order.
        response: the response object as the caller got it; its output ends the conversation.
    """

    id: str
    tenant: str
    call: str
    created: int
    expires: int
    model: str
    provider: str
    input: bytes
    makers: tuple[Maker, ...]
    response: bytes

    @property
    def size(self) -> int:
        """Bytes of its contents."""
        return len(self.input) + len(self.response)
