"""How each generation of models is asked to think, and what thinking forbids."""

from __future__ import annotations

import json

import pytest

from pointsman.core.chat import Message, Reasoning, Request, Text, ToolCall, ToolResult

USER = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def lost(sent):
    return {one.path for one in sent.dropped}


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "config"),
    [
        ("claude-sonnet-4-5", "low", {"type": "enabled", "budget_tokens": 2_000}, None),
        ("claude-sonnet-4-5", "high", {"type": "enabled", "budget_tokens": 8_000}, None),
        ("claude-sonnet-4-5", "minimal", {"type": "enabled", "budget_tokens": 1_024}, None),
        ("claude-sonnet-4-5", "none", {"type": "disabled"}, None),
        ("deepseek-chat", "medium", {"type": "enabled", "budget_tokens": 5_000}, None),
        ("claude-opus-4-6", "high", {"type": "adaptive"}, {"effort": "high"}),
        ("claude-opus-4-6", "xhigh", {"type": "adaptive"}, {"effort": "high"}),
        ("claude-opus-4-7", "xhigh", {"type": "adaptive"}, {"effort": "xhigh"}),
        ("claude-opus-4-8", "none", None, None),
        ("claude-sonnet-5", "minimal", {"type": "adaptive"}, {"effort": "low"}),
        ("claude-sonnet-5", "none", {"type": "disabled"}, None),
        ("claude-sonnet-5-5", "none", {"type": "between_tools"}, None),
        ("claude-opus-5-5", "none", None, {"effort": "low"}),
        ("claude-fable-5", "max", {"type": "adaptive"}, {"effort": "max"}),
    ],
)
def test_each_generation_is_asked_in_its_own_way(asked, model, effort, thinking, config):
    body, sent = asked(USER, model=model, max_tokens=10_000, reasoning_effort=effort)
    assert body.get("thinking") == thinking
    assert body.get("output_config") == config
    assert ("reasoning_effort" in lost(sent)) is (
        (model, effort) in {("claude-opus-4-6", "xhigh"), ("claude-opus-5-5", "none")}
    )


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-sonnet-5", "claude-opus-5-5", "other"])
def test_who_says_nothing_of_thinking_sends_nothing_of_it(asked, model):
    body, _ = asked(USER, model=model)
    assert not {"thinking", "output_config"} & set(body)


@pytest.mark.parametrize(("budget", "sent_budget"), [(500, 1_024), (2_000, 2_000), (9_999_999, 9_999)])
def test_a_budget_lies_within_its_bounds(asked, budget, sent_budget):
    body, sent = asked(USER, max_tokens=10_000, thinking={"type": "enabled", "budget_tokens": budget})
    assert body["thinking"]["budget_tokens"] == sent_budget
    assert ("reasoning_budget" in lost(sent)) is (budget != sent_budget)


def test_an_answer_too_short_for_thinking_comes_without(asked):
    body, sent = asked(USER, max_tokens=800, reasoning_effort="high")
    assert "thinking" not in body
    assert body["max_tokens"] == 800
    assert "reasoning_effort" in lost(sent)


def test_a_forced_call_leaves_no_place_for_thinking(asked):
    for model, thinking in (("claude-sonnet-4-5", None), ("claude-sonnet-5", {"type": "disabled"})):
        body, sent = asked(
            USER, model=model, tools=[TOOL], tool_choice="required", reasoning_effort="high", max_tokens=9_000
        )
        assert body.get("thinking") == thinking
        assert body["tool_choice"] == {"type": "any"}
        assert "reasoning_effort" in lost(sent)


def test_thinking_forbids_sampling(asked):
    body, sent = asked(USER, max_tokens=9_000, reasoning_effort="low", temperature=0.2, top_k=4)
    assert not {"temperature", "top_k"} & set(body)
    assert lost(sent) == {"temperature", "top_k"}
    body, sent = asked(USER, max_tokens=9_000, reasoning_effort="low", top_p=0.97)
    assert body["top_p"] == 0.97
    body, sent = asked(USER, max_tokens=9_000, reasoning_effort="low", temperature=1)
    assert not sent.dropped


def history(*thoughts):
    return (
        Message(role="user", blocks=(Text(text="hi"),)),
        Message(role="assistant", blocks=(*thoughts, ToolCall(id="a", name="look"))),
        Message(role="tool", blocks=(ToolResult(call_id="a", content=(Text(text="1"),)),)),
    )


