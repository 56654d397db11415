"""Handlers of stored responses: shown and deleted, each to its own tenant alone."""

from __future__ import annotations

from collections.abc import Callable

from pointsman.core.call import Arrival
from pointsman.core.errors import InvalidRequest, NotFound
from pointsman.core.kept import KeptResponse
from pointsman.core.ports import Principal, Reply, ResponseStore
from pointsman.server.reading import query, send, whole
from pointsman.wire.openai_responses.kept import listed

_HEADERS = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
_ITEMS = "input_items"
_DEFAULT, _MOST = 20, 100


class StoredResponses:
    """`/v1/responses/{id}` and what is below it.

    Args:
        store: where they are.
        admit: who is calling.
        kept: whether responses are stored by now.
    """

    def __init__(self, store: ResponseStore, admit: Callable[[Arrival], Principal], kept: Callable[[], bool]) -> None:
        self._store = store
        self._admit = admit
        self._kept = kept

    async def show(self, arrival: Arrival, reply: Reply) -> None:
        """`GET /v1/responses/{id}`: the response as its caller got it. `GET …/input_items`: what led to it."""
        principal = self._admit(arrival)
        response_id, items = _named(arrival)
        said = query(arrival)
        if said.get("stream") == "true":
            raise InvalidRequest("A stored response is shown whole", param="stream", hint="leave `stream` out")
        found = await self._store.find(response_id, principal.id)
        if found is None:
            raise self._unknown(response_id)
        if items:
            await send(reply, _page(found, said))
        else:
            await reply.whole(200, _HEADERS, found.response)

    async def delete(self, arrival: Arrival, reply: Reply) -> None:
        """`DELETE /v1/responses/{id}`: for good."""
        principal = self._admit(arrival)
        response_id, items = _named(arrival)
        if items:
            raise NotFound("A response is deleted as a whole", hint="DELETE /v1/responses/{id}")
        if not await self._store.delete(response_id, principal.id):
            raise self._unknown(response_id)
        await send(reply, {"id": response_id, "object": "response", "deleted": True})

    def _unknown(self, response_id: str) -> NotFound:
        if self._kept():
            hint = "it may have expired, been sent with `store: false` or belong to another key"
        else:
            hint = "none are stored here (`responses: {store: true}`); a provider's are below /passthrough/{provider}/"
        return NotFound(f"Response with id '{response_id[:100]}' not found.", param="response_id", hint=hint)


def _named(arrival: Arrival) -> tuple[str, bool]:
    """The id in a path, and whether its input is meant.

    Raises:
        NotFound: there is more behind the id.
    """
    response_id, _, rest = arrival.path.rstrip("/").rpartition("/responses/")[2].partition("/")
    if rest not in ("", _ITEMS):
        raise NotFound(f"A response has no `{rest[:60]}` here", hint="GET /v1/responses/{id}/input_items")
    return response_id, bool(rest)


def _page(kept: KeptResponse, said: dict[str, str]) -> dict[str, object]:
    """Some of the items that led to a response, newest first unless said otherwise."""
    limit = whole(said, "limit", _DEFAULT, _MOST)
    order = said.get("order", "desc")
    if order not in ("asc", "desc"):
        raise InvalidRequest("`order` is `asc` or `desc`", param="order")
    items = listed(kept)
    if order == "desc":
        items.reverse()
    if "after" in said:
        place = next((at for at, item in enumerate(items) if item["id"] == said["after"]), None)
        if place is None:
            raise InvalidRequest("`after` is the id of an item in the list", param="after")
        items = items[place + 1 :]
    shown = items[:limit]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(items) > limit,
    }
