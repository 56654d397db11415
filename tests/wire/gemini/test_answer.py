from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.errors import InternalError, InvalidRequest, UpstreamCut, UpstreamGarbage, UpstreamRefused
from pointsman.core.usage import Usage
from pointsman.wire.gemini.usage import usage_of, write_usage
from pointsman.wire.trip import AnswerFacts
from wire.gemini.made import GEMINI, USAGE, answer, heard, read, streaming

SUMS = {
    "thoughts beside candidates": (
        {"promptTokenCount": 9, "candidatesTokenCount": 15, "thoughtsTokenCount": 78, "totalTokenCount": 102},
        Usage(input=9, output=93, reasoning=78),
    ),
    "built-in tools beside the prompt": (
        {"promptTokenCount": 9, "toolUsePromptTokenCount": 20, "candidatesTokenCount": 1, "totalTokenCount": 30},
        Usage(input=29, output=1),
    ),
    "the cached part of the prompt": (
        {"promptTokenCount": 900, "cachedContentTokenCount": 800, "candidatesTokenCount": 1, "totalTokenCount": 901},
        Usage(input=900, cache_read=800, output=1),
    ),
    "no candidates": ({"promptTokenCount": 9, "totalTokenCount": 9}, Usage(input=9)),
    "no candidates, but thoughts up to the limit": (
        {"promptTokenCount": 9, "thoughtsTokenCount": 20, "totalTokenCount": 29},
        Usage(input=9, output=20, reasoning=20),
    ),
    "no candidates, but in the total": ({"promptTokenCount": 9, "totalTokenCount": 14}, Usage(input=9, output=5)),
    "sound heard, partly from the cache, and spoken": (
        {
            "promptTokenCount": 100,
            "cachedContentTokenCount": 30,
            "candidatesTokenCount": 50,
            "totalTokenCount": 150,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 20}, {"modality": "AUDIO", "tokenCount": 80}],
            "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 30}],
            "candidatesTokensDetails": [{"modality": 4, "tokenCount": 40}],
        },
        Usage(input=100, cache_read=30, cache_audio=30, output=50, input_audio=50, output_audio=40),
    ),
    "written as a fraction": ({"promptTokenCount": 9.0, "candidatesTokenCount": 1.0}, Usage(input=9, output=1)),
    "only where it was served": ({"trafficType": "ON_DEMAND"}, None),
    "only a total": ({"totalTokenCount": 88_759}, None),
    "no counts at all": ({"promptTokenCount": "many", "candidatesTokenCount": 1}, None),
    "negative": ({"promptTokenCount": -1, "candidatesTokenCount": 1}, None),
}


@pytest.mark.parametrize("name", SUMS)
def test_usage_by_googles_arithmetic(name):
    """Gotcha 19."""
    raw, expected = SUMS[name]
    assert usage_of(raw) == expected
    assert GEMINI.read_answer(answer({"text": "x"}, usage=raw)).usage == expected
    if expected is not None and not name.startswith("sound"):
        assert usage_of(write_usage(expected)) == expected


def test_usage_is_written_by_the_same_arithmetic():
    written = write_usage(
        Usage(input=100, cache_read=30, output=60, reasoning=10, input_audio=40, output_audio=20, cache_write=5)
    )
    assert written == {
        "promptTokenCount": 100,
        "candidatesTokenCount": 50,
        "totalTokenCount": 160,
        "cachedContentTokenCount": 30,
        "thoughtsTokenCount": 10,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 60}, {"modality": "AUDIO", "tokenCount": 40}],
        "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 30}, {"modality": "AUDIO", "tokenCount": 20}],
    }


def test_facts_of_an_answer():
    facts = GEMINI.read_answer(answer({"text": "hi"}, finish="MAX_TOKENS"))
    assert (facts.id, facts.model, facts.finish) == ("r-1", "gemini-3-flash", "MAX_TOKENS")
    assert facts.usage == Usage(input=10, output=5)
    assert GEMINI.read_answer(answer({"text": "hi"}, finish=2)).finish == "MAX_TOKENS"  # enum-encoding=int


