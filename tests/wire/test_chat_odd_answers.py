"""Habits of chat servers that the way to another dialect has to survive, each seen in a recording."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pointsman.core.chat import Answer, Text, ToolCall
from pointsman.wire.events import Assembly
from pointsman.wire.openai_chat import OpenAIChat
from pointsman.wire.openai_chat.usage import usage_of
from pointsman.wire.passage import Crossing
from pointsman.wire.trip import Incoming, Outgoing, Trip

_SENT = Outgoing(path="/", body=b"")
_NOW = 1_700_000_000_000_000_000


def _asked(dialect: OpenAIChat, *, stream: bool = False) -> Incoming:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
    return dialect.read_request(json.dumps(body).encode(), "chat.completions")


def _whole(dialect: OpenAIChat, message: dict[str, Any], **beside: Any) -> Answer:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    body = {"id": "a", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], **beside}
    return dialect.read_whole(json.dumps(body).encode(), _SENT)


def _streamed(dialect: OpenAIChat, *deltas: dict[str, Any], **beside: Any) -> Answer:
    chunks = [{"id": "a", "created": 1, "model": "m", "choices": [{"index": 0, **delta}], **beside} for delta in deltas]
    data = b"".join(b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in chunks) + b"data: [DONE]\n\n"
    reader, whole = dialect.reader(_SENT), Assembly()
    whole.add([*reader.feed(data), *reader.close()])
    return whole.answer()


def _text(answer: Answer) -> str:
    return "".join(block.text for block in answer.choices[0].blocks if isinstance(block, Text))


def _cited(answer: Answer) -> list[str]:
    return [note.url for block in answer.choices[0].blocks if isinstance(block, Text) for note in block.citations]


def test_a_delta_that_is_repeated_as_text_is_said_once(dialect: OpenAIChat) -> None:
    answer = _streamed(dialect, {"delta": {"content": "Hi"}, "text": "Hi"}, {"delta": {}, "finish_reason": "stop"})
    assert _text(answer) == "Hi"


def test_a_function_call_without_a_name_is_none(dialect: OpenAIChat) -> None:
    empty = {"content": "4", "function_call": {"name": "", "arguments": ""}}
    for answer in (_whole(dialect, empty), _streamed(dialect, {"delta": empty, "finish_reason": "stop"})):
        assert not any(isinstance(block, ToolCall) for block in answer.choices[0].blocks)
        assert answer.choices[0].finish == "stop"


def test_pages_named_beside_the_choices_are_cited(dialect: OpenAIChat) -> None:
    pages = ["https://a.example", "https://b.example"]
    assert _cited(_whole(dialect, {"content": "So [1]."}, citations=pages)) == pages
    assert _cited(_streamed(dialect, {"delta": {"content": "So"}, "finish_reason": "stop"}, citations=pages)) == pages


def test_a_page_that_is_annotated_and_named_is_cited_once(dialect: OpenAIChat) -> None:
    note = {"type": "url_citation", "url_citation": {"url": "https://a.example", "start_index": 0, "end_index": 2}}
    answer = _whole(dialect, {"content": "So.", "annotations": [note]}, citations=["https://a.example"])
    assert _cited(answer) == ["https://a.example"]


def test_a_spoken_answer_has_its_words(dialect: OpenAIChat) -> None:
    spoken = {"content": None, "audio": {"id": "s", "transcript": "Hello", "data": "AAAA"}}
    assert _text(_whole(dialect, spoken)) == "Hello"
    pieces = ({"delta": {"audio": {"transcript": "Hel"}}}, {"delta": {"audio": {"transcript": "lo", "data": "AA"}}})
    assert _text(_streamed(dialect, *pieces)) == "Hello"


def test_sound_is_lost_by_name(dialect: OpenAIChat) -> None:
    answer = _whole(dialect, {"content": None, "audio": {"transcript": "Hello", "data": "AAAA"}})
    incoming = dialect.read_request(
        b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}]}', "chat.completions"
    )
    assert [one.reason for one in dialect.write_answer(answer, incoming).dropped] == ["chat has no place for `audio`"]


def test_a_call_of_a_custom_tool_is_lost_by_name(dialect: OpenAIChat) -> None:
    call = {"index": 0, "id": "c-1", "type": "custom", "custom": {"name": "shell", "input": "ls"}}
    streamed = _streamed(dialect, {"delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"})
    whole = _whole(dialect, {"content": None, "tool_calls": [call]})
    for answer in (streamed, whole):
        assert [one.path for one in dialect.write_answer(answer, _asked(dialect)).dropped] == ["choices.message"]


def test_content_that_is_an_object_is_its_json(dialect: OpenAIChat) -> None:
    assert json.loads(_text(_whole(dialect, {"content": {"age": 32}}))) == {"age": 32}


def test_a_whole_answer_with_a_delta_beside_it_is_streamed_whole(dialect: OpenAIChat) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "delta": {"content": ""}}
    body = json.dumps({"id": "a", "choices": [{**choice, "finish_reason": "stop"}]}).encode()
    incoming = dialect.read_request(
        b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": true}', "chat.completions"
    )
    first = json.loads(dialect.as_stream(body, incoming).split(b"\n\n")[0].removeprefix(b"data: "))
    assert first["choices"][0]["delta"]["content"] == "Hi"


@pytest.mark.parametrize(
    ("raw", "counted"),
    [
        ({"prompt_tokens": 64, "completion_tokens": 6, "total_tokens": 70, "num_cached_tokens": 32}, (64, 32, 6, 0)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 248,
                "total_tokens": 632,
                "prompt_tokens_details": {"audio_tokens": 375},
            },
            (384, 0, 248, 0),
        ),
    ],
    ids=["Mistral's name for cached", "Mistral's sound beside the prompt"],
)
def test_mistrals_sums(raw: dict[str, Any], counted: tuple[int, ...]) -> None:
    usage = usage_of(raw)
    assert usage is not None
    assert (usage.input, usage.cache_read, usage.output, usage.reasoning) == counted


def test_a_stream_without_id_or_time_gets_both_also_behind_a_comment(dialect: OpenAIChat) -> None:
    incoming = dialect.read_request(
        b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": true}', "chat.completions"
    )
    relay = Crossing(dialect, dialect).relay(Trip(incoming=incoming, outgoing=_SENT, now=_NOW))
    chunk = {"id": "", "created": 0, "choices": [{"index": 0, "delta": {"content": "4"}, "finish_reason": "stop"}]}
    out = relay.feed(b": wait\n\ndata: %s\n\ndata: [DONE]\n\n" % json.dumps(chunk).encode()) + relay.close()
    first = json.loads(next(line for line in out.split(b"\n") if line.startswith(b"data:"))[6:])
    assert first["created"] == _NOW // 1_000_000_000
    assert first["id"]
    assert relay.facts.id == first["id"]
