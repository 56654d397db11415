"""What a request asks for, read without our wire code: what a translation of it has to ask for too."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from wire.across.frames import fields, items

_SPACE = re.compile(r"\s+")
# What stands where a dialect wants a user's words and there are none: Anthropic and Gemini want one to begin.
_PLACE = re.compile(r"\((?:nomessage|Theconversationbeginshere\.|Fromtheresultof[^()]*:)\)")
# What Gemini's subset of OpenAPI has no word for; left out on both sides wherever Gemini is one of the two.
_BEYOND = frozenset(
    {
        "additionalProperties",
        "$schema",
        "$id",
        "strict",
        "title",
        "default",
        "examples",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "const",
        "propertyOrdering",
        "multipleOf",
        "uniqueItems",
        "format",
        "pattern",
        "nullable",
        "$defs",
        "definitions",
    }
)


_DEEP = 12
# Google's other spelling; and Anthropic has `anyOf` alone.
_CAMEL = {
    "oneOf": "anyOf",
    "any_of": "anyOf",
    "property_ordering": "propertyOrdering",
    "max_items": "maxItems",
    "min_items": "minItems",
}
_NUMBERS = {1: "string", 2: "number", 3: "integer", 4: "boolean", 5: "array", 6: "object"}  # Google's enum
_SIZES = frozenset({"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"})


class Said(NamedTuple):
    """One thing in a conversation: `kind` is system, user, assistant, call or result."""

    kind: str
    text: Any = ""
    name: str = ""
    call: str = ""  # the call's id; for a result that of its call


@dataclass(frozen=True)
class Ask:
    """A request.

    Attributes:
        system: all of the instructions.
        turns: who said and did what: alternating segments, results before words, white space left out.
        media: images and documents, in order.
        tools: name to (description, schema).
        strict: names of tools whose arguments have to fit; None of those that do not say.
        choice: mode and name.
        thinking: asked for, declined or not spoken of.
        effort: the word for it.
        form: kind of the wanted output, and its schema.
        numbers: the rest, by its name in chat.
        foreign: items of the conversation that only this dialect has.
        other_tools: tools that are no functions; some have a form in other dialects.
    """

    system: str = ""
    turns: tuple[Any, ...] = ()
    media: tuple[str, ...] = ()
    tools: dict[str, tuple[str, Any]] = field(default_factory=dict)
    strict: dict[str, bool | None] = field(default_factory=dict)
    choice: tuple[str, str] = ("auto", "")
    alone: bool = False
    thinking: bool | None = None
    effort: str = ""
    form: tuple[str, Any] = ("", None)
    numbers: dict[str, Any] = field(default_factory=dict)
    foreign: tuple[str, ...] = ()
    other_tools: tuple[str, ...] = ()


def squashed(text: str) -> str:
    """Without white space: how texts are joined is the dialect's own affair."""
    return _SPACE.sub("", text)


def system_of(said: Iterable[Said]) -> str:
    """The instructions, joined."""
    return squashed("".join(one.text for one in said if one.kind == "system"))


def turns_of(said: Iterable[Said]) -> tuple[Any, ...]:
    """The conversation as segments; a result names its call by number, so that ids may differ and have to agree."""
    numbers: dict[str, int] = {}
    turns: list[Any] = []
    run: list[Said] = []
    side = ""
    for one in [*said, Said("end")]:
        if one.kind == "system":
            continue
        own = "assistant" if one.kind in ("assistant", "call") else one.kind if one.kind == "end" else "user"
        if own != side and run:
            turns += _segment(side, run, numbers)
            run = []
        side = own
        if one.kind != "end" and (one.text != "" or one.kind in ("call", "result")):
            run.append(one)
    merged: list[Any] = []
    for turn in turns:
        if merged and merged[-1][0] == turn[0] == "user" and len(turn) == 2:
            merged[-1] = ("user", merged[-1][1] + turn[1])
        else:
            merged.append(turn)
    return tuple(merged)


def _segment(side: str, run: list[Said], numbers: dict[str, int]) -> list[Any]:
    words = squashed("".join(one.text for one in run if one.kind in ("user", "assistant")))
    words = _PLACE.sub("", words) if side == "user" else words
    if side == "assistant":
        calls = []
        for one in run:
            if one.kind == "call":
                numbers[one.call] = len(numbers)
                calls.append((one.name, canonical(one.text)))
        return [("assistant", words, tuple(calls))] if words or calls else []
    results = tuple((numbers.get(one.call, one.call), result_of(one.text)) for one in run if one.kind == "result")
    found: list[Any] = [("results", results)] if results else []
    return [*found, ("user", words)] if words else found


def canonical(value: Any) -> str:
    """A JSON value, or the text of one, in one form."""
    if isinstance(value, str):
        try:
            value = json.loads(value or "{}")
        except ValueError:
            value = {"arguments": value}  # the form that dialects want whose arguments are objects
    if not isinstance(value, dict):
        value = {"arguments": json.dumps(value)}
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def result_of(value: Any) -> str:
    """What a tool gave back, without what dialects wrap it in."""
    if isinstance(value, str):
        text = value.removeprefix("Error: ").removeprefix("(no text)")  # where there was but a picture
        try:
            value = json.loads(text)
        except ValueError:
            return squashed(text)
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in ("result", "output", "content", "error"):
        return result_of(next(iter(value.values())))
    if value in ("", {}):
        return ""
    return squashed(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def media_mark(data: str = "", url: str = "", file_id: str = "") -> str:
    """Something to know a picture by."""
    if data:
        return "data:" + hashlib.sha1(data.encode()).hexdigest()[:12]
    return url or file_id


def plain_schema(schema: Any) -> Any:
    """A schema as far as every dialect can say it: types in lower case, references resolved, null left out."""
    root = fields(schema)
    plain = _plain(root, {**fields(root.get("$defs")), **fields(root.get("definitions"))}, 0)
    return {} if plain == {"type": "object"} else plain


def _plain(value: Any, known: dict[str, Any], depth: int) -> Any:
    if isinstance(value, list):
        return [_plain(item, known, depth) for item in value]
    if not isinstance(value, dict):
        return value
    if depth > _DEEP:  # a schema that holds itself
        return {}
    if isinstance(value.get("$ref"), str):
        beside = {name: inner for name, inner in value.items() if name != "$ref"}
        return _plain({**fields(known.get(value["$ref"].rpartition("/")[2])), **beside}, known, depth + 1)
    found: dict[str, Any] = {}
    for own, inner in value.items():
        name = _CAMEL.get(own, own)
        if name in _BEYOND:
            continue
        if name == "type":
            kinds = [_NUMBERS.get(kind, str(kind).lower()) for kind in (inner if isinstance(inner, list) else [inner])]
            found["type"] = next((kind for kind in kinds if kind != "null"), "null")
        elif name == "properties":  # the keys are a caller's names, not words of the schema language (gotcha 40)
            found |= {"properties": {key: _plain(one, known, depth + 1) for key, one in inner.items()}} if inner else {}
        elif name == "enum":
            found["enum"] = [one for one in inner if one is not None]
        elif name in _SIZES:
            found[name] = int(inner)  # Google's proto writes 64-bit numbers as strings
        elif inner or name != "required":
            found[name] = _plain(inner, known, depth + 1)
    return found


def texts_of(content: Any, *names: str) -> str:
    """The texts of a list of parts, or the text itself."""
    if isinstance(content, str):
        return content
    parts = [fields(part) for part in items(content)]
    return "".join(str(part[name]) for part in parts for name in names if isinstance(part.get(name), str))
