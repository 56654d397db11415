"""More system text for a request of messages."""

from __future__ import annotations

import msgspec

from pointsman.wire.raw import dump
from pointsman.wire.system_text import around
from pointsman.wire.trip import Incoming


def with_system(incoming: Incoming, before: str, after: str) -> Incoming:
    """See `port.CallerSide.with_system`. Blocks keep their cache marks and get blocks of ours around them."""
    system = around(incoming.fields.get("system"), before, after, _block)
    if system is None:
        return incoming  # of no shape that is known; the provider will say so
    return msgspec.structs.replace(incoming, fields={**incoming.fields, "system": system})


def _block(text: str) -> msgspec.Raw:
    return dump({"type": "text", "text": text})
