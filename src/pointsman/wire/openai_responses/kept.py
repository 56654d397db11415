"""What the gateway keeps of responses: which ones, how whoever answers next is told them, and how they are listed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from pointsman.core.chat import Dropped
from pointsman.core.kept import KeptResponse, Maker
from pointsman.wire.openai_responses.history import answer_items
from pointsman.wire.openai_responses.request import said
from pointsman.wire.openai_responses.seals import opened
from pointsman.wire.raw import Fields, dump, list_of, object_of, rest, text_in, text_of, whole_object
from pointsman.wire.trip import Incoming

_MOST_ID = 256
_REFERENCE = b'"item_reference"'
_OURS = re.compile(r"[a-z]+_([0-9a-f]{28})[0-9a-f]{4}")
"""The id of an item that we wrote: see `response_object.Ids`. In it stands that of its response."""
_WHOLE = frozenset({None, "completed", "incomplete"})
_PLAIN = frozenset(
    {"message", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output", "reasoning"}
)
"""Items that need no id."""
_PREFIXES = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "reasoning": "rs",
}


class _Whole(msgspec.Struct):
    """A response that can be gone on from: its items have to be objects, or the next request would be refused."""

    id: str
    output: list[Fields]
    status: str | None = None


_WHOLE_RESPONSE = msgspec.json.Decoder(_Whole)


def may_be_kept(incoming: Incoming) -> bool:
    """Whether a caller lets its response be kept, and all that the model is given stands in the request."""
    fields = incoming.fields
    refused = "store" in fields and bytes(fields["store"]) == b"false"
    return not refused and not said(fields, "conversation")


def complete(body: bytes) -> tuple[str, bytes]:
    """A response that can be gone on from, and its id; both empty for everything else, and for ids in odd words.

    It is what came, but for half surrogate pairs, which no request may hold.
    """
    found = _complete(body)
    if found is None:
        fields = whole_object(body)
        body = bytes(dump(fields)) if fields is not None else b""
        found = _complete(body)
    if found is None or len(found.id) > _MOST_ID or not found.id.isascii() or not found.id.isprintable():
        return "", b""
    return (found.id, body) if found.id and found.status in _WHOLE else ("", b"")


def _complete(body: bytes) -> _Whole | None:
    try:
        return _WHOLE_RESPONSE.decode(body)
    except (ValueError, RecursionError):
        return None


def conversation(kept: KeptResponse) -> tuple[list[msgspec.Raw], tuple[Maker, ...]]:
    """The items of a conversation up to the end of a response, and who made them."""
    output = answer_items(kept.response)
    return [*list_of(msgspec.Raw(kept.input)), *output], joined((*kept.makers, Maker(kept.provider, len(output))))


def references(incoming: Incoming) -> list[str]:
    """The ids of the responses whose items a request refers to instead of holding them, as far as we wrote those."""
    raw = incoming.fields.get("input")
    if raw is None or bytes(raw).find(_REFERENCE) < 0:
        return []
    found = [_OURS.fullmatch(_referred(item)) for item in list_of(raw)]
    return list(dict.fromkeys(f"resp_{match[1]}" for match in found if match))


def dereferenced(
    incoming: Incoming, responses: Iterable[KeptResponse]
) -> tuple[list[msgspec.Raw], tuple[Maker, ...]] | None:
    """A request's items with those that it refers to in their places, and who made them; None where none is known."""
    known: dict[str, tuple[msgspec.Raw, str]] = {}
    for kept in responses:
        for item in answer_items(kept.response):
            item_id = text_in(object_of(item) or {}, "id")
            if item_id:  # one without would stand for every item that is no reference
                known[item_id] = item, kept.provider
    found = [known.get(_referred(item), (item, "")) for item in list_of(incoming.fields.get("input"))]
    if not any(maker for _, maker in found):
        return None
    return [item for item, _ in found], joined(Maker(maker, 1) for _, maker in found)


