from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzzing import examples
from pointsman.core.errors import PointsmanError, UpstreamCut, UpstreamGarbage, UpstreamRefused
from pointsman.core.model import Price
from pointsman.wire.openai_chat import OpenAIChat
from pointsman.wire.openai_chat.relay import ChatRelay

SIZES = (1, 7, 100_000)
DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def event(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> bytes:
    chunk: dict[str, Any] = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m-1"}
    if delta is not None or finish is not None:
        chunk["choices"] = [{"index": 0, "delta": delta or {}, "finish_reason": finish}]
    return b"data: " + json.dumps(chunk | more, separators=(",", ":")).encode() + b"\n\n"


def said(*words: str) -> bytes:
    return event({"role": "assistant", "content": ""}) + b"".join(event({"content": word}) for word in words)


WHOLE = said("Hel", "lo", " there", ",", " friend", "!") + event(finish="stop")


@pytest.mark.parametrize("size", SIZES)
def test_an_ordinary_stream_goes_through_unchanged(asking, through, size):
    data = WHOLE + event(choices=[], usage=USAGE) + DONE
    got = through(ChatRelay(asking(), None), data, size)
    assert got.error is None
    assert got.out == data
    assert got.has_content
    assert (got.facts.id, got.facts.model, got.facts.finish) == ("c-1", "m-1", "stop")
    assert (got.facts.usage.input, got.facts.usage.output) == (10, 5)


@pytest.mark.parametrize("size", SIZES)
def test_the_final_usage_gets_the_cost_and_nothing_else_changes(asking, through, price, size):
    before, after = WHOLE, DONE
    usage = event(choices=[], usage=USAGE)
    got = through(ChatRelay(asking(), price), before + usage + after, size)
    assert got.out.startswith(before)
    assert got.out.endswith(after)
    written = got.out[len(before) : -len(after)]
    assert written == usage.replace(b'{"prompt_tokens":10', b'{"cost":0.00002,"prompt_tokens":10')


@pytest.mark.parametrize("size", SIZES)
def test_usage_that_the_caller_did_not_ask_for_is_counted_and_hidden(asking, through, price, size):
    got = through(ChatRelay(asking(shows_usage=False), price), WHOLE + event(choices=[], usage=USAGE) + DONE, size)
    assert got.out == WHOLE + DONE
    assert got.facts.usage.output == 5


def test_usage_in_the_finishing_chunk_passes_even_unasked(asking, through):
    data = said("a") + event({}, "stop", usage=USAGE) + DONE
    got = through(ChatRelay(asking(shows_usage=False), None), data, 7)
    assert got.out == data
    assert got.facts.usage.input == 10


def test_running_usage_counts_once_the_last_one(asking, through, price):
    data = b"".join(event({"content": "x"}, usage=USAGE | {"completion_tokens": n}) for n in range(1, 30))
    data += event({}, "stop", usage=USAGE | {"completion_tokens": 30, "total_tokens": 40}) + DONE
    got = through(ChatRelay(asking(), price), data, 7)
    assert got.facts.usage.output == 30
    assert got.out.count(b'"cost"') == 1


def test_usage_twice_and_usage_of_groq(asking, through):
    data = said("a") + event({}, "stop", x_groq={"id": "r", "usage": USAGE}) + DONE
    assert through(ChatRelay(asking(), None), data, 7).facts.usage.output == 5
    twice = said("a") + event({}, "stop", usage=USAGE) + event(choices=[], usage=USAGE) + DONE
    got = through(ChatRelay(asking(), None), twice, 7)
    assert got.out == twice
    assert got.facts.usage.output == 5


def test_usage_that_is_null_on_every_chunk_is_none(asking, through):
    data = said("a", "b", "c", "d", "e", "f").replace(b'"model":"m-1"', b'"model":"m-1","usage": null')
    got = through(ChatRelay(asking(), None), data + event(finish="stop") + DONE, 7)
    assert got.error is None
    assert got.facts.usage is None


def test_a_cost_of_the_provider_stays(asking, through, price):
    data = WHOLE + event(choices=[], usage=USAGE | {"cost": 0.5}) + DONE
    assert through(ChatRelay(asking(), price), data, 7).out == data


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("data", "complete"),
    [
        (WHOLE + DONE, True),
        (WHOLE, True),
        (WHOLE + b"data: [DONE] \n", True),
        (WHOLE + b"data: [DONE]", True),
        (said("a") + DONE, True),
        (said("a", "b", "c", "d", "e", "f"), False),
        (said("a") + event(finish="stop")[:-20], False),
        (said("a") + b"data: [DON", False),
        (WHOLE + event(choices=[], usage=USAGE)[:-9], False),
        (b"", False),
        (DONE, False),
        (b": only\n\n: pings\n\n", False),
    ],
)
def test_a_stream_is_complete_or_cut(asking, through, data, complete, size):
    got = through(ChatRelay(asking(), None), data, size)
    if complete:
        assert got.error is None
        assert got.out == data
    else:
        assert isinstance(got.error, UpstreamCut)


