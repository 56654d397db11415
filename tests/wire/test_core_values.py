"""Core values carry what the dialects share, and what they do not share survives the way there and back."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.chat import Message, Opaque, Reasoning, Refusal, Request, Text, ToolCall, ToolResult
from pointsman.core.errors import InvalidRequest, PointsmanError, UpstreamGarbage, UpstreamRefused
from pointsman.core.model import Model, Provider
from pointsman.core.usage import Usage
from pointsman.wire import anthropic_messages, openai_responses
from pointsman.wire.openai_chat import OpenAIChat

MODEL = Model(
    name="small",
    provider=Provider(name="lab", dialect="openai-chat", base_url="http://127.0.0.1:9"),
    upstream="small-1",
)
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


# --- requests

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


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(alphabet="ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["type", "text", "role", "content", "id", "function", "name", "arguments", "url", "image_url"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
THINKING = ["reasoning", "thinking_blocks", "pointsman_blocks"]
KEYS = ["type", "text", "output", "content", "summary", "id", "usage", "input"]
MESSAGE = st.dictionaries(
    st.sampled_from(["content", "name", "tool_calls", "tool_call_id", "refusal", *THINKING]),
    JSON,
)


@given(
    st.sampled_from(["user", "assistant", "tool", "system", "function"]),
    MESSAGE,
    st.dictionaries(st.sampled_from(sorted(REQUEST)), JSON),
)
def test_odd_requests_come_back_too(role, message, fields):
    dialect = OpenAIChat()
    wanted = fields | {"model": "small-1", "messages": [{"role": role, **message}]}
    try:
        request = dialect.decode_request(json.dumps(wanted).encode())
    except InvalidRequest:
        return
    silent = msgspec.structs.replace(MODEL.provider, stream_usage=False)
    model = msgspec.structs.replace(MODEL, provider=silent)
    got = json.loads(dialect.encode_request(request, model).body)
    if "pointsman_blocks" not in message:
        assert got == wanted


@given(MESSAGE, st.dictionaries(st.sampled_from(["finish_reason", "logprobs", "index", "text"]), JSON), JSON)
def test_odd_answers_come_back_too(message, choice, usage):
    dialect = OpenAIChat()
    wanted = {"id": 5, "choices": [{"message": message} | choice], "usage": usage, "created": 1.5}
    try:
        answer = dialect.decode_answer(json.dumps(wanted).encode())
    except PointsmanError:
        return
    if "pointsman_blocks" not in message:
        assert json.loads(dialect.encode_answer(answer).body) == wanted


@given(
    st.recursive(
        st.none() | st.text(max_size=4),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS), inner),
        max_leaves=12,
    )
)
def test_odd_answers_of_other_dialects_raise_only_our_errors(value):
    for module, key in ((anthropic_messages, "content"), (openai_responses, "output")):
        body = {"id": "x", "model": "m", key: value}
        try:
            answer = module.decode_answer(json.dumps(body).encode())
        except PointsmanError:
            continue
        assert OpenAIChat().decode_answer(OpenAIChat().encode_answer(answer).body) == answer
