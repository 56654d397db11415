"""Fields of callers' requests that routing has to understand: read strictly, refused with their path and in words."""

from __future__ import annotations

import re
from typing import Any, NoReturn

import msgspec

from pointsman.core.errors import InvalidRequest
from pointsman.wire.parse import BAD_JSON
from pointsman.wire.raw import Fields

_SHOWN = 60
_PLACE = re.compile(r" - at `\$([^`]*)`")
_MISSING = re.compile(r"missing required field `(\w+)`")
_TYPES = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
_WORDS = {
    "object": "an object",
    "array": "a list",
    "str": "a string",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
}
"""What the decoder's names of types are called by people."""


def refuse(path: str, expected: str, raw: msgspec.Raw | None) -> NoReturn:
    """Raise for a field of the wrong shape, showing the start of what was sent.

    Raises:
        InvalidRequest: always.
    """
    if raw is None:
        raise InvalidRequest(f"`{path}` is missing; {expected} was expected.", param=path)
    shown = bytes(raw)[:_SHOWN].decode("utf-8", "replace")
    raise InvalidRequest(f"`{path}` has to be {expected}, not {shown}.", param=path)


def optional(fields: Fields, name: str, decoder: msgspec.json.Decoder[Any], expected: str) -> Any:
    """A field's value, None if absent or null.

    Raises:
        InvalidRequest: it is of another type.
    """
    raw = fields.get(name)
    if raw is None:
        return None
    try:
        return decoder.decode(raw)
    except BAD_JSON:
        refuse(name, expected, raw)


def items(fields: Fields, name: str, decoder: msgspec.json.Decoder[Any], expected: str) -> Any:
    """A list that has to be there and to have something in it, decoded.

    Raises:
        InvalidRequest: missing, empty, or something in it is of another type; the path says what.
    """
    raw = fields.get(name)
    if raw is None:
        refuse(name, expected, None)
    try:
        found = decoder.decode(raw)
    except BAD_JSON as error:
        path, complaint = _place(name, str(error))
        if path == name:
            refuse(name, expected, raw)
        raise InvalidRequest(f"`{path}` {complaint}.", param=path) from None
    if not found:
        raise InvalidRequest(f"`{name}` is empty; at least one is needed.", param=name)
    return found


def _place(name: str, text: str) -> tuple[str, str]:
    """Field path and complaint from a decoder's message such as "Expected `str`, got `int` - at `$[0].role`"."""
    place = _PLACE.search(text)
    path = name + (place[1] if place else "")
    missing = _MISSING.search(text)
    if missing:
        return f"{path}.{missing[1]}", "is missing"
    types = _TYPES.search(text)
    if types:
        wanted = " or ".join(_WORDS.get(kind, kind) for kind in types[1].split(" | "))
        return path, f"has to be {wanted}, not {_WORDS.get(types[2], types[2])}"
    return path, "cannot be read"
