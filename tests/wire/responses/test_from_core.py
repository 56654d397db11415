from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pointsman.core.chat import (
    Extras,
    Media,
    Message,
    Opaque,
    Reasoning,
    Refusal,
    Request,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from pointsman.core.errors import UnsupportedParameter
from pointsman.core.model import Ability
from pointsman.wire.anthropic_messages import AnthropicMessages
from pointsman.wire.openai_chat import OpenAIChat

SCHEMA = msgspec.Raw(b'{"type":"object"}')
HI = Message(role="user", blocks=(Text(text="hi"),))


@pytest.fixture
def write(dialect, model):
    def run(*messages: Message, to=None, **fields: Any) -> tuple[dict[str, Any], list[str]]:
        request = Request(model="auto", messages=messages or (HI,), **fields)
        outgoing = dialect.from_core(request, to or model)
        assert (outgoing.path, outgoing.dialect) == ("/responses", "openai-responses")
        return json.loads(outgoing.body), [one.path for one in outgoing.dropped]

    return run


def assistant(*blocks) -> Message:
    return Message(role="assistant", blocks=blocks)


def test_a_plain_request_is_not_stored(write):
    body, lost = write()
    assert body == {
        "model": "small-1",
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
        "store": False,
    }
    assert lost == []


def test_the_systems_words_in_front_are_instructions_and_later_ones_stay_in_place(write):
    system = Message(role="system", blocks=(Text(text="a"),))
    more = Message(role="developer", blocks=(Text(text="b"),))
    body, _ = write(system, more, HI, more)
    assert body["instructions"] == "a\n\nb"
    assert [item["role"] for item in body["input"]] == ["user", "developer"]


def test_the_systems_words_alone_are_the_input_which_has_to_be_there(write):
    body, lost = write(Message(role="system", blocks=(Text(text="a"),)))
    assert "instructions" not in body
    assert body["input"] == [
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "a"}]},
    ]
    assert lost == []


def test_a_conversation_with_tools(write):
    turn = assistant(
        Text(text="let me see"), ToolCall(id="a", name="f", arguments='{"x":1}'), ToolCall(id="b", name="f")
    )
    picture = Media(kind="image", media_type="image/png", data="QUJD")
    results = Message(
        role="tool",
        blocks=(
            ToolResult(call_id="a", content=(Text(text="1"),)),
            ToolResult(call_id="b", content=(Text(text="see"), picture), is_error=True),
        ),
    )
    body, lost = write(HI, turn, results, tools=(Tool(name="f", schema=SCHEMA),))
    assert [item["type"] for item in body["input"]][1:] == [
        "message",
        "function_call",
        "function_call",
        "function_call_output",
        "function_call_output",
    ]
    assert body["input"][1]["content"] == [{"type": "output_text", "text": "let me see", "annotations": []}]
    assert body["input"][2] == {"type": "function_call", "call_id": "a", "name": "f", "arguments": '{"x":1}'}
    assert body["input"][4] == {"type": "function_call_output", "call_id": "a", "output": "1"}
    assert [part["type"] for part in body["input"][5]["output"]] == ["input_text", "input_text", "input_image"]
    assert body["input"][5]["output"][0]["text"] == "Error: "
    assert lost == []


def test_results_and_text_in_one_turn_are_results_first(write):
    turn = Message(role="user", blocks=(Text(text="and now?"), ToolResult(call_id="a", content=(Text(text="1"),))))
    body, _ = write(assistant(ToolCall(id="a", name="f")), turn)
    assert [item["type"] for item in body["input"]] == ["function_call", "function_call_output", "message"]


def test_strict_is_always_said_since_here_it_is_on_where_nothing_is_said(write):
    tools = (Tool(name="a"), Tool(name="b", strict=True), Tool(name="c", strict=False))
    body, _ = write(tools=tools)
    assert [tool["strict"] for tool in body["tools"]] == [False, True, False]


def test_ids_and_names_in_the_grammar_of_the_provider(write, dialect, model):
    long = "x" * 200
    call, result = ToolCall(id=long, name="my.tool"), ToolResult(call_id=long, content=(Text(text="1"),))
    request = Request(
        model="m",
        messages=(HI, assistant(call), Message(role="tool", blocks=(result,))),
        tools=(Tool(name="my.tool"),),
        tool_choice=ToolChoice(mode="named", name="my.tool"),
    )
    outgoing = dialect.from_core(request, model)
    body = json.loads(outgoing.body)
    sent = body["tools"][0]["name"]
    assert outgoing.tool_names == {sent: "my.tool"}
    assert body["tool_choice"] == {"type": "function", "name": sent}
    assert body["input"][1]["name"] == sent
    assert body["input"][1]["call_id"] == body["input"][2]["call_id"]
    assert len(body["input"][1]["call_id"]) <= 64


