"""More system text for a request of Responses."""

from __future__ import annotations

import msgspec

from pointsman.wire.raw import dump
from pointsman.wire.system_text import around
from pointsman.wire.trip import Incoming


def with_system(incoming: Incoming, before: str, after: str) -> Incoming:
    """See `port.CallerSide.with_system`: in `instructions`, which stand before every input."""
    instructions = around(incoming.fields.get("instructions"), before, after, _item)
    if instructions is None:
        return incoming  # of no shape that is known; the provider will say so
    return msgspec.structs.replace(incoming, fields={**incoming.fields, "instructions": instructions})


def _item(text: str) -> msgspec.Raw:
    return dump({"type": "message", "role": "developer", "content": text})
