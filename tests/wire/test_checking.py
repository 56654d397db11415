"""What callers may not write is refused by name where it changes its dialect, and nothing of it vanishes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzzing import examples
from pointsman.core.errors import CallerError, InvalidRequest
from pointsman.core.model import Model, Provider
from pointsman.wire.anthropic_messages import AnthropicMessages
from pointsman.wire.gemini import Gemini
from pointsman.wire.openai_chat import OpenAIChat
from pointsman.wire.openai_responses import OpenAIResponses
from pointsman.wire.passage import Crossing, Straight
from pointsman.wire.port import Dialect
from pointsman.wire.trip import Incoming, Outgoing, Surface

CHAT, MESSAGES, RESPONSES, GEMINI = OpenAIChat(), AnthropicMessages(), OpenAIResponses(), Gemini()
DIALECTS: dict[str, tuple[Dialect, Surface, str]] = {
    "chat": (CHAT, "chat.completions", "gpt-4o"),
    "messages": (MESSAGES, "messages", "claude-sonnet-4-5"),
    "responses": (RESPONSES, "responses", "gpt-5"),
    "gemini": (GEMINI, "gemini.generate", "gemini-2.5-flash"),
}
HELLO: dict[str, dict[str, Any]] = {
    "chat": {"messages": [{"role": "user", "content": "hi"}]},
    "messages": {"messages": [{"role": "user", "content": "hi"}]},
    "responses": {"input": "hi"},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
FUNCTIONS: dict[str, list[Any]] = {
    "chat": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}],
    "messages": [{"name": "f", "input_schema": SCHEMA}],
    "responses": [{"type": "function", "name": "f", "parameters": SCHEMA}],
    "gemini": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": SCHEMA}]}],
}


def received(name: str, fields: dict[str, Any]) -> Incoming:
    dialect, surface, _ = DIALECTS[name]
    body = json.dumps({**HELLO[name], **fields, **({} if name == "gemini" else {"model": "m"})}).encode()
    return dialect.read_request(body, surface, "/v1beta/models/m:generateContent")


def sent(name: str, target: str, fields: dict[str, Any]) -> Outgoing:
    provider, _, upstream = DIALECTS[target]
    where = Provider(name="p", dialect=provider.name, base_url="http://127.0.0.1:9/v1")
    model = Model(name="m", provider=where, upstream=upstream)
    way = Straight(provider) if name == target else Crossing(DIALECTS[name][0], provider)
    return way.write_request(received(name, fields), model)


def others(name: str) -> list[str]:
    return [other for other in DIALECTS if other != name]


def said(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content, **more}]}


def item(**fields: Any) -> dict[str, Any]:
    return {"input": [fields]}


def part(**fields: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [fields]}]}


def config(**fields: Any) -> dict[str, Any]:
    return {"generationConfig": fields}


REFUSED: dict[str, list[tuple[dict[str, Any], str]]] = {
    "chat": [
        (said("user", 5), "messages[0].content"),
        (said("user", ["x"]), "messages[0].content[0]"),
        (said("user", [{"type": "text", "text": 5}]), "messages[0].content[0].text"),
        (said("user", [{"text": "x"}]), "messages[0].content[0].type"),
        (said("user", None), "messages[0].content"),
        (said("wizard", "x"), "messages[0].role"),
        (said("assistant", None, tool_calls={}), "messages[0].tool_calls"),
        (said("assistant", None, tool_calls=[5]), "messages[0].tool_calls[0]"),
        ({"messages": [5]}, "messages[0]"),
        ({"messages": 5}, "messages"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": []}, "top_p"),
        ({"top_p": 1.5}, "top_p"),
        ({"presence_penalty": {}}, "presence_penalty"),
        ({"seed": "x"}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"seed": 1 << 70}, "seed"),
        ({"stop": 5}, "stop"),
        ({"stop": ["x", 5]}, "stop[1]"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"n": 0}, "n"),
        ({"n": "2"}, "n"),
        ({"tools": 5}, "tools"),
        ({"tools": [5]}, "tools"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": 5}]}, "tools[0].function"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "required", "tools": []}, "tool_choice"),
        ({"tool_choice": 5, "tools": FUNCTIONS["chat"]}, "tool_choice"),
        ({"tool_choice": "sometimes", "tools": FUNCTIONS["chat"]}, "tool_choice"),
        ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
        ({"logprobs": "yes"}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"top_logprobs": 99, "logprobs": True}, "top_logprobs"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {}}, "response_format.type"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"reasoning_effort": 7}, "reasoning_effort"),
        ({"reasoning": {"max_tokens": "x"}}, "reasoning.max_tokens"),
        ({"thinking": True}, "thinking"),
        ({"stream_options": 5}, "stream_options"),
        ({"user": 5}, "user"),
    ],
    "messages": [
        (said("user", 5), "messages[0].content"),
        (said("user", [5]), "messages[0].content[0]"),
        (said("user", [{"type": "text", "text": 5}]), "messages[0].content[0].text"),
        (said("boss", "x"), "messages[0].role"),
        ({"messages": [5]}, "messages[0]"),
        ({"system": 5}, "system"),
        ({"system": ["x"]}, "system[0]"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": 2}, "temperature"),
        ({"top_p": {}}, "top_p"),
        ({"top_k": "x"}, "top_k"),
        ({"stop_sequences": "x"}, "stop_sequences"),
        ({"stop_sequences": [5]}, "stop_sequences[0]"),
        ({"tools": {"a": 1}}, "tools"),
        ({"tools": [{"name": 5}]}, "tools[0].name"),
        ({"tool_choice": "any"}, "tool_choice"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tool_choice": {"type": "tool", "name": "f"}, "tools": []}, "tool_choice"),
        ({"thinking": True}, "thinking"),
        ({"thinking": {"type": "enabled", "budget_tokens": "many"}}, "thinking.budget_tokens"),
        ({"metadata": 7}, "metadata"),
        ({"output_config": 5}, "output_config"),
        ({"output_config": {"effort": 5}}, "output_config.effort"),
    ],
    "responses": [
        ({"input": 5}, "input"),
        ({"input": [5]}, "input[0]"),
        (item(role="user", content=5), "input[0].content"),
        (item(role="user", content=[{"type": "input_text", "text": 5}]), "input[0].content[0].text"),
        (item(role="boss", content="x"), "input[0].role"),
        ({"instructions": 5}, "instructions"),
        ({"text": 5}, "text"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"reasoning": 5}, "reasoning"),
        ({"reasoning": {"effort": 5}}, "reasoning.effort"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": []}, "top_p"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": -1}, "max_output_tokens"),
        ({"max_output_tokens": "5"}, "max_output_tokens"),
        ({"top_logprobs": -1}, "top_logprobs"),
        ({"tools": 5}, "tools"),
        ({"tool_choice": 5}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"parallel_tool_calls": 1}, "parallel_tool_calls"),
        ({"include": "x"}, "include"),
        ({"user": 5}, "user"),
        ({"background": "x"}, "background"),
    ],
    "gemini": [
        ({"contents": 5}, "contents"),
        ({"contents": [5]}, "contents[0]"),
        ({"contents": [{"role": "boss", "parts": [{"text": "x"}]}]}, "contents[0].role"),
        (part(text=5), "contents[0].parts[0].text"),
        (part(functionCall={"name": 5}), "contents[0].parts[0].functionCall.name"),
        ({"systemInstruction": 5}, "systemInstruction"),
        ({"generationConfig": []}, "generationConfig"),
        (config(temperature="hot"), "generationConfig.temperature"),
        (config(temperature=3), "generationConfig.temperature"),
        (config(topP=[]), "generationConfig.topP"),
        (config(seed="x"), "generationConfig.seed"),
        (config(stopSequences="x"), "generationConfig.stopSequences"),
        (config(maxOutputTokens=0), "generationConfig.maxOutputTokens"),
        (config(maxOutputTokens=-1), "generationConfig.maxOutputTokens"),
        (config(maxOutputTokens="many"), "generationConfig.maxOutputTokens"),
        ({"generation_config": {"max_output_tokens": 0}}, "generationConfig.maxOutputTokens"),
        (config(responseSchema=5), "generationConfig.responseSchema"),
        (config(logprobs=3), "generationConfig.logprobs"),
        (config(thinkingConfig=True), "generationConfig.thinkingConfig"),
        (config(thinkingConfig={"thinkingBudget": "x"}), "generationConfig.thinkingConfig.thinkingBudget"),
        ({"tools": "x"}, "tools"),
        ({"tools": [{"functionDeclarations": [5]}]}, "tools[0].functionDeclarations[0]"),
        ({"toolConfig": 4}, "toolConfig"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}, "toolConfig"),
        ({"toolConfig": {"functionCallingConfig": {"mode": "MAYBE"}}}, "toolConfig.functionCallingConfig.mode"),
    ],
}


@pytest.mark.parametrize(
    ("name", "fields", "param"), [(name, *row) for name, rows in REFUSED.items() for row in rows], ids=str
)
def test_what_is_wrong_is_refused_by_name(name: str, fields: dict[str, Any], param: str) -> None:
    for target in others(name):
        with pytest.raises(InvalidRequest) as caught:
            sent(name, target, fields)
        assert (caught.value.status, caught.value.param) == (400, param)
        assert f"`{param}`" in caught.value.message


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("chat", {"temperature": "hot", "max_tokens": 0, "top_logprobs": 3, "tool_choice": "required", "stop": 5}),
        ("messages", {"temperature": 2, "system": 5, "stop_sequences": "x", "max_tokens": 0}),
        ("responses", {"temperature": "hot", "instructions": 5, "max_output_tokens": 0, "reasoning": 5}),
        ("gemini", {"generationConfig": {"temperature": "hot", "maxOutputTokens": 0}, "systemInstruction": 5}),
    ],
)
def test_providers_of_the_callers_dialect_judge_for_themselves(name: str, fields: dict[str, Any]) -> None:
    body = json.loads(sent(name, name, fields).body)
    assert {field: body[field] for field in fields} == fields


NULLS = {
    "chat": "temperature top_p seed stop max_tokens max_completion_tokens n tools tool_choice parallel_tool_calls "
    "logprobs top_logprobs response_format reasoning_effort user stream_options presence_penalty",
    "messages": "temperature top_p top_k stop_sequences system tools tool_choice thinking metadata output_config",
    "responses": "temperature top_p instructions text reasoning tools tool_choice parallel_tool_calls include user "
    "max_output_tokens top_logprobs background",
    "gemini": "generationConfig tools toolConfig systemInstruction",
}


@pytest.mark.parametrize("name", DIALECTS)
def test_null_says_nothing(name: str) -> None:
    for target in others(name):
        found = sent(name, target, dict.fromkeys(NULLS[name].split()))
        assert (found.body, found.dropped) == (sent(name, target, {}).body, ())


@pytest.mark.parametrize(
    ("name", "fields", "whole"),
    [
        ("chat", {"top_k": 9.0, "seed": 7.0}, {"top_k": 9, "seed": 7}),
        ("messages", {"top_k": 3.0}, {"top_k": 3}),
        ("responses", {"top_logprobs": 9.0}, {"top_logprobs": 9}),
        ("gemini", config(maxOutputTokens=9.0, temperature="0.5"), config(maxOutputTokens=9, temperature=0.5)),
    ],
)
def test_counts_may_have_a_fraction_of_zero(name: str, fields: dict[str, Any], whole: dict[str, Any]) -> None:
    for target in others(name):
        assert sent(name, target, fields).body == sent(name, target, whole).body


def test_an_image_s_address_may_stand_alone_as_at_mistral() -> None:
    parts = [{"type": "image_url", "image_url": where} for where in ("http://a.b/c.png", {"url": "http://a.b/c.png"})]
    for target in others("chat"):
        alone, inside = (sent("chat", target, said("user", [part])) for part in parts)
        assert (alone.body, alone.dropped) == (inside.body, inside.dropped)


# Not among them: labels of end users (`user`, `metadata.user_id`), which change no answer.
FIELDS: dict[str, str] = {
    "chat": "messages tools functions tool_choice function_call parallel_tool_calls response_format max_tokens "
    "max_completion_tokens stop n logprobs top_logprobs temperature top_p presence_penalty frequency_penalty top_k "
    "seed reasoning_effort reasoning thinking stream stream_options",
    "messages": "messages system max_tokens tools tool_choice stream stop_sequences temperature top_p top_k thinking "
    "output_config output_format",
    "responses": "input instructions tools tool_choice parallel_tool_calls text max_output_tokens temperature top_p "
    "top_logprobs include reasoning stream background",
    "gemini": "contents systemInstruction tools toolConfig generationConfig",
}
INNER = (
    "type name role content text parts function tools format effort enabled budget_tokens max_tokens mode temperature "
    "stopSequences maxOutputTokens thinkingConfig functionDeclarations include_usage user_id ephemeral x"
)
WORDS = "user assistant system text auto none required any tool function json_schema high"
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 40)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS.split())
    | st.text()
)
NAMES = st.sampled_from(INNER.split())
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)


def says(value: Any) -> bool:
    """Whether there is anything in a value."""
    if isinstance(value, dict):
        return any(says(inner) for inner in value.values())
    return any(says(inner) for inner in value) if isinstance(value, list) else value not in (None, "")


@pytest.mark.parametrize("name", DIALECTS)
@settings(max_examples=examples(300), deadline=None)
@given(data=st.data())
def test_anything_in_a_known_field_is_expressed_named_or_refused(name: str, data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(FIELDS[name].split()))
    value = data.draw(VALUES)
    target = data.draw(st.sampled_from(others(name)))
    base = {"tools": FUNCTIONS[name]}
    try:
        found = sent(name, target, {**base, field: value})
    except CallerError:
        return
    assert json.loads(found.body)
    if field == "systemInstruction" and isinstance(value, dict):
        value.pop("role", None)  # of no use to anybody
    if not says(value) or found.dropped or (field, value) in QUIET:
        return
    plain = sent(name, target, base)
    assert found.body != plain.body or found.path != plain.path, (
        f"{field}: {value!r} has vanished on its way to {target}"
    )


QUIET: list[tuple[str, Any]] = [
    ("parallel_tool_calls", True),
    ("n", 1),
    ("logprobs", False),
    ("top_logprobs", 0),
    ("stream", False),
    ("background", False),
    ("presence_penalty", 0),
    ("frequency_penalty", 0),
    ("tool_choice", "auto"),
    ("function_call", "auto"),
    ("tool_choice", {"type": "auto"}),
    ("response_format", {"type": "text"}),
    ("text", {"format": {"type": "text"}}),
    ("stream_options", {"include_usage": False}),
    ("stream_options", {"include_usage": True}),  # without a stream
]
"""Values that say what is so without them."""
