"""Whatever a client sends, a simulated provider reads it or refuses it in its dialect's own shape."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pointsman.testing.anthropic_messages import AnthropicMessages
from pointsman.testing.dialect import Answer, Ask, Refusal, Request
from pointsman.testing.gemini import Gemini
from pointsman.testing.mind import Mind, usage_of
from pointsman.testing.openai_chat import OpenAIChat
from pointsman.testing.openai_responses import OpenAIResponses
from pointsman.testing.script import Script, SimModel, Thinking

TOOL = {"type": "object", "properties": {"city": {"type": "string"}}}
TEXT = [{"type": "text", "text": "hello", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
CASES: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "chat": (
        OpenAIChat(),
        "/chat/completions",
        {
            "model": "m",
            "messages": [
                {"role": "user", "content": TEXT},
                {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "1", "content": "x"},
            ],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": TOOL}}],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "response_format": {"type": "json_schema", "json_schema": {"schema": TOOL}},
            "stream": True,
            "stream_options": {"include_usage": True},
            "n": 2,
            "max_tokens": 3,
        },
    ),
    "embeddings": (OpenAIChat(), "/embeddings", {"model": "m", "input": ["a", [1, 2]], "dimensions": 4}),
    "responses": (
        OpenAIResponses(),
        "/responses",
        {
            "model": "m",
            "instructions": "be brief",
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "hi"}, {"type": "input_image"}]},
                {"type": "reasoning", "id": "rs_1", "summary": []},
                {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c", "output": "x"},
            ],
            "tools": [{"type": "function", "name": "f", "parameters": TOOL}],
            "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
            "text": {"format": {"type": "json_schema", "name": "n", "schema": TOOL}},
            "reasoning": {"effort": "low", "summary": "auto"},
            "max_output_tokens": 20,
        },
    ),
    "messages": (
        AnthropicMessages(),
        "/messages",
        {
            "model": "m",
            "max_tokens": 3000,
            "system": TEXT,
            "messages": [
                {"role": "user", "content": TEXT},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": TEXT}]},
            ],
            "tools": [{"name": "f", "input_schema": TOOL}],
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
            "output_config": {"format": {"type": "json_schema", "schema": TOOL}},
            "stop_sequences": ["x"],
            "temperature": 0.5,
        },
    ),
    "generate": (
        Gemini(),
        "/models/m:streamGenerateContent",
        {
            "systemInstruction": {"parts": [{"text": "be brief"}]},
            "contents": [
                {"role": "user", "parts": [{"text": "hi"}, {"inlineData": {"mimeType": "image/png", "data": ""}}]},
                {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
                {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": "x"}}}]},
            ],
            "tools": [{"functionDeclarations": [{"name": "f", "parameters": {**TOOL, "type": "OBJECT"}}]}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
            "generationConfig": {
                "responseMimeType": "application/json",
                "responseSchema": {"type": "ARRAY", "items": {"type": "STRING"}},
                "thinkingConfig": {"includeThoughts": True},
                "candidateCount": 2,
            },
        },
    ),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


MIND = Mind(Script())
MODEL = SimModel(name="m", thinking=Thinking(tokens=2), output_tokens=3.0)


def read(case: str, body: bytes) -> Ask | None:
    """The request, if it is taken, and then also answered; what refuses it has to have a body for the client."""
    dialect, path, _ = CASES[case]
    request = Request(method="POST", path=path, headers=[(b"anthropic-version", b"2023-06-01")], body=body)
    try:
        ask = dialect.read(request, dialect.surface(request))
        parts = MIND.parts(MODEL, ask)
        usage = usage_of(ask, parts, 0, 0)
    except Refusal as error:
        refusal = error
    else:
        answer = Answer(id=dialect.answer_id(ask.surface, 1), created=1, parts=parts, usage=usage)
        assert dialect.whole(ask, answer, MODEL)
        assert not parts or dialect.frames(ask, answer, MODEL)
        return ask
    assert 400 <= dialect.status(refusal) < 500
    assert b'"error"' in dialect.error(refusal, request)
    return None


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, inner in items for place in places(inner, (*at, key)))]


def changed(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    if not at:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = changed(value[at[0]], at[1:], new)
    return copy


@pytest.mark.parametrize("case", CASES)
def test_the_untouched_request_is_taken(case):
    ask = read(case, json.dumps(CASES[case][2]).encode())
    assert ask is not None
    assert ask.model == "m"


@pytest.mark.parametrize("case", CASES)
@given(data=st.data())
def test_one_wrong_value_anywhere_is_read_or_refused(case, data):
    body = CASES[case][2]
    place = data.draw(st.sampled_from(places(body)))
    read(case, json.dumps(changed(body, place, data.draw(JSON))).encode())


@pytest.mark.parametrize("case", CASES)
@given(body=st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode()))
@example(body=b"[" * 100_000)
def test_any_bytes_are_read_or_refused(case, body):
    read(case, body)
