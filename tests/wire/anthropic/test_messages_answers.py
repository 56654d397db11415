"""Whole answers: accounted for, read into the core, and written for callers."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.chat import (
    Answer,
    Choice,
    Citation,
    Extras,
    Media,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from pointsman.core.errors import UpstreamGarbage, UpstreamRefused
from pointsman.core.usage import Usage
from pointsman.wire.trip import Outgoing

OUTGOING = Outgoing(path="", body=b"")


def body(*content, **fields):
    whole = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": list(content),
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 5},
    }
    return json.dumps({**whole, **fields}).encode()


def written(messages, *blocks, finish="stop", usage=None, **fields):
    answer = Answer(id="a1", model="m", choices=(Choice(blocks=blocks, finish=finish, **fields),), usage=usage)
    encoded = messages.write_answer(answer, None)
    return json.loads(encoded.body), encoded


def test_input_leaves_out_the_cache_and_ours_does_not(messages):
    said = {
        "input_tokens": 3,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 40,
        "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 10},
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 5},
    }
    usage = messages.read_answer(body(usage=said)).usage
    assert usage == Usage(input=143, cache_read=100, cache_write=30, cache_write_1h=10, output=7, reasoning=5)
    assert messages.read_answer(body(usage={**said, "input_tokens": 3.0})).usage == usage
    value, _ = written(messages, usage=usage)
    assert value["usage"] == said


def test_compaction_is_billed_and_an_advisor_is_another_model_s(messages):
    iterations = [
        {"type": "compaction", "input_tokens": 1_000, "output_tokens": 50},
        {"type": "message", "input_tokens": 3, "output_tokens": 5},
        {"type": "advisor_message", "model": "other", "input_tokens": 9_000, "output_tokens": 9},
    ]
    facts = messages.read_answer(body(usage={"input_tokens": 3, "output_tokens": 5, "iterations": iterations}))
    assert facts.usage == Usage(input=1_003, output=55)
    odd = [{"type": ["compaction"], "input_tokens": 1, "output_tokens": 1}, {"type": {}}, "compaction", None]
    facts = messages.read_answer(body(usage={"input_tokens": 3, "output_tokens": 5, "iterations": odd}))
    assert facts.usage == Usage(input=3, output=5)


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": -1, "output_tokens": 2}, {"output_tokens": "5"}, []])
def test_a_count_that_is_none_is_not_made_up(messages, usage):
    raw = body(usage=usage)
    assert messages.read_answer(raw).usage is None
    assert messages.read_whole(raw, OUTGOING).usage is None


def test_errors_inside_a_200(messages):
    raw = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}'
    for read in (messages.read_answer, lambda it: messages.read_whole(it, OUTGOING), messages.read_count):
        with pytest.raises(UpstreamRefused) as refused:
            read(raw)
        assert (refused.value.status, refused.value.kind, refused.value.retryable) == (503, "overloaded", True)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"content":"x"}', b'{"id":"msg', b"<html>"])
def test_what_is_no_answer_is_garbage(messages, raw):
    for read in (messages.read_answer, lambda it: messages.read_whole(it, OUTGOING), messages.read_count):
        with pytest.raises(UpstreamGarbage):
            read(raw)


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "refusal"),
        ("pause_turn", "pause"),
        ("some_new_word", "stop"),
        (None, "stop"),
    ],
)
def test_ends(messages, word, finish):
    choice = messages.read_whole(body(stop_reason=word), OUTGOING).choices[0]
    assert (choice.finish, choice.finish_raw) == (finish, word or "")


def test_the_stop_string_is_told(messages):
    read = messages.read_whole(body(stop_reason="stop_sequence", stop_sequence="END"), OUTGOING)
    assert read.choices[0].stop_sequence == "END"


def test_a_refusal_tells_why(messages):
    details = {"type": "refusal", "category": "cyber", "explanation": "Not that."}
    read = messages.read_whole(body(stop_reason="refusal", stop_details=details), OUTGOING)
    assert read.choices[0].blocks == (Refusal(text="Not that."),)


def test_blocks_of_every_kind(messages):
    cited = {
        "type": "text",
        "text": "It is so.",
        "citations": [
            {
                "type": "web_search_result_location",
                "url": "https://x.test",
                "title": "X",
                "cited_text": "so",
                "encrypted_index": "e",
            },
            {"type": "page_location", "document_index": 0, "document_title": "Doc", "cited_text": "it"},
        ],
    }
    search = {"type": "server_tool_use", "id": "srv", "name": "web_search", "input": {"query": "q"}}
    read = messages.read_whole(
        body(
            {"type": "thinking", "thinking": "hm", "signature": "sig"},
            {"type": "redacted_thinking", "data": "xyz"},
            search,
            cited,
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}, "caller": {"type": "direct"}},
            stop_reason="tool_use",
        ),
        OUTGOING,
    )
    thinking, hidden, server, text, call = read.choices[0].blocks
    assert thinking == Reasoning(text="hm", signature="sig", maker="anthropic-messages/claude-x")
    assert hidden == Reasoning(encrypted="xyz", maker="anthropic-messages/claude-x")
    assert (server.kind, json.loads(bytes(server.raw))) == ("server_tool_use", search)
    page = Citation(url="https://x.test", title="X", quote="so", end=len(text.text))
    assert text.citations == (page, Citation(title="Doc", quote="it", end=len(text.text)))
    assert call == ToolCall(id="toolu_1", name="f", arguments="{}")  # and a server's tool is none of the caller's
    assert read.choices[0].finish == "tool_calls"


def test_an_answer_in_messages(messages):
    usage = Usage(input=10, cache_read=4, output=3)
    value, encoded = written(
        messages,
        Text(text="Hello"),
        Refusal(text="no"),
        ToolCall(id="call_1", name="f", arguments='{"a": 1}'),
        finish="tool_calls",
        usage=usage,
    )
    assert value == {
        "id": "a1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [
            {"type": "text", "text": "Hello"},
            {"type": "text", "text": "no"},
            {"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 6,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 4,
            "output_tokens": 3,
        },
    }
    priced = json.loads(messages.annotate(encoded.body, 1_500))
    assert priced["usage"].pop("cost") == 0.0000015
    assert priced == value


@pytest.mark.parametrize(
    ("finish", "raw", "stop", "word"),
    [
        ("stop", "stop", "", "end_turn"),
        ("stop", "stop", "END", "stop_sequence"),
        ("length", "length", "", "max_tokens"),
        ("length", "model_context_window_exceeded", "", "model_context_window_exceeded"),
        ("content_filter", "SAFETY", "", "refusal"),
        ("pause", "", "", "pause_turn"),
        ("error", "", "", "refusal"),
        (None, "", "", "end_turn"),
    ],
)
def test_words_for_ends(messages, finish, raw, stop, word):
    value, _ = written(messages, Text(text="x"), finish=finish, finish_raw=raw, stop_sequence=stop)
    assert value["stop_reason"] == word
    assert value["stop_sequence"] == (stop or None)


def test_a_call_is_a_reason_to_stop_whatever_the_provider_calls_it(messages):
    value, _ = written(messages, ToolCall(id="a", name="f"), finish="stop")
    assert value["stop_reason"] == "tool_use"


def test_ids_of_calls_fit_the_grammar_and_are_unlike(messages):
    calls = (ToolCall(id="f:0", name="f"), ToolCall(id="f:0", name="f", arguments='{"a":1}'), ToolCall(id="", name="g"))
    value, _ = written(messages, *calls, finish="tool_calls")
    ids = [block["id"] for block in value["content"]]
    assert len(set(ids)) == 3
    assert all(one.startswith("toolu_") for one in ids)


def test_arguments_that_were_cut_off_stay_readable(messages):
    value, _ = written(messages, ToolCall(id="a", name="f", arguments='{"x": "y'), finish="length")
    assert value["content"][0]["input"] == {"arguments": '{"x": "y'}


def test_what_messages_cannot_say_is_named(messages):
    blocks = (
        Text(text=""),
        Media(kind="image", data="AAAA"),
        Opaque(dialect="openai-responses", kind="web_search_call", raw=msgspec.Raw(b"{}")),
        Text(text="x", citations=(Citation(quote="of a file"),)),
        Text(text="y", extras=(Extras(dialect="openai-responses", fields={"annotations": msgspec.Raw(b"[]")}),)),
    )
    value, encoded = written(messages, *blocks, logprobs=msgspec.Raw(b"{}"))
    assert [block["text"] for block in value["content"]] == ["x", "y"]
    lost = {"content[1]", "content[2]", "content[3].citations", "content[4].annotations", "logprobs"}
    assert {one.path for one in encoded.dropped} == lost


def test_only_one_answer(messages):
    answer = Answer(id="a", model="m", choices=(Choice(blocks=(Text(text="1"),)), Choice(index=1)))
    encoded = messages.write_answer(answer, None)
    assert json.loads(encoded.body)["content"] == [{"type": "text", "text": "1"}]
    assert [one.path for one in encoded.dropped] == ["choices[1]"]


def test_no_answer_at_all_is_an_empty_one(messages):
    value = json.loads(messages.write_answer(Answer(id="a", model="m", choices=()), None).body)
    assert (value["content"], value["stop_reason"]) == ([], "end_turn")
    assert value["usage"]["output_tokens"] == 0


@pytest.mark.parametrize(
    "thought",
    [
        Reasoning(text="hm", signature="sig.with.dots", maker="gemini/gemini-3-pro"),
        Reasoning(text="hm", encrypted="abc", maker="openai-responses/gpt-5", summary=True),
        Reasoning(encrypted="abc", maker="openai-responses/gpt-5"),
        Reasoning(signature="only", maker="anthropic-messages/claude"),
        Reasoning(text="told", maker="openai-chat/größe"),
        Reasoning(text="told"),
    ],
)
def test_thinking_comes_back_to_its_maker_through_a_client(messages, read, thought):
    value, encoded = written(messages, thought, Text(text="ok"))
    assert not encoded.dropped
    assert value["content"][0].get("signature", "") or value["content"][0].get("data")
    turns = [{"role": "assistant", "content": value["content"]}]
    back = messages.to_core(read(messages=turns)).messages[0].blocks[0]
    own = thought.maker.startswith("anthropic-messages")
    assert back == (msgspec.structs.replace(thought, maker="anthropic-messages") if own else thought)


def test_what_gemini_signs_on_a_call_comes_back_with_it(messages, read):
    seal = Extras(dialect="gemini", fields={"thoughtSignature": msgspec.Raw(b'"abc"')})
    call = ToolCall(id="f:0", name="f", arguments='{"a":1}', extras=(seal,))
    value, encoded = written(messages, Text(text="x"), call, finish="tool_calls")
    assert [block["type"] for block in value["content"]] == ["text", "redacted_thinking", "tool_use"]
    assert not encoded.dropped
    blocks = messages.to_core(read(messages=[{"role": "assistant", "content": value["content"]}])).messages[0].blocks
    assert [type(block) for block in blocks] == [Text, ToolCall]
    assert blocks[1].extras == (seal,)


def test_an_answer_ends_in_words(messages):
    """Claude Code takes the last block for the answer; thoughts without a word are kept before a call."""
    sealed = Reasoning(signature="s", maker="gemini/g")
    answer = Answer(id="a", model="m", choices=(Choice(blocks=(sealed, Text(text="hi"), sealed), finish="stop"),))
    encoded = messages.write_answer(answer, None)
    assert [block["type"] for block in json.loads(encoded.body)["content"]] == ["thinking", "text"]
    assert [one.path for one in encoded.dropped] == ["content.thinking"]
    alone = Answer(id="a", model="m", choices=(Choice(blocks=(sealed,), finish="length"),))
    assert len(json.loads(messages.write_answer(alone, None).body)["content"]) == 1


COUNTS = st.integers(min_value=0, max_value=10**6)


@given(
    texts=st.lists(st.text(max_size=20), max_size=3),
    stop=st.sampled_from(("end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal", "pause_turn", "new", "")),
    word=st.none() | st.text(max_size=4),
    usage=st.fixed_dictionaries(
        {"input_tokens": COUNTS, "output_tokens": COUNTS},
        optional={"cache_read_input_tokens": COUNTS, "cache_creation_input_tokens": COUNTS, "service_tier": st.text()},
    ),
)
def test_texts_alone_are_read_as_they_are_among_others(messages, texts, stop, word, usage):
    """Most answers are texts alone and take a shorter way; an empty list of citations in each is the longer one."""
    said = {"stop_reason": stop, "stop_sequence": word, "usage": usage}
    short, long = (
        messages.read_whole(body(*({"type": "text", "text": text, **more} for text in texts), **said), OUTGOING)
        for more in ({}, {"citations": []})
    )
    assert short == long
    assert [block.text for block in short.choices[0].blocks] == texts
