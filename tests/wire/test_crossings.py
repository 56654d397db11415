"""What crosses from each dialect to each other, and what may not: requests as providers get them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pointsman.compose.dialects import Dialects
from pointsman.core.model import Model, Provider
from pointsman.wire.trip import Incoming, Outgoing, Trip

DIALECTS = Dialects()
SURFACES: dict[str, Any] = {
    "openai-chat": "chat.completions",
    "openai-responses": "responses",
    "anthropic-messages": "messages",
    "gemini": "gemini.generate",
}
HI: dict[str, dict[str, Any]] = {
    "openai-chat": {"messages": [{"role": "user", "content": "Hi"}]},
    "openai-responses": {"input": "Hi"},
    "anthropic-messages": {"max_tokens": 99, "messages": [{"role": "user", "content": "Hi"}]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
}
THOUGHT = "thinking is of use only to the model that made it"


def model(dialect: str, upstream: str = "m", url: str = "http://x/v1") -> Model:
    return Model(name="m", provider=Provider(name="lab", dialect=dialect, base_url=url), upstream=upstream)


def asked(caller: str, **body: Any) -> Incoming:
    """A caller's request, as it is read."""
    fields = {**HI[caller], **body} if caller == "gemini" else {"model": "m", **HI[caller], **body}
    path = "/v1beta/models/m:generateContent" if caller == "gemini" else ""
    return DIALECTS.every[caller].read_request(json.dumps(fields).encode(), SURFACES[caller], path)


def sent(caller: str, to: Model, **body: Any) -> Outgoing:
    """A request of a caller as a model's provider gets it."""
    return DIALECTS.passages.between(caller, to.provider.dialect).write_request(asked(caller, **body), to)


def heard(caller: str, provider: str, answer: dict[str, Any], to: Outgoing | None = None, **body: Any) -> Any:
    """A provider's whole answer as a caller gets it."""
    trip = Trip(incoming=asked(caller, **body), outgoing=to or Outgoing(path="", body=b""))
    return json.loads(DIALECTS.passages.between(caller, provider).read_answer(json.dumps(answer).encode(), trip).body)


def dropped(outgoing: Outgoing) -> dict[str, str]:
    return {one.path: one.reason for one in outgoing.dropped}


@pytest.mark.parametrize(
    "block",
    [
        {"type": "redacted_thinking", "data": "EmwKAhgBEgy"},
        {"type": "thinking", "thinking": "Hm.", "signature": "EmwKAhgBEgy"},
    ],
)
@pytest.mark.parametrize("to", ["openai-responses", "openai-chat", "gemini", "anthropic-messages"])
def test_what_claude_has_sealed_returns_to_claude_alone(to: str, block: dict[str, Any]) -> None:
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [block, {"type": "text", "text": "Yo"}]},
    ]
    outgoing = sent("anthropic-messages", model(to), messages=[*turns, {"role": "user", "content": "?"}])
    assert (b"EmwKAhgBEgy" in outgoing.body) == (to == "anthropic-messages")
    assert bool(outgoing.dropped) == (to != "anthropic-messages")


def test_what_was_sealed_by_nobody_knows_whom_is_not_shown_to_openai() -> None:
    thought = {"type": "redacted_thinking", "data": "EmwKAhgBEgy"}
    turns = [{"role": "assistant", "content": "Yo", "thinking_blocks": [thought]}, *HI["openai-chat"]["messages"]]
    outgoing = sent("openai-chat", model("openai-responses", "gpt-5"), messages=turns)
    assert b"EmwKAhgBEgy" not in outgoing.body
    assert THOUGHT in dropped(outgoing).values()


GOOGLE = "https://generativelanguage.googleapis.com/v1beta/openai"