def _referred(item: msgspec.Raw) -> str:
    """The id that an item refers to; empty if it is an item itself."""
    fields = object_of(item) if bytes(item).find(_REFERENCE) >= 0 else None
    return text_in(fields, "id") if fields and text_in(fields, "type") == "item_reference" else ""


def joined(makers: Iterable[Maker]) -> tuple[Maker, ...]:
    """The same with neighbours of one name as one."""
    found: list[Maker] = []
    for maker in makers:
        if found and found[-1].provider == maker.provider:
            maker = Maker(maker.provider, found.pop().items + maker.items)  # noqa: PLW2901 - the same, grown
        if maker.items:
            found.append(maker)
    return tuple(found)


def told_to(
    provider: str, incoming: Incoming, makers: Sequence[Maker], *, straight: bool
) -> tuple[Incoming, tuple[Dropped, ...]]:
    """A request as a provider may be asked it, and what of the items that others made it may not be told.

    Args:
        provider: who is asked.
        incoming: the request, with the history in front of its input.
        makers: who made that history.
        straight: whether the provider speaks this dialect, and gets the items as they are.
    """
    if all(maker.provider in ("", provider) for maker in makers):
        return incoming, ()
    items = list_of(incoming.fields.get("input"))
    told: list[msgspec.Raw] = []
    lost: dict[str, Dropped] = {}
    at = 0
    for maker in makers:
        part = items[at : at + maker.items]
        at += maker.items
        if maker.provider in ("", provider):
            told += part
            continue
        for raw in part:
            fields = object_of(raw) or {}
            item = _of_another(raw, fields, straight=straight)
            if item is not None:
                told.append(item)
            else:
                path = f"previous_response_id.{text_in(fields, 'type')}"
                lost[path] = Dropped(path=path, reason=f"only {maker.provider}, which made it, can read it")
    fields = {**incoming.fields, "input": dump([*told, *items[at:]])}
    return msgspec.structs.replace(incoming, fields=fields), tuple(lost.values())


def _of_another(raw: msgspec.Raw, fields: Fields, *, straight: bool) -> msgspec.Raw | None:
    """An item that another provider made; None if it cannot be told.

    What is encrypted is bound to its maker, and so are ids: they name what it stored. Envelopes of ours stay: the
    dialects know whom their content is for.
    """
    encrypted = text_in(fields, "encrypted_content")
    seal = opened(encrypted) if encrypted else None
    if encrypted and (seal is None or (seal.reasoning.encrypted and not seal.call)):
        return None
    kind = text_in(fields, "type")
    if not straight or seal is not None:
        return raw
    if kind == "reasoning" and not list_of(fields.get("content")):
        return None  # but for its summary it is a reference to what its maker stored
    return dump(rest(fields, ("id",))) if "id" in fields and kind in _PLAIN else raw


def listed(kept: KeptResponse) -> list[dict[str, Any]]:
    """The items that a response's model was given, as lists show them: each with an id."""
    return [_listed(kept.id, at, object_of(raw) or {}) for at, raw in enumerate(list_of(msgspec.Raw(kept.input)))]


def _listed(response_id: str, at: int, fields: Fields) -> dict[str, Any]:
    kind = text_in(fields, "type") or "message"
    item_id = text_in(fields, "id")
    if not item_id:
        digest = hashlib.blake2b(f"{response_id} {at}".encode(), digest_size=16).hexdigest()
        item_id = f"{_PREFIXES.get(kind, 'item')}_{digest}"
    shown: dict[str, Any] = {**fields, "id": item_id, "type": kind}
    text = text_of(fields.get("content"))
    if kind == "message" and text is not None:
        form = "output_text" if text_in(fields, "role") == "assistant" else "input_text"
        shown["content"] = [{"type": form, "text": text, **({"annotations": []} if form == "output_text" else {})}]
    return shown
