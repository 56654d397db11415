from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.errors import UpstreamCut, UpstreamGarbage, UpstreamRefused
from pointsman.core.usage import Usage
from pointsman.wire.gemini.framing import Framing
from pointsman.wire.gemini.relay import GeminiRelay
from wire.gemini.made import GEMINI, USAGE, answer, chunk, heard, objects, streaming

SIZES = (1, 7, 1 << 30)
ERROR = {"error": {"code": 499, "message": "The operation was cancelled.", "status": "CANCELLED"}}


def counted(number: int) -> dict[str, int]:
    return {"promptTokenCount": 10, "candidatesTokenCount": number, "totalTokenCount": 10 + number}


def words(count: int) -> bytes:
    return b"".join(chunk({"text": f"word {at} "}, usage=counted(at)) for at in range(1, count + 1))


@pytest.mark.parametrize("size", SIZES)
def test_an_ordinary_stream_goes_through_unchanged(through, size):
    data = words(12) + chunk({"text": ""}, finish="STOP", usage=counted(20))
    got = through(GeminiRelay(streaming(), None), data, size)
    assert got.error is None
    assert got.out == data
    assert (got.facts.id, got.facts.model, got.facts.finish) == ("r-1", "gemini-3-flash", "STOP")
    assert got.facts.usage == Usage(input=10, output=20)


@pytest.mark.parametrize("size", SIZES)
def test_the_last_chunk_gets_the_cost_and_nothing_else_changes(through, price, size):
    before, last = words(12), chunk({"text": "."}, finish="STOP", usage=USAGE)
    got = through(GeminiRelay(streaming(), price), before + last, size)
    assert got.out.startswith(before)
    assert json.loads(got.out[len(before) + 5 :])["usageMetadata"] == {"cost": 0.00002, **USAGE}
    assert got.out.replace(b'"cost":0.00002,', b"") == before + last


@pytest.mark.parametrize("size", SIZES)
def test_what_follows_an_end_still_counts(through, price, size):
    """Gotchas 3 and 21: the STOP may stand on several chunks, and usage after it."""
    data = words(6) + chunk({"text": "a"}, finish="STOP", usage=counted(7)) + chunk({"text": "b"}, usage=counted(8))
    data += chunk({"text": "", "thoughtSignature": "c2ln"}, finish="STOP", usage=counted(9)) + chunk(usage=counted(11))
    got = through(GeminiRelay(streaming(), price), data, size)
    assert got.error is None
    assert got.facts.usage == Usage(input=10, output=11)
    costs = [one["usageMetadata"].get("cost") for one in objects(got.out)]
    assert costs == [*[None] * 6, 0.000024, 0.000026, 0.000028, 0.000032]


@pytest.mark.parametrize("size", SIZES)
def test_a_stream_without_an_end_is_cut(through, size):
    got = through(GeminiRelay(streaming(), None), words(12), size)
    assert isinstance(got.error, UpstreamCut)
    assert got.facts.usage == Usage(input=10, output=12)  # what ran along is what is billed
    half = through(GeminiRelay(streaming(), None), words(12) + chunk({"text": "x"}, finish="STOP")[:-20], size)
    assert isinstance(half.error, UpstreamCut)


def test_an_unspecified_end_is_none(through):
    data = words(2) + chunk({"text": "x"}, finish="FINISH_REASON_UNSPECIFIED") + chunk({"text": "x"}, finish=0)
    assert isinstance(through(GeminiRelay(streaming(), None), data, 7).error, UpstreamCut)


@pytest.mark.parametrize("size", SIZES)
def test_every_candidate_has_to_end(through, size):
    """Gotcha 44."""
    incoming = streaming(generationConfig={"candidateCount": 2})
    first = words(8) + chunk({"text": "a"}, candidate={"index": 1}) + chunk(finish="STOP", candidate={"index": 0})
    assert isinstance(through(GeminiRelay(incoming, None), first, size).error, UpstreamCut)
    data = first + chunk(finish="MAX_TOKENS", candidate={"index": 1}, usage=USAGE)
    got = through(GeminiRelay(incoming, None), data, size)
    assert (got.error, got.out, got.facts.finish) == (None, data, "STOP")


@pytest.mark.parametrize("size", SIZES)
def test_a_blocked_prompt_ends_the_stream(through, price, size):
    """Gotcha 48."""
    data = b'data: {"promptFeedback": {"blockReason": "SAFETY"},"usageMetadata": {"promptTokenCount": 4}}\r\n\r\n'
    got = through(GeminiRelay(streaming(), None), data, size)
    assert (got.error, got.out, got.has_content) == (None, data, True)
    assert (got.facts.finish, got.facts.usage) == ("SAFETY", Usage(input=4))
    priced = through(GeminiRelay(streaming(), price), data, size)
    assert objects(priced.out)[0]["usageMetadata"]["cost"] == 0.000004  # what was read is billed


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "told", [json.dumps(ERROR, indent=2).encode() + b"\n\n", b"data: " + json.dumps(ERROR).encode() + b"\r\n\r\n"]
)
@pytest.mark.parametrize("before", [0, 12])
def test_an_error_in_a_stream_is_one(through, size, told, before):
    """Gotchas 28 and 46: as an event, or as plain JSON among the events."""
    data = words(before)
    got = through(GeminiRelay(streaming(), None), data + told, size)
    assert isinstance(got.error, UpstreamRefused)
    assert (got.error.status, got.error.message) == (499, "The operation was cancelled.")
    assert got.out == (data if size < len(data) else b"")  # nothing has left yet: another provider may answer
    with pytest.raises(UpstreamRefused):
        heard(data + told, size)


