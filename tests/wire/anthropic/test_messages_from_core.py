"""Requests of other dialects as providers of this one get them: points that gateways are known to get wrong."""

from __future__ import annotations

import json
import time

import msgspec
import pytest

from pointsman.core.chat import Media, Message, Opaque, Reasoning, Request, Text, ToolCall, ToolResult
from pointsman.core.errors import UnsupportedParameter
from pointsman.core.model import Ability

USER = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


def call(call_id, name="look", arguments="{}"):
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def result(call_id, content="done"):
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def lost(sent):
    return {one.path: one.reason for one in sent.dropped}


def test_a_small_request_says_no_more_than_it_has_to(asked):
    body, sent = asked({"role": "system", "content": "Be terse."}, USER, max_tokens=50, temperature=0.2, user="ada")
    assert body == {
        "model": "claude-sonnet-4-5",
        "max_tokens": 50,
        "system": "Be terse.",
        "messages": [{"role": "user", "content": "hi"}],
        "temperature": 0.2,
        "metadata": {"user_id": "ada"},
    }
    assert (sent.path, sent.dialect, sent.dropped) == ("/messages", "anthropic-messages", ())
    assert (b"anthropic-version", b"2023-06-01") in sent.headers


def test_several_system_messages_are_joined_and_so_are_developers(asked):
    body, _ = asked({"role": "system", "content": "One."}, {"role": "developer", "content": "Two."}, USER)
    assert [block["text"] for block in body["system"]] == ["One.", "Two."]


def test_a_late_system_message_stays_in_place_where_the_model_takes_it_and_else_joins_the_others(asked):
    talk = (USER, {"role": "system", "content": "Now in Greek."})
    body, _ = asked(*talk, model="claude-opus-4-8")
    assert body["messages"][1] == {"role": "system", "content": "Now in Greek."}
    assert "system" not in body
    for model in ("claude-sonnet-4-5", "claude-sonnet-5", "other"):
        body, _ = asked(*talk, model=model)
        assert body["system"] == "Now in Greek."
        assert len(body["messages"]) == 1
    misplaced = (USER, {"role": "system", "content": "Now in Greek."}, USER)  # it has to be the last of the turn
    body, _ = asked(*misplaced, model="claude-opus-4-8")
    assert body["system"] == "Now in Greek."


def test_results_of_one_turn_go_together_and_first(asked):
    body, _ = asked(
        USER,
        {"role": "assistant", "content": None, "tool_calls": [call("a"), call("b")]},
        result("a", "1"),
        {"role": "user", "content": "and?"},
        result("b", "2"),
        tools=[TOOL],
    )
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert [block["type"] for block in body["messages"][2]["content"]] == ["tool_result", "tool_result", "text"]
    assert [block["tool_use_id"] for block in body["messages"][2]["content"][:2]] == ["a", "b"]


def test_turns_of_one_role_are_merged_and_empty_ones_are_left_out(asked):
    body, _ = asked(
        USER, {"role": "assistant", "content": ""}, {"role": "user", "content": [{"type": "text", "text": "x"}]}
    )
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "x"}]}
    ]


def test_empty_text_beside_calls_is_left_out(asked):
    for content in ("", None, " \n"):
        turn = {"role": "assistant", "content": content, "tool_calls": [call("a")]}
        body, _ = asked(USER, turn, result("a"), tools=[TOOL])
        assert [block["type"] for block in body["messages"][1]["content"]] == ["tool_use"]


@pytest.mark.parametrize("turns", [(), ({"role": "assistant", "content": "Hello!"},)])
def test_a_conversation_begins_with_the_user(asked, turns):
    body, _ = asked({"role": "system", "content": "x"}, *turns)
    assert body["messages"][0]["role"] == "user"
    assert body["messages"][0]["content"].strip()


def test_the_beginning_of_an_answer_has_no_white_space_at_its_end(asked):
    body, sent = asked(USER, {"role": "assistant", "content": "The answer is \n"})
    assert body["messages"][-1] == {"role": "assistant", "content": "The answer is"}
    assert not sent.dropped


