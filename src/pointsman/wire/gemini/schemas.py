"""Schemas for Gemini, and Gemini's own as JSON Schema.

`parametersJsonSchema` and `responseJsonSchema` take JSON Schema, references, closed objects and lists of types included
(every recording of them with status 200 shows it); so that is what is written, as it came. Only what Gemini refuses
there is put otherwise: a reference with other words beside it or to another place than `$defs`, `const`, `allOf`, the
dialect's own name, anything but an object for arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from pointsman.core.chat import Dropped
from pointsman.wire.raw import dump, value_of

_ODD = (b'"$ref"', b'"const"', b'"allOf"', b'"$schema"', b'"definitions"', b'"$comment"')
_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
_BESIDE = frozenset({"title", "description", "default"})
"""What may stand beside a reference."""
_UNROLLED = 3
"""How often a reference that leads to itself is followed."""
_DEEPEST = 100
_MOST = 20_000
"""Schemas that one may unfold to; references can make a small one grow without end."""
_NO_ARGUMENTS = ("", "{}", "true", "null")


def write_arguments(schema: msgspec.Raw, lost: list[Dropped], path: str) -> Any:
    """The schema of a function's arguments; None for a function that takes none."""
    if bytes(schema).strip().decode("utf-8", "replace") in _NO_ARGUMENTS:
        return None
    written = write_schema(schema, lost, path, opens=True)
    value = value_of(written) if isinstance(written, msgspec.Raw) else written
    if not isinstance(value, dict):
        lost.append(Dropped(path=path, reason="a function's arguments are an object"))
        return None
    if value.get("type") == "object" or "$ref" in value or "anyOf" in value:
        return written
    return {"type": "object", **value} if "type" not in value else written


def write_schema(schema: msgspec.Raw, lost: list[Dropped], path: str, *, opens: bool = False) -> Any:
    """A JSON Schema as Gemini takes it; the same bytes where nothing in it has to change.

    `opens`: a reference that is the whole of it is written out.
    """
    find = bytes(schema).find
    if not any(find(word) >= 0 for word in _ODD):
        return schema
    value = value_of(schema)
    if not isinstance(value, dict):
        return schema
    return _Writer(value, lost, path).write(opens=opens)


