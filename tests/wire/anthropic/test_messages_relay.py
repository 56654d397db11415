"""Streams from a provider to a caller of the same dialect."""

from __future__ import annotations

import json

import pytest

from pointsman.core.errors import InternalError, UpstreamCut, UpstreamGarbage, UpstreamRefused
from pointsman.core.usage import Usage


def event(kind, **fields):
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def delta(index=0, **fields):
    return event("content_block_delta", index=index, delta=fields)


USAGE = {"input_tokens": 10, "cache_read_input_tokens": 4, "output_tokens": 1}
HEAD = event("message_start", message={"id": "msg_1", "model": "claude-x", "content": [], "usage": USAGE})
PING = event("ping")
START = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
TEXT = delta(type="text_delta", text="Hello")
STOP = event("content_block_stop", index=0)
END = event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 7})
LAST = event("message_stop")
OVERLOADED = event("error", error={"type": "overloaded_error", "message": "Overloaded"})


@pytest.fixture
def relay(messages, read, price):
    return messages.relay(read(stream=True), price)


def test_what_is_known_in_the_end(relay):
    out = relay.feed(HEAD + PING + START + TEXT + STOP + END + LAST) + relay.close()
    assert relay.done
    facts = relay.facts
    assert (facts.id, facts.model, facts.finish) == ("msg_1", "claude-x", "end_turn")
    assert facts.usage == Usage(input=14, cache_read=4, output=7)
    assert relay.written == 5
    assert out.count(b'"cost"') == 1
    assert b'"usage": {"cost":0.000028,"output_tokens": 7}' in out


def test_sums_are_totals_and_may_correct_the_start(relay):
    late = {"input_tokens": 500, "cache_creation_input_tokens": 6, "cache_read_input_tokens": 0, "output_tokens": 9}
    end = event("message_delta", delta={"stop_reason": "end_turn"}, usage=late)
    relay.feed(HEAD + START + TEXT + STOP + end + LAST)
    assert relay.facts.usage == Usage(input=506, cache_write=6, output=9)


def test_content_begins_with_the_first_word_or_call(messages, read):
    call = event(
        "content_block_start", index=0, content_block={"type": "tool_use", "id": "a", "name": "f", "input": {}}
    )
    for first in (TEXT, call, delta(type="thinking_delta", thinking="hm"), END):
        relay = messages.relay(read(stream=True), None)
        relay.feed(HEAD + PING + START + delta(type="text_delta", text=""))
        assert not relay.has_content
        relay.feed(first)
        assert relay.has_content


def test_an_overload_before_any_content_is_a_failed_request(relay):
    assert relay.feed(HEAD) == HEAD
    with pytest.raises(UpstreamRefused) as refused:
        relay.feed(OVERLOADED)
    assert (refused.value.status, refused.value.kind, refused.value.retryable) == (503, "overloaded", True)
    assert not relay.has_content


@pytest.mark.parametrize("many", [1, 50])
def test_an_error_behind_content_ends_the_stream_behind_it(relay, many):
    relay.feed(HEAD + START + TEXT)
    assert relay.feed(TEXT * many + OVERLOADED + TEXT) == TEXT * many
    with pytest.raises(UpstreamRefused):
        relay.feed(b"")
    with pytest.raises(UpstreamRefused):
        relay.close()


@pytest.mark.parametrize("cut", [HEAD, HEAD + START + TEXT, HEAD + START + TEXT + STOP + END, HEAD + START + TEXT[:-9]])
def test_a_stream_without_its_last_event_is_cut(relay, cut):
    relay.feed(cut)
    with pytest.raises(UpstreamCut):
        relay.close()


def test_a_cut_stream_has_the_input_that_is_known_and_an_estimate_of_the_rest(relay):
    relay.feed(HEAD + START + TEXT * 400)
    usage = relay.facts.usage
    assert (usage.input, usage.cache_read, usage.estimated) == (14, 4, True)
    assert 400 < usage.output < 600
    assert relay.written == pytest.approx(2_000, rel=0.1)


def test_the_last_event_may_lack_its_blank_line(relay):
    out = relay.feed(HEAD + START + TEXT + STOP + END + LAST[:-2])
    assert relay.close() == LAST[:-2]
    assert b'"cost"' in out


