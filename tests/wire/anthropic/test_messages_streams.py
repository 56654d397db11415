"""Streams between this dialect and the core."""

from __future__ import annotations

import json

import msgspec
import pytest

from pointsman.core.chat import (
    Alive,
    Answer,
    AnswerStart,
    BlockEnd,
    BlockStart,
    Choice,
    ChoiceEnd,
    Citation,
    Delta,
    Extras,
    Logprobs,
    Media,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    UsageReport,
)
from pointsman.core.errors import UpstreamCut, UpstreamGarbage, UpstreamRefused
from pointsman.core.usage import Usage
from pointsman.wire.events import Assembly, events_of
from pointsman.wire.trip import Outgoing
from wire.anthropic.test_messages_relay import END, HEAD, LAST, OVERLOADED, PING, START, STOP, TEXT, delta, event

OUTGOING = Outgoing(path="", body=b"")
TOOL_END = event("message_delta", delta={"stop_reason": "tool_use"}, usage={"output_tokens": 7})


def heard(messages, data, outgoing=OUTGOING):
    reader, assembly = messages.reader(outgoing), Assembly()
    assembly.add(reader.feed(data))
    assembly.add(reader.close())
    return assembly.answer()


def begun(block, index=0):
    return event("content_block_start", index=index, content_block=block)


def stopped(index=0):
    return event("content_block_stop", index=index)


def tool(name="f", **fields):
    return {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}, **fields}


# Reading


def test_a_stream_of_text(messages):
    reader = messages.reader(OUTGOING)
    events = reader.feed(HEAD + PING + START + TEXT + STOP + END + LAST)
    assert events == [
        AnswerStart(id="msg_1", model="claude-x"),
        Alive(),
        BlockStart(index=0, block=Text(text="")),
        Delta(index=0, field="text", text="Hello"),
        BlockEnd(index=0),
        ChoiceEnd(finish="stop", finish_raw="end_turn"),
        UsageReport(usage=Usage(input=14, cache_read=4, output=7)),
    ]
    assert reader.done
    assert reader.close() == []


@pytest.mark.parametrize("pieces", [(), ("",), ("", "")])
def test_a_call_without_arguments_has_an_empty_object(messages, pieces):
    more = b"".join(delta(type="input_json_delta", partial_json=piece) for piece in pieces)
    answer = heard(messages, HEAD + begun(tool()) + more + stopped() + TOOL_END + LAST)
    assert answer.choices[0].blocks == (ToolCall(id="toolu_1", name="f", arguments="{}"),)
    assert answer.choices[0].finish == "tool_calls"


def test_arguments_come_as_they_were_written(messages):
    more = b"".join(delta(type="input_json_delta", partial_json=piece) for piece in ("", '{"a"', ": 1.50}"))
    answer = heard(messages, HEAD + begun(tool()) + more + stopped() + TOOL_END + LAST)
    assert answer.choices[0].blocks[0].arguments == '{"a": 1.50}'


def test_input_that_stands_in_the_beginning_counts_where_nothing_follows(messages):
    answer = heard(messages, HEAD + begun(tool(input={"a": 1})) + stopped() + TOOL_END + LAST)
    assert answer.choices[0].blocks[0].arguments == '{"a":1}'


def test_thinking_seals_and_citations(messages):
    answer = heard(
        messages,
        HEAD
        + begun({"type": "thinking", "thinking": "", "signature": ""})
        + delta(type="thinking_delta", thinking="hm")
        + delta(type="signature_delta", signature="sig")
        + stopped()
        + begun({"type": "redacted_thinking", "data": "xyz"}, 1)
        + stopped(1)
        + begun({"type": "text", "text": "", "citations": []}, 2)
        + delta(2, type="citations_delta", citation={"url": "https://x.test", "title": "X", "cited_text": "so"})
        + delta(2, type="text_delta", text="so")
        + stopped(2)
        + END
        + LAST,
    )
    maker = "anthropic-messages/claude-x"
    assert answer.choices[0].blocks == (
        Reasoning(text="hm", signature="sig", maker=maker),
        Reasoning(encrypted="xyz", maker=maker),
        Text(text="so", citations=(Citation(url="https://x.test", title="X", quote="so", end=2),)),
    )


