"""Conversations that go on by the id of their last response: resolved before the plan, kept after the settlement.

Whoever answers next gets the whole conversation in its input, so any model can; what only the provider that made it
can read is taken out for the others.
"""

from __future__ import annotations

import asyncio

import msgspec

from pointsman.core.chat import Dropped
from pointsman.core.dialects import RESPONSES
from pointsman.core.errors import InvalidRequest, PreviousNotFound
from pointsman.core.kept import KeptResponse, Maker
from pointsman.core.plan import Step
from pointsman.core.ports import ResponseStore
from pointsman.line.parts import Call, Won
from pointsman.wire.openai_responses.history import input_items, previous, with_history
from pointsman.wire.openai_responses.kept import (
    complete,
    conversation,
    dereferenced,
    joined,
    may_be_kept,
    references,
    told_to,
)
from pointsman.wire.openai_responses.request import said
from pointsman.wire.raw import dump, items_of
from pointsman.wire.streams import final_of
from pointsman.wire.trip import Incoming, Surface

SURFACES: frozenset[Surface] = frozenset({"responses", "responses.input_tokens"})
"""Those whose requests may go on from a response."""
LARGEST = 8 * 1024 * 1024
"""Bytes of a conversation that is kept."""
_PREVIOUS = "previous_response_id"
_NONE = msgspec.Raw(b"[]")
_KEPT, _UNKEPT = msgspec.Raw(b"true"), msgspec.Raw(b"false")
_REFERRED = 128
"""Responses to whose items one request may refer."""
_DAY = 86_400_000_000_000


class Conversations:
    """Stored responses as the line uses them.

    Args:
        store: where they are.
        days: how long one is kept.
    """

    def __init__(self, store: ResponseStore, days: int) -> None:
        self._store = store
        self._days = days

    async def take_up(self, incoming: Incoming, tenant: str) -> Turn:
        """A request of `SURFACES`, with the conversation that it goes on from.

        Raises:
            PreviousNotFound: the tenant has no such response.
            StoreUnavailable: that cannot be known.
            InvalidRequest: the id is no text, or stands beside a conversation that a provider keeps; or the items that
                the input refers to are larger than a conversation may be.
        """
        keeps = incoming.surface == "responses" and may_be_kept(incoming)
        store, days = (self._store if keeps else None), self._days
        history, makers = await self._earlier(incoming, tenant)
        own = await self._named(incoming, tenant)
        if not history and own is None:
            return Turn(tenant, _saying(incoming, kept=keeps), incoming, (), store, days)
        asked = incoming
        if own is not None:
            asked = msgspec.structs.replace(incoming, fields={**incoming.fields, "input": _NONE})
            history, makers = [*history, *own[0]], joined((*makers, *own[1]))
        resumed = told = with_history(asked, history)
        if _PREVIOUS in incoming.fields:  # the answer tells what it goes on from, as far as it is us who write it
            fields = {**resumed.fields, _PREVIOUS: incoming.fields[_PREVIOUS]}
            told = msgspec.structs.replace(resumed, fields=fields)
        return Turn(tenant, _saying(told, kept=keeps), resumed, makers, store, days)

    async def _earlier(self, incoming: Incoming, tenant: str) -> tuple[list[msgspec.Raw], tuple[Maker, ...]]:
        """The conversation that a request goes on from; nothing where it begins one."""
        if not said(incoming.fields, _PREVIOUS):
            return [], ()
        wanted = previous(incoming)
        if not wanted:
            raise InvalidRequest(f"`{_PREVIOUS}` has to be the id of a response.", param=_PREVIOUS)
        if said(incoming.fields, "conversation"):
            raise InvalidRequest(f"`conversation` and `{_PREVIOUS}` exclude each other.", param=_PREVIOUS)
        found = await self._store.find(wanted, tenant)
        if found is None:
            raise PreviousNotFound(
                f"Previous response with id '{wanted[:100]}' not found.",
                param=_PREVIOUS,
                hint="it may have expired, been sent with `store: false` or belong to another key: send the whole "
                "conversation in `input`",
            )
        return conversation(found)

    async def _named(self, incoming: Incoming, tenant: str) -> tuple[list[msgspec.Raw], tuple[Maker, ...]] | None:
        """A request's own items where it refers to stored ones by their ids, with these in their places."""
        wanted = references(incoming)[-_REFERRED:]
        if not wanted:
            return None
        found = await asyncio.gather(*(self._store.find(one, tenant) for one in wanted))
        named = dereferenced(incoming, filter(None, found))
        if named is not None:
            _limit(named[0], incoming)
        return named