def test_thinking_goes_back_only_to_those_who_can_read_it(write, thinker):
    own = Reasoning(text="hm", encrypted="gAAA", summary=True, maker="openai-responses/gpt-5-2025")
    body, lost = write(HI, assistant(own, Text(text="a")), to=thinker)
    summary = [{"type": "summary_text", "text": "hm"}]
    assert body["input"][1] == {"type": "reasoning", "summary": summary, "encrypted_content": "gAAA"}
    assert body["include"] == ["reasoning.encrypted_content"]
    assert lost == []
    others = [
        Reasoning(text="hm", signature="s", maker="anthropic-messages/claude"),
        Reasoning(encrypted="x", maker="anthropic-messages/claude"),
        Reasoning(encrypted="x", maker="openai-responses/grok-4"),
        Reasoning(encrypted="x"),
        Reasoning(text="hm"),
    ]
    for block in others:
        body, lost = write(HI, assistant(block, Text(text="a")), to=thinker)
        assert [item["type"] for item in body["input"]] == ["message", "message"]
        assert lost == ["messages[1].reasoning"]
    body, lost = write(HI, assistant(Reasoning(encrypted="x", maker="openai-responses"), Text(text="a")), to=thinker)
    assert body["input"][1]["encrypted_content"] == "x"


def test_thinking_in_the_open_goes_back_to_its_kind(write, model):
    """gpt-oss, DeepSeek: what they thought is text, and they want to see it again."""
    block = Reasoning(text="hm", maker="openai-responses/small-1")
    body, _ = write(HI, assistant(block, Text(text="a")))
    assert body["input"][1] == {
        "type": "reasoning",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "hm"}],
    }


def test_encrypted_thinking_is_asked_for_where_the_model_thinks(write, model, thinker):
    assert "include" not in write()[0]
    assert write(to=thinker)[0]["include"] == ["reasoning.encrypted_content"]
    body, _ = write(reasoning_effort="high", shows_reasoning=True)
    assert body["reasoning"] == {"effort": "high", "summary": "auto"}
    assert body["include"] == ["reasoning.encrypted_content"]
    assert "include" not in write(reasoning_effort="none", to=thinker)[0]
    plain = msgspec.structs.replace(model, abilities=Ability.TOOLS)
    body, lost = write(reasoning_effort="high", shows_reasoning=True, to=plain)
    assert not {"reasoning", "include"} & set(body)
    assert lost == ["reasoning_effort"]
    assert write(reasoning_budget=20_000)[0]["reasoning"] == {"effort": "high"}


@pytest.mark.parametrize(
    ("thinking", "shown"),
    [
        ({"type": "enabled", "budget_tokens": 2_000}, True),
        ({"type": "adaptive"}, True),
        ({"type": "adaptive", "display": "omitted"}, False),
        ({"type": "disabled"}, False),
    ],
)
def test_callers_of_messages_see_thoughts_unless_they_do_not_want_to(dialect, thinker, thinking, shown):
    messages = AnthropicMessages()
    body = {"model": "m", "max_tokens": 9_000, "messages": [{"role": "user", "content": "hi"}], "thinking": thinking}
    request = messages.to_core(messages.read_request(json.dumps(body).encode(), "messages"))
    asked = json.loads(dialect.from_core(request, thinker).body)
    assert asked.get("reasoning", {}).get("summary") == ("auto" if shown else None)


def test_a_model_may_refuse_to_sum_its_thoughts_up(write, thinker):
    silent = msgspec.structs.replace(thinker, refused_params=frozenset({"reasoning.summary"}))
    body, lost = write(reasoning_effort="high", shows_reasoning=True, to=silent)
    assert (body["reasoning"], lost) == ({"effort": "high"}, ["reasoning.summary"])


def test_what_there_is_no_field_for_is_dropped_by_name(write):
    _, lost = write(
        stop=("a",), top_k=1, seed=2, presence_penalty=0.1, frequency_penalty=0.2, choices=3, max_output=4,
        extras=(Extras(dialect="openai-chat", fields={"logit_bias": msgspec.Raw(b"{}")}),),
    )  # fmt: skip
    assert set(lost) == {
        "stop",
        "top_k",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "n",
        "max_tokens",
        "logit_bias",
    }


