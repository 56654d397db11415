"""A caller's request as the chosen model's provider of this dialect gets it."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.chat import Dropped
from pointsman.core.dialects import RESPONSES
from pointsman.core.model import Model
from pointsman.wire.openai_chat.outgoing import fit
from pointsman.wire.openai_responses.seals import MARK, sealed_by_us
from pointsman.wire.raw import dump, items_of
from pointsman.wire.trip import COUNTING, Incoming, Outgoing

PATH, COUNT_PATH = "/responses", "/responses/input_tokens"
_encode = msgspec.json.Encoder().encode


def write_request(incoming: Incoming, model: Model) -> Outgoing:
    """Write a request for a model of this dialect. Raises as `port.BothSides.write_request`."""
    fields: dict[str, Any] = dict(incoming.fields)
    raw = incoming.fields.get("input")
    lost: list[Dropped] = []
    if raw is not None and bytes(raw).find(MARK) >= 0:
        fields["input"] = _without_seals(raw, lost)
    fitted, refused = fit(fields, model, asks_usage=False)
    return Outgoing(
        path=COUNT_PATH if incoming.surface in COUNTING else PATH,
        body=_encode(fitted),
        dropped=(*lost, *refused),
        dialect=RESPONSES,
    )


def _without_seals(raw: msgspec.Raw, lost: list[Dropped]) -> msgspec.Raw:
    """The input without the thinking that we sealed for the makers of other dialects: no provider can read it."""
    items = items_of(raw)
    if items is None:
        return raw
    kept = []
    for at, item in enumerate(items):
        if sealed_by_us(item):
            lost.append(Dropped(path=f"input[{at}]", reason="thinking is of use only to the model that made it"))
        else:
            kept.append(item)
    return dump(kept) if len(kept) < len(items) else raw
