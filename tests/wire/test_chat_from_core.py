"""Core values as chat writes them, for providers and for callers: what it has no place for is named."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pointsman.core.chat import (
    Answer,
    Choice,
    Extras,
    Message,
    Reasoning,
    Request,
    Text,
    ToolCall,
    ToolResult,
)
from pointsman.core.model import Model, Provider
from pointsman.wire.events import events_of
from pointsman.wire.mistral_chat import MistralChat
from pointsman.wire.openai_chat import OpenAIChat
from pointsman.wire.raw import dump
from pointsman.wire.trip import Incoming

SEALED = (Extras(dialect="gemini", fields={"thoughtSignature": dump("c2ln")}),)
FUNCTIONS = [{"name": "f", "parameters": {"type": "object"}}]


def sent(*messages: Message, dialect: OpenAIChat | None = None, **more: Any) -> tuple[dict[str, Any], set[str]]:
    dialect = dialect or OpenAIChat()
    provider = Provider(name="p", dialect=dialect.name, base_url="http://x/v1")
    outgoing = dialect.from_core(
        Request(model="m", messages=messages, **more), Model(name="m", provider=provider, upstream="m")
    )
    return json.loads(outgoing.body), {one.path for one in outgoing.dropped}


def asked(**fields: Any) -> Incoming:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    return OpenAIChat().read_request(json.dumps(body).encode(), "chat.completions")


def answer(*blocks: Any, finish: Any = "stop", **more: Any) -> Answer:
    return Answer(id="a", model="m", choices=(Choice(blocks=blocks, finish=finish, **more),))


def chunks(value: Answer, incoming: Incoming) -> list[dict[str, Any]]:
    writer = OpenAIChat().writer(incoming)
    lines = (writer.write(events_of(value)) + writer.close(None, None)).split(b"\n\n")
    return [json.loads(line[6:]) for line in lines if line and line != b"data: [DONE]"]


@pytest.mark.parametrize("texts", [["no", " such city"], ["no such city"]])
def test_a_failed_tool_is_told_whatever_its_result_is_made_of(texts: list[str]) -> None:
    content = tuple(Text(text=text) for text in texts)
    body, _ = sent(Message(role="tool", blocks=(ToolResult(call_id="c", content=content, is_error=True),)))
    assert json.dumps(body["messages"][0]["content"]).count("Error:") == 1


def test_what_belongs_to_a_result_alone_is_named() -> None:
    extras = (Extras(dialect="gemini", fields={"functionResponse.scheduling": dump("SILENT")}),)
    _, lost = sent(Message(role="tool", blocks=(ToolResult(call_id="c", extras=extras),)))
    assert lost == {"messages[0].functionResponse.scheduling"}


def test_tools_that_were_called_and_are_no_longer_offered_have_names_that_chat_takes() -> None:
    body, _ = sent(Message(role="assistant", blocks=(ToolCall(id="c", name="my.tool"),)))
    name = body["messages"][0]["tool_calls"][0]["function"]["name"]
    assert name.startswith("my_tool_")
    assert "." not in name


def test_what_mistral_does_not_take_of_a_turn_is_named() -> None:
    turn = Message(role="assistant", name="Bob", blocks=(Reasoning(text="hm"), Text(text="Hi")))
    body, lost = sent(turn, Message(role="user"), dialect=MistralChat())
    assert body["messages"][0] == {"role": "assistant", "content": "Hi"}
    assert lost == {"messages[0].name", "messages[0].thinking"}


def test_empty_fields_that_clients_send_back_are_not_lost() -> None:
    turn: dict[str, Any] = {
        "role": "assistant",
        "content": "Hi",
        "audio": None,
        "annotations": [],
        "function_call": None,
    }
    request = OpenAIChat().to_core(asked(messages=[{"role": "user", "content": "Hi"}, turn]))
    assert request.messages[1].extras == ()


def test_what_only_others_say_of_an_answer_is_named() -> None:
    rated = (Extras(dialect="gemini", fields={"safetyRatings": dump([])}),)
    value = answer(Text(text="Hi", extras=SEALED), ToolCall(id="c", name="f", extras=SEALED), extras=rated)
    value = msgspec.structs.replace(value, extras=(Extras(dialect="gemini", fields={"promptFeedback": dump({})}),))
    encoded = OpenAIChat().write_answer(value, asked())
    assert {one.path for one in encoded.dropped} == {
        "promptFeedback",
        "choices[0].safetyRatings",
        "choices.message.thoughtSignature",
    }
    call = json.loads(encoded.body)["choices"][0]["message"]["tool_calls"][0]
    assert call["extra_content"] == {"google": {"thought_signature": "c2ln"}}
    assert chunks(value, asked(stream=True))[-1]["pointsman_metadata"] == {
        "dropped": ["choices.message.thoughtSignature"]
    }


def test_who_offers_functions_reads_one_function_call_whole_and_streamed() -> None:
    calls = (ToolCall(id="c", name="f", arguments='{"a":1}'), ToolCall(id="d", name="f"))
    value = answer(*calls, finish="tool_calls")
    encoded = OpenAIChat().write_answer(value, asked(functions=FUNCTIONS))
    choice = json.loads(encoded.body)["choices"][0]
    assert choice["message"]["function_call"] == {"name": "f", "arguments": '{"a":1}'}
    assert choice["finish_reason"] == "function_call"
    reason = "who offers `functions` is told one call"
    assert [one.reason for one in encoded.dropped] == [reason]
    events = chunks(value, asked(functions=FUNCTIONS, stream=True))
    deltas = [one["choices"][0]["delta"] for one in events]
    assert [delta["function_call"] for delta in deltas if "function_call" in delta] == [
        {"name": "f", "arguments": ""},
        {"arguments": '{"a":1}'},
    ]
    assert not any("tool_calls" in delta for delta in deltas)
    assert events[-1]["choices"][0]["finish_reason"] == "function_call"
    assert events[-1]["pointsman_metadata"] == {"dropped": [reason]}
