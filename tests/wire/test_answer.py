from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.errors import PointsmanError, UpstreamGarbage, UpstreamRefused
from pointsman.core.usage import Usage
from pointsman.wire.openai_chat import OpenAIChat
from pointsman.wire.openai_chat.usage import usage_of

CHOICE = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}


def answer(**fields) -> bytes:
    return json.dumps({"id": "c-1", "model": "m-1", "choices": [CHOICE]} | fields).encode()


SHAPES = {
    "openai": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 2},
        },
        Usage(input=100, cache_read=64, output=50, reasoning=30, input_audio=4, output_audio=2),
    ),
    "deepseek": (
        {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11, "prompt_cache_hit_tokens": 8},
        Usage(input=9, cache_read=8, output=2),
    ),
    "xai, reasoning beside completion": (
        {
            "prompt_tokens": 12,
            "completion_tokens": 2,
            "total_tokens": 334,
            "completion_tokens_details": {"reasoning_tokens": 320},
        },
        Usage(input=12, output=322, reasoning=320),
    ),
    "reasoning above completion, total without it": (
        {
            "prompt_tokens": 10,
            "completion_tokens": 19,
            "total_tokens": 29,
            "completion_tokens_details": {"reasoning_tokens": 280},
        },
        Usage(input=10, output=19, reasoning=19),
    ),
    "google, thoughts only in the total": (
        {"prompt_tokens": 66, "completion_tokens": 6, "total_tokens": 100},
        Usage(input=66, output=34, reasoning=28),
    ),
    "openrouter": (
        {
            "prompt_tokens": 50,
            "completion_tokens": 5,
            "total_tokens": 55,
            "prompt_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 20},
            "cost": 0.1,
        },
        Usage(input=50, cache_read=10, cache_write=20, output=5),
    ),
    "moonshot": (
        {"prompt_tokens": 50, "completion_tokens": 5, "total_tokens": 55, "cached_tokens": 48},
        Usage(input=50, cache_read=48, output=5),
    ),
    "anthropic behind a proxy, both lifetimes": (
        {
            "prompt_tokens": 50,
            "completion_tokens": 5,
            "total_tokens": 55,
            "cache_creation_input_tokens": 30,
            "cache_creation": {"ephemeral_1h_input_tokens": 10, "ephemeral_5m_input_tokens": 20},
        },
        Usage(input=50, cache_write=20, cache_write_1h=10, output=5),
    ),
    "cache beside the prompt": (
        {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8, "cache_read_input_tokens": 40},
        Usage(input=43, cache_read=40, output=5),
    ),
    "nulls and floats": (
        {"prompt_tokens": 3.0, "completion_tokens": None, "total_tokens": 3, "prompt_tokens_details": None},
        Usage(input=3),
    ),
    "text where a count belongs": ({"prompt_tokens": "5", "completion_tokens": None, "total_tokens": 7}, None),
    "text in the total": ({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": "7"}, None),
    "text in a part": (
        {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": "1"}},
        None,
    ),
    "negative": ({"prompt_tokens": -5, "completion_tokens": 2, "total_tokens": 7}, None),
    "a broken number": ({"prompt_tokens": 5.5, "completion_tokens": 2}, None),
    "infinite": ({"prompt_tokens": 5, "completion_tokens": float("inf"), "total_tokens": 7}, None),
    "absurd": ({"prompt_tokens": 10**23, "completion_tokens": 2, "total_tokens": 7}, None),
    "just absurd": ({"prompt_tokens": (1 << 40) + 1, "completion_tokens": 2, "total_tokens": 7}, None),
    "one is missing by the total": ({"prompt_tokens": 5, "total_tokens": 7}, None),
    "only a total": ({"total_tokens": 7}, None),
    "nothing to read": ({"prompt_tokens": 5, "total_tokens": 5}, Usage(input=5)),
}


@pytest.mark.parametrize(("raw", "wanted"), SHAPES.values(), ids=SHAPES.keys())
def test_usage_comes_to_one_form(dialect, raw, wanted):
    facts = dialect.read_answer(answer(usage=raw))
    assert facts.usage == wanted
    assert (facts.id, facts.model, facts.finish) == ("c-1", "m-1", "stop")


@given(
    st.dictionaries(
        st.sampled_from(["prompt_tokens", "completion_tokens", "total_tokens", "reasoning_tokens", "cached_tokens"]),
        st.integers(-5, 10**20) | st.none() | st.floats() | st.text(max_size=3),
    ),
    st.dictionaries(
        st.sampled_from(["cached_tokens", "audio_tokens", "cache_write_tokens", "reasoning_tokens"]),
        st.integers(-5, 1000),
    ),
)
def test_parts_never_exceed_their_whole(raw, part):
    usage = usage_of(raw | {"prompt_tokens_details": part, "completion_tokens_details": part})
    if usage is None:
        return
    assert usage.input >= usage.cache_read + usage.cache_write + usage.cache_write_1h + usage.input_audio
    assert usage.output >= usage.reasoning + usage.output_audio
    assert min(usage.input, usage.output, usage.input_audio, usage.output_audio, usage.reasoning) >= 0


def test_answers_without_usage_text_or_reason_are_answers(dialect):
    assert dialect.read_answer(answer()).usage is None
    assert dialect.read_answer(answer(usage=None)).usage is None
    assert dialect.read_answer(answer(choices=[])).finish == ""
    assert dialect.read_answer(answer(id=None, choices=[{"finish_reason": 1}])).id == ""
    assert dialect.read_answer(b'{"choices":[{"text":"\\ud83d","logprobs":NaN,"finish_reason":"length"}]}').finish


@pytest.mark.parametrize(
    "body",
    [
        b"",
        answer()[:-5],
        b"<html>hello</html>",
        b"[]",
        b"{}",
        b'{"choices":null}',
        b'{"choices":"x"}',
        b"\xff\xfe",
        b'{"choices":' + b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
    ],
)
def test_what_is_no_answer_is_garbage(dialect, body):
    with pytest.raises(UpstreamGarbage):
        dialect.read_answer(body)


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b'{"error":{"message":"Overloaded","type":"overloaded_error"}}', 503, "overloaded"),
        (b'{"error":{"message":"slow","code":429}}', 429, "rate_limit_exceeded"),
        (b'{"error":"nothing works"}', 502, "server_error"),
        (answer(error={"message": "Provider returned error", "code": 502}), 502, "server_error"),
        (
            b'{"choices":[{"index":0,"finish_reason":"error","error":{"code":502,"message":"x"},"message":{}}],"id":1}',
            502,
            "server_error",
        ),
        (b'{"object":"error","message":"context length exceeded","code":400}', 400, "context_length_exceeded"),
    ],
)
def test_an_error_inside_a_200_is_a_refusal(dialect, body, status, kind):
    with pytest.raises(UpstreamRefused) as caught:
        dialect.read_answer(body)
    assert (caught.value.status, caught.value.kind, caught.value.body) == (status, kind, body)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_one_of_our_errors(body):
    dialect = OpenAIChat()
    try:
        dialect.read_answer(body)
    except PointsmanError:
        assert dialect.annotate(body, 5) == body


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"usage":{"a":1}}', b'{"usage":{"cost":0.0000041,"a":1}}'),
        (
            b'{"usage" : {"a": {"b": 1} } , "z":"\\u00e4"}',
            b'{"usage" : {"cost":0.0000041,"a": {"b": 1} } , "z":"\\u00e4"}',
        ),
        (b'{"x":{"usage":{"a":1}},"usage":{"a":1}}', b'{"x":{"usage":{"a":1}},"usage":{"cost":0.0000041,"a":1}}'),
        (b'{"usage":{"a":1},"x":{"usage":{"a":1}}}', b'{"usage":{"cost":0.0000041,"a":1},"x":{"usage":{"a":1}}}'),
        (b'{"x":"usage","us\\u0061ge":{"a":1}}', b'{"x":"usage","us\\u0061ge":{"cost":0.0000041,"a":1}}'),
        (b'{"usage":{"a":1},"usage":{"a":1}}', b'{"usage":{"a":1},"usage":{"cost":0.0000041,"a":1}}'),
    ],
)
def test_the_cost_is_added_and_every_other_byte_stays(dialect, before, after):
    assert dialect.annotate(before, 4_100) == after


