"""More system text for a Gemini request."""

from __future__ import annotations

import msgspec

from pointsman.wire.gemini.names import told
from pointsman.wire.raw import Fields, dump, object_of, text_of
from pointsman.wire.system_text import around, joined, parts_around
from pointsman.wire.trip import Incoming

_NAME = "systemInstruction"


def with_system(incoming: Incoming, before: str, after: str) -> Incoming:
    """See `port.CallerSide.with_system`; of a question about a whole request, in that request."""
    fields = incoming.fields
    outer = told(fields, "generateContentRequest")
    if not outer:
        return msgspec.structs.replace(incoming, fields=_changed(fields, before, after))
    inner = object_of(fields[outer])
    if inner is None:
        return incoming
    return msgspec.structs.replace(incoming, fields={**fields, outer: dump(_changed(inner, before, after))})


def _changed(fields: Fields, before: str, after: str) -> Fields:
    name = told(fields, _NAME) or _NAME
    raw = fields.get(name)
    if raw is None or bytes(raw) == b"null":
        return {**fields, name: dump({"parts": [{"text": joined(before, after)}]})}
    if text_of(raw) is not None:
        text = around(raw, before, after, _part)
        return {**fields, name: text} if text is not None else fields
    content = object_of(raw)
    if content is None:
        return fields  # of no shape that is known; the provider will say so
    parts = bytes(content.get("parts", b"[]"))
    if parts.startswith(b"{"):
        parts = b"[" + parts + b"]"
    if not parts.startswith(b"["):
        return fields
    return {**fields, name: dump({**content, "parts": parts_around(parts, before, after, _part)})}


def _part(text: str) -> msgspec.Raw:
    return dump({"text": text})
