from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzzing import examples
from pointsman.core.chat import Alive, AnswerStart, ChoiceEnd, Citation, Delta, Opaque, Reasoning, Text, ToolCall
from pointsman.core.errors import PointsmanError, UpstreamCut, UpstreamGarbage, UpstreamRefused
from pointsman.wire.events import Assembly
from pointsman.wire.openai_responses import OpenAIResponses
from pointsman.wire.trip import Outgoing

OUTGOING = Outgoing(path="", body=b"", tool_names={"f_1": "f.1"})


def event(kind: str, **fields: Any) -> bytes:
    data = json.dumps({"type": kind, "sequence_number": 1, **fields})
    return f"event: {kind}\ndata: {data}\n\n".encode()


def response(kind: str, status: str, **fields: Any) -> bytes:
    head = {"id": "resp_1", "object": "response", "created_at": 7.5, "status": status, "model": "m-1", "output": []}
    return event(f"response.{kind}", response={**head, "error": None, "usage": None, **fields})


BEGUN = response("created", "in_progress") + response("in_progress", "in_progress")
ENDED = response("completed", "completed", usage={"input_tokens": 3, "output_tokens": 2, "total_tokens": 5})


def item(kind: str, index: int, **fields: Any) -> bytes:
    return event(f"response.output_item.{kind}", output_index=index, item=fields)


def text(delta: str, index: int = 0, part: int = 0, **more: Any) -> bytes:
    where = {"item_id": "msg_1", "output_index": index, "content_index": part}
    return event("response.output_text.delta", **where, delta=delta, **more)


def read(*parts: bytes, size: int = 1 << 20):
    reader, events = OpenAIResponses().reader(OUTGOING), []
    data = b"".join(parts)
    for at in range(0, len(data), size):
        events += reader.feed(data[at : at + size])
    return [*events, *reader.close()]


def answer_of(*parts: bytes):
    assembly = Assembly()
    assembly.add(read(*parts))
    return assembly.answer()


def blocks_of(*parts: bytes):
    return answer_of(BEGUN, *parts, ENDED).choices[0].blocks


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_an_ordinary_stream(size):
    added = item("added", 0, type="message", id="msg_1", role="assistant", content=[])
    events = read(BEGUN, added, text("Hel"), text("lo"), ENDED, size=size)
    assert next(one for one in events if not isinstance(one, Alive)) == AnswerStart(id="resp_1", model="m-1", created=7)
    assert [one.text for one in events if isinstance(one, Delta)] == ["Hel", "lo"]
    assert [one for one in events if isinstance(one, ChoiceEnd)] == [ChoiceEnd(finish="stop", finish_raw="completed")]
    assert answer_of(BEGUN, added, text("Hel"), text("lo"), ENDED).usage.input == 3


def test_only_finished_items():
    """Some servers send no deltas."""
    said = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}
    call = {"type": "function_call", "id": "fc", "call_id": "c", "name": "f_1", "arguments": '{"a":1}'}
    assert blocks_of(item("done", 0, **said), item("done", 1, **call)) == (
        Text(text="hi"),
        ToolCall(id="c", name="f.1", arguments='{"a":1}'),
    )


def test_only_the_response():
    said = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}
    last = response("completed", "completed", output=[said])
    assert answer_of(last).choices[0].blocks == (Text(text="hi"),)
    assert answer_of(BEGUN, last).choices[0].finish == "stop"


def test_what_had_been_told_is_not_told_again():
    said = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "Hello!"}]}
    last = response("completed", "completed", output=[said])
    assert answer_of(BEGUN, text("Hel"), text("lo"), item("done", 0, **said), last).choices[0].blocks == (
        Text(text="Hello!"),
    )
    assert answer_of(BEGUN, text("Hello!"), last).choices[0].blocks == (Text(text="Hello!"),)


def test_a_response_without_its_output_keeps_what_came():
    assert blocks_of(text("hi")) == (Text(text="hi"),)


