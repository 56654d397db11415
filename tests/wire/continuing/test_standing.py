from __future__ import annotations

import json
import random
from typing import Any

import pytest

from pointsman.core.chat import (
    AnswerStart,
    BlockEnd,
    BlockStart,
    ChoiceEnd,
    Delta,
    Event,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from pointsman.core.usage import Usage
from pointsman.wire.raw import dump
from pointsman.wire.told import MOST, Told
from wire.continuing.second import ALL, CALLERS, PASSAGES, asking, gathered, saying, stands, straight, written

HEAD = AnswerStart(id="a-1", model="m-1", created=1_764_000_000)


def told_of(caller: str, *events: Event, **more: Any) -> bytes:
    """What a writer of ours told of some events."""
    return ALL[caller].writer(asking(caller, **more)).write([HEAD, *events])


def grown(block: Any, *texts: str, index: int = 0, field: Any = "text") -> list[Event]:
    return [BlockStart(index=index, block=block), *(Delta(index=index, field=field, text=text) for text in texts)]


@pytest.mark.parametrize("caller", CALLERS)
def test_what_was_told_is_known(caller):
    thoughts = [*grown(Reasoning(), "Hm, ", "well."), BlockEnd(index=0)]
    told = told_of(caller, *thoughts, *grown(Text(text=""), "Good ", "day", index=1))
    stand = stands(caller, told, asking(caller))
    assert (stand.text, stand.reasoning, stand.reason, stand.owed) == ("Good day", "Hm, well.", "", None)
    assert stand.id
    assert stand.tokens == len("Good dayHm, well.") // 4


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("over", [False, True])
def test_a_tool_call_is_not_gone_on_with(caller, over):
    call = grown(ToolCall(id="c1", name="look", arguments=""), '{"a":', "1}", index=1, field="arguments")
    end = [BlockEnd(index=1)] if over or caller == "gemini" else []  # Gemini tells calls whole
    told = told_of(caller, *grown(Text(text=""), "Well. "), BlockEnd(index=0), *call, *end)
    assert stands(caller, told, asking(caller)).reason == "a tool call has begun"


def test_a_call_whose_name_has_not_come_is_one():
    chunk = {"id": "c", "created": 1, "model": "m", "object": "chat.completion.chunk"}
    delta = {"content": "Well.", "tool_calls": [{"index": 0, "id": "call_1", "function": {"arguments": "{"}}]}
    data = json.dumps({**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}).encode()
    assert stands("openai-chat", b"data: " + data + b"\n\n", asking("openai-chat")).reason == "a tool call has begun"


def test_a_call_that_comes_in_pieces_is_one():
    call = {"name": "look", "partialArgs": [{"jsonPath": "$.a", "stringValue": "x"}], "willContinue": True}
    data = json.dumps({"candidates": [{"content": {"parts": [{"text": "Well."}, {"functionCall": call}]}}]}).encode()
    assert stands("gemini", b"data: " + data + b"\n\n", asking("gemini")).reason == "a tool call has begun"


@pytest.mark.parametrize("caller", ["openai-chat", "openai-responses"])
def test_a_refusal_is_not_gone_on_with(caller):
    told = told_of(caller, *grown(Refusal(text=""), "I will not"))
    assert stands(caller, told, asking(caller)).reason == "the model has declined"


@pytest.mark.parametrize("place", ["begun", "over"])
def test_what_runs_at_the_provider_is_not_gone_on_with(place):
    search = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {}}
    message = told_of("anthropic-messages", *grown(Text(text=""), "I look."), BlockEnd(index=0))
    start = {"type": "content_block_start", "index": 1, "content_block": search}
    told = message + b"event: content_block_start\ndata: " + json.dumps(start).encode() + b"\n\n"
    if place == "over":
        told += b'event: content_block_stop\ndata: {"type":"content_block_stop","index":1}\n\n'
    assert "only its own provider" in stands("anthropic-messages", told, asking("anthropic-messages")).reason


def test_an_item_of_the_provider_is_not_gone_on_with():
    raw = dump({"id": "ws_1", "type": "web_search_call", "status": "completed"})
    told = told_of("openai-responses", *grown(Opaque(dialect="openai-responses", kind="web_search_call", raw=raw)))
    assert "only its own provider" in stands("openai-responses", told, asking("openai-responses")).reason