def test_blocks_of_unknown_kinds_come_whole(messages):
    answer = heard(
        messages,
        HEAD
        + begun({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}})
        + delta(type="input_json_delta", partial_json='{"query":')
        + delta(type="input_json_delta", partial_json='"q"}')
        + stopped()
        + begun({"type": "compaction", "content": None}, 1)
        + delta(1, type="compaction_delta", content="Sum")
        + delta(1, type="compaction_delta", content="mary")
        + stopped(1)
        + END
        + LAST,
    )
    first, second = answer.choices[0].blocks
    assert json.loads(bytes(first.raw)) == {
        "type": "server_tool_use",
        "id": "s",
        "name": "web_search",
        "input": {"query": "q"},
    }
    assert json.loads(bytes(second.raw)) == {"type": "compaction", "content": "Summary"}


def test_a_refusal_in_a_stream_tells_why(messages):
    details = {"type": "refusal", "explanation": "Not that."}
    end = event("message_delta", delta={"stop_reason": "refusal", "stop_details": details}, usage={})
    answer = heard(messages, HEAD + START + TEXT + STOP + end + LAST)
    assert answer.choices[0].blocks == (Text(text="Hello"), Refusal(text="Not that."))
    assert answer.choices[0].finish == "refusal"


def test_names_of_tools_are_the_caller_s(messages):
    outgoing = Outgoing(path="", body=b"", tool_names={"f_x": "f/x"})
    answer = heard(messages, HEAD + begun(tool("f_x")) + stopped() + TOOL_END + LAST, outgoing)
    assert answer.choices[0].blocks[0].name == "f/x"


def test_the_call_that_is_the_answer_is_text_and_words_around_it_go(messages):
    outgoing = Outgoing(path="", body=b"", answer_tool="give")
    answering = begun(tool("give"), 1) + delta(1, type="input_json_delta", partial_json='{"a":1}') + stopped(1)
    answer = heard(messages, HEAD + START + TEXT + STOP + answering + TOOL_END + LAST, outgoing)
    assert [block.text for block in answer.choices[0].blocks] == ['{"a":1}']
    assert answer.choices[0].finish == "stop"
    plain = heard(
        messages, HEAD + START + TEXT + STOP + begun(tool("look"), 1) + stopped(1) + TOOL_END + LAST, outgoing
    )
    assert [type(block) for block in plain.choices[0].blocks] == [Text, ToolCall]
    assert plain.choices[0].finish == "tool_calls"


def test_errors_and_cuts(messages):
    reader = messages.reader(OUTGOING)
    reader.feed(HEAD + START + TEXT)
    with pytest.raises(UpstreamRefused) as refused:
        reader.feed(OVERLOADED)
    assert refused.value.status == 503
    for cut in (b"", HEAD + START + TEXT, HEAD + START + TEXT + STOP + END, HEAD[:40]):
        reader = messages.reader(OUTGOING)
        reader.feed(cut)
        with pytest.raises(UpstreamCut):
            reader.close()
    with pytest.raises(UpstreamGarbage):
        messages.reader(OUTGOING).feed(HEAD + TEXT)
    with pytest.raises(UpstreamGarbage):
        messages.reader(OUTGOING).feed(HEAD + START + HEAD)


def test_the_last_event_may_lack_its_blank_line(messages):
    assert heard(messages, HEAD + START + TEXT + STOP + END + LAST[:-2]).choices[0].finish == "stop"


# Writing


def told(messages, events, *happened, usage=None, cost=None):
    writer = messages.writer(None)
    data = b"".join(writer.write([one]) for one in happened)
    return events(data + writer.close(usage, cost))


def shape(found):
    return [(one["type"].removeprefix("content_block_"), one.get("index")) for one in found]


ANSWER = AnswerStart(id="a1", model="m", created=1)
DONE = ChoiceEnd(finish="stop", finish_raw="stop")


