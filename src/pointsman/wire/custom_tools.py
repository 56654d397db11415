"""Custom tools, whose input is free text: OpenAI's two dialects have them, elsewhere they are functions of one text."""

from __future__ import annotations

import msgspec

from pointsman.wire.parse import BAD_JSON, loads

INPUT_SCHEMA = msgspec.Raw(
    b'{"type":"object","properties":{"input":{"type":"string","description":"The whole input, as plain text."}},'
    b'"required":["input"],"additionalProperties":false}'
)
GRAMMAR = "\n\nThe input has to follow this grammar"
"""A grammar cannot be kept to elsewhere, but it can be told: so begins what is said of it."""
_encode = msgspec.json.Encoder().encode


def with_grammar(words: str, syntax: str, definition: str) -> str:
    """A tool's description with the grammar of its input."""
    return f"{words}{GRAMMAR} ({syntax}):\n{definition}"


def arguments_of(text: str) -> str:
    """The arguments of the function that stands for a custom tool, from its input."""
    return _encode({"input": text}).decode()


def free_text(arguments: str) -> str:
    """The input of a custom tool from the arguments of the function that stood for it.

    Models that know the tool by another name for its input, or as free text, are understood.
    """
    try:
        value = loads(arguments.encode("utf-8", "replace"))
    except BAD_JSON:
        return arguments
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        texts = [text for text in value.values() if isinstance(text, str)]
        if isinstance(value.get("input"), str):
            return str(value["input"])
        if len(value) == len(texts) == 1:
            return texts[0]
        if not value:
            return ""
    return arguments
