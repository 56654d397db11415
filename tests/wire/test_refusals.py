"""Providers' errors: the shapes of many providers, what they mean, and how long to wait."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.wire.openai_chat import OpenAIChat
from pointsman.wire.refusals import read_error, refusal_in

JSON_TYPE = [(b"content-type", b"application/json")]

SHAPES = {
    "openai": ({"error": {"message": "Bad x", "type": "invalid_request_error", "param": "x", "code": None}}, "Bad x"),
    "anthropic": (
        {"type": "error", "error": {"type": "invalid_request_error", "message": "Bad x"}, "request_id": "r"},
        "Bad x",
    ),
    "google": ({"error": {"code": 400, "message": "Bad x", "status": "INVALID_ARGUMENT", "details": []}}, "Bad x"),
    "google stream": ([{"error": {"code": 400, "message": "Bad x", "status": "INVALID_ARGUMENT"}}], "Bad x"),
    "bedrock": ({"message": "Bad x"}, "Bad x"),
    "bedrock, capital": ({"Message": "Bad x"}, "Bad x"),
    "cohere": ({"id": "7", "message": "Bad x"}, "Bad x"),
    "mistral": ({"object": "error", "message": "Bad x", "type": "invalid_request_error", "code": 1500}, "Bad x"),
    "mistral nested": ({"object": "error", "message": {"message": "Bad x"}, "code": None}, "Bad x"),
    "mistral detail": ({"detail": "Bad x"}, "Bad x"),
    "fastapi": ({"detail": [{"loc": ["body", "x"], "msg": "Bad x", "type": "y"}]}, "body.x: Bad x"),
    "xai": ({"code": "Client specified an invalid argument", "error": "Bad x"}, "Bad x"),
    "ollama, venice": ({"error": "Bad x"}, "Bad x"),
    "cloudflare": ({"success": False, "errors": [{"code": 5006, "message": "Bad x"}], "result": {}}, "Bad x"),
    "doubleword": ({"code": 400, "message": "Bad x", "type": "Bad Request"}, "Bad x"),
    "openrouter": (
        {"error": {"message": "Bad x", "code": 400, "metadata": {"raw": "worse"}}},
        "Bad x: worse",
    ),
    "string": ("Bad x", "Bad x"),
}


@pytest.mark.parametrize(("body", "text"), SHAPES.values(), ids=SHAPES.keys())
def test_every_shape_keeps_its_text(dialect, body, text):
    raw = json.dumps(body).encode()
    error = dialect.read_error(400, JSON_TYPE, raw)
    assert str(error) == text
    assert (error.status, error.kind, error.retryable) == (400, "invalid_request", False)
    assert error.body == raw
    assert error.content_type == b"application/json"


def test_pages_and_plain_text():
    head = b"<!DOCTYPE html><html><head><title>502 Bad&nbsp;Gateway</title><style>a{}</style></head>"
    page = head + b"<body><h1>Oh &amp; no</h1></body></html>"
    error = read_error(502, [(b"content-type", b"text/html")], page)
    assert "502" in str(error)
    assert "Oh & no" in str(error)
    assert "<" not in str(error)
    assert "a{}" not in str(error)
    assert error.content_type == b"text/html"
    assert (error.status, error.retryable) == (502, True)
    assert str(read_error(503, [], b"upstream connect error")) == "upstream connect error"
    assert "500" in str(read_error(500, [], b""))
    assert len(str(read_error(500, [], b"x" * 10**6))) <= 2_000


CONTEXT = {
    "openai": "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
    "openai new": "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "anthropic": "prompt is too long: 210000 tokens > 200000 maximum",
    "bedrock": "Input is too long for requested model.",
    "vertex": "The input token count (1250025) exceeds the maximum number of tokens allowed (1048576).",
    "cohere": "too many tokens: total number of tokens in the prompt cannot exceed 128000 - received 150000",
    "deepseek": "This model's maximum context length is 1048565 tokens. However, you requested 1250025 tokens",
    "openrouter": "This endpoint's maximum context length is 131072 tokens. However, you requested about 150000 tokens",
    "perplexity": "The total length of all messages is too long.",
    "ollama cloud": "prompt too long; exceeded max context length by 1119046 tokens",
    "llama.cpp": "request (2009 tokens) exceeds the available context size (512 tokens), try increasing it",
    "sglang": "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
    "groq": "Please reduce the length of the messages or completion.",
    "vllm": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens in the messages",
    "xai": "This model's maximum prompt length is 131072 but the request contains 150000 tokens.",
}


@pytest.mark.parametrize("text", CONTEXT.values(), ids=CONTEXT.keys())
@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_full_context_has_many_wordings_and_one_kind(text, status):
    error = read_error(status, [], json.dumps({"error": {"message": text}}).encode())
    assert (error.status, error.kind, error.retryable) == (400, "context_length_exceeded", False)


MEANINGS = [
    (400, {"error": {"message": "x", "code": "context_length_exceeded"}}, 400, "context_length_exceeded", False),
    (400, {"error": {"message": "x", "type": "exceed_context_size_error"}}, 400, "context_length_exceeded", False),
    (400, {"error": {"message": "x", "type": "too_many_prompt_tokens"}}, 400, "context_length_exceeded", False),
    (
        400,
        {
            "error": {
                "message": "The prompt triggered Azure OpenAI's content management policy.",
                "code": "content_filter",
                "innererror": {"code": "ResponsibleAIPolicyViolation"},
            }
        },
        400,
        "content_filter",
        False,
    ),
    (
        400,
        {"error": {"message": "Your request was rejected by our safety system.", "code": "content_policy_violation"}},
        400,
        "content_filter",
        False,
    ),
    (
        401,
        {"error": {"message": "Incorrect API key provided: sk-x", "code": "invalid_api_key"}},
        401,
        "invalid_api_key",
        False,
    ),
    (400, {"code": "invalid-argument", "error": "Incorrect API key provided: xx."}, 401, "invalid_api_key", False),
    (
        400,
        {
            "error": {
                "code": 400,
                "message": "API key not valid. Please pass one.",
                "status": "INVALID_ARGUMENT",
                "details": [{"reason": "API_KEY_INVALID"}],
            }
        },
        401,
        "invalid_api_key",
        False,
    ),
    (400, {"code": "invalid-argument", "error": "Model not found: grok-99"}, 404, "model_not_found", False),
    (
        404,
        {"error": {"message": "The model `x` does not exist or you do not have access to it."}},
        404,
        "model_not_found",
        False,
    ),
    (
        404,
        {"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}},
        404,
        "model_not_found",
        False,
    ),
    (404, {"error": {"message": "no route"}}, 404, "not_found", False),
    (403, {"error": {"message": "You are not allowed to sample from this model"}}, 403, "not_permitted", False),
    (402, {"error": {"message": "Insufficient Balance"}}, 402, "insufficient_quota", True),
    (
        429,
        {
            "error": {
                "message": "You exceeded your current quota, please check your plan and billing details.",
                "code": "insufficient_quota",
            }
        },
        429,
        "insufficient_quota",
        True,
    ),
    (
        429,
        {"error": {"message": "Rate limit reached for requests", "type": "requests", "code": "rate_limit_exceeded"}},
        429,
        "rate_limit_exceeded",
        True,
    ),
    (429, {"message": "Too many tokens, please wait"}, 429, "rate_limit_exceeded", True),
    (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, 503, "overloaded", True),
    (503, {"error": {"message": "Service unavailable"}}, 503, "overloaded", True),
    (500, {"error": {"message": "The engine is currently overloaded"}}, 503, "overloaded", True),
    (500, {"error": {"message": "boom"}}, 500, "server_error", True),
    (408, {"error": {"message": "Request timed out"}}, 408, "request_timeout", True),
    (409, {"error": {"message": "conflict"}}, 409, "upstream_refused", True),
    (413, {"error": {"message": "Request too large"}}, 413, "body_too_large", False),
    (422, {"detail": "bad"}, 422, "invalid_request", False),
    (302, {}, 502, "server_error", True),
    (
        400,
        {"type": "error", "error": {"type": "invalid_request_error", "message": "Your credit balance is too low."}},
        402,
        "insufficient_quota",
        True,
    ),
    (400, {"error": {"message": "This model takes no images; unknown field `x`"}}, 400, "invalid_request", False),
]


@pytest.mark.parametrize(("status", "body", "shown", "kind", "retryable"), MEANINGS)
def test_what_errors_mean(status, body, shown, kind, retryable):
    error = read_error(status, JSON_TYPE, json.dumps(body).encode())
    assert (error.status, error.kind, error.retryable) == (shown, kind, retryable)


def test_the_kind_can_stand_in_a_header():
    headers = [(b"x-amzn-errortype", b"ThrottlingException:http://internal.amazon.com/coral/")]
    error = read_error(429, headers, b'{"message":"Too many requests, please wait before trying again."}')
    assert (error.kind, error.retryable) == ("rate_limit_exceeded", True)


NOW = 1_700_000_000  # Tue, 14 Nov 2023 22:13:20 GMT
WAITS = {
    "seconds": (503, [(b"retry-after", b"20")], {}, 20.0),
    "fraction": (429, [(b"retry-after", b"0.5")], {}, 0.5),
    "milliseconds first": (429, [(b"retry-after", b"1"), (b"retry-after-ms", b"250")], {}, 0.25),
    "date": (529, [(b"retry-after", b"Tue, 14 Nov 2023 22:14:20 GMT")], {}, 60.0),
    "past date": (503, [(b"retry-after", b"Tue, 14 Nov 2023 22:00:00 GMT")], {}, 0.0),
    "span": (429, [(b"retry-after", b"1m30s")], {}, 90.0),
    "google": (
        429,
        [],
        {"details": [{"@type": "x"}, {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s"}]},
        34.4,
    ),
    "openai requests": (
        429,
        [
            (b"x-ratelimit-remaining-requests", b"0"),
            (b"x-ratelimit-reset-requests", b"1m2.5s"),
            (b"x-ratelimit-remaining-tokens", b"900"),
            (b"x-ratelimit-reset-tokens", b"6h0m0s"),
        ],
        {},
        62.5,
    ),
    "openai milliseconds": (429, [(b"x-ratelimit-reset-tokens", b"17ms")], {}, 0.017),
    "openrouter epoch": (429, [(b"x-ratelimit-reset", b"1700000030000")], {}, 30.0),
    "epoch seconds": (429, [(b"x-ratelimit-reset", b"1700000045")], {}, 45.0),
    "in words": (429, [], {"message": "Rate limit reached. Please try again in 1m7.66s. Visit"}, 67.66),
    "in words, seconds": (429, [], {"message": "Please retry in 12 seconds"}, 12.0),
    "resets on other errors mean nothing": (400, [(b"x-ratelimit-reset-tokens", b"20s")], {}, None),
    "nothing": (429, [], {}, None),
    "nonsense": (429, [(b"retry-after", b"soon"), (b"x-ratelimit-reset", b"?")], {}, None),
    "not finite": (429, [(b"retry-after", b"inf"), (b"retry-after-ms", b"nan")], {}, None),
    "a year": (503, [(b"retry-after", b"31536000")], {}, 864_000.0),
    "negative": (503, [(b"retry-after", b"-3")], {}, 0.0),
}


@pytest.mark.parametrize(("status", "headers", "error", "wait"), WAITS.values(), ids=WAITS.keys())
def test_how_long_to_wait(status, headers, error, wait):
    body = json.dumps({"error": {"message": "x"} | error}).encode()
    found = read_error(status, headers, body, now=NOW * 10**9).retry_after
    assert found == (None if wait is None else pytest.approx(wait, abs=1e-3))


def test_dates_are_read_against_the_answers_own_date_else_against_our_clock():
    headers = [(b"date", b"Tue, 14 Nov 2023 22:13:20 GMT"), (b"retry-after", b"Tue, 14 Nov 2023 22:13:50 GMT")]
    soon = NOW * 10**9 + 10 * 10**9  # the date's moment, and ten seconds
    hour_off = soon + 3_600 * 10**9
    read = OpenAIChat().read_error
    for now in (None, soon, hour_off):
        assert read(503, headers, b"", now).retry_after == 30.0
    assert read(429, headers[1:], b"", soon).retry_after == 20.0
    assert read(429, [(b"date", b"some day"), *headers[1:]], b"", soon).retry_after == 20.0
    assert read(429, headers[1:], b"", hour_off).retry_after == 0.0
    assert read(503, headers[1:], b"").retry_after is None


NAMES = ["error", "message", "code", "type", "details", "detail", "errors", "metadata"]
HEADERS = [b"retry-after", b"date", b"x-ratelimit-reset", b"content-type"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=8,
)


@given(
    st.integers(0, 999),
    st.lists(st.tuples(st.sampled_from(HEADERS), st.binary(max_size=20))),
    st.binary(max_size=100) | JSON.map(lambda value: json.dumps(value).encode()),
    st.none() | st.integers(0, 2 * 10**18),
)
def test_reading_an_error_never_fails(status, headers, body, now):
    error = OpenAIChat().read_error(status, headers, body, now)
    assert 400 <= error.status <= 999
    assert str(error)
    assert error.retry_after is None or 0 <= error.retry_after <= 864_000


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"error":' * 100_000,
        b"\xff" * 1000,
        b"<html" + b"<" * 100_000,
        b"<html>" + b"<script>" * 100_000,
    ],
)
def test_hostile_bodies(body):
    assert read_error(500, [], body).status == 500


def test_the_parameter_is_kept():
    body = {"error": {"message": "Bad x", "param": "messages[0].role"}}
    assert read_error(400, [], json.dumps(body).encode()).param == "messages[0].role"


@given(
    st.text(alphabet=st.characters(categories=("Cs", "L")), max_size=6),
    st.sampled_from(["message", "param", "code", "type"]),
)
def test_half_a_surrogate_pair_in_an_error_reaches_the_caller_as_an_error(dialect, text, field):
    body = json.dumps({"error": {"message": "no", field: text}}).encode()
    for error in (dialect.read_error(400, (), body), refusal_in(json.loads(body), body)):
        assert error is not None
        shown = json.loads(dialect.write_error(error, "r"))
        assert shown["error"]["message"]
        assert dialect.write_stream_error(error, "r").startswith(b"data: {")
