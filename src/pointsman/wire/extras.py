"""Fields that only their own dialect understands, carried beside the core values.

A field keeps its own name. A name that begins with `#` is a hint about shape for its dialect (`#raw`: the JSON as it
was written, used again if it still says the same); another dialect loses nothing by ignoring it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from pointsman.core.chat import Dropped, Extras
from pointsman.wire.parse import loads

HINT = "#"
RAW = "#raw"
ABSENT = msgspec.Raw(b'"#absent"')
"""Hint for a field that its dialect usually has and that was left out."""

Fields = dict[str, msgspec.Raw]

_FIELDS = msgspec.json.Decoder(Fields)
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_ENCODER = msgspec.json.Encoder()


def object_of(raw: bytes | msgspec.Raw) -> Fields | None:
    """An object's fields, raw; None if it is no object."""
    try:
        return _FIELDS.decode(raw)
    except (ValueError, RecursionError):
        return None


def whole_object(body: bytes) -> Fields | None:
    """A body's fields; half surrogate pairs are replaced, since the core values hold real text."""
    found = object_of(body)
    if found is not None:
        return found
    try:
        value = loads(body)
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        return None
    return object_of(text.encode("utf-8", "replace"))


def list_of(raw: msgspec.Raw | None) -> list[msgspec.Raw]:
    """A list's items, raw; none if it is no list."""
    if raw is None:
        return []
    try:
        return _LIST.decode(raw)
    except (ValueError, RecursionError):
        return []


def text_of(raw: msgspec.Raw | None) -> str | None:
    """A string; None if it is none."""
    if raw is None:
        return None
    try:
        return _TEXT.decode(raw)
    except (ValueError, RecursionError):
        return None


def dump(value: Any) -> msgspec.Raw:
    """A value as raw JSON."""
    return msgspec.Raw(_ENCODER.encode(value))


def same(raw: bytes | msgspec.Raw, written: Any) -> bool:
    """Whether a value, written as JSON, says the same as some JSON."""
    return bool(loads(bytes(raw)) == loads(_ENCODER.encode(written)))


def keep(dialect: str, fields: Fields, model: str = "") -> tuple[Extras, ...]:
    """Extras of a dialect; none where there are no fields."""
    return (Extras(dialect=dialect, model=model, fields=fields),) if fields else ()


def rest(fields: Fields, known: Iterable[str]) -> Fields:
    """The fields that are not among the known ones."""
    known = frozenset(known)
    return {name: raw for name, raw in fields.items() if name not in known}


def own(extras: tuple[Extras, ...], dialect: str) -> Fields:
    """A dialect's own extra fields, hints left out."""
    return {
        name: raw
        for extra in extras
        if extra.dialect == dialect
        for name, raw in extra.fields.items()
        if not name.startswith(HINT)
    }


def hint(extras: tuple[Extras, ...], dialect: str, name: str) -> msgspec.Raw | None:
    """One of a dialect's own hints."""
    for extra in extras:
        if extra.dialect == dialect and name in extra.fields:
            return extra.fields[name]
    return None


def hinted(fields: dict[str, Any], extras: tuple[Extras, ...], dialect: str) -> dict[str, Any]:
    """Top-level fields in the shapes that a dialect's hints remember; `#raw` is not for this level."""
    found = dict(fields)
    for extra in extras:
        for name, raw in extra.fields.items():
            if extra.dialect != dialect or not name.startswith(HINT):
                continue
            if raw == ABSENT:
                found.pop(name[1:], None)
            else:
                found[name[1:]] = raw
    return found


def dropped(extras: tuple[Extras, ...], dialect: str, path: str) -> list[Dropped]:
    """Extra fields of other dialects, which this one cannot express."""
    return [
        Dropped(path=f"{path}.{name}" if path else name, reason=f"{extra.dialect} only")
        for extra in extras
        if extra.dialect != dialect
        for name in extra.fields
        if not name.startswith(HINT)
    ]