def test_what_comes_behind_the_end_is_not_passed_on(relay):
    assert relay.feed(HEAD + START + TEXT + STOP + END + LAST + TEXT).endswith(LAST)
    assert relay.feed(TEXT) == b""
    assert relay.close() == b""


def test_an_error_as_a_plain_body_where_a_stream_was_announced(relay):
    relay.feed(b'{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}')
    with pytest.raises(UpstreamRefused) as refused:
        relay.close()
    assert refused.value.status == 429


def test_an_event_that_is_none_is_garbage(relay):
    with pytest.raises(UpstreamGarbage):
        relay.feed(b"event: message_start\ndata: {nope}\n\n")


def test_words_that_look_like_events_change_nothing(messages, read, through):
    odd = delta(type="text_delta", text='"message_stop" "error" {"type":"message_delta","usage":{}}\n\nevent: error')
    data = HEAD + START + TEXT * 9 + odd + TEXT + STOP + END + LAST
    for size in (1, 5, len(data)):
        seen = through(messages.relay(read(stream=True), None), data, size)
        assert (seen.out, seen.error, seen.facts.finish) == (data, None, "end_turn")


def test_other_line_ends_and_comments_pass(messages, read, through):
    data = b": hi\n\n" + (HEAD + START + TEXT * 9 + STOP + END + LAST).replace(b"\n", b"\r\n")
    for size in (1, 7, len(data)):
        seen = through(messages.relay(read(stream=True), None), data, size)
        assert (seen.out, seen.error) == (data, None)


def test_a_whole_answer_to_a_request_for_a_stream_is_a_proper_stream(messages, read, events, price):
    body = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "sig"},
            {"type": "text", "text": "Hi", "citations": [{"type": "char_location", "cited_text": "x"}]},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
            {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 5},
        "context_management": {"applied_edits": []},
        "new_field": 7,
    }
    incoming = read(stream=True)
    data = messages.as_stream(json.dumps(body).encode(), incoming)
    relay = messages.relay(incoming, price)
    found = events(relay.feed(data) + relay.close())
    kinds = [one["type"].removeprefix("content_block_") for one in found]
    block = ["start", "delta", "stop"]
    wanted = [
        "message_start",
        "start",
        "delta",
        "delta",
        "stop",
        "start",
        "delta",
        "delta",
        "stop",
        *block,
        "start",
        "stop",
    ]
    assert kinds == [*wanted, "message_delta", "message_stop"]
    assert found[0]["message"]["content"] == []
    assert found[0]["message"]["new_field"] == 7
    assert [one["index"] for one in found if "index" in one] == [0] * 4 + [1] * 4 + [2] * 3 + [3] * 2
    assert found[9]["content_block"]["input"] == {}
    assert json.loads(found[10]["delta"]["partial_json"]) == {"a": 1}
    assert found[-2]["context_management"] == {"applied_edits": []}
    assert found[-2]["usage"] == {"cost": 0.000013, "input_tokens": 3, "output_tokens": 5}


def test_our_errors_in_a_stream_are_events(messages, events):
    (found,) = events(messages.write_stream_error(InternalError("Broken."), "pm-1"))
    assert (found["type"], found["error"]["type"], found["request_id"]) == ("error", "api_error", "pm-1")
    assert events(messages.keep_alive()) == [{"type": "ping"}]


def test_an_indented_answer_is_a_stream_whose_events_are_whole(messages, read, events):
    body = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [
            {"type": "text", "text": "a\nb", "citations": [{"type": "char_location", "cited_text": "x"}]},
            {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"title": "t"}]},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 5},
    }
    incoming = read(stream=True)
    plain, indented = (messages.as_stream(json.dumps(body, indent=how).encode(), incoming) for how in (None, 2))
    assert [one for one in events(indented) if one.get("delta", {}).get("type") != "input_json_delta"] == [
        one for one in events(plain) if one.get("delta", {}).get("type") != "input_json_delta"
    ]
    relay = messages.relay(incoming, None)
    assert relay.feed(indented) + relay.close() == indented
