"""The JSON Schema (draft 2020-12) of the file, for editors. It accepts whatever the decoder accepts by type.

What only the decoder can see (references between names, secrets, double keys) stays its business.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import inspect as kinds

from pointsman.config.shape import Extra, is_optional, shape, unwrap

_ID = "pointsman.schema.json"
_Schema = dict[str, Any]


def json_schema() -> _Schema:
    """The schema as plain data."""
    definitions: dict[str, _Schema] = {}
    root = _struct(shape(), definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": _ID,
        "title": "pointsman.yaml",
        **root,
        "type": ["object", "null"],
        "$defs": dict(sorted(definitions.items())),
    }


def _struct(kind: kinds.StructType, definitions: dict[str, _Schema]) -> _Schema:
    properties = {field.encode_name: _field(field, definitions) for field in kind.fields}
    result: _Schema = {
        "type": "object",
        "description": first_paragraph(kind.cls),
        "properties": properties,
        "additionalProperties": False,
    }
    if required := [field.encode_name for field in kind.fields if field.required]:
        result["required"] = required
    if {"pool", "try"} <= properties.keys():
        result["oneOf"] = [{"required": ["pool"]}, {"required": ["try"]}]
        for key in ("pool", "try"):
            properties[key] |= {"minItems": 1, "type": "array"}
            properties[key].pop("default", None)
    return result


def _field(field: kinds.Field, definitions: dict[str, _Schema]) -> _Schema:
    result = _value(field.type, definitions)
    said = field.type.extra_json_schema if isinstance(field.type, kinds.Metadata) else None
    result = {**result, **(said or {})}
    default = field.default
    if isinstance(default, str | int | float | bool | tuple):
        result["default"] = list(default) if isinstance(default, tuple) else default
    return result


def _value(kind: kinds.Type, definitions: dict[str, _Schema]) -> _Schema:
    inner, extra = unwrap(kind)
    result = _of(inner, extra, definitions)
    if not is_optional(kind):
        return result
    if isinstance(result.get("type"), str):
        if "enum" in result:
            result["enum"] = [*result["enum"], None]
        return {**result, "type": [result["type"], "null"]}
    return {"anyOf": [*result["anyOf"], {"type": "null"}]} if "anyOf" in result else result


def _of(kind: kinds.Type, extra: Extra, definitions: dict[str, _Schema]) -> _Schema:
    if isinstance(kind, kinds.StructType):
        return _section(kind, extra, definitions)
    if isinstance(kind, kinds.DictType):
        result: _Schema = {"type": "object", "additionalProperties": _value(kind.value_type, definitions)}
        names = _value(kind.key_type, definitions)
        return result | ({"propertyNames": names} if "pattern" in names else {})
    if isinstance(kind, kinds.VarTupleType):
        return {"type": "array", "items": _value(kind.item_type, definitions)}
    if extra.read == "size":
        return {"anyOf": [_scalar(kind, extra), {"type": "string", "pattern": "^[0-9]{1,12} ?([kKMGT]i?)?B?$"}]}
    return _scalar(kind, extra)


def _scalar(kind: kinds.Type, extra: Extra) -> _Schema:
    result: _Schema = {}
    match kind:
        case kinds.LiteralType():
            result = {"type": "string", "enum": list(kind.values)}
        case kinds.BoolType():
            result = {"type": "boolean"}
        case kinds.DecimalType():
            result = {"type": "number", "minimum": 0, "maximum": int(extra.most)}
        case kinds.IntType():
            result = {"type": "integer", **_number_limits(kind)}
        case kinds.FloatType():
            result = {"type": "number", **_number_limits(kind)}
        case kinds.StrType():
            result = {"type": "string", **_text_limits(kind)}
        case _:
            pass  # any JSON: no limits
    return result


def _section(kind: kinds.StructType, extra: Extra, definitions: dict[str, _Schema]) -> _Schema:
    name = kind.cls.__name__
    if name not in definitions:
        definitions[name] = {}  # before its fields, should a section ever hold itself
        definitions[name] = _struct(kind, definitions)
    choices: list[_Schema] = [{"$ref": f"#/$defs/{name}"}]
    fields = {field.encode_name: field.type for field in kind.fields}
    choices += [_value(fields[short], definitions) for short in (extra.shorthand, extra.list) if short]
    return {"anyOf": choices}


def _number_limits(kind: kinds.IntType | kinds.FloatType) -> _Schema:
    words = {"minimum": kind.ge, "exclusiveMinimum": kind.gt, "maximum": kind.le}
    return {word: limit for word, limit in words.items() if limit is not None}


def _text_limits(kind: kinds.StrType) -> _Schema:
    words = {"minLength": kind.min_length, "maxLength": kind.max_length, "pattern": kind.pattern}
    return {word: limit for word, limit in words.items() if limit is not None}


def first_paragraph(cls: type[msgspec.Struct]) -> str:
    """A class's own words, in one line."""
    return " ".join((cls.__doc__ or "").split("\n\n")[0].split())