def request(*thoughts):
    return Request(model="m", messages=history(*thoughts), max_output=9_000, reasoning_effort="low")


def test_thinking_goes_back_to_its_maker_unchanged_and_first(messages, claude):
    thought = Reasoning(text=" hm \n", signature="sig", maker="anthropic-messages/claude-sonnet-4-5-20250929")
    hidden = Reasoning(encrypted="xyz", maker="")
    body = json.loads(messages.from_core(request(thought, hidden), claude("claude-sonnet-4-5")).body)
    assert body["messages"][1]["content"][:2] == [
        {"type": "thinking", "thinking": " hm \n", "signature": "sig"},
        {"type": "redacted_thinking", "data": "xyz"},
    ]
    assert body["thinking"]["type"] == "enabled"


@pytest.mark.parametrize(
    "thought",
    [
        Reasoning(text="hm", signature="sig", maker="anthropic-messages/claude-opus-4-1"),
        Reasoning(text="hm", signature="sig", maker="gemini/gemini-3"),
        Reasoning(text="hm"),
        Reasoning(encrypted="xyz", maker="openai-responses/gpt-5"),
    ],
)
def test_without_the_thinking_before_a_call_the_turn_goes_without_thinking(messages, claude, thought):
    sent = messages.from_core(request(thought), claude("claude-sonnet-4-5"))
    body = json.loads(sent.body)
    assert [block["type"] for block in body["messages"][1]["content"]] == ["tool_use"]
    assert "thinking" not in body
    assert {"messages[1]", "reasoning_effort"} <= lost(sent)
    adaptive = json.loads(messages.from_core(request(thought), claude("claude-opus-4-7")).body)
    assert adaptive["thinking"] == {"type": "adaptive"}  # these do not insist


def test_whether_thoughts_are_shown(messages, claude):
    for shows, display in ((True, "summarized"), (False, "omitted")):
        wish = Request(model="m", messages=(), reasoning_effort="low", shows_reasoning=shows)
        body = json.loads(messages.from_core(wish, claude("claude-opus-4-7")).body)
        assert body["thinking"] == {"type": "adaptive", "display": display}
    shown = Request(model="m", messages=(), reasoning_effort="low", shows_reasoning=True)
    body = json.loads(messages.from_core(shown, claude("claude-opus-4-6")).body)
    assert body["thinking"] == {"type": "adaptive"}  # it shows them anyway


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 2_048}}, ("", 2_048, True)),
        ({"thinking": {"type": "enabled", "budget_tokens": 2_048.0}}, ("", 2_048, True)),
        ({"thinking": {"type": "enabled", "budget_tokens": None}}, ("", -1, True)),
        ({"thinking": {"type": "enabled", "budget_tokens": 2_048, "display": "omitted"}}, ("", 2_048, False)),
        ({"thinking": {"type": "adaptive"}}, ("", -1, True)),
        ({"thinking": {"type": "adaptive"}, "model": "claude-opus-4-6"}, ("", -1, True)),
        ({"thinking": {"type": "adaptive"}, "model": "claude-opus-4-7"}, ("", -1, None)),
        ({"thinking": {"type": "disabled"}}, ("", 0, None)),
        ({"thinking": {"type": "between_tools"}}, ("", 0, None)),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, ("", -1, False)),
        (
            {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "max"}},
            ("max", -1, True),
        ),
        ({"output_config": {"effort": "low"}}, ("low", None, None)),
    ],
)
def test_what_callers_say_of_thinking(messages, read, fields, wanted):
    core = messages.to_core(read(fields))
    assert (core.reasoning_effort, core.reasoning_budget, core.shows_reasoning) == wanted


def test_what_only_this_dialect_knows_of_thinking_stays_with_it(messages, read, claude):
    odd = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}
    core = messages.to_core(
        read(model="claude-opus-4-8", thinking=odd, output_config={"effort": "low", "task_budget": {"total": 9}})
    )
    body = json.loads(messages.from_core(core, claude("claude-opus-4-8")).body)
    assert body["thinking"] == odd
    assert body["output_config"] == {"effort": "low", "task_budget": {"total": 9}}
    core = messages.to_core(read(thinking={"type": "new"}))
    assert json.loads(messages.from_core(core, claude()).body)["thinking"] == {"type": "new"}
