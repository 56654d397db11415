"""Values that satisfy a JSON Schema: for tool arguments and structured answers."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

_FORMATS = {
    "date": "2025-01-31",
    "date-time": "2025-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "hostname": "example.com",
}
_DEPTH = 6  # below it optional properties and items are left out, so that recursive schemas end
_PLACEHOLDER = "example"
_MOST = 100_000  # items or letters; a schema that wants more is refused, not tried


def valid_value(schema: Mapping[str, Any], rng: random.Random) -> Any:
    """A value that is valid for a simple schema.

    Understood: type, enum, const, properties, required, items, minItems, prefixItems, anyOf, oneOf, allOf, local
    `$ref`, minimum, maximum and their exclusive forms, multipleOf, minLength, maxLength, format. Not understood:
    pattern, not, conditions.

    Raises:
        ValueError: it wants more items or letters than anybody sends.
        TypeError, KeyError, AttributeError, ArithmeticError, RecursionError: it is no schema.
    """
    return _value(schema, schema, rng, 0)


def _value(schema: Any, root: Mapping[str, Any], rng: random.Random, depth: int) -> Any:
    if not isinstance(schema, Mapping):
        return _PLACEHOLDER
    if "const" in schema:
        return schema["const"]
    if options := schema.get("enum"):
        return rng.choice(options)
    if (narrower := _narrowed(schema, root, depth)) is not None:
        return _value(narrower, root, rng, depth + 1)
    return _typed(schema, root, rng, depth)


def _narrowed(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    """The schema that stands for this one: what it refers to, one of its branches, or all its parts in one."""
    if isinstance(ref := schema.get("$ref"), str):
        return _resolve(ref, root)
    if options := schema.get("anyOf") or schema.get("oneOf"):
        # The last branch when deep: `null` and other leaves usually stand there.
        return options[-1 if depth > _DEPTH else 0]
    if parts := schema.get("allOf"):
        return _merged(schema, parts, root)
    return None


def _typed(schema: Mapping[str, Any], root: Mapping[str, Any], rng: random.Random, depth: int) -> Any:
    kind = schema.get("type") or ("object" if "properties" in schema else "string")
    if isinstance(kind, Sequence) and not isinstance(kind, str):
        kind = next((option for option in kind if option != "null"), "null")
    match kind:
        case "object":
            return _object(schema, root, rng, depth)
        case "array":
            return _array(schema, root, rng, depth)
        case "integer" | "number":
            return _number(schema, rng, whole=kind == "integer")
        case "boolean":
            return rng.random() < 0.5
        case "null":
            return None
    return _string(schema)


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], rng: random.Random, depth: int) -> dict[str, Any]:
    properties = schema.get("properties") or {}
    required = schema.get("required") or ()
    wanted = [name for name in properties if depth < _DEPTH or name in required]
    made = {name: _value(properties[name], root, rng, depth + 1) for name in wanted}
    return made | {name: _PLACEHOLDER for name in required if name not in made}


def _array(schema: Mapping[str, Any], root: Mapping[str, Any], rng: random.Random, depth: int) -> list[Any]:
    made = [_value(item, root, rng, depth + 1) for item in schema.get("prefixItems") or ()]
    least = _bounded(schema.get("minItems", 0))
    wanted = max(least, min(1 if depth < _DEPTH else 0, int(schema.get("maxItems", 1))))
    items = schema.get("items", {"type": "string"})
    made.extend(_value(items, root, rng, depth + 1) for _ in range(wanted - len(made)) if items is not False)
    return made


def _number(schema: Mapping[str, Any], rng: random.Random, *, whole: bool) -> float | int:
    step = schema.get("multipleOf") or (1 if whole else 0.5)
    low, high = schema.get("minimum"), schema.get("maximum")
    if (bound := schema.get("exclusiveMinimum")) is not None and not isinstance(bound, bool):
        low = bound + step
    if (bound := schema.get("exclusiveMaximum")) is not None and not isinstance(bound, bool):
        high = bound - step
    if low is None:
        low = min(1, high) if high is not None else 1
    first = -(-low // step)
    last = first + 10 if high is None else max(high // step, first)
    value = step * rng.randint(int(first), int(min(last, first + 10)))
    return int(value) if whole or value == int(value) else value  # models write 6, not 6.0


def _string(schema: Mapping[str, Any]) -> str:
    text = _FORMATS.get(schema.get("format", ""), _PLACEHOLDER)
    least, most = _bounded(schema.get("minLength", 0)), schema.get("maxLength")
    if len(text) < least:
        text += "x" * (least - len(text))
    return text if most is None else text[: int(most)]


def _bounded(least: Any) -> int:
    wanted = int(least)
    if wanted > _MOST:
        raise ValueError(f"a value of {wanted} items or letters; at most {_MOST} are made")
    return wanted


def _resolve(ref: str, root: Mapping[str, Any]) -> Any:
    found: Any = root
    for step in ref.removeprefix("#").strip("/").split("/"):
        if step:
            key = step.replace("~1", "/").replace("~0", "~")
            found = found.get(key, {}) if isinstance(found, Mapping) else {}
    return found


def _merged(schema: Mapping[str, Any], parts: Sequence[Any], root: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in parts:
        found = _resolve(part["$ref"], root) if isinstance(part, Mapping) and "$ref" in part else part
        if isinstance(found, Mapping):
            properties = {**merged.get("properties", {}), **found.get("properties", {})}
            required = [*merged.get("required", ()), *found.get("required", ())]
            merged = {**merged, **found, "properties": properties, "required": required}
            if not properties:
                del merged["properties"], merged["required"]
    return merged
