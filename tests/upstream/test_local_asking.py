from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.upstream.local.asking import adapt


def tool(name, description=""):
    return {"type": "function", "function": {"name": name, "description": description, "parameters": {}}}


WEATHER = tool("get_weather", "Current weather in a city")
ADD = tool("addNumbers", "Adds two whole numbers")
NAMED = {"type": "function", "function": {"name": "get_weather"}}


def asked(question, role="user", **fields):
    request = {"model": "m", "messages": [{"role": role, "content": question}], "tools": [WEATHER, ADD], **fields}
    out = json.loads(adapt(json.dumps(request).encode()))
    names = [one["function"]["name"] for one in out["tools"]]
    return out["tool_choice"], names, out


@pytest.mark.parametrize(
    ("question", "choice", "names"),
    [
        ("What is the weather in Tokyo?", "required", ["get_weather"]),
        ("Please add 17 and 25.", "required", ["addNumbers"]),
        ("Which city has the best weather?", "required", ["get_weather"]),
        ("Hello!", "none", ["get_weather", "addNumbers"]),
        ("What is the capital of France?", "none", ["get_weather", "addNumbers"]),
        ("", "none", ["get_weather", "addNumbers"]),
        ([{"type": "text", "text": "the weather?"}], "required", ["get_weather"]),
        ([{"type": "image_url", "image_url": {"url": "x"}}, None], "none", ["get_weather", "addNumbers"]),
    ],
)
def test_auto_calls_the_tool_that_shares_a_word_with_the_question(question, choice, names):
    assert asked(question)[:2] == (choice, names)
    assert asked(question, tool_choice="auto")[:2] == (choice, names)


def test_after_a_tools_result_comes_an_answer_in_words():
    assert asked("weather: 18 degrees", role="tool")[0] == "none"


def test_required_always_calls():
    assert asked("Hello!", tool_choice="required")[:2] == ("required", ["get_weather", "addNumbers"])
    assert asked("What is the weather?", tool_choice="required")[:2] == ("required", ["get_weather"])


def test_a_named_tool_is_the_only_one_offered():
    choice, names, out = asked("Add 1 and 2", tool_choice=NAMED)
    assert (choice, names) == ("required", ["get_weather"])
    assert out["chat_template_kwargs"] == {"must_call": True}
    assert out["parallel_tool_calls"] is False


def test_none_is_none():
    assert asked("What is the weather?", tool_choice="none")[0] == "none"


def test_several_calls_and_other_template_settings_are_kept():
    _, _, out = asked("weather", parallel_tool_calls=True, chat_template_kwargs={"a": 1})
    assert out["parallel_tool_calls"] is True
    assert out["chat_template_kwargs"] == {"a": 1, "must_call": True}


def test_everything_else_stays_as_it_was():
    _, _, out = asked("weather", temperature=0.5, seed=3, unheard_of=[1])
    assert (out["temperature"], out["seed"], out["unheard_of"], out["model"]) == (0.5, 3, [1], "m")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"messages": [{"role": "user", "content": "the word \\"tools\\""}]}',
        b'{"tools": []}',
        b'{"tools": null}',
        b'{"tools": [1]}',
        b'{"tools": [{"function": {"name": 1}}]}',
    ],
)
def test_what_has_no_tools_passes_byte_for_byte(body):
    assert adapt(body) is body


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(messages=JSON, tools=JSON | st.just([WEATHER]), choice=JSON, description=JSON)
def test_any_json_is_adapted_or_left(messages, tools, choice, description):
    request = {"messages": messages, "tools": tools, "tool_choice": choice}
    if tools == [WEATHER]:
        request["tools"] = [{"function": {"name": "f", "description": description}}]
    assert isinstance(json.loads(adapt(json.dumps(request).encode())), dict)