class _Writer:
    """Writes one schema anew."""

    def __init__(self, root: dict[str, Any], lost: list[Dropped], path: str) -> None:
        self._root = root
        self._lost = lost
        self._path = path
        self._count = 0
        self._keeps = False  # a reference was left as it is, so what it leads to has to stay

    def write(self, *, opens: bool) -> dict[str, Any]:
        """The whole of it, with the definitions that are still referred to. `opens`: it must not be a reference."""
        plain = {name: inner for name, inner in self._root.items() if name not in ("$defs", "definitions")}
        seen: tuple[str, ...] = ()
        if opens:
            plain, seen = self._part(plain, seen)
        written: dict[str, Any] = self._schema(plain, seen)
        definitions = self._root.get("$defs")
        if self._keeps and isinstance(definitions, dict):
            written["$defs"] = {name: self._schema(inner, ()) for name, inner in definitions.items()}
        return written

    def _schema(self, value: Any, seen: tuple[str, ...]) -> Any:
        if not isinstance(value, dict):
            return value
        if self._too_large(seen):
            return {}
        if isinstance(value.get("allOf"), list):
            value, seen = self._merged(value, seen)
        if isinstance(value.get("$ref"), str):
            return self._reference(value, seen)
        return dict(self._words(value, seen))

    def _too_large(self, seen: tuple[str, ...]) -> bool:
        self._count += 1
        if self._count <= _MOST and len(seen) <= _DEEPEST:
            return False
        self._drop("it is too large when its references are written out")
        return True

    def _words(self, value: dict[str, Any], seen: tuple[str, ...]) -> list[tuple[str, Any]]:
        words: list[tuple[str, Any]] = []
        inside = (*seen, "")
        for name, inner in value.items():
            if name in ("$schema", "$comment"):
                continue
            if name == "const":
                words += self._constant(inner, value)
            elif name in _MAPS and isinstance(inner, dict):
                words.append((name, {key: self._schema(one, inside) for key, one in inner.items()}))
            elif name in _LISTS and isinstance(inner, list):
                words.append((name, [self._schema(one, inside) for one in inner]))
            elif name == "items" and isinstance(inner, list):
                words.append(("prefixItems", [self._schema(one, inside) for one in inner]))
            elif name in _SINGLE:
                words.append((name, self._schema(inner, inside)))
            else:
                words.append((name, inner))
        return words

    def _constant(self, constant: Any, value: dict[str, Any]) -> list[tuple[str, Any]]:
        """`const` as the one value of an `enum`, which holds texts and numbers."""
        if isinstance(constant, bool) or not isinstance(constant, str | int | float):
            self._drop("`const` of something that is neither text nor number")
            return [("type", "boolean")] if isinstance(constant, bool) and "type" not in value else []
        kind = "string" if isinstance(constant, str) else "integer" if isinstance(constant, int) else "number"
        return [("enum", [constant])] + ([] if "type" in value else [("type", kind)])

    def _reference(self, value: dict[str, Any], seen: tuple[str, ...]) -> Any:
        reference, beside = value["$ref"], _beside(value)
        if reference.startswith("#/$defs/") and _BESIDE.issuperset(beside) and reference.count("/") == 2:
            self._keeps = True
            return {"$ref": reference, **beside}
        return self._schema(*self._followed(value, seen))

    def _followed(self, value: dict[str, Any], seen: tuple[str, ...]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """What a reference leads to, with what stands beside it; and the references that led there."""
        reference, beside = value["$ref"], _beside(value)
        if seen.count(reference) >= _UNROLLED:
            self._drop(f"`{reference}` leads to itself; what is below is not told")
            return {name: inner for name, inner in beside.items() if name in ("description", "title")}, seen
        target = _at(self._root, reference)
        if not isinstance(target, dict):
            self._drop(f"`{reference}` leads nowhere")
            return beside, seen
        return {**target, **beside}, (*seen, reference)

    def _merged(self, value: dict[str, Any], seen: tuple[str, ...]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """`allOf` as one schema: properties and what is required are put together, of other words the last counts.

        A single reference that only has words for people beside it, as pydantic writes it, stays a reference.
        """
        others = {name: inner for name, inner in value.items() if name != "allOf"}
        only = value["allOf"][0] if len(value["allOf"]) == 1 else None
        if isinstance(only, dict) and isinstance(only.get("$ref"), str) and _BESIDE.issuperset(others):
            return {**only, **others}, seen
        merged: dict[str, Any] = {}
        for one in (*value["allOf"], others):
            part, seen = self._part(one, seen)
            for name, inner in part.items():
                merged[name] = _joined(merged.get(name), inner) if name in ("properties", "required") else inner
        return merged, seen

    def _part(self, value: Any, seen: tuple[str, ...]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """A schema that must be neither a reference nor an `allOf`."""
        while isinstance(value, dict) and (isinstance(value.get("$ref"), str) or isinstance(value.get("allOf"), list)):
            if self._too_large(seen):
                return {}, seen
            if isinstance(value.get("allOf"), list):
                value, seen = self._merged(value, (*seen, ""))
            else:
                value, seen = self._followed(value, seen)
        return (value if isinstance(value, dict) else {}), seen

    def _drop(self, reason: str) -> None:
        if not any(known.path == self._path and known.reason == reason for known in self._lost):
            self._lost.append(Dropped(path=self._path, reason=reason))


def _beside(value: dict[str, Any]) -> dict[str, Any]:
    """What stands beside a reference and is said of the schema that it leads to."""
    return {name: inner for name, inner in value.items() if name != "$ref" and not name.startswith("$")}


def _joined(known: Any, new: Any) -> Any:
    if isinstance(known, dict) and isinstance(new, dict):
        return {**known, **new}
    if isinstance(known, list) and isinstance(new, list):
        return [*known, *(one for one in new if one not in known)]
    return new


def _at(root: Any, reference: Any) -> Any:
    """What a reference within the same schema leads to; None if nothing."""
    if reference == "#":
        return root
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return None
    value = root
    for step in reference[2:].split("/"):
        if not isinstance(value, dict):
            return None
        value = value.get(step.replace("~1", "/").replace("~0", "~"))
    return value


_TYPES = ("", "string", "number", "integer", "boolean", "array", "object", "null")
_COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
_FORMATS = ("int32", "int64", "float", "double", "enum")
"""OpenAPI's, which JSON Schema does not know."""


def read_openapi(schema: msgspec.Raw, camel: Callable[[str], str]) -> msgspec.Raw:
    """Google's OpenAPI subset (`parameters`, `responseSchema`) as JSON Schema, which all others speak."""
    value = value_of(schema)
    return dump(_plain(value, camel, 0)) if isinstance(value, dict) else msgspec.Raw(b"{}")


def _plain(value: Any, camel: Callable[[str], str], depth: int) -> Any:
    if not isinstance(value, dict) or depth > _DEEPEST:
        return value
    made: dict[str, Any] = {}
    for word, inner in value.items():
        name = word if word.startswith("$") else camel(word)
        if name == "properties" and isinstance(inner, dict):
            made[name] = {key: _plain(one, camel, depth + 1) for key, one in inner.items()}
        elif name in ("items", "additionalProperties"):
            made[name] = _plain(inner, camel, depth + 1)
        elif name == "anyOf" and isinstance(inner, list):
            made[name] = [_plain(one, camel, depth + 1) for one in inner]
        elif name in ("defs", "$defs") and isinstance(inner, dict):
            made["$defs"] = {key: _plain(one, camel, depth + 1) for key, one in inner.items()}
        elif name == "type":
            made |= _type(inner)
        elif name in _COUNTS and isinstance(inner, str) and inner.isdecimal():
            made[name] = int(inner)  # 64 bits are texts in Google's JSON
        elif name == "ref":
            made["$ref"] = inner
        elif name == "example":
            made["examples"] = [inner]
        elif not (name == "format" and inner in _FORMATS) and name not in ("nullable", "propertyOrdering"):
            made[name] = inner
    return _nullable(made) if value.get("nullable") is True else made


def _type(inner: Any) -> dict[str, Any]:
    if isinstance(inner, str):
        return {} if inner == "TYPE_UNSPECIFIED" else {"type": inner.lower()}
    if type(inner) is int:
        return {"type": _TYPES[inner]} if 0 < inner < len(_TYPES) else {}
    return {"type": inner}


def _nullable(made: dict[str, Any]) -> dict[str, Any]:
    if isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
        if isinstance(made.get("enum"), list) and None not in made["enum"]:
            made["enum"] = [*made["enum"], None]
    elif isinstance(made.get("anyOf"), list):
        made["anyOf"] = [*made["anyOf"], {"type": "null"}]
    return made