@pytest.mark.parametrize(
    "body", [b'{"usage":null}', b"{}", b'{"usage":{}}', b'{"usage":{"cost":1}}', b'{"usage":5}', b'{"usage":{', b"x"]
)
def test_nothing_is_added_where_there_is_nothing_to_add_to(dialect, body):
    assert dialect.annotate(body, 4_100) == body


@pytest.mark.parametrize(("nanos", "text"), [(0, "0"), (1, "0.000000001"), (10**9, "1"), (1_234_500_000, "1.2345")])
def test_the_cost_is_exact(dialect, nanos, text):
    assert dialect.annotate(b'{"usage":{"a":1}}', nanos) == b'{"usage":{"cost":%s,"a":1}}' % text.encode()
    assert dialect.annotate(b'{"usage":{"a":1}}', None) == b'{"usage":{"a":1}}'


def test_a_number_beyond_all_bounds_is_no_count(dialect):
    body = answer(usage={"prompt_tokens": 5, "completion_tokens": 2}).replace(b": 2}", b": 1e400}")
    assert dialect.read_answer(body).usage is None


@pytest.mark.parametrize("more", [b"", b',"x":{"usage":1}'])
def test_half_a_surrogate_pair_costs_as_much_as_any_other_text(dialect, more):
    body = answer(usage={"prompt_tokens": 5, "completion_tokens": 2})[:-1] + more + b"}"
    body = body.replace(b"hi", b"a \\\\ud83d \\ud83d z")
    facts = dialect.read_answer(body)
    assert facts.usage == Usage(input=5, output=2)
    priced = body.replace(b'{"prompt_tokens"', b'{"cost":0.0000041,"prompt_tokens"')
    assert dialect.annotate(body, 4100, facts) == priced
    assert dialect.annotate(body, 4100) == priced
