"""Events of this dialect as bytes."""

from __future__ import annotations

from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode
ALIVE = b'event: keepalive\ndata: {"type":"keepalive","sequence_number":0}\n\n'
"""What OpenAI sends during a long silence. Not a comment: Codex does not notice those, and gives up after some time."""

EARLY = b": keep-alive\n\n"


def frame(kind: str, number: int, fields: dict[str, Any]) -> bytes:
    """An event; `number` is its place in the stream."""
    data = _encode({"type": kind, "sequence_number": number, **fields})
    if data.find(b"\n") >= 0 or data.find(b"\r") >= 0:  # JSON that came with line breaks, which would end the event
        data = msgspec.json.format(data, indent=-1)
    return b"".join((b"event: ", kind.encode(), b"\ndata: ", data, b"\n\n"))