def test_an_error_as_the_whole_body_is_one(through):
    for body in (json.dumps(ERROR, indent=2), json.dumps([ERROR])):
        assert isinstance(through(GeminiRelay(streaming(), None), body.encode(), 7).error, UpstreamRefused)
    assert isinstance(through(GeminiRelay(streaming(), None), b'{"a": 1}', 7).error, UpstreamGarbage)


@pytest.mark.parametrize("size", SIZES)
def test_a_caller_without_alt_sse_gets_one_array(through, price, size):
    """Gotcha 26."""
    data = words(6) + b"\r\n" + chunk({"text": "."}, finish="STOP", usage=USAGE)
    got = through(GEMINI.relay(streaming(query=""), price), data, size)
    assert got.error is None
    assert got.facts.usage == Usage(input=10, output=5)
    elements = json.loads(got.out)
    assert elements[-1]["usageMetadata"].pop("cost")
    assert elements == objects(data)
    assert got.out.startswith(b'[{"candidates"')
    assert b"},\r\n{" in got.out


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("query", ["", "alt=sse"])
def test_a_provider_that_sends_an_array_is_understood(through, size, query):
    """Gotcha 26: whoever does not know `alt=sse`, and prints it in many lines."""
    chunks = objects(words(6) + chunk({"text": '}],"\\" \u00fc'}, finish="STOP", usage=USAGE))
    data = json.dumps(chunks, indent=2).replace("\n", "\r\n").encode()
    got = through(GEMINI.relay(streaming(query=query), None), data, size)
    assert got.error is None
    assert (json.loads(got.out) if not query else objects(got.out)) == chunks
    assert got.facts.usage == Usage(input=10, output=5)
    cut = through(GEMINI.relay(streaming(query=query), None), data[: len(data) // 2], size)
    assert isinstance(cut.error, UpstreamCut)


def test_nothing_is_committed_before_there_is_content(through):
    relay = GeminiRelay(streaming(), None)
    relay.feed(chunk() + chunk({"text": ""}) + chunk({"text": "", "thoughtSignature": "c2ln"}))
    assert not relay.has_content
    relay.feed(chunk({"functionCall": {"name": "f"}}))
    assert relay.has_content


def test_text_is_measured_for_answers_without_usage():
    relay = GeminiRelay(streaming(), None)
    text = "0123456789" * 5
    for _ in range(400):
        relay.feed(chunk({"text": text}))
    assert relay.written == pytest.approx(400 * len(text), rel=0.05)


def test_a_whole_answer_becomes_a_stream():
    for body, finish in (
        (answer({"text": "hi"}), "STOP"),
        (answer({"text": "hi"}, finish=None), "STOP"),
        (b'{\n "promptFeedback": {"blockReason": "OTHER"}\n}', "OTHER"),
    ):
        relay = GeminiRelay(streaming(), None)
        out = relay.feed(GEMINI.as_stream(body, streaming())) + relay.close()
        told = objects(out)[0]
        assert relay.facts.finish == finish
        assert {**told, "candidates": None} == {**json.loads(body), "candidates": None}
    array = json.dumps([json.loads(answer({"text": "a"}, finish=None)), json.loads(answer({"text": "b"}))]).encode()
    assert objects(GEMINI.as_stream(array, streaming())) == json.loads(array)


@given(parts=st.lists(st.binary(max_size=30) | st.sampled_from([b"data: ", b"\n\n", b"[", b"{", b"}", b'"', b","])))
def test_nothing_but_our_errors_for_any_stream(parts):
    for query in ("", "alt=sse"):
        relay = GEMINI.relay(streaming(query=query), None)
        with contextlib.suppress(UpstreamGarbage, UpstreamRefused, UpstreamCut):
            for part in parts:
                relay.feed(part)
            relay.close()
    with contextlib.suppress(UpstreamGarbage, UpstreamRefused, UpstreamCut):
        heard(b"".join(parts), 7)


def test_white_space_before_the_first_event_is_not_kept():
    framing = Framing()
    for _ in range(100):
        assert framing.take(b" \r\n" * 1000) == b""
    assert framing.take(b"data: {}\n\n") == b"data: {}\n\n"


@given(
    value=st.lists(
        st.dictionaries(st.text(max_size=4), st.text(max_size=8) | st.lists(st.text(max_size=3)), max_size=3)
    ),
    indent=st.sampled_from([None, 1]),
    size=st.integers(1, 9),
)
def test_elements_of_any_array_come_out_whole(value, indent, size):
    data = json.dumps(value, indent=indent, ensure_ascii=False).encode()
    framing = Framing()
    out = b"".join(framing.take(data[at : at + size]) for at in range(0, len(data), size)) + framing.rest()
    assert [json.loads(line[6:]) for line in out.split(b"\n\n") if line.strip()] == value