@pytest.mark.parametrize(
    ("upstream", "url", "seal", "thought"),
    [
        ("gpt-4o", "https://api.openai.com/v1", False, False),
        ("llama-3.3-70b-versatile", "https://api.groq.com/openai/v1", False, False),
        ("qwen/qwen3-32b", "https://api.groq.com/openai/v1", False, False),
        ("deepseek-chat", "https://api.deepseek.com/v1", False, True),
        ("moonshotai/kimi-k2-thinking", "https://openrouter.ai/api/v1", False, True),
        ("gemini-3-pro", GOOGLE, True, False),
        ("google/gemini-3-pro", "https://openrouter.ai/api/v1", True, False),
    ],
)
def test_thoughts_and_signatures_of_earlier_turns_go_to_who_wants_them(
    upstream: str, url: str, seal: bool, thought: bool
) -> None:
    turn = [
        {"text": "Hm.", "thought": True},
        {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "U0lH"},
    ]
    result = {"functionResponse": {"name": "f", "response": {"x": 1}}}
    contents = [*HI["gemini"]["contents"], {"role": "model", "parts": turn}, {"role": "user", "parts": [result]}]
    outgoing = sent("gemini", model("openai-chat", upstream, url), contents=contents)
    message = json.loads(outgoing.body)["messages"][1]
    assert ("extra_content" in message["tool_calls"][0]) == seal
    assert ("messages[1].thoughtSignature" in dropped(outgoing)) != seal
    assert ("reasoning_content" in message) == thought
    assert ("messages[1].thinking" in dropped(outgoing)) != thought