def test_calls_are_told_at_once_and_in_parallel():
    call = {"type": "function_call", "id": "fc", "name": "f_1", "arguments": ""}
    deltas = [
        event("response.function_call_arguments.delta", output_index=at, delta=delta)
        for delta in ('{"a"', ":1}")
        for at in (1, 2)
    ]
    parts = [item("added", at, **call, call_id=f"c{at}") for at in (1, 2)] + deltas
    choice = answer_of(BEGUN, *parts, ENDED).choices[0]
    assert choice.blocks == tuple(ToolCall(id=f"c{at}", name="f.1", arguments='{"a":1}') for at in (1, 2))
    assert choice.finish == "tool_calls"
    began = [one.block for one in read(BEGUN, *parts, ENDED) if getattr(one, "block", None)]
    assert began == [ToolCall(id=f"c{at}", name="f.1", arguments="") for at in (1, 2)]


def test_a_call_without_arguments():
    call = {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": ""}
    assert blocks_of(item("added", 0, **call)) == (ToolCall(id="c", name="f", arguments="{}"),)
    assert blocks_of(item("added", 0, **call), item("done", 0, **call)) == (ToolCall(id="c", name="f", arguments="{}"),)


def test_thinking_in_paragraphs_with_its_seal_at_the_end():
    def part(at: int, delta: str) -> bytes:
        return event("response.reasoning_summary_text.delta", output_index=0, summary_index=at, delta=delta)

    summary = [{"type": "summary_text", "text": "one two"}, {"type": "summary_text", "text": "three"}]
    done = {"type": "reasoning", "id": "rs", "summary": summary, "encrypted_content": "new"}
    began = item("added", 0, type="reasoning", id="rs", summary=[], encrypted_content="old")
    parts = [began, part(0, "one"), part(0, " two"), part(1, "three"), item("done", 0, **done)]
    wanted = Reasoning(text="one two\n\nthree", encrypted="new", summary=True, maker="openai-responses/m-1")
    assert blocks_of(*parts) == (wanted,)
    plain = event("response.reasoning_text.delta", output_index=0, content_index=0, delta="hm")
    assert blocks_of(plain) == (Reasoning(text="hm", maker="openai-responses/m-1"),)
    both = {**done, "content": [{"type": "reasoning_text", "text": "hm"}]}
    assert [block.text for block in blocks_of(part(0, "one"), plain, item("done", 0, **both))] == [
        "one two\n\nthree",
        "hm",
    ]


def test_citations_and_log_probabilities():
    note = {"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 2}
    told = event("response.output_text.annotation.added", output_index=0, content_index=0, annotation=note)
    token = {"token": "hi", "logprob": -0.1, "top_logprobs": []}
    answer = answer_of(BEGUN, text("hi", logprobs=[token]), told, ENDED)
    assert answer.choices[0].blocks[0].citations == (Citation(url="https://a", title="A", start=0, end=2),)
    assert json.loads(bytes(answer.choices[0].logprobs)) == {"content": [token]}
    part = {"type": "output_text", "text": "hi", "annotations": [note], "logprobs": [token]}
    done = item("done", 0, type="message", id="m", content=[part])
    assert answer_of(BEGUN, text("hi", logprobs=[token]), told, done, ENDED) == answer
    assert answer_of(BEGUN, text("hi"), done, ENDED) == answer


def test_server_tools_come_whole_and_their_progress_is_a_sign_of_life():
    call = {"type": "web_search_call", "id": "ws", "status": "completed"}
    parts = [
        item("added", 0, **call),
        event("response.web_search_call.searching", output_index=0),
        item("done", 0, **call),
    ]
    (block,) = blocks_of(*parts)
    assert isinstance(block, Opaque)
    assert any(isinstance(one, Alive) for one in read(BEGUN, *parts, ENDED)[3:5])
    for alive in (b": ping\n\n", event("keepalive"), event("ping")):
        assert [one for one in read(BEGUN, alive, ENDED) if isinstance(one, Alive)]


@pytest.mark.parametrize(
    "failure",
    [
        response("failed", "failed", error={"code": "rate_limit_exceeded", "message": "Slow down"}),
        event("error", code="rate_limit_exceeded", message="Slow down"),
        event("error", error={"code": "rate_limit_exceeded", "message": "Slow down"}),
        b'data: {"type":"error","code":"rate_limit_exceeded","message":"Slow down"}\n\n',
        b'event: error\ndata: {"code":"rate_limit_exceeded","message":"Slow down"}\n\n',
    ],
)
def test_failures(failure):
    with pytest.raises(UpstreamRefused, match="Slow down") as error:
        read(BEGUN, text("a"), failure)
    assert error.value.kind == "rate_limit_exceeded"
    with pytest.raises(UpstreamRefused):
        read(response("failed", "failed", error=None))


def test_ends():
    for parts in ((), (BEGUN,), (BEGUN, text("a")), (BEGUN, text("a"), ENDED[:-20]), (BEGUN, b"data: [DONE]\n\n")):
        with pytest.raises(UpstreamCut):
            read(*parts)
    assert read(BEGUN, text("a"), ENDED.rstrip())[-1]
    cut = response("incomplete", "incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert answer_of(BEGUN, text("a"), cut).choices[0].finish == "length"
    with pytest.raises(UpstreamRefused):
        read(b'{"error":{"message":"no"}}')
    with pytest.raises(UpstreamGarbage):
        read(b"data: [1]\n\n")


def test_openrouter_names_no_events():
    data = (BEGUN + text("hi") + ENDED).replace(b"event: ", b": ") + b"data: [DONE]\n\n"
    assert answer_of(data).choices[0].blocks == (Text(text="hi"),)


def test_halves_of_characters():
    half = text("half").replace(b"half", b"half \\ud83d")
    assert blocks_of(half) == (Text(text="half ?"),)
    assert blocks_of(text("half").replace(b"half", b"half \xff")) == (Text(text="half \ufffd"),)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
KINDS = [
    "response.created",
    "response.completed",
    "response.failed",
    "response.output_item.added",
    "response.output_item.done",
    "response.output_text.delta",
    "response.refusal.delta",
    "response.output_text.annotation.added",
    "response.function_call_arguments.delta",
    "response.reasoning_summary_text.delta",
    "error",
    "x",
]
ITEM = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "reasoning", "function_call", "image_generation_call", "x"]) | JSON},
    optional={
        "content": JSON | st.lists(st.dictionaries(st.sampled_from(["type", "text", "annotations"]), JSON), max_size=2),
        "summary": JSON,
        "arguments": JSON,
        "name": JSON | st.just("f"),
        "call_id": JSON,
        "encrypted_content": JSON,
        "result": JSON,
    },
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "response": JSON | st.fixed_dictionaries({"output": st.lists(ITEM, max_size=2)}),
        "item": ITEM | JSON,
        "delta": st.text(max_size=4) | JSON,
        "output_index": st.integers(0, 2) | JSON,
        "content_index": st.integers(0, 1) | JSON,
        "logprobs": JSON,
        "annotation": JSON,
        "error": JSON,
    },
)
EVENTS = st.builds(lambda kind, fields: event(kind, **fields), st.sampled_from(KINDS), FIELDS)