def test_parameters(write):
    body, lost = write(
        max_output=100, temperature=0.5, top_p=0.9, logprobs=2, user="u", stream=True,
        response_format=ResponseFormat(kind="json_schema", name="a", schema=SCHEMA, strict=True),
        tools=(Tool(name="f"),), tool_choice=ToolChoice(mode="required", parallel=False),
        extras=(Extras(dialect="openai-chat", fields={"verbosity": msgspec.Raw(b'"low"')}),),
    )  # fmt: skip
    assert (body["max_output_tokens"], body["temperature"], body["top_p"], body["user"]) == (100, 0.5, 0.9, "u")
    assert (body["top_logprobs"], body["include"]) == (2, ["message.output_text.logprobs"])
    assert body["text"] == {
        "format": {"type": "json_schema", "name": "a", "strict": True, "schema": {"type": "object"}},
        "verbosity": "low",
    }
    assert (body["tool_choice"], body["parallel_tool_calls"], body["stream"]) == ("required", False, True)
    assert lost == []
    assert write(response_format=ResponseFormat(kind="json"))[0]["text"] == {"format": {"type": "json_object"}}


def test_media(write):
    blocks = (
        Media(kind="image", url="https://x/y.png"),
        Media(kind="image", media_type="image/png", data="QUJD"),
        Media(kind="document", media_type="application/pdf", data="QUJD"),
        Media(kind="document", url="https://x/y.pdf"),
        Media(kind="document", file_id="file-1"),
        Media(kind="audio", media_type="audio/mpeg", data="QUJD"),
        Media(kind="video", url="https://x/y.mp4"),
        Opaque(dialect="gemini", kind="executableCode", raw=msgspec.Raw(b"{}")),
    )
    body, lost = write(Message(role="user", blocks=blocks))
    parts = body["input"][0]["content"]
    assert [part["type"] for part in parts] == ["input_image"] * 2 + ["input_file"] * 3 + ["input_audio"]
    assert parts[1]["image_url"] == "data:image/png;base64,QUJD"
    assert parts[2] == {
        "type": "input_file",
        "filename": "document.pdf",
        "file_data": "data:application/pdf;base64,QUJD",
    }
    assert parts[5]["input_audio"] == {"data": "QUJD", "format": "mp3"}
    assert lost == ["messages[0].content", "messages[0].content"]


def test_what_the_assistant_drew_and_declined(write):
    body, lost = write(HI, assistant(Refusal(text="no"), Media(kind="image", media_type="image/png", data="QUJD")))
    assert body["input"][1]["content"] == [{"type": "refusal", "refusal": "no"}]
    assert (body["input"][2]["type"], body["input"][2]["result"]) == ("image_generation_call", "QUJD")
    assert lost == []


def test_tools_of_other_dialects_are_dropped_by_name(write):
    body, lost = write(tools=(Tool(name="web_search", dialect="anthropic-messages", raw=msgspec.Raw(b"{}")),))
    assert "tools" not in body
    assert lost == ["tools[0]"]


def test_what_other_dialects_keep_with_calls_results_and_the_systems_words_is_named(write):
    kept = (Extras(dialect="gemini", fields={"thoughtSignature": msgspec.Raw(b'"s"')}),)
    system = Message(role="system", blocks=(Text(text="a", extras=kept),))
    results = Message(role="tool", blocks=(ToolResult(call_id="a", extras=kept),))
    _, lost = write(system, HI, assistant(ToolCall(id="a", name="f", extras=kept)), results)
    assert lost == [f"messages[{at}].thoughtSignature" for at in (2, 3, 0)]


def test_refused_and_default_parameters(write, model):
    tuned = msgspec.structs.replace(
        model, refused_params=frozenset({"temperature"}), params=(("service_tier", msgspec.Raw(b'"flex"')),)
    )
    body, lost = write(temperature=1.0, to=tuned)
    assert ("temperature" in body, body["service_tier"], lost) == (False, "flex", ["temperature"])
    with pytest.raises(UnsupportedParameter):
        write(temperature=1.0, to=msgspec.structs.replace(tuned, param_policy="refuse"))


def test_the_question_for_a_count_holds_what_it_takes(dialect, model):
    request = Request(model="m", messages=(HI,), max_output=100, temperature=0.5, tools=(Tool(name="f"),), stream=True)
    asked = dialect.count_from_core(request, model)
    assert asked.path == "/responses/input_tokens"
    assert set(json.loads(asked.body)) == {"model", "input", "tools"}


def test_a_chat_request(dialect, model):
    chat = OpenAIChat()
    messages = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "1"},
    ]
    body = {"model": "m", "messages": messages, "stream": True, "stop": ["x"], "logit_bias": {"1": 2}}
    incoming = chat.read_request(json.dumps(body).encode(), "chat.completions")
    sent = dialect.from_core(chat.to_core(incoming), model)
    assert json.loads(sent.body)["instructions"] == "s"
    assert [item["type"] for item in json.loads(sent.body)["input"]] == [
        "message",
        "function_call",
        "function_call_output",
    ]
    assert json.loads(sent.body)["input"][1]["arguments"] == "{}"
    assert {one.path for one in sent.dropped} >= {"stop", "logit_bias"}