def test_what_claude_cites_rests_on_the_whole_of_its_block_for_everybody() -> None:
    cited = {"type": "web_search_result_location", "url": "https://a.example", "title": "A", "cited_text": "quote"}
    content = [{"type": "text", "text": "Before. "}, {"type": "text", "text": "Cited.", "citations": [cited]}]
    answer = {"id": "a", "type": "message", "role": "assistant", "model": "m", "content": content}
    answer |= {"stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}}
    chat = heard("openai-chat", "anthropic-messages", answer)["choices"][0]["message"]["annotations"][0]["url_citation"]
    responses = heard("openai-responses", "anthropic-messages", answer)["output"][0]["content"][0]["annotations"][0]
    for one in (chat, responses):
        assert (one["start_index"], one["end_index"]) == (8, 14)
    gemini = heard("gemini", "anthropic-messages", answer)["candidates"][0]["groundingMetadata"]["groundingSupports"][0]
    assert gemini["segment"] == {"startIndex": 8, "endIndex": 14, "text": "Cited."}


GRAMMAR = {"syntax": "lark", "definition": "start: A"}
CUSTOM = {"type": "custom", "custom": {"name": "cu", "format": {"type": "grammar", "grammar": GRAMMAR}}}
CALLED: list[dict[str, Any]] = [
    {"role": "user", "content": "Hi"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call_3", "type": "custom", "custom": {"name": "cu", "input": "raw"}}],
    },
    {"role": "tool", "tool_call_id": "call_3", "content": "res"},
]


def test_custom_tools_of_chat_are_custom_tools_of_responses() -> None:
    choice = {"type": "custom", "custom": {"name": "cu"}}
    outgoing = sent("openai-chat", model("openai-responses"), messages=CALLED, tools=[CUSTOM], tool_choice=choice)
    body = json.loads(outgoing.body)
    assert outgoing.dropped == ()
    assert body["tools"][0]["type"] == "custom"
    assert body["tools"][0]["format"] == {"type": "grammar", **GRAMMAR}
    assert body["tool_choice"] == {"type": "custom", "name": "cu"}
    assert body["input"][1:] == [
        {"type": "custom_tool_call", "call_id": "call_3", "name": "cu", "input": "raw"},
        {"type": "custom_tool_call_output", "call_id": "call_3", "output": "res"},
    ]


@pytest.mark.parametrize("to", ["anthropic-messages", "gemini", "mistral-chat"])
def test_custom_tools_of_chat_are_functions_elsewhere_and_their_calls_stay(to: str) -> None:
    outgoing = sent("openai-chat", model(to), messages=CALLED, tools=[CUSTOM])
    assert json.dumps({"input": "raw"}, separators=(",", ":")) in outgoing.body.decode().replace("\\", "")
    assert b"start: A" in outgoing.body
    assert b"res" in outgoing.body


def test_a_call_of_a_custom_tool_comes_back_as_one_whole_and_streamed() -> None:
    content = [{"type": "tool_use", "id": "toolu_1", "name": "cu", "input": {"input": "ls -l"}}]
    answer = {"id": "a", "type": "message", "role": "assistant", "model": "m", "content": content}
    answer |= {"stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 1}}
    wanted = {"id": "toolu_1", "type": "custom", "custom": {"name": "cu", "input": "ls -l"}}
    choice = heard("openai-chat", "anthropic-messages", answer, tools=[CUSTOM])["choices"][0]
    assert choice["message"]["tool_calls"] == [wanted]
    assert choice["finish_reason"] == "tool_calls"
    way = DIALECTS.passages.between("openai-chat", "anthropic-messages")
    trip = Trip(incoming=asked("openai-chat", tools=[CUSTOM], stream=True), outgoing=Outgoing(path="", body=b""))
    _, out = way.relay_whole(json.dumps(answer).encode(), trip)
    chunks = [json.loads(line[6:]) for line in out.split(b"\n\n") if line.startswith(b"data: {")]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    assert [delta["tool_calls"] for delta in deltas if "tool_calls" in delta] == [[{"index": 0, **wanted}]]


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        ({"type": "array", "items": {"$ref": "#/$defs/A"}, "$defs": {"A": {"type": "integer"}}}, [1, 2]),
        ({"anyOf": [{"type": "string"}, {"type": "object", "properties": {}}]}, "so"),
        ({"type": "integer"}, 4),
        ({"type": "object", "properties": {"a": {"type": "integer"}}}, {"a": 1}),
    ],
)
def test_an_answer_that_is_no_object_comes_through_a_tool_of_ours(schema: dict[str, Any], answer: Any) -> None:
    body = {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}}
    to = sent("openai-chat", model("anthropic-messages", "claude-3-haiku-20240307"), **body)
    [tool] = json.loads(to.body)["tools"]
    assert tool["input_schema"]["type"] == "object"
    assert tool["input_schema"].get("$defs") == schema.get("$defs")
    assert "response_format.schema" not in dropped(to)
    given = answer if schema.get("type") == "object" else {to.answer_field: answer}
    content = [{"type": "tool_use", "id": "toolu_1", "name": tool["name"], "input": given}]
    said = {"id": "a", "type": "message", "role": "assistant", "model": "m", "content": content}
    said |= {"stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 1}}
    choice = heard("openai-chat", "anthropic-messages", said, to, **body)["choices"][0]
    assert (json.loads(choice["message"]["content"]), choice["finish_reason"]) == (answer, "stop")
    trip = Trip(incoming=asked("openai-chat", stream=True, **body), outgoing=to)
    way = DIALECTS.passages.between("openai-chat", "anthropic-messages")
    _, out = way.relay_whole(json.dumps(said).encode(), trip)
    chunks = [json.loads(line[6:]) for line in out.split(b"\n\n") if line.startswith(b"data: {")]
    text = "".join(one["choices"][0]["delta"].get("content") or "" for one in chunks if one["choices"])
    assert json.loads(text) == answer


def test_a_tool_of_ours_has_a_name_of_its_own() -> None:
    function = {"name": "give_final_answer", "parameters": {"type": "object", "properties": {}}}
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object", "properties": {}}}}
    to = model("anthropic-messages", "claude-3-haiku-20240307")
    outgoing = sent("openai-chat", to, tools=[{"type": "function", "function": function}], response_format=form)
    names = [tool["name"] for tool in json.loads(outgoing.body)["tools"]]
    assert len(set(names)) == 2
    assert outgoing.answer_tool == names[1] != "give_final_answer"
