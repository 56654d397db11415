"""Responses that are kept: what has to be stored of an answer, and put in front of the next request."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pointsman.wire.openai_responses.request import read_needs, said
from pointsman.wire.raw import dump, list_of, object_of, text_of
from pointsman.wire.trip import COUNTING, Incoming

_PREVIOUS = "previous_response_id"


def answer_items(body: bytes) -> list[msgspec.Raw]:
    """The output items of a whole response; none if it is none."""
    return list_of((object_of(body) or {}).get("output"))


def input_items(incoming: Incoming) -> list[msgspec.Raw]:
    """The items of a request's input; a text is a message of the user's."""
    raw = incoming.fields.get("input")
    text = text_of(raw)
    if text is not None:
        return [dump({"type": "message", "role": "user", "content": text})]
    return list_of(raw)


def with_history(incoming: Incoming, items: Sequence[msgspec.Raw]) -> Incoming:
    """A request that goes on from earlier items, with these in its input instead of a reference to them."""
    fields = dict(incoming.fields)
    fields["input"] = dump([*items, *input_items(incoming)])
    fields.pop(_PREVIOUS, None)
    size = incoming.needs.body_bytes + sum(len(memoryview(item)) for item in items)
    needs = read_needs(fields, size, stream=incoming.stream, counting=incoming.surface in COUNTING)
    return msgspec.structs.replace(incoming, fields=fields, needs=needs)


def previous(incoming: Incoming) -> str:
    """The id of the response that a request goes on from; empty where there is none."""
    return (text_of(incoming.fields[_PREVIOUS]) or "") if said(incoming.fields, _PREVIOUS) else ""
