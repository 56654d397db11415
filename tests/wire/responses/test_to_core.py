from __future__ import annotations

import json

import msgspec
import pytest

from pointsman.core.chat import Extras, Media, Opaque, Reasoning, ResponseFormat, Text, ToolCall, ToolChoice, ToolResult
from pointsman.core.errors import InvalidRequest
from pointsman.wire.openai_responses.seals import seals_of_call

PNG = "data:image/png;base64,QUJD"
SEARCH = {"type": "function", "name": "search", "parameters": {"type": "object"}}


def says(text: str, role: str = "user"):
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def call(call_id: str, name: str = "f", **more):
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": "{}", **more}


def gave(call_id: str, output="ok", kind: str = "function_call_output"):
    return {"type": kind, "call_id": call_id, "output": output}


@pytest.fixture
def core(asking, dialect):
    def read(**fields):
        return dialect.to_core(asking(**fields))

    return read


def test_instructions_and_a_text(core):
    got = core(instructions="Be kind.")
    assert [(m.role, m.blocks) for m in got.messages] == [
        ("system", (Text(text="Be kind."),)),
        ("user", (Text(text="hi"),)),
    ]
    assert (got.stream, got.stream_usage) == (True, True)
    assert core(instructions=None, input="").messages[0].blocks == ()


def test_a_turn_of_the_assistant_is_one_message_and_its_results_the_next(core):
    thought = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "content": []}
    items = [
        says("do"),
        thought,
        says("sure", "assistant"),
        call("a"),
        call("b"),
        gave("a", "1"),
        gave("b", "2"),
        says("more"),
    ]
    got = core(input=items).messages
    assert [message.role for message in got] == ["user", "assistant", "tool", "user"]
    assert got[1].blocks == (
        Reasoning(text="hm", summary=True, maker="openai-responses"),
        Text(text="sure"),
        ToolCall(id="a", name="f"),
        ToolCall(id="b", name="f"),
    )
    assert got[2].blocks == (
        ToolResult(call_id="a", name="f", content=(Text(text="1"),)),
        ToolResult(call_id="b", name="f", content=(Text(text="2"),)),
    )


def test_results_follow_their_calls_whatever_came_between(core):
    """Codex writes what was said meanwhile between a call and its result; others then refuse the turn."""
    items = [call("a"), says("still at it", "assistant"), says("hurry"), gave("a", "1"), call("b"), gave("b", "2")]
    got = core(input=items).messages
    assert [message.role for message in got] == ["assistant", "tool", "user", "assistant", "tool"]
    assert got[0].blocks == (ToolCall(id="a", name="f"), Text(text="still at it"))
    assert got[1].blocks[0].call_id == "a"


def test_turns_after_results_are_turns_of_their_own(core):
    got = core(input=[call("a"), gave("a"), call("b"), gave("b"), says("done", "assistant")]).messages
    assert [message.role for message in got] == ["assistant", "tool", "assistant", "tool", "assistant"]


def test_the_result_of_a_call_that_is_not_there(core):
    (message,) = core(input=[gave("gone")]).messages
    assert message.blocks == (ToolResult(call_id="gone", content=(Text(text="ok"),)),)


@pytest.mark.parametrize(
    ("output", "text"), [(5, "5"), (True, "true"), ({"a": 1}, '{"a": 1}'), (None, ""), ("", ""), ([], "")]
)
def test_a_result_of_any_type_is_told(core, output, text):
    result = core(input=[says("do"), call("a"), gave("a", output)]).messages[-1].blocks[0]
    assert "".join(block.text for block in result.content) == text


def test_parts_of_a_message(core):
    parts = [
        {"type": "input_text", "text": "see"},
        {"type": "input_image", "image_url": PNG, "detail": "auto"},
        {"type": "input_image", "image_url": "https://x/y.png", "detail": "low"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,QUJD"},
        {"type": "input_file", "file_url": "https://x/y.pdf"},
        {"type": "input_file", "filename": "b.pdf", "file_data": "QUJD"},
        {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}},
        {"type": "new_kind", "x": 1},
    ]
    (message,) = core(input=[{"role": "user", "content": parts}]).messages
    text, inline, linked, pdf, page, bare, sound, new = message.blocks
    assert text == Text(text="see")
    assert inline == Media(kind="image", media_type="image/png", data="QUJD")
    assert linked == Media(kind="image", url="https://x/y.png", detail="low")
    assert pdf == Media(kind="document", media_type="application/pdf", data="QUJD", name="a.pdf")
    assert page == Media(kind="document", url="https://x/y.pdf")
    assert bare == Media(kind="document", media_type="application/pdf", data="QUJD", name="b.pdf")
    assert sound == Media(kind="audio", media_type="audio/wav", data="QUJD")
    assert isinstance(new, Opaque)