@settings(max_examples=examples(200))
@given(
    st.lists(EVENTS | st.sampled_from([BEGUN, text("a"), ENDED]) | st.binary(max_size=10), max_size=8),
    st.integers(1, 50),
)
def test_any_stream_keeps_the_rules_of_events_in_any_split(parts, size):
    """Blocks begin once, grow while they are open, all end before the choice does; the split changes nothing."""
    data = b"".join(parts)
    results = []
    for step in (size, len(data) or 1):
        reader, events, failure = OpenAIResponses().reader(OUTGOING), [], ""
        try:
            for at in range(0, len(data), step):
                events += reader.feed(data[at : at + step])
            events += reader.close()
        except PointsmanError as error:
            failure = type(error).__name__
        check_rules(events, whole=not failure)
        results.append((failure, events if not failure else []))
        writer = OpenAIResponses().writer(OpenAIResponses().read_request(b'{"model":"m","input":"x"}', "responses"))
        writer.write(events)
        if not failure:
            writer.close(None, None)
    assert results[0] == results[1]


def check_rules(events: list[Any], *, whole: bool) -> None:
    begun, open_, heads, ends = set(), set(), 0, 0
    for one in events:
        match type(one).__name__:
            case "AnswerStart":
                heads += 1
                assert not begun
            case "BlockStart":
                assert heads == 1
                assert one.index not in begun
                begun.add(one.index)
                open_.add(one.index)
            case "Delta":
                assert one.index in open_
                assert not ends
            case "BlockEnd":
                open_.remove(one.index)
            case "ChoiceEnd":
                assert not open_
                ends += 1
    assert begun == set(range(len(begun)))
    assert heads <= 1
    if whole:
        assert (heads, ends) == (1, 1)