def test_a_model_that_cannot_go_on_with_given_words_gets_a_turn_of_the_user_after_them(asked):
    body, sent = asked(USER, {"role": "assistant", "content": "The"}, model="claude-sonnet-5")
    assert body["messages"][-1]["role"] == "user"
    assert "messages" in lost(sent)


def test_ids_fit_the_grammar_in_calls_and_results_alike_and_always_the_same(asked):
    talk = (USER, {"role": "assistant", "tool_calls": [call("functions.look:0")]}, result("functions.look:0"))
    first, _ = asked(*talk, tools=[TOOL])
    again, _ = asked(*talk, tools=[TOOL])
    made = first["messages"][1]["content"][0]["id"]
    assert made == first["messages"][2]["content"][0]["tool_use_id"]
    assert made.startswith("toolu_")
    assert made.isascii()
    assert first == again


def test_names_of_tools_fit_the_grammar_and_come_back_as_they_were(asked, messages):
    odd = {"type": "function", "function": {"name": "wetter/köln", "parameters": {"type": "object"}}}
    body, sent = asked(USER, tools=[odd], tool_choice={"type": "function", "function": {"name": "wetter/köln"}})
    name = body["tools"][0]["name"]
    assert name != "wetter/köln"
    assert body["tool_choice"] == {"type": "tool", "name": name}
    answer = {"content": [{"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}], "stop_reason": "tool_use"}
    read = messages.read_whole(json.dumps(answer).encode(), sent)
    assert read.choices[0].blocks[0].name == "wetter/köln"


def test_names_of_calls_fit_the_grammar_though_their_tool_is_no_longer_offered(asked):
    talk = (USER, {"role": "assistant", "tool_calls": [{**call("a"), "function": {"name": "wetter/köln"}}]})
    body, sent = asked(*talk, result("a"), tools=[TOOL])
    (made,) = sent.tool_names
    assert body["messages"][1]["content"][0]["name"] == made
    assert sent.tool_names == {made: "wetter/köln"}


def test_arguments_that_are_empty_or_no_object_become_one(asked):
    calls = [
        call("a", arguments=""),
        call("b", arguments="[1]"),
        call("c", arguments='{"x":'),
        call("d", arguments='{"y":1}'),
    ]
    results = [result(one["id"]) for one in calls]
    body, _ = asked(USER, {"role": "assistant", "tool_calls": calls}, *results, tools=[TOOL])
    inputs = [block["input"] for block in body["messages"][1]["content"]]
    assert inputs == [{}, {"arguments": "[1]"}, {"arguments": '{"x":'}, {"y": 1}]


def test_tools_without_a_proper_schema_get_one(asked):
    bare = {"type": "function", "function": {"name": "now"}}
    union = {"type": "function", "function": {"name": "u", "parameters": {"type": ["object", "null"], "anyOf": []}}}
    body, sent = asked(USER, tools=[bare, union])
    assert body["tools"][0] == {"name": "now", "input_schema": {"type": "object", "properties": {}}}
    assert body["tools"][1]["input_schema"] == {"type": "object"}
    assert "tools[1].input_schema" in lost(sent)


@pytest.mark.parametrize(
    ("chosen", "parallel", "wanted"),
    [
        ("auto", None, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", None, {"type": "any"}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        ("none", False, {"type": "none"}),
        ({"type": "function", "function": {"name": "look"}}, True, {"type": "tool", "name": "look"}),
    ],
)
def test_the_choice_among_tools(asked, chosen, parallel, wanted):
    fields = {"tool_choice": chosen} if chosen else {}
    fields |= {"parallel_tool_calls": parallel} if parallel is not None else {}
    body, _ = asked(USER, tools=[TOOL], **fields)
    assert body.get("tool_choice") == wanted


def test_a_choice_without_tools_is_not_sent(asked):
    body, _ = asked(USER, tool_choice="none")
    assert "tool_choice" not in body
    assert "tools" not in body


def test_models_that_refuse_to_be_forced_are_left_their_choice(asked):
    body, sent = asked(USER, tools=[TOOL], tool_choice="required", model="claude-opus-5-5")
    assert "tool_choice" not in body
    assert "tool_choice" in lost(sent)


@pytest.mark.parametrize(
    ("asked_for", "most", "wanted"),
    [
        (100, 0, 100),
        (None, 0, 4_096),
        (None, 8_192, 8_192),
        (None, 128_000, 32_000),
        (9_000, 8_192, 8_192),
    ],
)
def test_the_longest_answer_is_always_named(asked, asked_for, most, wanted):
    body, sent = asked(USER, max_output=most, **({"max_tokens": asked_for} if asked_for else {}))
    assert body["max_tokens"] == wanted
    assert ("max_tokens" in lost(sent)) is (asked_for == 9_000)


def test_the_model_s_own_default_for_the_longest_answer_counts(asked):
    body, _ = asked(USER, params=(("max_tokens", msgspec.Raw(b"777")),), max_output=8_000)
    assert body["max_tokens"] == 777


def test_stop_strings_of_white_space_are_refused_and_so_left_out_by_name(asked):
    body, sent = asked(USER, stop=["", "\n", "END"])
    assert body["stop_sequences"] == ["END"]
    assert "stop" in lost(sent)
    body, _ = asked(USER, stop=" ")
    assert "stop_sequences" not in body


def test_what_messages_do_not_have_is_named(asked):
    body, sent = asked(USER, n=3, seed=7, logprobs=True, presence_penalty=0.5, frequency_penalty=0, logit_bias={"1": 2})
    assert set(lost(sent)) == {"n", "seed", "logprobs", "presence_penalty", "logit_bias"}
    assert set(body) == {"model", "max_tokens", "messages"}


def test_sampling_by_generation(asked):
    body, sent = asked(USER, temperature=1.7, top_p=0.5)
    assert body["temperature"] == 1.0
    assert "top_p" not in body
    assert set(lost(sent)) == {"temperature", "top_p"}
    body, sent = asked(USER, temperature=0.3, top_k=5, model="claude-opus-4-7")
    assert not {"temperature", "top_k"} & set(body)
    assert set(lost(sent)) == {"temperature", "top_k"}
    body, sent = asked(USER, temperature=1, model="claude-sonnet-5")
    assert "temperature" not in body
    assert not sent.dropped


def test_a_schema_for_the_answer_is_native_and_fitted(asked):
    schema = {
        "type": "object",
        "properties": {
            "age": {"type": "integer", "minimum": 0, "description": "In years"},
            "minimum": {"oneOf": [{"type": "string", "maxLength": 3}, {"type": "null"}]},
        },
        "required": ["age"],
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    body, sent = asked(USER, response_format=wanted)
    assert body["output_config"]["format"] == {
        "type": "json_schema",
        "schema": {
            "type": "object",
            "properties": {
                "age": {"type": "integer", "description": "In years (minimum: 0)"},
                "minimum": {"anyOf": [{"type": "string", "description": "(maxLength: 3)"}, {"type": "null"}]},
            },
            "required": ["age"],
            "additionalProperties": False,
        },
    }
    assert "`maxLength`, `minimum`" in lost(sent)["response_format.schema"]


def test_of_two_choices_in_a_schema_the_description_tells_one(asked):
    schema = {"type": "object", "properties": {}, "anyOf": [{"title": "a"}], "oneOf": [{"title": "b"}]}
    body, sent = asked(USER, response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
    fitted = body["output_config"]["format"]["schema"]
    assert fitted["anyOf"] == [{"title": "a"}]
    assert fitted["description"] == '(oneOf: [{"title": "b"}])'
    assert "oneOf" in lost(sent)["response_format.schema"]


def test_json_without_a_schema_is_asked_for_in_words(asked):
    body, sent = asked(USER, response_format={"type": "json_object"})
    assert "JSON" in body["system"]
    assert "output_config" not in body
    assert "response_format" in lost(sent)


SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object", "properties": {}}}}


def test_models_without_schemas_answer_by_a_tool_that_nobody_sees(asked, messages):
    body, sent = asked(USER, response_format=SCHEMA, model="claude-3-5-haiku-20241022")
    name = body["tools"][0]["name"]
    assert body["tool_choice"] == {"type": "tool", "name": name}
    assert sent.answer_tool == name
    content = [{"type": "text", "text": "Sure:"}, {"type": "tool_use", "id": "t", "name": name, "input": {"a": 1}}]
    answer = messages.read_whole(json.dumps({"content": content, "stop_reason": "tool_use"}).encode(), sent)
    assert [block.text for block in answer.choices[0].blocks] == ['{"a": 1}']
    assert answer.choices[0].finish == "stop"


def test_a_real_tool_may_be_called_before_the_answer_is_given(asked, messages):
    body, sent = asked(USER, response_format=SCHEMA, tools=[TOOL], model="claude-3-5-haiku-20241022")
    assert [tool["name"] for tool in body["tools"]] == ["look", sent.answer_tool]
    assert body["tool_choice"] == {"type": "any"}
    content = [{"type": "text", "text": "Let me look."}, {"type": "tool_use", "id": "t", "name": "look", "input": {}}]
    answer = messages.read_whole(json.dumps({"content": content, "stop_reason": "tool_use"}).encode(), sent)
    assert [type(block) for block in answer.choices[0].blocks] == [Text, ToolCall]
    assert answer.choices[0].finish == "tool_calls"


def test_strict_tools_where_the_model_enforces_them_and_not_too_many(asked):
    tools = [
        {"type": "function", "function": {"name": f"t{n}", "strict": True, "parameters": {"type": "object"}}}
        for n in range(22)
    ]
    body, sent = asked(USER, tools=tools)
    assert sum(tool.get("strict", False) for tool in body["tools"]) == 20
    assert body["tools"][0]["input_schema"]["additionalProperties"] is False
    assert [path for path in lost(sent) if path.endswith("strict")] == ["tools[20].strict", "tools[21].strict"]
    body, _ = asked(USER, tools=tools[:1], model="claude-3-haiku-20240307")
    assert "strict" not in body["tools"][0]


PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="


def test_images_by_data_and_by_url_and_with_the_type_that_they_have(asked):
    parts = [
        {"type": "image_url", "image_url": {"url": f"data:image/jpg;base64,{PNG}"}},
        {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
    ]
    body, _ = asked({"role": "user", "content": parts})
    assert [block["source"] for block in body["messages"][0]["content"]] == [
        {"type": "base64", "media_type": "image/png", "data": PNG},
        {"type": "url", "url": "https://x.test/a.png"},
    ]


def test_media_without_a_place_are_named(asked):
    parts = [
        {"type": "text", "text": "look"},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "image_url", "image_url": {"url": "data:image/svg+xml;base64,AAAA"}},
        {"type": "file", "file": {"file_id": "file-of-openai"}},
    ]
    body, sent = asked({"role": "user", "content": parts})
    assert body["messages"][0]["content"] == "look"
    reasons = " ".join(one.reason for one in sent.dropped)
    assert "audio" in reasons
    assert "image/svg+xml" in reasons
    assert "another provider" in reasons


def test_documents_of_text_go_as_text_and_files_of_anthropic_s_need_their_beta(messages, claude):
    blocks = (
        Media(kind="document", media_type="text/csv", data="YSxi", name="t.csv"),
        Media(kind="document", file_id="file_011"),
    )
    request = Request(model="m", messages=(Message(role="user", blocks=blocks),))
    sent = messages.from_core(request, claude())
    content = json.loads(sent.body)["messages"][0]["content"]
    assert content[0]["source"] == {"type": "text", "media_type": "text/plain", "data": "a,b"}
    assert content[0]["title"] == "t.csv"
    assert content[1]["source"] == {"type": "file", "file_id": "file_011"}
    assert (b"anthropic-beta", b"files-api-2025-04-14") in sent.headers


def test_results_may_hold_images_and_tell_of_failure(messages, claude):
    shown = ToolResult(call_id="a", is_error=True, content=(Text(text="see"), Media(kind="image", data=PNG)))
    talk = (
        Message(role="user", blocks=(Text(text="hi"),)),
        Message(role="assistant", blocks=(ToolCall(id="a", name="look"),)),
        Message(role="tool", blocks=(shown,)),
    )
    sent = messages.from_core(Request(model="m", messages=talk), claude())
    block = json.loads(sent.body)["messages"][2]["content"][0]
    assert block["is_error"] is True
    assert [part["type"] for part in block["content"]] == ["text", "image"]


def test_at_most_four_cache_marks_and_the_long_ones_first(messages, claude):
    marked = tuple(Text(text=f"t{n}", cache="1h" if n == 5 else "5m") for n in range(6))
    sent = messages.from_core(Request(model="m", messages=(Message(role="user", blocks=marked),)), claude())
    content = json.loads(sent.body)["messages"][0]["content"]
    assert [at for at, block in enumerate(content) if "cache_control" in block] == [0, 1, 4, 5]
    assert all("ttl" not in block.get("cache_control", {}) for block in content)
    assert {"cache_control", "cache_control.ttl"} <= set(lost(sent))


def test_cache_marks_without_number_are_fitted_in_no_time(messages, claude):
    """Comparing each with each of the system prompt took minutes for a request of a few megabytes."""
    marked = tuple(Text(text="t", cache="5m") for _ in range(30_000))
    talk = (Message(role="system", blocks=marked), Message(role="user", blocks=marked))
    began = time.process_time()
    sent = messages.from_core(Request(model="m", messages=talk), claude())
    assert time.process_time() - began < 5
    assert sent.body.count(b"cache_control") == 4


def test_turns_without_number_are_put_together_in_no_time(messages, claude):
    """Each was added to a copy of those before it, and each system message looked for the turn behind the others."""
    user, silent = Message(role="user", blocks=(Text(text="x"),)), Message(role="assistant")
    system = Message(role="system", blocks=(Text(text="s"),))
    began = time.process_time()
    sent = messages.from_core(Request(model="m", messages=(user, silent) * 30_000), claude())
    assert sent.body.count(b'"text":"x"') == 30_000
    sent = messages.from_core(Request(model="m", messages=(user, *(system,) * 30_000)), claude("claude-opus-5-5"))
    assert json.loads(sent.body)["messages"][1]["role"] == "system"
    assert time.process_time() - began < 5


def test_blocks_of_other_dialects_and_their_seals_are_named(messages, claude):
    talk = (
        Message(
            role="user",
            blocks=(Text(text="hi"), Opaque(dialect="gemini", kind="executableCode", raw=msgspec.Raw(b"{}"))),
        ),
        Message(role="assistant", blocks=(Reasoning(text="hm", signature="s", maker="gemini/x"), Text(text="ok"))),
        Message(role="user", blocks=(Text(text="go"),)),
    )
    sent = messages.from_core(Request(model="m", messages=talk), claude())
    assert json.loads(sent.body)["messages"][1] == {"role": "assistant", "content": "ok"}
    assert {one.path for one in sent.dropped} == {"messages[0]", "messages[1]"}


def test_seals_on_calls_of_other_makers_are_named(asked):
    sealed = {**call("a"), "extra_content": {"google": {"thought_signature": "abc"}}}
    _, sent = asked(USER, {"role": "assistant", "tool_calls": [sealed]}, result("a"), tools=[TOOL])
    assert any("gemini" in one.reason for one in sent.dropped)


def test_the_model_s_refused_parameters_and_defaults_hold_here_too(asked, messages, claude):
    body, _ = asked(USER, params=(("top_k", msgspec.Raw(b"3")),))
    assert body["top_k"] == 3
    request = Request(model="m", messages=(Message(role="user", blocks=(Text(text="x"),)),), top_k=2)
    with pytest.raises(UnsupportedParameter):
        messages.from_core(request, claude(refused_params=frozenset({"top_k"}), param_policy="refuse"))


def test_only_what_counts_is_sent_where_tokens_are_counted(messages, claude):
    talk = (Message(role="user", blocks=(Text(text="x"),)),)
    request = Request(model="m", messages=talk, max_output=5, temperature=0.2, stop=("a",), user="u", stream=True)
    sent = messages.count_from_core(request, claude(params=(("max_tokens", msgspec.Raw(b"9")),)))
    assert sent.path == "/messages/count_tokens"
    assert json.loads(sent.body) == {"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "x"}]}


def test_a_model_that_does_not_think_is_not_asked_to(asked):
    body, sent = asked(USER, reasoning_effort="high", abilities=Ability.TOOLS)
    assert "thinking" not in body
    assert "reasoning_effort" in lost(sent)
