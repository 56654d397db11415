"""What others write oddly neither crashes the way through core values nor poses as something of ours."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.chat import Answer, Choice, Extras, Media, Message, Request, Text, ToolCall
from pointsman.core.errors import InvalidRequest, PointsmanError, UpstreamGarbage
from pointsman.core.model import Model, Provider
from pointsman.core.usage import Usage
from pointsman.wire import anthropic_messages, openai_responses
from pointsman.wire.counts import MOST
from pointsman.wire.openai_chat import OpenAIChat

MODEL = Model(
    name="small",
    provider=Provider(name="lab", dialect="openai-chat", base_url="http://127.0.0.1:9"),
    upstream="small-1",
)
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
FIELDS = [
    "logit_bias",
    "logprobs",
    "max_tokens",
    "messages",
    "model",
    "n",
    "parallel_tool_calls",
    "response_format",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
]
LONG = b"9" * 5_000  # more digits than Python turns into a number
WIDE = b"9" * 30  # more than 64 bits
HUGE = b"9" * 400  # more than a float holds


@pytest.mark.parametrize("number", [LONG, HUGE, WIDE, b"1e999", b"-1e999"], ids=["long", "huge", "wide", "inf", "-inf"])
@pytest.mark.parametrize("name", ["temperature", "seed", "n", "max_tokens", "top_logprobs", "new_field"])
def test_a_request_with_a_number_of_any_size_goes_through_unchanged(dialect, model, number, name):
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"%b":%b}' % (name.encode(), number)
    try:
        request = dialect.decode_request(body)
    except PointsmanError:
        return  # a count that is none is refused by name
    assert number in dialect.encode_request(request, model).body


def test_answers_with_numbers_that_cannot_be_read_are_answers():
    usage = b'{"content":[{"type":"text","text":"a","n":%b}],"usage":{"input_tokens":%b}}' % (LONG, LONG)
    answer = anthropic_messages.decode_answer(usage)
    assert answer.usage is None
    assert answer.choices[0].blocks[0].text == "a"
    assert anthropic_messages.encode_answer(answer).body.count(LONG) == 2  # nothing lost, nothing made up


@pytest.mark.parametrize("hint", ["#raw", "#model", "#messages", "#stop", "##raw", "#", "##", "#tool"])
@pytest.mark.parametrize("value", [5, "x", {"role": "user", "content": "forged"}, [], None])
def test_fields_of_others_do_not_pose_as_our_notes(dialect, model, hint, value):
    message = {"role": "user", "content": "x", hint: value}
    tool = {"type": "function", "function": {"name": "f", "parameters": {}, hint: value}, hint: value}
    wanted = {"model": model.upstream, "messages": [message], "tools": [tool], hint: value}
    request = dialect.decode_request(json.dumps(wanted).encode())
    assert json.loads(dialect.encode_request(request, model).body) == wanted
    changed = msgspec.structs.replace(request, temperature=0.5)
    assert json.loads(dialect.encode_request(changed, model).body) == wanted | {"temperature": 0.5}

    choice = {"index": 0, "message": {"role": "assistant", "content": "x", hint: value}, "finish_reason": "stop"}
    body = {"id": "c", "model": "m", "choices": [choice | {hint: value}], hint: value}
    answer = dialect.decode_answer(json.dumps(body).encode())
    assert json.loads(dialect.encode_answer(answer).body) == body

    block = {"type": "text", "text": "x", hint: value}
    other = {"type": "message", "content": [block], "stop_reason": None, hint: value}
    got = json.loads(anthropic_messages.encode_answer(_anthropic(other)).body)
    assert got["content"] == [block]
    assert got[hint] == value
    dropped = {drop.path for drop in openai_responses.encode_answer(_anthropic(other)).dropped}
    assert {hint, f"output[0].{hint}"} <= dropped


def _anthropic(body: dict[str, Any]) -> Answer:
    return anthropic_messages.decode_answer(json.dumps(body).encode())


@pytest.mark.parametrize("raw", [b"5", b'"x"', b"[]", b'{"type":"new"}', b'{"type":"message","content":[]}'])
def test_kept_forms_that_came_back_changed_are_not_used(dialect, raw):
    fields = {"#raw": msgspec.Raw(raw), "#item": msgspec.Raw(raw), "#usage": msgspec.Raw(raw)}
    names = ("openai-chat", "anthropic-messages", "openai-responses")
    extras = tuple(Extras(dialect=name, fields=fields) for name in names)
    answer = Answer(
        id="a",
        model="m",
        choices=(Choice(blocks=(Text(text="hello", extras=extras),), finish="stop", extras=extras),),
        usage=Usage(input=3, output=1),
        extras=extras,
    )
    for module in (dialect, anthropic_messages, openai_responses):
        body = module.encode_answer(answer).body
        assert b"hello" in body
        module.decode_answer(body)


def test_an_end_without_a_word_gets_one_in_every_dialect(dialect):
    answer = Answer(id="a", model="m", choices=(Choice(blocks=(Text(text="x"),), finish="stop"),))
    assert json.loads(dialect.encode_answer(answer).body)["choices"][0]["finish_reason"] == "stop"
    assert json.loads(anthropic_messages.encode_answer(answer).body)["stop_reason"] == "end_turn"
    assert json.loads(openai_responses.encode_answer(answer).body)["status"] == "completed"


@pytest.mark.parametrize("content", ["hello", {"type": "text", "text": "hello"}, None, 5])
def test_content_that_is_no_list_is_no_empty_answer(content):
    for module, key in ((anthropic_messages, "content"), (openai_responses, "output")):
        with pytest.raises(UpstreamGarbage, match=key):
            module.decode_answer(json.dumps({"id": "x", key: content}).encode())


@pytest.mark.parametrize("count", [-5, "7", 1.5, True, MOST + 1, [], {}])
@pytest.mark.parametrize("name", ["input_tokens", "output_tokens"])
def test_usage_that_cannot_be_is_unknown_and_not_free(count, name):
    usage = {"input_tokens": 9, "output_tokens": 3} | {name: count}
    for module, key in ((anthropic_messages, "content"), (openai_responses, "output")):
        body = {"id": "x", "model": "m", key: [], "usage": usage}
        answer = module.decode_answer(json.dumps(body).encode())
        assert answer.usage is None
        assert json.loads(module.encode_answer(answer).body)["usage"] == usage


def test_usage_that_states_nothing_is_unknown():
    for module, key in ((anthropic_messages, "content"), (openai_responses, "output")):
        for usage in ({}, {"input_tokens": None}, {"service_tier": "x"}):
            assert module.decode_answer(json.dumps({key: [], "usage": usage}).encode()).usage is None


def test_a_document_that_chat_cannot_point_at_is_dropped_as_a_document(dialect, model):
    paper = Media(kind="document", url="https://example.com/a.pdf")
    request = Request(model="m", messages=(Message(role="user", blocks=(Text(text="x"), paper)),))
    reasons = [drop.reason for drop in dialect.encode_request(request, model).dropped]
    assert reasons == ["chat has no place for `document`"]


@given(st.dictionaries(st.sampled_from(["#raw", "##raw", "#a", "a", "#item", "#usage"]), st.sampled_from([1, "x", []])))
def test_odd_names_survive_the_way_through_chat(fields):
    body = {"type": "message", "role": "assistant", "stop_reason": "end_turn", "stop_sequence": None, **fields}
    body |= {"id": "i", "model": "m", "content": [{"type": "text", "text": "t", **fields}]}
    body |= {"usage": {"input_tokens": 1, "output_tokens": 2}}
    answer = _anthropic(body)
    chat = OpenAIChat()
    again = chat.decode_answer(chat.encode_answer(answer).body)
    assert again == answer
    assert json.loads(anthropic_messages.encode_answer(again).body) == body


@given(
    st.sampled_from(["user", "assistant", "tool", "system", "function"]),
    MESSAGE,
    st.dictionaries(st.sampled_from(FIELDS), JSON),
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


@pytest.mark.parametrize(
    "slots",
    [
        [{"text": 5, "call": True}],
        [{"text": 8}, {"text": -3}, {"call": True}],
        [{"text": 5}, {"call": True}, {}],
        [{"text": 5}, {"call": True, "thinking": True}],
        [{"text": 2, "block": {"type": "text", "text": "x"}}, {"text": 3}, {"call": True}],
    ],
)
def test_slots_that_stand_for_two_things_or_none_hide_nothing(dialect, slots):
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": "hello", "tool_calls": [call], "pointsman_blocks": slots}
    request = dialect.decode_request(json.dumps({"model": "m", "messages": [message]}).encode())
    assert request.messages[0].blocks == (Text(text="hello"), ToolCall(id="a", name="f"))
