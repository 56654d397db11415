"""Mistral's chat: what it takes differently, and what it sends differently."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pointsman.core.model import Model, Provider
from pointsman.wire.mistral_chat import MistralChat
from pointsman.wire.openai_chat import OpenAIChat
from pointsman.wire.passage import Passages
from pointsman.wire.trip import Incoming, Trip

MODEL = Model(
    name="m", provider=Provider(name="mistral", dialect="mistral-chat", base_url="http://x/v1", stream_usage=False),
    upstream="mistral-medium-3-5",
)  # fmt: skip
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
WAY = Passages([OpenAIChat(), MistralChat()]).between("openai-chat", "mistral-chat")


def asked(**fields: Any) -> Incoming:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    return OpenAIChat().read_request(json.dumps(body).encode(), "chat.completions")


def sent(**fields: Any) -> dict[str, Any]:
    return dict(json.loads(WAY.write_request(asked(**fields), MODEL).body))


def test_fields_go_under_mistrals_names_and_its_own_ones_pass() -> None:
    body = sent(max_completion_tokens=9, seed=4, safe_prompt=True, tools=TOOLS, tool_choice="required", temperature=0.3)
    assert body["max_tokens"] == 9
    assert body["random_seed"] == 4
    assert body["safe_prompt"] is True
    assert body["tool_choice"] == "any"
    assert not {"max_completion_tokens", "seed"} & body.keys()
    assert body["model"] == "mistral-medium-3-5"


def test_ids_of_calls_become_nine_characters_alike_in_call_and_result() -> None:
    call = {
        "id": "call_DdmO9pD3xa9XTPNJ32zg",
        "type": "function",
        "function": {"name": "weather", "arguments": "{}"},
    }
    kept = {"id": "abcDEF123", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    history = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": [call, kept], "reasoning_content": "hm", "name": "Bob"},
        {"role": "tool", "tool_call_id": call["id"], "content": "rain"},
        {"role": "tool", "tool_call_id": kept["id"], "content": "sun"},
    ]
    first, second = sent(messages=history, tools=TOOLS), sent(messages=history, tools=TOOLS)
    assert first == second, "the same every turn"
    made = first["messages"][1]["tool_calls"][0]["id"]
    assert len(made) == 9
    assert made.isalnum()
    assert [m.get("tool_call_id") for m in first["messages"][2:]] == [made, "abcDEF123"]
    assert not {"reasoning_content", "name"} & first["messages"][1].keys(), "fields that it does not know are refused"


def test_a_begun_answer_is_marked() -> None:
    turns = [{"role": "user", "content": "Count"}, {"role": "assistant", "content": "1, 2,"}]
    assert sent(messages=turns)["messages"][-1]["prefix"] is True
    assert "prefix" not in sent()["messages"][-1]


def test_recorded_answers_reach_chat_callers_with_their_text_and_calls(recorded: Any) -> None:
    seen = calls = thoughts = 0
    for record in recorded("mistral-chat"):
        body = record["response"].get("body")
        if record["response"]["status"] != 200 or not isinstance(body, dict) or "choices" not in body:
            continue
        incoming = asked(tools=TOOLS)
        heard = WAY.read_answer(
            json.dumps(body).encode(), Trip(incoming=incoming, outgoing=WAY.write_request(incoming, MODEL))
        )
        for theirs, ours in zip(body["choices"], json.loads(heard.body)["choices"], strict=True):
            content = theirs["message"].get("content")
            parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
            text = "".join(part["text"] for part in parts if part["type"] == "text")
            assert (ours["message"]["content"] or "") == text, record["id"]
            named = [call["function"]["name"] for call in theirs["message"].get("tool_calls") or ()]
            assert [call["function"]["name"] for call in ours["message"].get("tool_calls", ())] == named, record["id"]
            calls += len(named)
            thoughts += "reasoning_content" in ours["message"]
        seen += 1
    assert seen > 80
    assert calls > 20
    assert thoughts > 3


@pytest.mark.parametrize("stream", [True, False])
def test_a_stream_is_asked_for_without_options(stream: bool) -> None:
    body = sent(stream=stream, **({"stream_options": {"include_usage": True}} if stream else {}))
    assert "stream_options" not in body
    assert body.get("stream", False) is stream
