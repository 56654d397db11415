"""Names of fields: Google takes camelCase and snake_case alike, and one object where a list of them is expected."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from pointsman.core.dialects import GEMINI
from pointsman.wire.raw import Fields, items_of, object_of

DIALECT = GEMINI
T = TypeVar("T")
_GAP = re.compile(r"(?<=[a-zA-Z0-9])_([a-zA-Z0-9])")


def camel(name: str) -> str:
    """A name in camelCase."""
    return _GAP.sub(lambda found: found[1].upper(), name)


def spelled(fields: dict[str, T]) -> dict[str, T]:
    """The fields of an object, all named in camelCase."""
    for name in fields:
        if "_" in name:
            return {camel(one): value for one, value in fields.items()}
    return fields


def fields_of(raw: bytes | msgspec.Raw | None) -> Fields | None:
    """An object's fields, raw, named in camelCase; None if it is no object."""
    fields = object_of(raw)
    return spelled(fields) if fields else fields


def objects_of(raw: msgspec.Raw | None) -> list[msgspec.Raw]:
    """A list's items; an object in its place is the only one; anything else is none."""
    items = items_of(raw)
    if items is not None:
        return items
    return [raw] if raw is not None and object_of(raw) is not None else []


def told(fields: Mapping[str, Any], name: str) -> str:
    """Under which of its two spellings a field stands in an object; empty where it does not."""
    if name in fields:
        return name
    return next((one for one in fields if "_" in one and camel(one) == name), "")


def null(raw: msgspec.Raw) -> bool:
    """Whether a value is null, which says as little as no value."""
    return len(memoryview(raw)) == 4 and bytes(raw) == b"null"