def test_the_exact_order_of_events(messages, events):
    found = told(
        messages,
        events,
        ANSWER,
        Alive(),
        BlockStart(index=0, block=Text(text="")),
        Delta(index=0, field="text", text="Hé"),
        BlockEnd(index=0),
        BlockStart(index=1, block=ToolCall(id="call_1", name="f", arguments="")),
        Delta(index=1, field="arguments", text='{"a":'),
        Delta(index=1, field="arguments", text="1}"),
        BlockEnd(index=1),
        ChoiceEnd(finish="tool_calls", finish_raw="tool_calls"),
        usage=Usage(input=10, cache_read=4, output=3),
        cost=1_500,
    )
    assert shape(found) == [
        ("message_start", None),
        ("ping", None),
        ("start", 0),
        ("delta", 0),
        ("stop", 0),
        ("start", 1),
        ("delta", 1),
        ("delta", 1),
        ("stop", 1),
        ("message_delta", None),
        ("message_stop", None),
    ]
    head = found[0]["message"]
    assert (head["id"], head["model"], head["content"], head["stop_reason"]) == ("a1", "m", [], None)
    assert head["usage"]["input_tokens"] == head["usage"]["output_tokens"] == 0
    assert found[5]["content_block"] == {"type": "tool_use", "id": "call_1", "name": "f", "input": {}}
    assert [one["delta"]["partial_json"] for one in found[6:8]] == ['{"a":', "1}"]
    end = found[-2]
    assert end["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert (end["usage"]["cost"], end["usage"]["input_tokens"], end["usage"]["cache_read_input_tokens"]) == (
        0.0000015,
        6,
        4,
    )
    assert "pointsman_metadata" not in end


def test_blocks_that_overlap_follow_each_other(messages, events):
    found = told(
        messages,
        events,
        ANSWER,
        BlockStart(index=0, block=ToolCall(id="a", name="f", arguments="")),
        Delta(index=0, field="arguments", text="{"),
        BlockStart(index=1, block=ToolCall(id="b", name="g", arguments="")),
        Delta(index=1, field="arguments", text='{"b"'),
        BlockStart(index=2, block=ToolCall(id="c", name="h", arguments="{}")),
        Delta(index=0, field="arguments", text="}"),
        BlockEnd(index=2),
        BlockEnd(index=0),
        Delta(index=1, field="arguments", text=":1}"),
        BlockEnd(index=1),
        ChoiceEnd(finish="tool_calls"),
    )
    assert [one["index"] for one in found if "index" in one] == [0] * 4 + [1] * 4 + [2] * 3
    calls = {}
    for one in found:
        if one["type"] == "content_block_delta":
            calls[one["index"]] = calls.get(one["index"], "") + one["delta"]["partial_json"]
    assert calls == {0: "{}", 1: '{"b":1}', 2: "{}"}


def test_an_answer_ends_in_words_and_seals_go_before_what_they_led_to(messages, events):
    """Gemini signs the end of a text; Claude Code takes the last block for the answer."""
    sealed = (
        BlockStart(index=1, block=Reasoning(maker="gemini/g")),
        Delta(index=1, field="signature", text="s"),
        BlockEnd(index=1),
    )
    text = (BlockStart(index=0, block=Text(text="hi")), BlockEnd(index=0))
    found = told(messages, events, ANSWER, *text, *sealed, DONE)
    assert [one["content_block"]["type"] for one in found if one["type"] == "content_block_start"] == ["text"]
    assert found[-2]["pointsman_metadata"] == {"dropped": ["content.thinking"]}
    call = (BlockStart(index=2, block=ToolCall(id="c", name="f")), BlockEnd(index=2))
    found = told(messages, events, ANSWER, *text, *sealed, *call, ChoiceEnd(finish="tool_calls"))
    kinds = [one["content_block"]["type"] for one in found if one["type"] == "content_block_start"]
    assert kinds == ["text", "thinking", "tool_use"]
    assert [one["index"] for one in found if one["type"] == "content_block_stop"] == [0, 1, 2]
    assert "pointsman_metadata" not in found[-2]


def test_thinking_is_sealed_for_its_maker(messages, events):
    found = told(
        messages,
        events,
        ANSWER,
        BlockStart(index=0, block=Reasoning(maker="gemini/g")),
        Delta(index=0, field="text", text="hm"),
        Delta(index=0, field="signature", text="s"),
        BlockEnd(index=0),
        BlockStart(index=1, block=Reasoning(encrypted="xyz", maker="anthropic-messages/c")),
        BlockEnd(index=1),
        BlockStart(index=2, block=Reasoning(signature="only", maker="anthropic-messages/c")),
        BlockEnd(index=2),
        BlockStart(index=3, block=Reasoning()),
        BlockEnd(index=3),
        DONE,
    )
    assert shape(found)[1:-2] == [
        ("start", 0),
        ("delta", 0),
        ("delta", 0),
        ("stop", 0),
        ("start", 1),
        ("stop", 1),
        ("start", 2),
        ("delta", 2),
        ("stop", 2),
    ]
    assert found[2]["delta"] == {"type": "thinking_delta", "thinking": "hm"}
    assert found[3]["delta"] == {"type": "signature_delta", "signature": "pm1.Z2VtaW5pL2c.s"}
    assert found[5]["content_block"] == {"type": "redacted_thinking", "data": "xyz"}
    assert found[8]["delta"] == {"type": "signature_delta", "signature": "only"}


