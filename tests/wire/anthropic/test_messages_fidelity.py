"""Every recorded exchange of the dialect goes through unchanged. A share in the quick suite, all under `slow`."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pointsman.core.errors import UpstreamGarbage
from pointsman.wire.anthropic_messages import AnthropicMessages
from pointsman.wire.events import Assembly
from pointsman.wire.trip import Outgoing

MESSAGES = "anthropic-messages"
shares = pytest.mark.parametrize(
    "share",
    [pytest.param((3, 7), id="quick"), *(pytest.param((n, 4), id=str(n), marks=pytest.mark.slow) for n in range(4))],
)
SPLICED = {"2db900dd25533bf2", "85e774885c0ed558", "54d46b99c5d41a6c"}  # several answers in one recorded body
OUTGOING = Outgoing(path="", body=b"")
DIALECT = AnthropicMessages()
KINDS = {
    400: {"invalid_request", "context_length_exceeded"},
    401: {"invalid_api_key"},
    404: {"model_not_found", "not_found"},
}


def request_of(record: dict[str, Any]) -> dict[str, Any] | None:
    body = (record["request"] or {}).get("body")
    # Vertex names the model in the path; one record is of a wrong request.
    sound = isinstance(body, dict) and all(isinstance(one, dict) for one in body.get("messages") or ())
    return body if sound and body.get("model") is not None else None


def answer_of(record: dict[str, Any]) -> dict[str, Any] | None:
    body = record["response"].get("body")
    return body if record["response"]["status"] == 200 and isinstance(body, dict) else None


@shares
def test_requests_reach_a_provider_of_the_dialect_unchanged(recorded, claude, share):
    seen = 0
    for record in recorded(MESSAGES, share=share):
        wanted = request_of(record)
        if wanted is None:
            continue
        incoming = DIALECT.read_request(json.dumps(wanted).encode(), "messages")
        assert incoming.stream is bool(wanted.get("stream"))
        sent = DIALECT.write_request(incoming, claude(incoming.model))
        assert json.loads(sent.body) == wanted, record["id"]
        assert (sent.path, sent.dialect, sent.dropped) == ("/messages", MESSAGES, ())
        assert dict(sent.headers) == {b"anthropic-version": b"2023-06-01"}
        seen += 1
    assert seen > 120


def test_questions_for_the_number_of_tokens_pass_too(recorded, claude, read):
    seen = 0
    for record in recorded("anthropic-countTokens"):
        wanted = request_of(record)
        incoming = DIALECT.read_request(json.dumps(wanted).encode(), "messages.count_tokens")
        sent = DIALECT.write_request(incoming, claude(incoming.model, params=(("max_tokens", msgspec.Raw(b"9")),)))
        assert json.loads(sent.body) == wanted, record["id"]
        assert sent.path == "/messages/count_tokens"
        raw = json.dumps(record["response"]["body"]).encode()
        assert DIALECT.read_answer(raw).usage is None
        assert DIALECT.annotate(raw, 7) == raw
        assert DIALECT.read_count(raw) == record["response"]["body"]["input_tokens"]
        assert DIALECT.write_count(DIALECT.read_count(raw)) == json.dumps(record["response"]["body"]).encode().replace(
            b": ", b":"
        )
        asked = DIALECT.count_from_core(DIALECT.to_core(incoming), claude(incoming.model))
        assert set(json.loads(asked.body)) <= {*wanted, "model", "messages"}, record["id"]
        seen += 1
    assert seen == 10


@shares
def test_answers_are_read_and_only_the_cost_is_added(recorded, share):
    seen = 0
    for record in recorded(MESSAGES, share=share):
        body = answer_of(record)
        if body is None:
            continue
        raw = json.dumps(body).encode()
        facts = DIALECT.read_answer(raw)
        assert (facts.id, facts.model, facts.finish) == (body["id"], body["model"], body["stop_reason"]), record["id"]
        annotated = DIALECT.annotate(raw, 4_100, facts)
        assert annotated.replace(b'"cost":0.0000041,', b"") == raw
        assert DIALECT.annotate(raw, 4_100) == annotated
        said = body["usage"]
        parts = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        beside = [one for one in said.get("iterations", ()) if one["type"] == "compaction"]
        assert facts.usage.input == sum(one.get(name) or 0 for one in (said, *beside) for name in parts)
        assert facts.usage.output == sum(one["output_tokens"] for one in (said, *beside))
        body["usage"]["cost"] = 0.0000041
        assert json.loads(annotated) == body, record["id"]
        seen += 1
    assert seen > 80


@shares
def test_streams_are_equal_under_any_split(recorded, read, through, price, share):
    seen = costs = 0
    incoming = read(stream=True)
    for record in recorded(MESSAGES, share=share):
        text = record["response"].get("sse")
        if text is None or record["id"] in SPLICED:
            continue
        data = text.encode()
        whole = through(DIALECT.relay(incoming, None), data, len(data))
        assert whole.error is None, record["id"]
        assert whole.has_content, record["id"]
        assert whole.out == data, record["id"]
        assert through(DIALECT.relay(incoming, None), data, 7) == whole, record["id"]
        priced = through(DIALECT.relay(incoming, price), data, 1)
        assert priced == through(DIALECT.relay(incoming, price), data, len(data)), record["id"]
        assert priced[1:] == whole[1:], record["id"]
        costs += only_the_cost_is_new(data, priced.out)
        seen += 1
    assert seen > 40
    assert costs == seen


def only_the_cost_is_new(before: bytes, after: bytes) -> int:
    """How many costs are new; all else has to be equal."""
    found = 0
    for was, now in zip(before.splitlines(), after.splitlines(), strict=True):
        if was != now:
            event = json.loads(now[5:])
            assert event["type"] == "message_delta"
            assert event["usage"].pop("cost") >= 0
            assert event == json.loads(was[5:])
            found += 1
    return found


@shares
def test_a_stream_and_the_answer_that_it_is_are_read_alike(recorded, share):
    whole = streamed = 0
    for record in recorded(MESSAGES, share=share):
        body, text = answer_of(record), record["response"].get("sse")
        if body is not None:
            raw = msgspec.json.encode(body)
            read = DIALECT.read_whole(raw, OUTGOING)
            assert assembled(DIALECT.as_stream(raw, None), 4_096) == read, record["id"]
            whole += 1
        elif text is not None and record["id"] not in SPLICED:
            read = assembled(text.encode(), 4_096)
            assert assembled(text.encode(), 1) == read, record["id"]
            assert read.choices[0].finish
            assert read.usage
            streamed += 1
    assert whole > 80
    assert streamed > 40


def assembled(data: bytes, size: int) -> Any:
    reader, assembly = DIALECT.reader(OUTGOING), Assembly()
    for at in range(0, len(data), size):
        assembly.add(reader.feed(data[at : at + size]))
    assembly.add(reader.close())
    assert reader.done
    return assembly.answer()


def test_a_second_answer_in_the_middle_of_the_first_is_garbage(recorded):
    (stream,) = (one["response"]["sse"] for one in recorded(MESSAGES) if one["id"] == "54d46b99c5d41a6c")
    reader = DIALECT.reader(OUTGOING)
    assert reader.feed(stream.encode()), "the first is the caller's"
    with pytest.raises(UpstreamGarbage):
        reader.feed(b"")


def test_errors_are_read_with_a_sensible_status_and_kind(recorded):
    seen = 0
    for record in recorded(MESSAGES):
        response = record["response"]
        if (response["status"] or 0) < 400:
            continue
        headers = [(name.lower().encode(), value.encode()) for name, value in response["headers"].items()]
        error = DIALECT.read_error(response["status"], headers, json.dumps(response["body"]).encode())
        assert error.status == response["status"], record["id"]
        assert error.kind in KINDS[error.status], (record["id"], error.kind)
        assert str(error) == response["body"]["error"]["message"]
        assert not error.retryable
        seen += 1
    assert seen > 20