def test_pictures_in_results(core):
    output = [{"type": "input_text", "text": "look"}, {"type": "input_image", "image_url": PNG}]
    _, results = core(input=[call("a"), gave("a", output)]).messages
    assert results.blocks[0].content == (Text(text="look"), Media(kind="image", media_type="image/png", data="QUJD"))


def test_custom_tools_are_functions_with_one_text(core):
    form = {"type": "grammar", "syntax": "lark", "definition": "start: x"}
    tool = {"type": "custom", "name": "apply_patch", "description": "Patch.", "format": form}
    calls = [{"type": "custom_tool_call", "call_id": "a", "name": "apply_patch", "input": 'say "hi"\n'}]
    got = core(tools=[tool], input=[*calls, gave("a", "done", "custom_tool_call_output")])
    (offered,) = got.tools
    assert (offered.name, json.loads(bytes(offered.schema))["required"]) == ("apply_patch", ["input"])
    assert "start: x" in offered.description  # what cannot be enforced is told
    assert [name for extra in offered.extras for name in extra.fields] == ["format"]
    assert json.loads(got.messages[0].blocks[0].arguments) == {"input": 'say "hi"\n'}
    assert got.messages[1].blocks[0].content == (Text(text="done"),)
    assert core(tools=[{**tool, "format": {"type": "text"}}]).tools[0].extras == ()


def test_the_local_shell_is_a_function(core):
    action = {"type": "exec", "command": ["ls", "-l"], "env": {}}
    made = {"type": "local_shell_call", "call_id": "a", "status": "completed", "action": action}
    got = core(tools=[{"type": "local_shell"}], input=[made, gave("a", "x", "local_shell_call_output")])
    assert (got.tools[0].name, got.tools[0].dialect) == ("local_shell", "")
    assert json.loads(got.messages[0].blocks[0].arguments) == {"command": ["ls", "-l"], "env": {}}


def test_functions_in_a_namespace_have_joined_names(core):
    """Codex puts each MCP server's tools into one."""
    tools = [
        {"type": "namespace", "name": "mcp__docs__", "tools": [SEARCH]},
        {"type": "namespace", "name": "x", "tools": [SEARCH]},
    ]
    got = core(tools=tools, input=[call("a", "search", namespace="mcp__docs__"), call("b", "search", namespace="x")])
    assert [tool.name for tool in got.tools] == ["mcp__docs__search", "x__search"]
    assert [block.name for block in got.messages[0].blocks] == ["mcp__docs__search", "x__search"]


def test_a_tool_that_was_searched_for_has_a_namespace_of_its_own_name(core):
    got = core(tools=[{**SEARCH, "defer_loading": True}], input=[call("a", "search", namespace="search")])
    assert got.messages[0].blocks[0].name == got.tools[0].name == "search"
    assert got.tools[0].extras == ()


def test_tools_that_come_in_the_input(core):
    got = core(input=[{"type": "additional_tools", "role": "developer", "tools": [SEARCH]}, says("go")])
    assert [tool.name for tool in got.tools] == ["search"]
    assert len(got.messages) == 1


def test_tools_that_run_at_the_provider_stay_as_they_are(core):
    (tool,) = core(tools=[{"type": "web_search", "external_web_access": True}]).tools
    assert (tool.name, tool.dialect) == ("web_search", "openai-responses")
    assert json.loads(bytes(tool.raw)) == {"type": "web_search", "external_web_access": True}


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ("auto", ToolChoice(mode="auto")),
        ("none", ToolChoice(mode="none")),
        ("required", ToolChoice(mode="required")),
        ({"type": "function", "name": "f"}, ToolChoice(mode="named", name="f")),
        ({"type": "custom", "name": "f"}, ToolChoice(mode="named", name="f")),
        ({"type": "web_search_preview"}, None),
        (None, None),
    ],
)
def test_the_choice_of_tools(core, choice, wanted):
    assert core(tool_choice=choice, tools=[{"type": "function", "name": "f"}]).tool_choice == wanted


def test_a_choice_that_only_a_provider_of_responses_can_make_is_kept_by_name(core):
    (extra,) = core(tool_choice={"type": "web_search_preview"}).extras
    assert list(extra.fields) == ["tool_choice"]


def test_allowed_tools_are_those_that_are_offered(core):
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "search"}]}
    got = core(
        tools=[SEARCH, {**SEARCH, "name": "other"}, {"type": "web_search"}],
        tool_choice=allowed,
        parallel_tool_calls=False,
    )
    assert [tool.name for tool in got.tools] == ["search"]
    assert got.tool_choice == ToolChoice(mode="required", parallel=False)


