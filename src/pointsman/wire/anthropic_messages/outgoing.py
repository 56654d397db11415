"""A caller's request as the chosen model's provider of this dialect gets it, untouched but for what routing changes."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.chat import Dropped
from pointsman.core.dialects import MESSAGES
from pointsman.core.model import Model
from pointsman.wire.anthropic_messages.seals import MARK, NO_INDEX, sealed_by_us
from pointsman.wire.openai_chat.outgoing import fit
from pointsman.wire.raw import Fields, dump, items_of, list_of, object_of, rest, text_in
from pointsman.wire.trip import COUNTING, Incoming, Outgoing

PATH, COUNT_PATH = "/messages", "/messages/count_tokens"
HEADERS = ((b"anthropic-version", b"2023-06-01"),)
"""Used only where neither the provider's settings nor the caller name a version."""
_OFF = msgspec.Raw(b'{"type":"disabled"}')
_SEAL_REASON = "thinking is of use only to the model that made it"
_encode = msgspec.json.Encoder().encode


def write_request(incoming: Incoming, model: Model) -> Outgoing:
    """Write a request for a model of this dialect. Raises as `port.BothSides.write_request`."""
    fields: dict[str, Any] = incoming.fields
    lost: list[Dropped] = []
    counting = incoming.surface in COUNTING
    raw = incoming.fields.get("messages")
    if raw is not None and bytes(raw).find(MARK) >= 0:
        fields = _without_seals(incoming.fields, raw, lost)
    if counting and model.params:
        model = msgspec.structs.replace(model, params=())  # defaults for answers; counting takes none of them
    fitted, refused = fit(fields, model, asks_usage=False)
    path = COUNT_PATH if counting else PATH
    return Outgoing(
        path=f"{path}?{incoming.query}" if incoming.query else path,
        body=_encode(fitted),
        dropped=(*lost, *refused),
        dialect=MESSAGES,
        headers=HEADERS,
    )


def _without_seals(fields: Fields, raw: msgspec.Raw, lost: list[Dropped]) -> dict[str, Any]:
    """The request without the thinking that we sealed for makers of other dialects: no provider of this one reads it.

    Where the turn that called tools loses its thinking, there may be none in the answer either (gotcha 13).
    """
    items = items_of(raw)
    if items is None:
        return dict(fields)
    messages = [_without(message, f"messages[{at}]", lost) for at, message in enumerate(items)]
    kept: dict[str, Any] = {**fields, "messages": dump([message for message in messages if message is not None])}
    thinking = object_of(fields.get("thinking"))
    if lost and thinking and text_in(thinking, "type") == "enabled":
        kept["thinking"] = _OFF
        lost.append(Dropped(path="thinking", reason="the turns before it were thought by another model"))
    return kept


def _without(raw: msgspec.Raw, path: str, lost: list[Dropped]) -> Any:
    """A message without what we sealed; None where nothing is left of it."""
    message = object_of(raw) if bytes(raw).find(MARK) >= 0 else None
    blocks = items_of(message.get("content")) if message is not None else None
    if message is None or blocks is None:
        return raw
    kept: list[Any] = []
    for at, block in enumerate(blocks):
        fields = object_of(block) if bytes(block).find(MARK) >= 0 else None
        if fields is None:
            kept.append(block)
        elif sealed_by_us(fields):
            lost.append(Dropped(path=f"{path}.content[{at}]", reason=_SEAL_REASON))
        else:
            kept.append(_without_citations(fields))
    return {**message, "content": kept} if kept else None


def _without_citations(fields: Fields) -> dict[str, Any]:
    """A text without citations of other models' searches, which Anthropic would want to know of."""
    cited = list_of(fields.get("citations"))
    theirs = [one for one in cited if text_in(object_of(one) or {}, "encrypted_index") != NO_INDEX]
    if len(theirs) == len(cited):
        return dict(fields)
    return {**fields, "citations": theirs} if theirs else rest(fields, ("citations",))