def test_empty_texts_are_not_shown_and_citations_are(messages, events):
    found = told(
        messages,
        events,
        ANSWER,
        BlockStart(index=0, block=Text(text="")),
        BlockEnd(index=0),
        BlockStart(index=1, block=Refusal(text="No.")),
        BlockEnd(index=1),
        BlockStart(index=2, block=Text(text="")),
        Delta(index=2, field="text", text="x"),
        BlockEnd(index=2, citations=(Citation(url="https://x.test"), Citation(quote="q"))),
        DONE,
    )
    assert [one["delta"]["type"] for one in found if one["type"] == "content_block_delta"] == [
        "text_delta",
        "text_delta",
        "citations_delta",
    ]
    assert found[-2]["pointsman_metadata"] == {"dropped": ["content[1].citations"]}


def test_what_cannot_be_said_is_named_in_the_end(messages, events):
    found = told(
        messages,
        events,
        ANSWER,
        BlockStart(index=0, block=Media(kind="image", data="AAAA")),
        BlockEnd(index=0),
        BlockStart(index=1, block=Opaque(dialect="gemini", kind="executableCode", raw=msgspec.Raw(b"{}"))),
        BlockEnd(index=1),
        Logprobs(raw=msgspec.Raw(b"{}")),
        BlockStart(choice=1, index=0, block=Text(text="other")),
        Delta(choice=1, index=0, field="text", text="x"),
        BlockEnd(choice=1, index=0),
        ChoiceEnd(choice=1, finish="stop"),
        BlockStart(index=2, block=Text(text="")),
        BlockEnd(index=2, extras=(Extras(dialect="gemini", fields={"thoughtSignature": msgspec.Raw(b'"abc"')}),)),
        ChoiceEnd(finish="stop", stop_sequence="END"),
    )
    assert shape(found) == [("message_start", None), ("message_delta", None), ("message_stop", None)]
    lost = {"image", "executableCode", "logprobs", "choices[1]", "content[2].thoughtSignature"}
    assert set(found[1]["pointsman_metadata"]["dropped"]) == lost
    assert found[1]["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "END"}
    assert found[1]["usage"]["output_tokens"] == 0


def test_a_whole_answer_and_its_stream_say_the_same(messages, events, read):
    seal = Extras(dialect="gemini", fields={"thoughtSignature": msgspec.Raw(b'"abc"')})
    blocks = (
        Reasoning(text="sum", encrypted="e", summary=True, maker="openai-responses/o"),
        Text(text="Hi", citations=(Citation(url="https://x.test", title="T", quote="q"),)),
        ToolCall(id="f:0", name="f", arguments='{"a":1}', extras=(seal,)),
        ToolCall(id="f:0", name="f", arguments="{}"),
        Opaque(dialect="anthropic-messages", kind="fallback", raw=msgspec.Raw(b'{"type":"fallback"}')),
    )
    choice = Choice(blocks=blocks, finish="tool_calls")
    answer = Answer(id="a1", model="m", choices=(choice,), usage=Usage(input=3, output=4))
    whole = json.loads(messages.write_answer(answer, None).body)
    found = told(messages, events, *events_of(answer), usage=answer.usage)
    content: list[dict] = []
    for one in found:
        if one["type"] == "content_block_start":
            content.append(one["content_block"])
        elif one["type"] == "content_block_delta":
            grow(content[one["index"]], one["delta"])
    assert sorted(content, key=json.dumps) == sorted(whole["content"], key=json.dumps)
    assert found[-2]["delta"]["stop_reason"] == whole["stop_reason"]
    assert found[-2]["usage"] == whole["usage"]


def grow(block, delta):
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] += delta["signature"]
        case "citations_delta":
            block["citations"] = [*block.get("citations", []), delta["citation"]]
        case "input_json_delta":
            block["input"] = json.loads(delta["partial_json"])
