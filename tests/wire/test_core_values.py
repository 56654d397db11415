"""Core values carry what the dialects share, and what they do not share survives the way there and back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pointsman.core.chat import Text, ToolResult
from pointsman.core.errors import UpstreamGarbage, UpstreamRefused
from pointsman.core.usage import Usage
from pointsman.wire import anthropic_messages, openai_responses

ANTHROPIC: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [
        {"type": "thinking", "thinking": "Let me see.", "signature": "sig=="},
        {"type": "redacted_thinking", "data": "opaque=="},
        {"type": "text", "text": "I look it up: "},
        {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []},
        {"type": "text", "text": "Paris é.", "citations": [{"type": "char_location", "cited_text": "P"}]},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris", "n": 1.50}},
        {"type": "tool_use", "id": "toolu_2", "name": "time", "input": {}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 10,
        "cache_creation_input_tokens": 300,
        "cache_read_input_tokens": 2000,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
        "output_tokens": 50,
        "service_tier": "standard",
    },
    "container": None,
}

CALL = {"type": "function_call", "status": "completed"}
RESPONSES: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1_700_000_000,
    "status": "completed",
    "model": "gpt-x",
    "error": None,
    "incomplete_details": None,
    "output": [
        {
            "id": "rs_1",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "First."}, {"type": "summary_text", "text": "Then."}],
            "encrypted_content": "enc==",
        },
        {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "x"}},
        {
            "id": "m_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [
                {"type": "output_text", "text": "One. ", "annotations": [], "logprobs": []},
                {"type": "output_text", "text": "Two.", "annotations": [{"type": "url_citation", "url": "http://x"}]},
            ],
        },
        {
            "id": "fc_1",
            "type": "function_call",
            "call_id": "call_1",
            "name": "f",
            "arguments": '{"a": 1}',
            "status": "completed",
        },
        {
            "id": "fc_2",
            "type": "function_call",
            "call_id": "call_2",
            "name": "g",
            "arguments": "",
            "status": "completed",
        },
    ],
    "usage": {
        "input_tokens": 120,
        "input_tokens_details": {"cached_tokens": 64},
        "output_tokens": 80,
        "output_tokens_details": {"reasoning_tokens": 32},
        "total_tokens": 200,
    },
    "metadata": {"k": "v"},
}


def test_an_anthropic_answer_reads_well_as_chat(dialect):
    answer = anthropic_messages.decode_answer(json.dumps(ANTHROPIC).encode())
    chat = json.loads(dialect.encode_answer(answer).body)
    message = chat["choices"][0]["message"]
    assert message["content"] == "I look it up: Paris é."
    assert message["reasoning_content"] == "Let me see."
    assert message["thinking_blocks"] == ANTHROPIC["content"][:2]
    assert [call["function"]["name"] for call in message["tool_calls"]] == ["weather", "time"]
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {"city": "Paris", "n": 1.5}
    assert message["tool_calls"][1]["function"]["arguments"] == "{}"
    assert chat["choices"][0]["finish_reason"] == "tool_calls"
    assert chat["usage"]["prompt_tokens"] == 2310
    assert chat["usage"]["prompt_tokens_details"]["cached_tokens"] == 2000
    assert chat["usage"]["total_tokens"] == 2360
    assert answer.usage == Usage(input=2310, cache_read=2000, cache_write=100, cache_write_1h=200, output=50)


def test_a_responses_answer_reads_well_as_chat(dialect):
    answer = openai_responses.decode_answer(json.dumps(RESPONSES).encode())
    chat = json.loads(dialect.encode_answer(answer).body)
    message = chat["choices"][0]["message"]
    assert message["content"] == "One. Two."
    assert message["reasoning_content"] == "First.\n\nThen."
    assert [call["id"] for call in message["tool_calls"]] == ["call_1", "call_2"]
    assert chat["choices"][0]["finish_reason"] == "tool_calls"
    assert chat["created"] == 1_700_000_000
    assert chat["usage"]["completion_tokens_details"]["reasoning_tokens"] == 32


@pytest.mark.parametrize(("module", "body"), [(anthropic_messages, ANTHROPIC), (openai_responses, RESPONSES)])
def test_the_way_back_loses_nothing(dialect, module, body):
    answer = module.decode_answer(json.dumps(body).encode())
    again = dialect.decode_answer(dialect.encode_answer(answer).body)
    assert again == answer
    assert json.loads(module.encode_answer(again).body) == body


def test_a_history_that_comes_back_through_a_chat_client_keeps_its_blocks(dialect):
    answer = anthropic_messages.decode_answer(json.dumps(ANTHROPIC).encode())
    message = json.loads(dialect.encode_answer(answer).body)["choices"][0]["message"]
    tool = {"role": "tool", "tool_call_id": "toolu_1", "content": "sunny"}
    body = {"model": "auto", "messages": [{"role": "user", "content": "?"}, message, tool]}
    request = dialect.decode_request(json.dumps(body).encode())
    assert request.messages[1].blocks == answer.choices[0].blocks
    assert request.messages[2].blocks == (ToolResult(call_id="toolu_1", content=(Text(text="sunny"),)),)


def test_a_message_that_the_caller_has_edited_counts_as_it_stands(dialect):
    answer = anthropic_messages.decode_answer(json.dumps(ANTHROPIC).encode())
    message = json.loads(dialect.encode_answer(answer).body)["choices"][0]["message"]
    message["content"] = "Shorter."
    message["tool_calls"].pop()
    request = dialect.decode_request(json.dumps({"model": "m", "messages": [message]}).encode())
    kinds = [type(block).__name__ for block in request.messages[0].blocks]
    assert kinds == ["Reasoning", "Reasoning", "Text", "ToolCall"]
    assert Text(text="Shorter.") in request.messages[0].blocks


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "stop"),
        ("some_new_reason", "stop"),
        (None, None),
    ],
)
def test_anthropic_stop_reasons(dialect, word, finish):
    body = ANTHROPIC | {"stop_reason": word, "content": []}
    answer = anthropic_messages.decode_answer(json.dumps(body).encode())
    chat = dialect.encode_answer(answer).body
    assert json.loads(chat)["choices"][0]["finish_reason"] == finish
    back = json.loads(anthropic_messages.encode_answer(dialect.decode_answer(chat)).body)
    assert back["stop_reason"] in (
        word,
        "end_turn",
    )


@pytest.mark.parametrize(
    ("status", "details", "finish"),
    [
        ("incomplete", {"reason": "max_output_tokens"}, "length"),
        ("incomplete", {"reason": "content_filter"}, "content_filter"),
        ("completed", None, "stop"),
    ],
)
def test_responses_statuses(dialect, status, details, finish):
    body = RESPONSES | {"status": status, "incomplete_details": details, "output": RESPONSES["output"][:3]}
    answer = openai_responses.decode_answer(json.dumps(body).encode())
    assert json.loads(dialect.encode_answer(answer).body)["choices"][0]["finish_reason"] == finish


def test_errors_and_garbage_in_place_of_answers(dialect):
    failed = RESPONSES | {"status": "failed", "error": {"code": "server_error", "message": "boom"}}
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    for decode, body in (
        (openai_responses.decode_answer, failed),
        (anthropic_messages.decode_answer, overloaded),
        (dialect.decode_answer, overloaded),
    ):
        with pytest.raises(UpstreamRefused):
            decode(json.dumps(body).encode())
    for decode in (openai_responses.decode_answer, anthropic_messages.decode_answer, dialect.decode_answer):
        for body in (b"", b"{}", b"[]", b"{", b'{"content"', b"\xff"):
            with pytest.raises(UpstreamGarbage):
                decode(body)


def chat_answer(message: dict[str, Any], finish: str = "stop") -> bytes:
    choice = {"index": 0, "message": {"role": "assistant"} | message, "finish_reason": finish}
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    return json.dumps({"id": "c", "model": "m", "created": 5, "choices": [choice], "usage": usage}).encode()


def test_a_chat_answer_for_an_anthropic_caller(dialect):
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    message = {"content": "Hi.", "reasoning": "Hm.", "refusal": None, "tool_calls": [call], "annotations": [1]}
    answer = dialect.decode_answer(chat_answer(message, "tool_calls"))
    got = anthropic_messages.encode_answer(answer)
    body = json.loads(got.body)
    assert body["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": ""},
        {"type": "text", "text": "Hi."},
        {"type": "tool_use", "id": "call_1", "name": "f", "input": {}},
    ]
    assert body["stop_reason"] == "tool_use"
    assert (body["usage"]["input_tokens"], body["usage"]["output_tokens"]) == (9, 3)
    assert [drop.path for drop in got.dropped] == ["choices[0].message"]


def test_arguments_that_are_no_json_stay_readable(dialect):
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{oops"}}
    answer = dialect.decode_answer(chat_answer({"content": None, "tool_calls": [call]}, "tool_calls"))
    body = json.loads(anthropic_messages.encode_answer(answer).body)
    assert body["content"][0]["input"] == {"arguments": "{oops"}


def test_half_a_surrogate_pair_becomes_a_replacement_character(dialect):
    body = b'{"id":"c","choices":[{"message":{"role":"assistant","content":"a\\ud83d"},"finish_reason":"stop"}]}'
    assert dialect.decode_answer(body).choices[0].blocks == (Text(text="a?"),)
