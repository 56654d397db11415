"""The judge itself: what is carried wrong is seen, feature by feature."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from pointsman.core.chat import (
    Answer,
    AnswerStart,
    BlockEnd,
    BlockStart,
    ChoiceEnd,
    Citation,
    Delta,
    Encoded,
    Event,
    Text,
)
from pointsman.core.errors import UpstreamRefused
from pointsman.core.usage import Usage
from pointsman.wire.openai_chat import OpenAIChat
from pointsman.wire.streams import StreamReader, StreamWriter
from pointsman.wire.trip import Incoming, Outgoing
from wire.across import sdk
from wire.across.asks_judge import AskJudge
from wire.across.judge import CROSSED, Judge

_USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 9,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 8},
    "completion_tokens_details": {"reasoning_tokens": 4},
}
_CALLS = [
    {"id": f"call_{at}", "type": "function", "function": {"name": name, "arguments": json.dumps({"at": at})}}
    for at, name in enumerate(("ring", "wait"))
]
_NOTE = {
    "type": "url_citation",
    "url_citation": {"url": "https://a.example", "title": "A", "start_index": 0, "end_index": 4},
}
_MESSAGE = {
    "role": "assistant",
    "content": "Wind and tide.",
    "reasoning_content": "Hm.",
    "annotations": [_NOTE],
    "tool_calls": _CALLS,
}
_HEAD = {"id": "a", "created": 1, "model": "m"}


def _record(**response: Any) -> dict[str, Any]:
    return {"id": "0" * 16, "dialect": "openai-chat", "response": {"status": 200, "headers": {}, **response}}


def _whole() -> dict[str, Any]:
    choice = {"index": 0, "message": _MESSAGE, "finish_reason": "tool_calls"}
    return _record(body={**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _USAGE})


def _stream() -> dict[str, Any]:
    deltas = [
        {"role": "assistant", "reasoning_content": "Hm."},
        {"content": "Wind and "},
        {"content": "tide."},
        {"annotations": [_NOTE]},
        *({"tool_calls": [{"index": at, **call}]} for at, call in enumerate(_CALLS)),
    ]
    chunks = [{**_HEAD, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({**_HEAD, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    chunks.append({**_HEAD, "choices": [], "usage": _USAGE})
    return _record(sse="".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n")


def _broken(dialect: OpenAIChat, record: dict[str, Any]) -> set[str]:
    found = [one for one in Judge([dialect]).judge(record) if one.case.caller == CROSSED]
    return {difference.feature for one in found for difference in one.differences}


def test_what_is_right_passes() -> None:
    for record in (_whole(), _stream()):
        assert [one for one in Judge([OpenAIChat()]).judge(record) if one.differences] == []


def _changing(change: Callable[[Answer], Answer]) -> OpenAIChat:
    """A dialect whose whole answers for callers are changed."""

    class Changed(OpenAIChat):
        def write_answer(self, answer: Answer, incoming: Incoming) -> Encoded:
            return super().write_answer(change(answer), incoming)

    return Changed()


def _replaced(answer: Answer, **fields: Any) -> Answer:
    """An answer with something of its one choice replaced."""
    return msgspec.structs.replace(answer, choices=(msgspec.structs.replace(answer.choices[0], **fields),))


def _without(kind: str) -> Callable[[Answer], Answer]:
    def change(answer: Answer) -> Answer:
        kept = tuple(block for block in answer.choices[0].blocks if type(block).__name__ != kind)
        return _replaced(answer, blocks=kept)

    return change


def _uncited(answer: Answer) -> Answer:
    blocks = answer.choices[0].blocks
    bare = [msgspec.structs.replace(one, citations=()) if isinstance(one, Text) else one for one in blocks]
    return _replaced(answer, blocks=tuple(bare))


def _misplaced(answer: Answer) -> Answer:
    note = Citation(url="https://a.example", start=5, end=8)
    blocks = answer.choices[0].blocks
    moved = [msgspec.structs.replace(one, citations=(note,)) if isinstance(one, Text) else one for one in blocks]
    return _replaced(answer, blocks=tuple(moved))


@pytest.mark.parametrize(
    ("change", "feature"),
    [
        (_without("Text"), "text"),
        (_without("Reasoning"), "reasoning"),
        (_without("ToolCall"), "tool calls"),
        (_uncited, "citations"),
        (_misplaced, "spans"),
        (lambda answer: _replaced(answer, finish="length"), "finish"),
        (lambda answer: _replaced(answer, finish="stop"), "form"),
        (lambda answer: _replaced(answer, index=1), "form"),
        (lambda answer: msgspec.structs.replace(answer, choices=()), "choices"),
        (lambda answer: msgspec.structs.replace(answer, id=""), "form"),
        (lambda answer: msgspec.structs.replace(answer, usage=Usage(input=12, output=9, reasoning=4)), "usage"),
        (lambda answer: msgspec.structs.replace(answer, usage=None), "usage"),
        (lambda answer: answer.choices[7], "form"),
    ],
)
def test_a_change_of_a_whole_answer_is_seen(change: Callable[[Answer], Answer], feature: str) -> None:
    assert feature in _broken(_changing(change), _whole())


class _Writer:
    """A writer that changes events, and the bytes of the end."""

    def __init__(self, inner: StreamWriter, change: Any, end: Any) -> None:
        self._inner, self._change, self._end = inner, change, end

    def write(self, events: Sequence[Event]) -> bytes:
        return self._inner.write([one for event in events for one in self._change(event)])

    def close(self, usage: Usage | None, cost: int | None) -> bytes:
        return bytes(self._end(self._inner.close(usage, cost)))


def _streaming(change: Any = lambda event: [event], end: Any = lambda data: data) -> OpenAIChat:
    class Changed(OpenAIChat):
        def writer(self, incoming: Incoming) -> StreamWriter:
            return _Writer(super().writer(incoming), change, end)

    return Changed()


def _no_deltas(field: str) -> Callable[[Event], list[Event]]:
    return lambda event: [] if isinstance(event, Delta) and event.field == field else [event]


def _uncite(event: Event) -> list[Event]:
    return [msgspec.structs.replace(event, citations=()) if isinstance(event, BlockEnd) else event]


def _renamed(event: Event) -> list[Event]:
    if isinstance(event, BlockStart) and hasattr(event.block, "name"):
        return [msgspec.structs.replace(event, block=msgspec.structs.replace(event.block, name="other"))]
    return [event]


def _ended_badly(event: Event) -> list[Event]:
    return [msgspec.structs.replace(event, finish="length")] if isinstance(event, ChoiceEnd) else [event]


def _twice(kind: type) -> Callable[[Event], list[Event]]:
    return lambda event: [event, event] if isinstance(event, kind) else [event]


def _late_head(event: Event) -> list[Event]:
    return [event, AnswerStart(id="b", model="m", created=1)] if isinstance(event, Delta) else [event]


@pytest.mark.parametrize(
    ("dialect", "feature"),
    [
        (_streaming(_no_deltas("text")), "text"),
        (_streaming(_no_deltas("arguments")), "tool calls"),
        (_streaming(_renamed), "tool calls"),
        (_streaming(_uncite), "citations"),
        (_streaming(_ended_badly), "finish"),
        (_streaming(_twice(ChoiceEnd)), "form"),
        (_streaming(_twice(Delta)), "text"),
        (_streaming(_late_head), "form"),
        (_streaming(end=lambda data: data.replace(b"data: [DONE]\n\n", b"")), "form"),
        (_streaming(end=lambda data: data + data), "form"),
        (_streaming(end=lambda data: data.replace(b'"prompt_tokens":20', b'"prompt_tokens":12')), "usage"),
        (_streaming(end=lambda data: data.split(b"\n\n", 1)[1]), "usage"),
        (_streaming(end=lambda data: data[:-1]), "form"),
    ],
)
def test_a_change_of_a_stream_is_seen(dialect: OpenAIChat, feature: str) -> None:
    assert feature in _broken(dialect, _stream())


def test_a_reader_that_depends_on_the_split_is_seen() -> None:
    class Split(OpenAIChat):
        def reader(self, outgoing: Outgoing) -> StreamReader:
            inner = super().reader(outgoing)

            class Reader:
                done = False

                def feed(self, chunk: bytes) -> list[Event]:
                    return inner.feed(chunk.replace(b"tide", b"time"))

                def close(self) -> list[Event]:
                    return inner.close()

            return Reader()

    assert _broken(Split(), _stream()) & {"splits", "text"}


def test_a_stream_that_was_cut_and_is_ended_is_seen() -> None:
    record = _stream()
    record["response"]["sse"] = record["response"]["sse"][:300]

    class Lenient(OpenAIChat):
        def reader(self, outgoing: Outgoing) -> StreamReader:
            inner = super().reader(outgoing)

            class Reader:
                done = False
                feed = inner.feed

                def close(self) -> list[Event]:
                    return [ChoiceEnd(finish="stop")]

            return Reader()

    assert _broken(OpenAIChat(), record) == set()
    assert "error" in _broken(Lenient(), record)


def test_an_error_with_another_status_or_another_text_is_seen() -> None:
    record = _record(body={"error": {"message": "No such ship.", "type": "invalid_request_error"}})
    record["response"]["status"] = 404

    class Wrong(OpenAIChat):
        def read_error(self, *_: Any) -> UpstreamRefused:
            return UpstreamRefused("Something went wrong.", status=500)

    assert _broken(OpenAIChat(), record) == set()
    assert "error" in _broken(Wrong(), record)


def test_openais_types_say_what_is_missing() -> None:
    assert sdk.whole("openai-chat", {"id": "a"})
    assert sdk.event("openai-responses", {"type": "response.output_text.delta", "delta": 7})
    assert sdk.whole("gemini", {"anything": True}) == []


_ASKED = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Ring twice."},
        {"role": "assistant", "content": None, "tool_calls": _CALLS},
        {"role": "tool", "tool_call_id": "call_0", "content": "done"},
        {"role": "tool", "tool_call_id": "call_1", "content": "waited"},
    ],
    "tools": [{"type": "function", "function": {"name": "ring", "parameters": {"type": "object"}}}],
    "tool_choice": "required",
    "temperature": 0.5,
    "stop": "END",
}


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("system", lambda body: body["messages"].pop(0)),
        ("turns", lambda body: body["messages"].pop()),
        ("turns", lambda body: body["messages"][3].update(tool_call_id="call_1")),
        ("tools", lambda body: body["tools"][0]["function"].update(name="bell")),
        ("tools", lambda body: body["tools"][0]["function"].update(description="More.")),
        ("tool choice", lambda body: body.update(tool_choice="none")),
        ("temperature", lambda body: body.update(temperature=0.7)),
        ("stop", lambda body: body.pop("stop")),
        ("max_tokens", lambda body: body.update(max_tokens=5)),
    ],
)
def test_a_change_of_a_request_is_seen(field: str, change: Callable[[dict[str, Any]], Any]) -> None:
    class Changed(OpenAIChat):
        name = "openai-chat"

        def from_core(self, request: Any, model: Any) -> Outgoing:
            outgoing = super().from_core(request, model)
            body = json.loads(outgoing.body)
            change(body)
            return msgspec.structs.replace(outgoing, body=json.dumps(body).encode())

    record = {"id": "0" * 16, "dialect": "openai-chat", "stream": False, "request": {"body": _ASKED}}
    honest, wrong = OpenAIChat(), Changed()
    assert [one.reason for one in AskJudge([honest]).between(record, honest, honest) if one.reason] == []
    assert field in {one.field for one in AskJudge([honest]).between(record, honest, wrong) if one.reason}
