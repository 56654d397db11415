from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzzing import examples
from pointsman.core.errors import PointsmanError, UpstreamCut, UpstreamGarbage, UpstreamRefused
from pointsman.core.model import Price
from pointsman.wire.openai_responses import OpenAIResponses
from pointsman.wire.openai_responses.relay import ResponsesRelay

SIZES = (1, 7, 100_000)
USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 15,
}
DONE = b"data: [DONE]\n\n"


def event(kind: str, named: bool = True, **fields: Any) -> bytes:
    data = (
        b"data: " + json.dumps({"type": kind, "sequence_number": 1, **fields}, separators=(",", ":")).encode() + b"\n\n"
    )
    return b"event: " + kind.encode() + b"\n" + data if named else data


def response(status: str, **fields: Any) -> dict[str, Any]:
    head = {"id": "resp_1", "object": "response", "created_at": 7, "status": status, "model": "m-1"}
    return {**head, "error": None, "output": [], "usage": None, **fields}


def begun(named: bool = True) -> bytes:
    item = {"id": "msg_1", "type": "message", "status": "in_progress", "role": "assistant", "content": []}
    return (
        event("response.created", named, response=response("in_progress"))
        + event("response.in_progress", named, response=response("in_progress"))
        + event("response.output_item.added", named, output_index=0, item=item)
    )


def said(*words: str, named: bool = True) -> bytes:
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    return b"".join(event("response.output_text.delta", named, **where, delta=word, logprobs=[]) for word in words)


def ended(named: bool = True, **fields: Any) -> bytes:
    return event("response.completed", named, response=response("completed", **{"usage": USAGE, **fields}))


WORDS = ("Hel", "lo", " there", ",", " friend", "!")


@pytest.mark.parametrize("size", SIZES)
def test_an_ordinary_stream_goes_through_with_the_cost_at_its_end(asking, through, price, size):
    before, last = begun() + said(*WORDS), ended()
    got = through(ResponsesRelay(asking(), price), before + last, size)
    assert got.error is None
    assert got.out == before + last.replace(b'{"input_tokens":10', b'{"cost":0.00002,"input_tokens":10')
    assert (got.facts.id, got.facts.model, got.facts.finish) == ("resp_1", "m-1", "completed")
    assert (got.facts.usage.input, got.facts.usage.output) == (10, 5)


def test_without_a_price_or_with_the_providers_cost_nothing_changes(asking, through, price):
    data = begun() + said(*WORDS) + ended()
    assert through(ResponsesRelay(asking(), None), data, 7).out == data
    data = begun() + said(*WORDS) + ended(usage={**USAGE, "cost": 1})
    assert through(ResponsesRelay(asking(), price), data, 7).out == data


@pytest.mark.parametrize("size", SIZES)
def test_openrouter_says_done_and_names_no_events(asking, through, price, size):
    data = begun(False) + said(*WORDS, named=False) + ended(False) + DONE
    relay = ResponsesRelay(asking(), price)
    got = through(relay, data, size)
    assert got.error is None
    assert got.out.endswith(DONE)
    assert got.out.count(b'"cost"') == 1
    assert relay.done
    assert (
        through(ResponsesRelay(asking(), None), begun(False) + said("a", named=False) + ended(False), size).error
        is None
    )


def test_named_streams_end_with_their_last_event(asking, through):
    data = begun() + said(*WORDS) + ended()
    relay = ResponsesRelay(asking(), None)
    assert through(relay, data + b": late\n\n" + said("late"), 9).out == data
    assert relay.done


@pytest.mark.parametrize("size", SIZES)
def test_an_answer_that_was_too_long(asking, through, size):
    last = event(
        "response.incomplete",
        response=response("incomplete", incomplete_details={"reason": "max_output_tokens"}, usage=USAGE),
    )
    got = through(ResponsesRelay(asking(), None), begun() + said("a") + last, size)
    assert (got.error, got.facts.finish, got.facts.usage.output) == (None, "max_output_tokens", 5)


FAILURES = [
    event(
        "response.failed", response=response("failed", error={"code": "rate_limit_exceeded", "message": "Slow down"})
    ),
    event("error", code="rate_limit_exceeded", message="Slow down", param=None),
    event("error", error={"type": "tokens", "code": "rate_limit_exceeded", "message": "Slow down", "param": None}),
    event("error", named=False, code="rate_limit_exceeded", message="Slow down"),
    b'event: error\ndata: {"code":"rate_limit_exceeded","message":"Slow down"}\n\n',
]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("failure", FAILURES)
def test_failures_are_refusals_and_what_came_before_is_the_callers(asking, through, failure, size):
    for words in ((), ("Hel",), WORDS):
        got = through(ResponsesRelay(asking(), None), begun() + said(*words) + failure, size)
        assert isinstance(got.error, UpstreamRefused)
        assert (got.error.kind, got.error.status, got.error.message) == ("rate_limit_exceeded", 429, "Slow down")
        assert got.error.body == b""  # an event is no error body
        assert got.has_content is bool(words)
        if words and size < 100_000:  # all at once, nothing had left: another provider may still answer
            assert got.out == begun() + said(*words)


@pytest.mark.parametrize("size", SIZES)
def test_a_stream_without_an_end_is_cut(asking, through, size):
    for data in (b"", begun(), begun() + said(*WORDS), begun() + said("a") + ended()[:-30], begun() + said("a") + DONE):
        got = through(ResponsesRelay(asking(), None), data, size)
        assert isinstance(got.error, UpstreamCut)


