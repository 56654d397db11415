from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.errors import CallerError, InvalidJson, InvalidRequest
from pointsman.core.model import Ability
from pointsman.wire.openai_responses import OpenAIResponses

PICTURE = "data:image/png;base64," + "A" * 40_000


def read(surface: Any = "responses", **fields: Any):
    return OpenAIResponses().read_request(json.dumps({"model": "auto", "input": "hi", **fields}).encode(), surface)


def user(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"type": "message", "role": "user", "content": list(parts)}]


def test_a_plain_request():
    got = read(user="u-1", custom={"x": [1, 2]})
    assert (got.model, got.stream, got.user, got.shows_usage) == ("auto", False, "u-1", True)
    assert (got.needs.messages, got.needs.choices, got.needs.abilities) == (1, 1, Ability(0))
    assert bytes(got.fields["custom"]) == b'{"x": [1, 2]}'
    assert got.needs.dialect == "openai-responses"
    assert got.needs.input_tokens < 5


def test_the_end_users_label_has_two_names():
    assert read(safety_identifier="s", user="u").user == "u"
    assert read(safety_identifier="s", user=None).user == "s"


@pytest.mark.parametrize(
    ("fields", "abilities"),
    [
        ({"tools": [{"type": "function", "name": "f"}]}, Ability.TOOLS),
        ({"tools": [{"type": "custom", "name": "f"}]}, Ability.TOOLS),
        ({"tools": [{"type": "web_search"}]}, Ability.TOOLS),
        ({"tools": []}, Ability(0)),
        ({"input": user({"type": "input_image", "image_url": "https://x/y.png"})}, Ability.VISION),
        ({"input": user({"type": "input_file", "file_url": "https://x/y.pdf"})}, Ability.DOCUMENTS),
        ({"input": user({"type": "input_file", "file_id": "file_1"})}, Ability.DOCUMENTS),
        ({"input": user({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}})}, Ability.AUDIO_INPUT),
        ({"text": {"format": {"type": "json_schema", "name": "a", "schema": {}}}}, Ability.JSON_SCHEMA),
        ({"text": {"format": {"type": "json_object"}}}, Ability.JSON_MODE),
        ({"text": {"format": {"type": "text"}, "verbosity": "low"}}, Ability(0)),
        ({"include": ["message.output_text.logprobs"]}, Ability.LOGPROBS),
        ({"include": ["reasoning.encrypted_content"]}, Ability(0)),
        ({"reasoning": {"effort": "high"}}, Ability(0)),
    ],
)
def test_abilities_that_a_request_needs(fields, abilities):
    assert read(**fields).needs.abilities == abilities


def test_pictures_that_tools_gave_back_need_eyes_too():
    output = [{"type": "input_image", "image_url": PICTURE}]
    got = read(input=[{"type": "function_call_output", "call_id": "c", "output": output}])
    assert got.needs.abilities == Ability.VISION
    screen = {"type": "computer_screenshot", "image_url": PICTURE}
    assert read(input=[{"type": "computer_call_output", "call_id": "c", "output": screen}]).needs.images == 1


def test_the_estimate_leaves_payloads_out_and_counts_instructions_and_tools():
    part = {"type": "input_image", "image_url": PICTURE}
    assert read(input=user(part)).needs.input_tokens < 1_000
    drawn = {"type": "image_generation_call", "id": "ig", "status": "completed", "result": "A" * 40_000}
    assert read(input=[drawn]).needs.input_tokens < 1_000
    assert read(instructions="word " * 1_000).needs.input_tokens > 1_200
    tools = [{"type": "function", "name": "f", "description": "word " * 1_000}]
    assert read(tools=tools).needs.input_tokens > 1_200


def test_numbers_that_planning_needs():
    needs = read(max_output_tokens=300, stream=True, input=user({"type": "input_text", "text": "a"}) * 3).needs
    assert (needs.output_tokens, needs.stream, needs.messages) == (300, True, 3)
    assert read(max_output_tokens=None, stream=None).needs.output_tokens == 0


def test_what_stands_with_the_provider_may_stand_in_place_of_an_input():
    for name, value in (("previous_response_id", "resp_1"), ("conversation", "conv_1"), ("prompt", {"id": "p"})):
        body = json.dumps({"model": "m", name: value}).encode()
        assert OpenAIResponses().read_request(body, "responses").needs.messages == 0
    assert OpenAIResponses().read_request(b'{"model":"m"}', "responses.input_tokens").needs.messages == 0


def test_a_question_for_a_count_is_no_stream():
    assert read("responses.input_tokens", stream=True).stream is False


def test_a_large_input_is_no_attack():
    read(input=user({"type": "input_text", "text": "a" * 3_000_000}))
    read(instructions="a" * 3_000_000)


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"input": 7}, "input", "a string or a list of items"),
        ({"input": {"role": "user"}}, "input", "a string or a list of items"),
        ({"input": ["hi"]}, "input[0]", "has to be an object"),
        ({"input": [{"role": "user", "content": "a"}, 3]}, "input[1]", "has to be an object"),
        ({"input": None}, "input", "is missing"),
        ({"model": 3}, "model", "a string"),
        ({"stream": "yes"}, "stream", "true or false"),
        ({"max_output_tokens": "many"}, "max_output_tokens", "a whole number"),
        ({"tools": "f"}, "tools", "a list of objects"),
        ({"tools": ["f"]}, "tools", "a list of objects"),
        ({"text": "json"}, "text", "an object with a `format`"),
    ],
)
def test_faults_are_named(fields, param, words):
    with pytest.raises(InvalidRequest) as error:
        read(**fields)
    assert error.value.param == param
    assert words in error.value.message


def test_what_is_no_json_says_where():
    with pytest.raises(InvalidJson, match="line 1, column"):
        OpenAIResponses().read_request(b'{"model": x}', "responses")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["input", "instructions", "tools", "text", "include", "stream", "max_output_tokens", "tool_choice", "reasoning"]
)
KINDS = [
    "message",
    "reasoning",
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "local_shell_call",
    "item_reference",
    "web_search_call",
    "image_generation_call",
    "additional_tools",
    "x",
]
ITEM = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(KINDS) | JSON,
        "role": st.sampled_from(["user", "assistant", "system", "developer", "tool"]) | JSON,
        "content": JSON | st.lists(st.dictionaries(st.sampled_from(["type", "text", "image_url", "refusal"]), JSON)),
        "output": JSON,
        "arguments": JSON,
        "input": JSON,
        "action": JSON,
        "call_id": JSON,
        "name": JSON,
        "namespace": JSON,
        "summary": JSON,
        "encrypted_content": JSON | st.just("pm1.xx"),
        "result": JSON,
        "tools": JSON,
        "id": JSON,
    },
)
FIELDS = st.dictionaries(NAMES, JSON, max_size=5) | st.fixed_dictionaries({"input": st.lists(ITEM, max_size=6)})


@given(FIELDS)
def test_any_fields_are_read_and_translated_or_refused_by_name(fields):
    dialect = OpenAIResponses()
    body = json.dumps({"model": "m", **fields}).encode()
    with contextlib.suppress(CallerError):
        incoming = dialect.read_request(body, "responses")
        dialect.to_core(incoming)


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(body):
    with contextlib.suppress(CallerError):
        OpenAIResponses().read_request(body, "responses")
