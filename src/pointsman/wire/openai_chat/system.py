"""More system text for a chat request."""

from __future__ import annotations

import msgspec

from pointsman.wire.parse import BAD_JSON
from pointsman.wire.raw import dump, items_of, object_of
from pointsman.wire.system_text import around, joined
from pointsman.wire.trip import Incoming

_SAID_BY = frozenset({"system", "developer"})


class _Message(msgspec.Struct):
    role: str = ""


_MESSAGES = msgspec.json.Decoder(list[_Message])


def with_system(incoming: Incoming, before: str, after: str) -> Incoming:
    """See `port.CallerSide.with_system`: in the first system message, else in a new first one."""
    raw = incoming.fields.get("messages")
    messages = items_of(raw)
    if raw is None or messages is None:
        return incoming
    at = _first(raw)
    changed = _changed(messages[at], before, after) if at is not None else None
    if at is None or changed is None:
        messages.insert(0, dump({"role": "system", "content": joined(before, after)}))
    else:
        messages[at] = changed
    return msgspec.structs.replace(incoming, fields={**incoming.fields, "messages": dump(messages)})


def _first(raw: msgspec.Raw) -> int | None:
    try:
        roles = [message.role for message in _MESSAGES.decode(raw)]
    except BAD_JSON:
        return None
    return next((at for at, role in enumerate(roles) if role in _SAID_BY), None)


def _changed(message: msgspec.Raw, before: str, after: str) -> msgspec.Raw | None:
    """A message with more in its content; None where that is neither text nor parts."""
    fields = object_of(message) or {}
    content = around(fields.get("content"), before, after, _part)
    return dump({**fields, "content": content}) if content is not None else None


def _part(text: str) -> msgspec.Raw:
    return dump({"type": "text", "text": text})