def test_with_several_answers_every_one_has_to_end(asking, through):
    def part(index: int, finish: str | None = None) -> bytes:
        return event(choices=[{"index": index, "delta": {"content": "x"}, "finish_reason": finish}])

    data = b"".join(part(n % 2) for n in range(20)) + part(0, "stop")
    assert isinstance(through(ChatRelay(asking(n=2), None), data, 7).error, UpstreamCut)
    got = through(ChatRelay(asking(n=2), None), data + part(1, "length"), 7)
    assert got.error is None
    assert got.facts.finish == "stop"


@pytest.mark.parametrize(
    ("delta", "content"),
    [
        ({"role": "assistant"}, False),
        ({"role": "assistant", "content": ""}, False),
        ({"role": "assistant", "content": None, "tool_calls": []}, False),
        ({"content": "x"}, True),
        ({"content": [{"type": "thinking", "thinking": []}]}, True),
        ({"refusal": "no"}, True),
        ({"reasoning_content": "hm"}, True),
        ({"reasoning": "hm"}, True),
        ({"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}, True),
        ({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}]}, True),
        ({"function_call": {"name": "f", "arguments": ""}}, True),
        ({"audio": {"id": "a", "transcript": "x"}}, True),
    ],
)
def test_what_counts_as_content(asking, delta, content):
    relay = ChatRelay(asking(), None)
    assert relay.feed(event(delta))
    assert relay.has_content is content


def test_an_empty_answer_that_ends_is_content(asking):
    relay = ChatRelay(asking(), None)
    relay.feed(event({"role": "assistant", "content": ""}))
    assert not relay.has_content
    relay.feed(event(finish="stop"))
    assert relay.has_content


def test_old_completions(asking, through):
    chunks = [{"id": "cmpl-1", "choices": [{"index": 0, "text": t, "finish_reason": None}]} for t in ("a", "bc")]
    chunks.append({"id": "cmpl-1", "choices": [{"index": 0, "text": "", "finish_reason": "length"}]})
    data = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + DONE
    relay = ChatRelay(asking(surface="completions"), None)
    got = through(relay, data, 7)
    assert got.out == data
    assert got.has_content
    assert got.facts.finish == "length"
    assert relay.written == 3


def test_azure_first_chunk_and_filter_chunks(asking, through):
    first = event(choices=[], id="", model="", prompt_filter_results=[{"prompt_index": 0}])
    later = event(choices=[{"index": 0, "finish_reason": None, "content_filter_offsets": {"check_offset": 1}}])
    data = first + said("a") + later + event(finish="stop") + DONE
    got = through(ChatRelay(asking(shows_usage=False), None), data, 7)
    assert got.out == data
    assert (got.facts.id, got.facts.model) == ("c-1", "m-1")


def test_finish_reasons_again_and_ids_that_change(asking, through):
    data = said("a") + event({"content": "b"}, "stop") + event({}, "stop", id="c-2") + event({}, "length") + DONE
    got = through(ChatRelay(asking(), None), data, 7)
    assert got.out == data
    assert (got.facts.id, got.facts.finish) == ("c-1", "stop")


def test_pings_pass_before_and_between(asking):
    relay = ChatRelay(asking(), None)
    assert relay.feed(b": OPENROUTER PROCESSING\n\n") == b": OPENROUTER PROCESSING\n\n"
    assert not relay.has_content
    relay.feed(said("a", "b", "c", "d", "e"))
    assert relay.feed(b":\n\n") == b":\n\n"