def _limit(items: list[msgspec.Raw], incoming: Incoming) -> None:
    """One long item may be referred to a thousand times: then a small request is a huge one."""
    given = incoming.fields["input"]
    if sum(len(memoryview(item)) for item in items) > len(memoryview(given)) + LARGEST:
        raise InvalidRequest(
            f"The items that `input` refers to are larger than {LARGEST >> 20} MiB together.",
            param="input",
            hint="refer to each item once",
        )


def unkept(incoming: Incoming, tenant: str) -> Turn:
    """The turn of a call where no responses are stored."""
    return Turn(tenant, _saying(incoming, kept=False), incoming, (), None, 0)


def _saying(incoming: Incoming, *, kept: bool) -> Incoming:
    """A request as an answer that we write repeats it: `store` tells what is done, not what was wished."""
    return msgspec.structs.replace(incoming, fields={**incoming.fields, "store": _KEPT if kept else _UNKEPT})


class Turn:
    """One call's turn of a conversation.

    Args:
        tenant: whose it is.
        incoming: the request as its answer repeats it, with the conversation so far in its input.
        resumed: the same as providers get it, without a word of the earlier response.
        makers: who made that conversation so far.
        store: where its response is kept; None where it is not.
        days: for how long.
    """

    def __init__(
        self,
        tenant: str,
        incoming: Incoming,
        resumed: Incoming,
        makers: tuple[Maker, ...],
        store: ResponseStore | None,
        days: int,
    ) -> None:
        self.incoming = incoming
        self._tenant = tenant
        self._resumed = resumed
        self._makers = makers
        self._store = store
        self._days = days

    def told(self, call: Call, step: Step) -> tuple[Call, tuple[Dropped, ...]]:
        """The call as a step's provider is asked it, and what of the conversation it cannot be told."""
        provider = step.model.provider.name
        incoming, lost = told_to(provider, self._resumed, self._makers, straight=step.dialect == RESPONSES)
        return (msgspec.structs.replace(call, incoming=incoming) if incoming is not call.incoming else call), lost

    def warned(self, won: Won) -> Won:
        """An answer with a warning that it will not be kept, where that is known by now."""
        if self._store is None or self._size(won.body) <= LARGEST:
            return won
        warning = f"not stored: with its conversation the response is larger than {LARGEST >> 20} MiB"
        return msgspec.structs.replace(won, warnings=(*won.warnings, warning))

    def keep(self, call: str, started: int, won: Won, sent: bytes) -> None:
        """Keep the response of a call that went well; `sent` is the whole answer that was delivered, if it was one."""
        store = self._store
        if store is None:
            return
        body = sent if won.relay is None else final_of(won.relay)
        size = self._size(won.body if won.relay is None else body)  # as it was measured for the warning
        response_id, body = complete(body) if size <= LARGEST else ("", b"")
        if not response_id:
            return
        given = self._resumed.fields.get("input")
        items = items_of(given)
        if items is None:
            items = input_items(self._resumed)
            given = dump(items)
        before = sum(maker.items for maker in self._makers)
        store.keep(
            KeptResponse(
                id=response_id,
                tenant=self._tenant,
                call=call,
                created=started,
                expires=started + self._days * _DAY,
                model=won.model.name,
                provider=won.model.provider.name,
                input=bytes(given) if given is not None else b"[]",
                makers=joined((*self._makers, Maker("", len(items) - before))),
                response=body,
            )
        )

    def _size(self, body: bytes) -> int:
        given = self._resumed.fields.get("input")
        return len(body) + (len(memoryview(given)) if given is not None else 0)
