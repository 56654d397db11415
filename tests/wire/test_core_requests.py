"""Requests as core values: every field comes back, and what chat cannot say is dropped by name."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pointsman.core.chat import Message, Opaque, Reasoning, Refusal, Request, Text, ToolCall, ToolResult
from pointsman.core.errors import InvalidRequest

MESSAGES: list[dict[str, Any]] = [
    {"role": "developer", "content": "Be kind.", "name": "boss"},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "See", "cache_control": {"type": "ephemeral"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
            {"type": "video_url", "video_url": {"url": "https://x/y.mp4"}},
            {"type": "new_kind", "new_kind": {}},
        ],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "a",
                "type": "function",
                "function": {"name": "f", "arguments": "{}"},
                "extra_content": {"google": 1},
            },
            {"id": "b", "type": "custom", "custom": {"name": "g", "input": "x"}},
        ],
    },
    {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "done"}]},
    {"role": "tool", "tool_call_id": "b", "content": ""},
    {"role": "assistant", "content": "", "refusal": "no", "reasoning_content": ""},
    {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
    {"role": "function", "name": "f", "content": "1"},
    {"role": "user", "content": []},
]
REQUEST: dict[str, Any] = {
    "model": "small-1",
    "messages": MESSAGES,
    "tools": [
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}},
        {"type": "function", "function": {"name": "g"}},
        {"type": "web_search"},
    ],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "parallel_tool_calls": False,
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"a": 1}, "strict": True}},
    "max_tokens": 5,
    "temperature": 0,
    "top_p": None,
    "stop": "END",
    "n": 1,
    "seed": 7,
    "logprobs": True,
    "top_logprobs": 3,
    "stream": False,
    "stream_options": None,
    "user": "u",
    "logit_bias": {"50256": -100},
}  # fmt: skip


def test_every_field_of_a_request_comes_back(dialect, model):
    request = dialect.decode_request(json.dumps(REQUEST).encode())
    got = dialect.encode_request(request, model)
    assert json.loads(got.body) == REQUEST
    assert got.dropped == ()
    assert (request.max_output, request.stop, request.logprobs, request.seed) == (5, ("END",), 3, 7)
    assert request.tool_choice is not None
    assert (request.tool_choice.mode, request.tool_choice.name, request.tool_choice.parallel) == ("named", "f", False)


def test_a_changed_request_is_written_from_its_values(dialect, model):
    request = dialect.decode_request(json.dumps(REQUEST).encode())
    changed = msgspec.structs.replace(request, max_output=9, messages=(Message(role="user", blocks=(Text(text="x"),)),))
    body = json.loads(dialect.encode_request(changed, model).body)
    assert body["max_completion_tokens"] == 9
    assert "max_tokens" not in body
    assert body["messages"] == [{"role": "user", "content": "x"}]
    assert body["logit_bias"] == {"50256": -100}


def test_a_request_is_fitted_to_the_model(dialect, model):
    request = Request(model="m", messages=(Message(role="user", blocks=(Text(text="x"),)),), max_output=5, stream=True)
    params = (("temperature", msgspec.Raw(b"0.5")), ("max_tokens", msgspec.Raw(b"9")))
    picky = msgspec.structs.replace(model, refused_params=frozenset({"max_completion_tokens"}), params=params)
    body = json.loads(dialect.encode_request(request, picky).body)
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("small-1", 5, 0.5)
    assert "max_completion_tokens" not in body
    assert body["stream_options"] == {"include_usage": True}


def test_a_turn_with_tool_results_and_text_becomes_tool_messages_then_a_user_message(dialect, model):
    results = tuple(ToolResult(call_id=call, content=(Text(text=call),)) for call in "ab")
    turn = Message(role="user", blocks=(*results, Text(text="and?")))
    body = json.loads(dialect.encode_request(Request(model="m", messages=(turn,)), model).body)
    assert body["messages"] == [
        {"role": "tool", "tool_call_id": "a", "content": "a"},
        {"role": "tool", "tool_call_id": "b", "content": "b"},
        {"role": "user", "content": "and?"},
    ]


def test_what_chat_cannot_say_in_a_request_is_dropped_by_name(dialect, model):
    blocks = (
        Reasoning(text="hm", signature="s"),
        Opaque(dialect="anthropic-messages", kind="server_tool_use", raw=msgspec.Raw(b"{}")),
        Refusal(text="no"),
        ToolCall(id="a", name="f"),
    )
    request = Request(model="m", messages=(Message(role="assistant", blocks=blocks),), reasoning_budget=100)
    got = dialect.encode_request(request, model)
    message = json.loads(got.body)["messages"][0]
    assert message["reasoning_content"] == "hm"
    assert message["content"] == [{"type": "refusal", "refusal": "no"}]
    assert message["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}
    assert {drop.path for drop in got.dropped} == {"messages[0].thinking", "messages[0].content", "reasoning_budget"}


@pytest.mark.parametrize("role", ["robot", "", "System"])
def test_unknown_roles_are_refused_by_name(dialect, role):
    with pytest.raises(InvalidRequest) as caught:
        dialect.decode_request(json.dumps({"model": "m", "messages": [{"role": role, "content": "x"}]}).encode())
    assert caught.value.param == "messages[0].role"
