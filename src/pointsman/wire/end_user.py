"""The end user whom a request names.

Budgets, bills and the deletion of data go by that name, so nothing but a text is taken for one: a number that counted
as no name would be booked for nobody in silence. OpenAI and Anthropic have these fields as strings (the types of
their clients, openai and anthropic for Python).
"""

from __future__ import annotations

import msgspec

from pointsman.core.errors import InvalidRequest
from pointsman.wire.parse import BAD_JSON
from pointsman.wire.raw import Fields

_NAME = msgspec.json.Decoder(str | None)
_SHOWN = 60


def end_user(fields: Fields, *names: str, path: str = "") -> str:
    """The first of these fields that names somebody; empty: none does.

    Args:
        fields: an object's, raw.
        names: of the fields, the one that counts first; null says nothing.
        path: what stands before a field's name in messages, its dot included.

    Raises:
        InvalidRequest: one of them holds something else than a text.
    """
    found = ""
    for name in names:
        raw = fields.get(name)
        if raw is not None:
            found = found or _name(raw, path + name)
    return found


def _name(raw: msgspec.Raw, path: str) -> str:
    try:
        return _NAME.decode(raw) or ""
    except BAD_JSON:
        shown = bytes(raw)[:_SHOWN].decode("utf-8", "replace")
        raise InvalidRequest(
            f"`{path}` has to be a string, not {shown}.",
            param=path,
            hint="it is the name that budgets and bills go by; write a number in quotes",
        ) from None