def test_markers_inside_text_are_only_text(asking, through):
    words = ["[DONE]", "error", "event: x", '"usage":{"a":1}', '"finish_reason":"stop"', 'data: {"error":{}}', "\n\n"]
    data = said(*words, *words) + event(finish="stop") + DONE
    got = through(ChatRelay(asking(), None), data, 7)
    assert got.error is None
    assert got.out == data
    cut = through(ChatRelay(asking(), None), said(*words, *words), 7)
    assert isinstance(cut.error, UpstreamCut)


def test_crlf_streams(asking, through, price):
    data = (WHOLE + event(choices=[], usage=USAGE) + DONE).replace(b"\n", b"\r\n")
    for size in SIZES:
        assert through(ChatRelay(asking(), None), data, size).out == data
        assert b'"usage":{"cost":0.00002,"prompt_tokens":10' in through(ChatRelay(asking(), price), data, size).out


ERRORS = {
    "openai": (b'data: {"error":{"message":"boom","type":"server_error","code":null}}\n\n', 502, "server_error", True),
    "groq": (
        b'event: error\ndata: {"error":{"message":"Tool choice","type":"invalid_request_error","status_code":400}}\n\n',
        400,
        "invalid_request",
        False,
    ),
    "openrouter in a chunk": (
        (
            b'data: {"id":"g","error":{"code":502,"message":"gone"},"choices":[{"index":0,"delta":{"content":""},'
            b'"finish_reason":"error"}]}\n\n'
        ),
        502,
        "server_error",
        True,
    ),
    "openrouter in a choice": (
        (
            b'data: {"id":"g","choices":[{"index":0,"delta":{},"finish_reason":"error","error":{"code":429,'
            b'"message":"slow down"}}]}\n\n'
        ),
        429,
        "rate_limit_exceeded",
        True,
    ),
    "sglang": (
        (
            b'data: {"object":"error","message":"The input (9 tokens) is longer than the model\'s context length",'
            b'"type":"BadRequestError","code":400}\n\n'
        ),
        400,
        "context_length_exceeded",
        False,
    ),
    "vllm": (b'data: {"error": {"object":"error","message":"OOM","code":500}}\n\n', 500, "server_error", True),
    "anthropic overloaded": (
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
        503,
        "overloaded",
        True,
    ),
    "text": (b"event: error\ndata: upstream died\n\n", 502, "server_error", True),
    "plain string": (b'data: {"error":"model overloaded"}\n\n', 503, "overloaded", True),
    "nameless": (b'event: error\ndata: {"message":"boom"}\n\n', 502, "server_error", True),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", ERRORS.values(), ids=ERRORS.keys())
def test_an_error_as_the_first_event_is_a_failed_request(asking, through, case, size):
    error, status, kind, retryable = case
    got = through(ChatRelay(asking(), None), b": ping\n\n" + error + DONE, size)
    assert isinstance(got.error, UpstreamRefused)
    assert (got.error.status, got.error.kind, got.error.retryable) == (status, kind, retryable)
    assert not got.has_content
    assert b"error" not in got.out


@pytest.mark.parametrize("size", [1, 7, 300])
@pytest.mark.parametrize("error", [error[0] for error in ERRORS.values()], ids=ERRORS.keys())
def test_an_error_after_content_follows_what_came_before_it(asking, through, error, size):
    before = said("a", "b", "c", "d", "e", "f", "g", "h")
    got = through(ChatRelay(asking(), None), before + error, size)
    assert isinstance(got.error, UpstreamRefused)
    assert got.out == before


def test_an_error_as_an_open_last_event(asking, through):
    got = through(ChatRelay(asking(), None), said("a") + ERRORS["openai"][0][:-2], 7)
    assert isinstance(got.error, UpstreamRefused)


@pytest.mark.parametrize("data", [b"data: {nope}\n\n", b"data: [1]\n\n", b'data: {"a":' + b"[" * 100_000 + b"\n\n"])
def test_events_of_no_dialect_are_garbage(asking, through, data):
    assert isinstance(through(ChatRelay(asking(), None), data, 65_536).error, UpstreamGarbage)


@pytest.mark.parametrize("size", SIZES)
def test_a_plain_body_where_a_stream_was_announced(asking, through, size):
    got = through(ChatRelay(asking(), None), b'{"error":{"message":"x","code":429}}', size)
    assert isinstance(got.error, UpstreamRefused)
    assert got.error.status == 429
    assert isinstance(through(ChatRelay(asking(), None), b'{"choices":[]}', size).error, UpstreamGarbage)


def test_half_a_surrogate_pair_and_nan_do_not_break_a_stream(asking, through):
    odd = b'data: {"id":"c","choices":[{"delta":{"content":"\\ud83d"},"logprobs":NaN,"finish_reason":null}]}\n\n'
    data = odd * 8 + event(finish="stop") + DONE
    got = through(ChatRelay(asking(), None), data, 7)
    assert got.error is None
    assert got.out == data


@pytest.mark.parametrize("pad", [False, True])
def test_written_text_is_about_right(asking, through, pad):
    words = ["word " * (n % 5 + 1) for n in range(400)]
    extra = [{"obfuscation": "x" * (30 - len(word))} if pad else {} for word in words]
    data = b"".join(event({"content": word}, **more) for word, more in zip(words, extra, strict=True))
    for size in (1, 300, 100_000):
        relay = ChatRelay(asking(), None)
        through(relay, data + event(finish="stop"), size)
        assert 0.7 < relay.written / sum(map(len, words)) < 1.4


def test_written_counts_arguments_and_reasoning(asking):
    relay = ChatRelay(asking(), None)
    relay.feed(event({"reasoning_content": "1234"}))
    relay.feed(event({"tool_calls": [{"index": 0, "function": {"arguments": "123"}}]}))
    assert relay.written == 7


@settings(max_examples=examples(150))
@given(
    pieces=st.lists(
        st.sampled_from(
            [
                WHOLE,
                DONE,
                said("a"),
                ERRORS["groq"][0],
                b"data: ",
                b"\n",
                b"\r\n",
                b"\xff",
                b'{"choices":[{}]}',
                b"null",
            ]
        )
        | st.binary(max_size=12),
        max_size=8,
    ),
    cuts=st.lists(st.integers(1, 60), min_size=1, max_size=8),
    shows=st.booleans(),
)
def test_arbitrary_bytes_raise_nothing_but_our_own_errors(pieces, cuts, shows):
    body = b'{"model":"m","messages":[{"role":"user"}],"stream":true,"stream_options":{"include_usage":%s}}'
    incoming = OpenAIChat().read_request(body % (b"true" if shows else b"false"), "chat.completions")
    relay = ChatRelay(incoming, Price(input=1, output=1))
    data, at = b"".join(pieces), 0
    out = b""
    try:
        while at < len(data):
            for cut in cuts:
                out += relay.feed(data[at : at + cut])
                at += cut
        out += relay.close()
    except PointsmanError:
        pass
    else:
        passed_on = data.partition(b"[DONE]")[0]  # what comes behind the end is not
        assert not shows or b'"usage"' in data or (out == data if passed_on == data else out.startswith(passed_on))


PARTS = [
    WHOLE,
    said("x"),
    event(choices=[], usage=USAGE),
    event({"content": "y"}, usage=USAGE),
    event({"content": '"usage":{}[DONE]'}),
    event({}, "stop", usage=USAGE),
    b": ping\n\n",
    b": ping\n",
    b"\n",
    DONE,
]


@settings(max_examples=examples(150))
@given(
    parts=st.lists(st.sampled_from(PARTS), max_size=8),
    ends=st.sampled_from([b"\n", b"\r\n"]),
    cuts=st.lists(st.integers(1, 90), min_size=1, max_size=9),
    shows=st.booleans(),
)
def test_any_split_gives_the_same_bytes_and_facts(asking, through, parts, ends, cuts, shows):
    data = (said("z") + b"".join(parts) + event(finish="stop") + DONE).replace(b"\n", ends)
    price = Price(input=1_000_000, output=2_000_000)
    whole = through(ChatRelay(asking(shows_usage=shows), price), data, len(data))
    relay, out, at = ChatRelay(asking(shows_usage=shows), price), b"", 0
    while at < len(data):
        for cut in cuts:
            out += relay.feed(data[at : at + cut])
            at += cut
    assert out + relay.close() == whole.out
    assert relay.facts == whole.facts


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "more", [b"dat", said("evil"), event(choices=[], usage=USAGE), b": ping\n\n", b'{"error":"x"}']
)
def test_nothing_passes_after_the_end(asking, through, more, size):
    relay = ChatRelay(asking(), None)
    assert not relay.done
    got = through(relay, WHOLE + DONE + more, size)
    assert got.error is None
    assert got.out == WHOLE + DONE
    assert got.facts.usage is None
    assert relay.done
