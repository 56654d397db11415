"""JSON Schemas as this dialect takes them.

A tool's input has to be an object. Where an answer or a call is held to its schema, a part of JSON Schema is all there
is: what it lacks is refused with 400, so it moves into the description, where the model at least reads it (Anthropic's
own libraries do the same). Source: platform.claude.com, build-with-claude/structured-outputs (2026-11).
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from pointsman.core.chat import Dropped
from pointsman.wire.raw import Fields, dump, object_of, text_of, value_of

_LACKING = frozenset(
    {
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "maxItems",
        "uniqueItems",
        "contains",
        "minContains",
        "maxContains",
        "minProperties",
        "maxProperties",
        "patternProperties",
        "propertyNames",
        "dependentRequired",
        "dependentSchemas",
        "not",
        "if",
        "then",
        "else",
    }
)
_MAPS = ("properties", "$defs", "definitions")
_LISTS = ("anyOf", "allOf")
_CHOICES = ("anyOf", "oneOf", "allOf")
_NO_OBJECT = ("items", "prefixItems", "enum", "const")
ANSWER_FIELD = "answer"
"""Holds an answer that is no object, which a tool's input has to be."""
_OBJECT = msgspec.Raw(b'{"type":"object","properties":{}}')


def input_schema(raw: msgspec.Raw, path: str, lost: list[Dropped]) -> msgspec.Raw:
    """A schema for a tool's input: an object, without choices at its top."""
    fields = object_of(raw)
    if not fields:
        return _OBJECT
    choices = [name for name in _CHOICES if name in fields]
    if text_of(fields.get("type")) == "object" and not choices:
        return raw
    if choices:
        lost.append(Dropped(path=path, reason=f"no {' or '.join(choices)} at the top of a tool's schema"))
    kept: dict[str, Any] = {name: value for name, value in fields.items() if name not in choices}
    return dump({**kept, "type": "object"})


def wrapped(raw: msgspec.Raw) -> msgspec.Raw | None:
    """An object with one field of this schema, where the schema is none of an object; None where it is."""
    fields = object_of(raw)
    if not fields or _of_object(fields):
        return None
    known = {name: fields.pop(name) for name in ("$defs", "definitions") if name in fields}
    outer = {"type": "object", "properties": {ANSWER_FIELD: fields}, "required": [ANSWER_FIELD]}
    return dump({**outer, "additionalProperties": False, **known})


def _of_object(fields: Fields) -> bool:
    if any(name in fields for name in (*_CHOICES, "$ref")):
        return False
    if "type" in fields:
        return text_of(fields["type"]) == "object"
    return not any(name in fields for name in _NO_OBJECT)


def answer_in(arguments: str, field: str) -> str:
    """What a field of a call's input holds, as it is written there; all of the input where there is no such field."""
    found = (object_of(arguments.encode("utf-8", "replace")) or {}).get(field)
    return arguments if found is None else bytes(found).decode("utf-8", "replace")


def strict_schema(raw: msgspec.Raw, path: str, lost: list[Dropped]) -> msgspec.Raw:
    """A schema that is enforced, without what it cannot be enforced with."""
    schema = value_of(raw)
    if not isinstance(schema, dict):
        return raw
    gone: set[str] = set()
    try:
        fitted = _fitted(schema, gone)
    except RecursionError:
        return raw
    if gone:
        names = ", ".join(f"`{name}`" for name in sorted(gone))
        lost.append(Dropped(path=path, reason=f"{names} cannot be enforced; the descriptions say it"))
    return raw if fitted == schema else dump(fitted)


def _fitted(schema: Any, gone: set[str]) -> Any:
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    said: dict[str, Any] = {}
    for name, value in schema.items():
        second = name == "oneOf" and "anyOf" in schema  # both go by one name here
        if second or name in _LACKING or (name == "minItems" and value not in (0, 1)):
            said[name] = value
        elif name in _MAPS and isinstance(value, dict):
            kept[name] = {key: _fitted(inner, gone) for key, inner in value.items()}
        elif name == "oneOf" and isinstance(value, list):
            kept["anyOf"] = [_fitted(inner, gone) for inner in value]
        elif name in _LISTS and isinstance(value, list):
            kept[name] = [_fitted(inner, gone) for inner in value]
        elif name == "items":
            kept[name] = _fitted(value, gone)
        else:
            kept[name] = value
    if kept.get("type") == "object" or "properties" in kept:
        if kept.get("additionalProperties", False) is not False:
            gone.add("additionalProperties")
        kept["additionalProperties"] = False
    if said:
        gone.update(said)
        words = ", ".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in said.items())
        before = kept.get("description")
        kept["description"] = f"{before} ({words})" if isinstance(before, str) and before else f"({words})"
    return kept