def test_parameters(core):
    got = core(
        max_output_tokens=100,
        temperature=1,
        top_p=0.5,
        reasoning={"effort": "high", "summary": "detailed"},
        include=["message.output_text.logprobs", "reasoning.encrypted_content"],
        text={"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}, "strict": True}},
    )
    assert (got.max_output, got.temperature, got.top_p) == (100, 1.0, 0.5)
    assert (got.reasoning_effort, got.shows_reasoning, got.logprobs) == ("high", True, 0)
    assert (got.response_format.kind, got.response_format.name, got.response_format.strict) == (
        "json_schema",
        "a",
        True,
    )
    assert got.extras == ()
    assert core(top_logprobs=3).logprobs == 3
    assert core(text={"format": {"type": "json_object"}}).response_format == ResponseFormat(kind="json")
    assert core(reasoning={"effort": "low", "summary": None}).shows_reasoning is None


def test_hints_that_change_no_answer_are_no_loss(core):
    hints = {
        "store": False,
        "metadata": {"a": "b"},
        "prompt_cache_key": "k",
        "service_tier": "auto",
        "truncation": "auto",
        "safety_identifier": "u",
        "background": False,
        "previous_response_id": None,
    }
    assert core(**hints).extras == ()


def test_what_only_this_dialect_knows_is_kept_by_name(core):
    got = core(
        text={"verbosity": "low", "rhyme": True, "metre": None},
        reasoning={"context": "all_turns"},
        include=["web_search_call.action.sources"],
        context_management=[{"type": "compaction"}],
        max_tool_calls=3,
    )
    assert set(got.extras[0].fields) == {
        "text.verbosity",
        "text.rhyme",
        "reasoning.context",
        "include",
        "context_management",
        "max_tool_calls",
    }


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"background": True}, "background"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        ({"input": [says("a"), {"id": "msg_1"}]}, "input[1]"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"instructions": 3}, "instructions"),
        ({"input": [{"role": "user", "content": 5}]}, "input[0].content"),
        ({"input": [says("a"), {"role": "assistant", "content": {"text": "b"}}]}, "input[1].content"),
    ],
)
def test_what_stands_elsewhere_is_refused_by_name(core, fields, param):
    with pytest.raises(InvalidRequest) as error:
        core(**fields)
    assert error.value.param == param
    if param not in ("input[0].role", "instructions", "input[0].content", "input[1].content"):
        assert error.value.hint


def test_thoughts_that_are_only_referred_to_hinder_no_other_provider(core):
    """As Vercel's AI SDK sends them between the steps of a tool loop, unless `store` is false."""
    reference = {"type": "item_reference", "id": "rs_1"}
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "c", "output": "x"}
    user, assistant, tool = core(input=[says("a"), reference, call, result]).messages
    assert (user.role, assistant.role, tool.role) == ("user", "assistant", "tool")
    kept, made = assistant.blocks
    assert (kept.dialect, kept.kind) == ("openai-responses", "item_reference")
    assert (made.id, made.name) == ("c", "f")


def test_a_seal_belongs_to_the_call_before_it_also_where_another_turn_has_one_of_the_same_id(core):
    """Servers that give no ids get the same for the same call, in whichever turn."""

    def sealed(word: str):
        kept = Extras(dialect="gemini", fields={"thoughtSignature": msgspec.Raw(json.dumps(word).encode())})
        (seal,) = seals_of_call(ToolCall(id="a", name="f", extras=(kept,)))
        return {"type": "reasoning", "summary": [], "encrypted_content": seal}

    items = [says("do"), call("a"), sealed("one"), gave("a"), call("a"), sealed("two"), gave("a"), sealed("late")]
    calls = [block for message in core(input=items).messages for block in message.blocks if block.extras]
    words = [[bytes(extra.fields["thoughtSignature"]) for extra in block.extras] for block in calls]
    assert words == [[b'"one"'], [b'"two"', b'"late"']]
    early = core(input=[says("do"), sealed("one"), call("a")]).messages[1].blocks
    assert [len(block.extras) for block in early] == [1]


def test_items_that_nobody_else_knows_stay_in_place(core):
    items = [{"type": "web_search_call", "id": "ws_1", "status": "completed"}, says("found", "assistant")]
    (message,) = core(input=items).messages
    assert message.role == "assistant"
    assert json.loads(bytes(message.blocks[0].raw)) == items[0]
    assert message.blocks[1] == Text(text="found")
