"""JSON kept as bytes and looked into one level at a time.

These readers are for what others wrote: something of another shape is none, and nothing here raises. A field that is
not looked into keeps its bytes, so that nothing of it can be lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from pointsman.wire.parse import BAD_JSON, loads

Fields = dict[str, msgspec.Raw]
T = TypeVar("T")

_FIELDS = msgspec.json.Decoder(Fields)
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_ENCODER = msgspec.json.Encoder()


def _decoded(decoder: msgspec.json.Decoder[T], raw: bytes | msgspec.Raw | None) -> T | None:
    if raw is None:
        return None
    try:
        return decoder.decode(raw)
    except BAD_JSON:
        return None


def object_of(raw: bytes | msgspec.Raw | None) -> Fields | None:
    """An object's fields, raw; None if it is no object."""
    return _decoded(_FIELDS, raw)


def whole_object(body: bytes) -> Fields | None:
    """A body's fields; half surrogate pairs are replaced, since the core values hold real text."""
    found = object_of(body)
    if found is not None:
        return found
    try:
        value = loads(body)
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except BAD_JSON:
        return None
    return object_of(text.encode("utf-8", "replace"))


def list_of(raw: msgspec.Raw | None) -> list[msgspec.Raw]:
    """A list's items, raw; none if it is no list."""
    return items_of(raw) or []


def items_of(raw: msgspec.Raw | None) -> list[msgspec.Raw] | None:
    """A list's items, raw; None if it is no list."""
    return _decoded(_LIST, raw)


def text_of(raw: msgspec.Raw | None) -> str | None:
    """A string; None if it is none."""
    return _decoded(_TEXT, raw)


def text_in(fields: Fields, name: str) -> str:
    """A field's string; empty if it has none."""
    return text_of(fields.get(name)) or ""


def value_of(raw: msgspec.Raw | None) -> Any:
    """The value; None if there is none, or if it cannot be read (a number of thousands of digits)."""
    if raw is None:
        return None
    try:
        return loads(bytes(raw))
    except BAD_JSON:
        return None


def dump(value: Any) -> msgspec.Raw:
    """A value as raw JSON."""
    return msgspec.Raw(_ENCODER.encode(value))


def same(raw: bytes | msgspec.Raw, written: Any) -> bool:
    """Whether a value, written as JSON, says the same as some JSON; what cannot be read says nothing."""
    try:
        return bool(loads(bytes(raw)) == loads(_ENCODER.encode(written)))
    except BAD_JSON:
        return False


def rest(fields: Fields, known: Iterable[str]) -> Fields:
    """The fields that are not among the known ones."""
    known = frozenset(known)
    return {name: raw for name, raw in fields.items() if name not in known}