@pytest.mark.parametrize(
    ("feedback", "finish"),
    [
        ({"blockReason": "SAFETY"}, "SAFETY"),
        ({"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "no"}, "PROHIBITED_CONTENT"),
        ({"blockReason": 4}, "4"),
        ({"safetyRatings": [{}]}, "BLOCKED"),
    ],
)
@pytest.mark.parametrize("candidates", [{}, {"candidates": []}])
def test_a_blocked_prompt_is_an_answer(feedback, finish, candidates):
    """Gotcha 48: 200 without candidates."""
    body = json.dumps({"promptFeedback": feedback, "usageMetadata": {"promptTokenCount": 9}, **candidates}).encode()
    facts = GEMINI.read_answer(body)
    assert (facts.finish, facts.usage) == (finish, Usage(input=9))
    choice = read(body).choices[0]
    assert (choice.finish, choice.finish_raw, choice.blocks) == ("content_filter", finish, ())


@pytest.mark.parametrize("candidate", [{}, {"content": {}}, {"content": {"parts": []}}, {"content": None}])
def test_a_candidate_without_parts_is_an_answer(candidate):
    """Gotcha 36."""
    body = json.dumps({"candidates": [{"finishReason": "STOP", **candidate}]}).encode()
    assert GEMINI.read_answer(body).finish == "STOP"
    assert read(body).choices[0].blocks == ()
    assert json.loads(GEMINI.write_answer(read(body), streaming()).body)["candidates"][0]["finishReason"] == "STOP"


ERROR = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}


@pytest.mark.parametrize("body", [ERROR, [ERROR], {**ERROR, "candidates": []}])
def test_an_error_in_a_200_is_one(body):
    for reading in (GEMINI.read_answer, read, GEMINI.read_count, lambda raw: GEMINI.as_stream(raw, streaming())):
        if reading == GEMINI.read_count and isinstance(body, list):
            continue
        with pytest.raises(UpstreamRefused) as caught:
            reading(json.dumps(body).encode())
        assert (caught.value.status, caught.value.message) == (503, "The model is overloaded.")


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[1]", b'"x"', b"{}", b'{"choices":[]}', b"<html>"])
def test_what_is_no_answer_is_garbage(body):
    for reading in (GEMINI.read_answer, read, GEMINI.read_count):
        with pytest.raises(UpstreamGarbage):
            reading(body)


NOTHING = [{"candidates": value} for value in ("no", {}, [None], [{}], [], [{"content": {"parts": []}}], None)]


@pytest.mark.parametrize("body", [*NOTHING, {"responseId": "r", "modelVersion": "m"}, [{"candidates": [{}]}]])
def test_nothing_is_no_empty_answer(body):
    for reading in (GEMINI.read_answer, read, lambda raw: GEMINI.as_stream(raw, streaming())):
        with pytest.raises(UpstreamGarbage):
            reading(json.dumps(body).encode())
    with pytest.raises((UpstreamCut, UpstreamGarbage)):
        heard(b"data: " + json.dumps(body).encode() + b"\n\n")


def test_a_count_of_tokens():
    assert GEMINI.read_count(b'{"totalTokens":31,"promptTokensDetails":[]}') == 31
    assert GEMINI.read_answer(b'{"totalTokens":31}') == AnswerFacts()
    assert GEMINI.write_count(31) == b'{"totalTokens":31}'
    with pytest.raises(UpstreamGarbage):
        GEMINI.read_count(b'{"totalTokens":"x"}')


def test_the_cost_stands_in_the_usage():
    body = answer({"text": "hi"})
    told = json.loads(GEMINI.annotate(body, 4_100, GEMINI.read_answer(body)))
    assert told["usageMetadata"] == {"cost": 0.0000041, **USAGE}
    assert GEMINI.annotate(body, None) == body
    assert GEMINI.annotate(answer({"text": "hi"}, usage=None), 5) == answer({"text": "hi"}, usage=None)
    once = GEMINI.annotate(body, 4_100)
    assert GEMINI.annotate(once, 9, GEMINI.read_answer(once)) == once


def test_the_cost_is_not_put_into_arguments_that_look_like_usage():
    call = {"functionCall": {"name": "log", "args": {"usageMetadata": USAGE}}}
    body = answer(call, {"text": '"usageMetadata":{"a":1}'})
    for facts in (GEMINI.read_answer(body), None):
        told = json.loads(GEMINI.annotate(body, 4_100, facts))
        assert told["usageMetadata"].pop("cost") == 0.0000041
        assert told == json.loads(body)


def test_a_stream_as_an_array_is_an_answer_too():
    one, two = json.loads(answer({"text": "Hel"}, finish=None)), json.loads(answer({"text": "lo"}))
    body = json.dumps([one, two]).encode()
    assert GEMINI.read_answer(body).finish == "STOP"
    assert [block.text for block in read(body).choices[0].blocks] == ["Hello"]


def test_our_errors_in_googles_form():
    refused = UpstreamRefused("Slow down.", status=429, kind="rate_limit_exceeded", retry_after=34.4, retryable=True)
    error = json.loads(GEMINI.write_error(refused, "req_1"))["error"]
    assert (error["code"], error["message"], error["status"]) == (429, "Slow down.", "RESOURCE_EXHAUSTED")
    info, retry = error["details"]
    assert info["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    assert (info["reason"], info["domain"]) == ("RATE_LIMIT_EXCEEDED", "pointsman")
    assert info["metadata"]["request_id"] == "req_1"
    assert all(isinstance(value, str) for value in info["metadata"].values())
    assert retry == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s"}
    wrong = json.loads(GEMINI.write_error(InvalidRequest("No.", param="contents", hint="Do."), "r"))["error"]
    assert wrong["status"] == "INVALID_ARGUMENT"
    assert wrong["details"][0]["metadata"]["param"] == "contents"


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (413, "INVALID_ARGUMENT"),
        (429, "RESOURCE_EXHAUSTED"),
        (499, "CANCELLED"),
        (500, "INTERNAL"),
        (502, "UNAVAILABLE"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
        (599, "INTERNAL"),
    ],
)
def test_statuses_have_googles_words(status, word):
    error = json.loads(GEMINI.write_error(UpstreamRefused("x", status=status), "r"))["error"]
    assert (error["code"], error["status"]) == (status, word)


def test_errors_in_streams_are_events():
    error = InternalError("Broken.")
    assert GEMINI.write_stream_error(error, "r") == b"data: " + GEMINI.write_error(error, "r") + b"\n\n"


def test_errors_of_google_are_read():
    """Gotchas 46 and 47: in a list where a stream was asked for; a bad key is a 400."""
    body = [{"error": {"code": 429, "message": "Quota.", "status": "RESOURCE_EXHAUSTED", "details": []}}]
    body[0]["error"]["details"].append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s"})
    error = GEMINI.read_error(429, [], json.dumps(body).encode())
    assert (error.status, error.retry_after, error.retryable, error.message) == (429, 34.4, True, "Quota.")
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
    key = {"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT", "details": details}}
    error = GEMINI.read_error(400, [], json.dumps(key).encode())
    assert (error.status, error.kind, error.retryable) == (401, "invalid_api_key", False)


# fmt: off
NAMES = st.sampled_from((
    "candidates", "content", "parts", "text", "finishReason", "index", "usageMetadata", "promptTokenCount", "error",
    "promptFeedback", "groundingMetadata", "groundingChunks", "groundingSupports", "segment", "functionCall",
    "name",
))
# fmt: on
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | NAMES
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4))


@given(body=JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40))
def test_nothing_but_our_errors_for_any_answer(body):
    for reading in (GEMINI.read_answer, read, GEMINI.read_count, lambda raw: GEMINI.as_stream(raw, streaming())):
        try:
            found = reading(body)
        except (UpstreamGarbage, UpstreamRefused):
            continue
        if reading is read:
            json.loads(GEMINI.write_answer(found, streaming()).body)
    GEMINI.annotate(body, 1)
    GEMINI.read_error(500, [], body)
