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
    }
)


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
            return squashed(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def result_of(value: Any) -> str:
    """What a tool gave back, without what dialects wrap it in."""
    if isinstance(value, str):
        text = value.removeprefix("Error: ").removeprefix("(no text)")  # where there was but a picture
        try:
            value = json.loads(text)
        except ValueError:
            return squashed(text)
    while isinstance(value, dict) and len(value) == 1 and next(iter(value)) in ("result", "output", "content", "error"):
        value = next(iter(value.values()))
    return squashed(value) if isinstance(value, str) else squashed(canonical(value))


def media_mark(data: str = "", url: str = "", file_id: str = "") -> str:
    """Something to know a picture by."""
    if data:
        return "data:" + hashlib.sha1(data.encode()).hexdigest()[:12]
    return url or file_id


def plain_schema(value: Any, *, names: bool = False) -> Any:
    """A schema as far as every dialect can say it: types in lower case, `nullable` and lists of types as one."""
    if isinstance(value, list):
        return [plain_schema(item) for item in value]
    if not isinstance(value, dict):
        return value
    if names:  # the keys are a caller's names, not words of the schema language (gotcha 40)
        return {name: plain_schema(inner) for name, inner in value.items()}
    found: dict[str, Any] = {}
    for name, inner in value.items():
        if name in _BEYOND:
            continue
        if name == "type":
            kinds = [str(kind).lower() for kind in (inner if isinstance(inner, list) else [inner])]
            found["type"] = next((kind for kind in kinds if kind != "null"), "null")
        elif name == "nullable":
            continue
        elif name in ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"):
            found[name] = int(inner)  # Google's proto writes 64-bit numbers as strings
        elif name == "required" and not inner:
            continue
        else:
            found[name] = plain_schema(inner, names=name in ("properties", "$defs", "definitions"))
    if found.get("properties") == {}:
        del found["properties"]
    return found


def texts_of(content: Any, *names: str) -> str:
    """The texts of a list of parts, or the text itself."""
    if isinstance(content, str):
        return content
    parts = [fields(part) for part in items(content)]
    return "".join(str(part[name]) for part in parts for name in names if isinstance(part.get(name), str))