@pytest.mark.parametrize(
    ("caller", "more", "why"),
    [
        ("openai-chat", {"n": 2}, "several answers"),
        ("openai-chat", {"logprobs": True}, "log probabilities"),
        ("openai-chat", {"modalities": ["text", "audio"], "audio": {"voice": "x", "format": "wav"}}, "sound"),
        ("openai-responses", {"top_logprobs": 2, "include": ["message.output_text.logprobs"]}, "log probabilities"),
        ("gemini", {"generationConfig": {"candidateCount": 2}}, "several answers"),
        ("gemini", {"generationConfig": {"responseLogprobs": True}}, "log probabilities"),
    ],
)
def test_requests_whose_answers_are_not_continued(caller, more, why):
    told = told_of(caller, *grown(Text(text=""), "Well"))
    assert why in stands(caller, told, asking(caller, **more)).reason


def test_more_than_is_remembered_is_not_continued():
    memory = Told()
    for _ in range(MOST // 1000 + 2):
        memory.add(b"x" * 1000)
    assert memory.over
    assert memory.whole() == b""
    assert "have been told" in PASSAGES.standing("openai-chat", memory, asking("openai-chat")).reason


def test_where_nobody_will_ask_it_is_only_known_that_something_was_told():
    memory = Told(0)
    memory.add(b"")
    assert not memory.begun
    memory.add(b"x")
    assert memory.begun
    assert memory.whole() == b""


def test_half_a_character_is_not_gone_on_with():
    def chunk(text: str) -> bytes:
        head = b'data: {"id":"c","created":1,"model":"m","object":"chat.completion.chunk","choices":[{"index":0,'
        return head + b'"delta":{"content":"' + text.encode() + b'"},"finish_reason":null}]}\n\n'

    half, whole = chunk("Oh \\ud83d"), chunk("Oh \\ud83d") + chunk("\\ude00 yes")
    assert "middle of a character" in stands("openai-chat", half, asking("openai-chat")).reason
    assert not stands("openai-chat", whole, asking("openai-chat")).reason


@pytest.mark.parametrize("caller", CALLERS)
def test_what_cannot_be_read_is_not_gone_on_with(caller):
    told = told_of(caller, *grown(Text(text=""), "Well")) + b"data: {broken\n\n"
    assert "cannot be read" in stands(caller, told, asking(caller)).reason


@pytest.mark.parametrize("name", ["embeddings", "nobody-speaks-this"])
def test_a_dialect_that_nobody_translates_is_not_continued(name):
    assert "not continued" in PASSAGES.standing(name, Told(), asking("openai-chat")).reason


OWED = {
    "openai-chat": b"data: [DONE]\n\n",
    "anthropic-messages": b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    "openai-responses": b"",
    "gemini": b"",
}


@pytest.mark.parametrize("caller", CALLERS)
def test_an_answer_that_was_told_to_its_end_only_needs_its_end_mark(caller):
    data = written(caller, saying("Good day.", random.Random(1), usage=Usage(input=3, output=2)), asking(caller))
    told = data.removesuffix(OWED[caller])
    assert len(data) - len(told) == len(OWED[caller])
    stand = stands(caller, told, asking(caller))
    assert (stand.owed, stand.reason, stand.text) == (OWED[caller], "", "Good day.")
    assert stands(caller, data, asking(caller)).owed == b""
    assert not gathered(caller, told + OWED[caller]).breaches


@pytest.mark.parametrize("caller", CALLERS)
def test_an_end_that_was_told_counts_though_tools_were_called(caller):
    call = grown(ToolCall(id="c1", name="look", arguments=""), "{}", field="arguments")
    events = [HEAD, *call, BlockEnd(index=0), ChoiceEnd(finish="tool_calls")]
    data = written(caller, events, asking(caller))
    assert stands(caller, data.removesuffix(OWED[caller]), asking(caller)).owed == OWED[caller]


def test_an_array_is_closed():
    incoming = asking("gemini", array=True)
    data = written("gemini", saying("Good day.", random.Random(1)), incoming)
    assert data.endswith(b"]")
    assert stands("gemini", data[:-1], incoming).owed == b"]"
    assert stands("gemini", data, incoming).owed == b""


def test_comments_between_the_events_say_nothing():
    told = told_of("openai-chat", *grown(Text(text=""), "Well"))
    stand = stands("openai-chat", b": OPENROUTER PROCESSING\n\n" + told + b": ping\n", asking("openai-chat"))
    assert (stand.text, stand.reason) == ("Well", "")


@pytest.mark.parametrize("caller", CALLERS)
def test_a_relay_never_tells_half_an_event(caller):
    data = written(caller, saying("Good day to you.", random.Random(1)), asking(caller))
    whole = {len(data[: at + 2]) for at in range(len(data)) if data[at : at + 2] == b"\n\n"} | {0}
    relay, told = straight(caller, asking(caller)), 0
    for at in range(len(data)):
        told += len(relay.feed(data[at : at + 1]))
        assert told in whole