def test_what_has_begun_is_known_to_an_error_that_ends_it(asking, dialect):
    relay = dialect.relay(asking(), None)
    assert relay.so_far == b""
    relay.feed(begun() + said("Half"))
    assert json.loads(relay.so_far)["id"] == "resp_1"


def test_the_last_event_may_lack_its_blank_line(asking, through):
    data = (begun() + said("a") + ended()).rstrip()
    got = through(ResponsesRelay(asking(), None), data, 7)
    assert (got.error, got.out) == (None, data)


def test_a_plain_body_where_a_stream_was_announced(asking, through):
    got = through(
        ResponsesRelay(asking(), None), b'{"error":{"message":"no such model","code":"model_not_found"}}', 100
    )
    assert isinstance(got.error, UpstreamRefused)
    assert isinstance(through(ResponsesRelay(asking(), None), b'{"id":"x"}', 100).error, UpstreamGarbage)


def test_the_beginning_of_a_message_or_of_thinking_is_no_content(asking):
    """Until there is some, another provider may still answer."""
    relay = ResponsesRelay(asking(), None)
    relay.feed(begun())
    thought = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "x"}
    relay.feed(event("response.output_item.added", output_index=1, item=thought))
    relay.feed(event("keepalive") + b": comment\n\n")
    relay.feed(event("response.content_part.added", output_index=0, part={"type": "output_text", "text": ""}))
    assert not relay.has_content
    relay.feed(said("a"))
    assert relay.has_content


@pytest.mark.parametrize(
    "first",
    [
        event("response.output_item.added", output_index=0, item={"type": "function_call", "name": "f"}),
        event("response.output_item.done", output_index=0, item={"type": "message", "content": []}),
        event("response.web_search_call.searching", output_index=0),
        event("response.reasoning_summary_text.delta", output_index=0, delta="a"),
        ended(),
    ],
)
def test_content(asking, first):
    relay = ResponsesRelay(asking(), None)
    relay.feed(begun())
    relay.feed(first)
    assert relay.has_content


@pytest.mark.parametrize("size", [1, 500, 100_000])
def test_the_text_is_counted_or_estimated(asking, through, size):
    words = ["word "] * 2_000
    relay = ResponsesRelay(asking(), None)
    through(relay, begun() + said(*words), size)
    assert relay.written == pytest.approx(10_000, rel=0.1)


def test_most_events_are_not_looked_at(asking):
    relay = ResponsesRelay(asking(), None)
    relay.feed(begun() + said(*WORDS))
    seen = relay._seen
    relay.feed(said(*(['the "response" and an "error" event: error'] * 300)))
    assert relay._seen == seen


def test_the_response_is_known_at_the_end(asking, price, through):
    relay = ResponsesRelay(asking(), price)
    assert relay.final == b""
    through(relay, begun() + said(*WORDS) + ended(output=[{"type": "message", "id": "msg_1"}]), 7)
    known = json.loads(relay.final)
    assert known["output"] == [{"type": "message", "id": "msg_1"}]
    assert known["usage"]["cost"] == 0.00002


def test_a_whole_answer_as_a_stream(asking, dialect, price, through):
    call = {
        "id": "fc_1",
        "type": "function_call",
        "call_id": "c",
        "name": "f",
        "arguments": "{}",
        "status": "completed",
    }
    body = json.dumps(response("completed", usage=USAGE, output=[call]), indent=2).encode()
    stream = dialect.as_stream(body, asking())
    assert b"\n  " not in stream
    relay = ResponsesRelay(asking(), price)
    got = through(relay, stream, len(stream))
    assert got.error is None
    final = json.loads(relay.final)
    assert final["usage"].pop("cost") == 0.00002
    assert final == json.loads(body)


LINES = st.sampled_from(
    [
        b"event: error\n",
        b"event: response.completed\n",
        b"data: {}\n",
        b"\n",
        b": c\n",
        b"data: [DONE]\n",
        b"\r\n",
        b"data: 1\n",
    ]
) | st.binary(max_size=12)
PIECES = st.sampled_from([begun(), said("a"), ended(), *FAILURES, DONE]) | LINES
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
KINDS = st.sampled_from(
    [
        "response.created",
        "response.completed",
        "response.failed",
        "response.output_item.added",
        "response.output_text.delta",
        "response.output_item.done",
        "response.content_part.added",
        "error",
        "x",
    ]
)
ODD = st.builds(
    lambda kind, fields: event(kind, **fields),
    KINDS,
    st.dictionaries(st.sampled_from(["response", "item", "delta", "part", "error", "output_index", "code"]), JSON),
)


@settings(max_examples=examples(200))
@given(st.lists(PIECES | ODD, max_size=8), st.integers(1, 40))
def test_any_stream_in_any_split_is_the_same_and_never_an_untyped_error(pieces, size):
    data = b"".join(pieces)
    incoming = OpenAIResponses().read_request(b'{"model":"m","input":"x","stream":true}', "responses")
    price = Price(input=1, output=1)
    results = []
    for step in (size, len(data) or 1):
        relay, out, error = ResponsesRelay(incoming, price), b"", ""
        try:
            for at in range(0, len(data), step):
                out += relay.feed(data[at : at + step])
            out += relay.close()
        except PointsmanError as failure:
            error = type(failure).__name__
        assert relay.facts.usage is None or relay.facts.usage.input >= 0
        results.append((error, out if not error else b"", relay.final))
    assert results[0] == results[1]
