"""Schemas of callers, of any shape: at every provider they are written, left out by name or refused; nothing breaks."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzzing import examples
from pointsman.core.errors import CallerError
from wire.test_crossings import HI, model, sent

# fmt: off
WORDS = st.sampled_from((
    "type", "object", "array", "string", "properties", "items", "anyOf", "oneOf", "allOf", "any_of", "$ref",
    "ref", "#/$defs/a", "#", "$defs", "defs", "definitions", "a", "enum", "const", "format", "int64",
    "nullable", "required", "minItems", "minLength", "additionalProperties", "patternProperties", "prefixItems",
    "not", "if", "then", "description", "title", "default", "example", "TYPE_UNSPECIFIED", "$schema",
    "property_ordering", "input", "name",
))
# fmt: on
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | WORDS
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4))
CLAUDE = ("claude-sonnet-4-5", "claude-3-haiku-20240307")  # with formats of their own, and without
TO = [
    model("openai-chat", "gpt-5"),
    model("openai-responses", "gpt-5"),
    model("gemini", "gemini-3-pro"),
    model("mistral-chat", "mistral-large"),
    *(model("anthropic-messages", name) for name in CLAUDE),
]


def asking(caller: str, schema: Any, strict: Any) -> dict[str, Any]:
    """A request with a schema wherever the caller's dialect has a place for one."""
    function = {"name": "f", "parameters": schema, "strict": strict}
    match caller:
        case "openai-chat":
            form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": strict}}
            return {"tools": [{"type": "function", "function": function}], "response_format": form}
        case "openai-responses":
            form = {"type": "json_schema", "name": "n", "schema": schema, "strict": strict}
            return {"tools": [{"type": "function", **function}], "text": {"format": form}}
        case "anthropic-messages":
            form = {"type": "json_schema", "schema": schema}
            tool = {"name": "f", "input_schema": schema, "strict": strict}
            return {"tools": [tool], "output_config": {"format": form}}
    tools = [{"name": "f", "parameters": schema}, {"name": "g", "parametersJsonSchema": schema}]
    config = {"responseMimeType": "application/json", "responseSchema": schema}
    return {"tools": [{"functionDeclarations": tools}], "generationConfig": config}


@pytest.mark.parametrize("caller", list(HI))
@settings(max_examples=examples(60))
@given(schema=JSON, strict=st.booleans() | JSON)
def test_no_schema_breaks_the_gateway(caller: str, schema: Any, strict: Any) -> None:
    for to in TO:
        if to.provider.dialect != caller:
            with contextlib.suppress(CallerError):
                json.loads(sent(caller, to, **asking(caller, schema, strict)).body)


@pytest.mark.parametrize("caller", list(HI))
@pytest.mark.parametrize("depth", [90, 400])
def test_no_depth_of_a_schema_breaks_the_gateway(caller: str, depth: int) -> None:
    schema: dict[str, Any] = {"type": "string", "const": "a", "minLength": 1}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}}
    for to in TO:
        if to.provider.dialect != caller:
            with contextlib.suppress(CallerError):
                json.loads(sent(caller, to, **asking(caller, schema, strict=True)).body)
