from __future__ import annotations

import json
import random
from typing import Any

import pytest

from pointsman.core.chat import (
    AnswerStart,
    BlockEnd,
    BlockStart,
    ChoiceEnd,
    Citation,
    Delta,
    Event,
    Reasoning,
    Text,
    ToolCall,
    UsageReport,
)
from pointsman.core.errors import UpstreamCut, UpstreamGarbage, UpstreamRefused
from pointsman.core.usage import Usage
from pointsman.wire.cross_relay import Known
from pointsman.wire.streams import Relay, final_of, so_far_of
from pointsman.wire.trip import Trip
from wire.across.frames import events as sse_events
from wire.continuing.second import (
    ALL,
    CALLERS,
    NOW,
    PASSAGES,
    PRICE,
    SECONDS,
    USED,
    asking,
    gathered,
    onward,
    poured,
    resumed,
    saying,
    stands,
    written,
)

HEAD = AnswerStart(id="a-1", model="m-1", created=1_764_000_000)
WELL = [HEAD, BlockStart(index=0, block=Text(text="")), Delta(index=0, field="text", text="Well, this is")]
CLAUDE = SECONDS[0]


def broken(caller: str, events: list[Event], **more: Any) -> bytes:
    return ALL[caller].writer(asking(caller, **more)).write(events)


def second_to(caller: str, told: bytes, **more: Any) -> Relay:
    """The relay of a model that goes on with a begun answer."""
    incoming = asking(caller, **more)
    stand = stands(caller, told, incoming)
    assert not stand.reason
    way, outgoing = onward(caller, incoming, stand, CLAUDE)
    return resumed(way, incoming, outgoing)


def finished(caller: str, told: bytes, events: list[Event]) -> Any:
    relay = second_to(caller, told)
    out = told + poured(relay, written(CLAUDE.dialect, events), random.Random(3))
    got = gathered(caller, out)
    assert not got.breaches
    return got


@pytest.mark.parametrize("caller", CALLERS)
def test_the_usage_is_told_once_and_says_that_it_is_an_estimate(caller):
    told = broken(caller, WELL)
    relay = second_to(caller, told)
    out = told + poured(relay, written(CLAUDE.dialect, saying(" it.", random.Random(1))), random.Random(1))
    assert relay.facts.usage == USED  # what the second model's attempt is booked with
    assert relay.usage == Usage(input=USED.input, output=USED.output + len("Well, this is") // 4, estimated=True)
    name, place = {
        "openai-chat": ("completion_tokens", '"usage":{'),
        "openai-responses": ("output_tokens", '"response.completed"'),
        "anthropic-messages": ("output_tokens", '"message_delta"'),
        "gemini": ("candidatesTokenCount", '"usageMetadata"'),
    }[caller]
    ends = [event.data for event in sse_events(out.decode()) if place in event.data]
    assert len(ends) == 1
    assert f'"{name}":{USED.output + 3}' in ends[0]


def test_the_cost_is_that_of_both():
    incoming = asking("openai-chat")
    told = broken("openai-chat", WELL)
    stand = stands("openai-chat", told, incoming)
    costs = []
    for spent in (5_000, None):
        way = PASSAGES.onward("openai-chat", CLAUDE.dialect, stand, spent=spent)
        relay = resumed(way, incoming, way.write_request(incoming, CLAUDE.model))
        out = poured(relay, written(CLAUDE.dialect, saying(" it.", random.Random(1))), random.Random(1))
        usage = next(json.loads(event.data) for event in sse_events(out.decode()) if '"usage"' in event.data)["usage"]
        costs.append(usage.get("cost"))
    assert costs == [(PRICE.cost(USED) + 5_000) / 1e9, None]


@pytest.mark.parametrize("caller", CALLERS)
def test_thoughts_that_were_told_end_and_new_ones_are_not_shown(caller):
    told = broken(
        caller, [HEAD, BlockStart(index=0, block=Reasoning()), Delta(index=0, field="text", text="First I thi")]
    )
    thoughts = [
        BlockStart(index=0, block=Reasoning()),
        Delta(index=0, field="text", text="Now I think."),
        Delta(index=0, field="signature", text="c2ln"),
        BlockEnd(index=0),
    ]
    text = [BlockStart(index=1, block=Text(text="")), Delta(index=1, field="text", text="Good day."), BlockEnd(index=1)]
    got = finished(caller, told, [HEAD, *thoughts, *text, ChoiceEnd(finish="stop"), UsageReport(usage=USED)])
    assert got.text == "Good day."
    assert "First I thi" in json.dumps(got.body)
    assert "Now I think" not in json.dumps(got.body)


def test_signed_thoughts_are_not_signed_again():
    told = broken("anthropic-messages", [HEAD])
    start = {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}
    signed = {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}}
    for value in (start, signed):
        told += b"event: " + value["type"].encode() + b"\ndata: " + json.dumps(value).encode() + b"\n\n"
    got = finished("anthropic-messages", told, saying("Good day.", random.Random(1)))
    assert [block["type"] for block in got.body["content"]] == ["thinking", "text"]
    assert got.body["content"][0]["signature"] == "c2ln"


@pytest.mark.parametrize("caller", CALLERS)
def test_the_second_model_may_call_a_tool_after_the_text(caller):
    call = [
        BlockStart(index=1, block=ToolCall(id="toolu_1", name="look", arguments="")),
        Delta(index=1, field="arguments", text='{"a":1}'),
        BlockEnd(index=1),
    ]
    text = [BlockStart(index=0, block=Text(text="")), Delta(index=0, field="text", text=" it."), BlockEnd(index=0)]
    end = [ChoiceEnd(finish="tool_calls"), UsageReport(usage=USED)]
    assert finished(caller, broken(caller, WELL), [HEAD, *text, *call, *end]).text == "Well, this is it."
    bare = finished(caller, broken(caller, WELL), [HEAD, *call, *end])
    assert bare.text == "Well, this is"
    assert "look" in json.dumps(bare.body)


@pytest.mark.parametrize("caller", CALLERS)
def test_a_model_that_has_nothing_to_add_ends_the_answer(caller):
    assert finished(caller, broken(caller, WELL), saying("", random.Random(1))).text == "Well, this is"


@pytest.mark.parametrize("caller", CALLERS)
def test_a_text_that_had_ended_is_followed_by_another(caller):
    told = broken(caller, [*WELL, BlockEnd(index=0)])
    assert finished(caller, told, saying(" it.", random.Random(1))).text == "Well, this is it."


@pytest.mark.parametrize("gone", [b"response.content_part.done", b"response.output_item.done", b"response.completed"])
def test_a_response_goes_on_behind_any_of_its_ends(gone):
    whole = broken("openai-responses", [*WELL, BlockEnd(index=0), ChoiceEnd(finish="stop")])
    at = whole.find(b"event: " + gone)
    got = finished("openai-responses", whole[:at] if at > 0 else whole, saying(" it.", random.Random(1)))
    assert got.text == "Well, this is it."
    parts = [part["text"] for item in got.body["output"] for part in item["content"]]
    assert parts == ["Well, this is", " it."]  # nothing grows behind its end


@pytest.mark.parametrize("caller", CALLERS)
def test_an_answer_of_which_only_the_head_was_told_begins_once(caller):
    assert finished(caller, broken(caller, [HEAD]), saying("Good day.", random.Random(1))).text == "Good day."


def test_a_role_that_was_told_is_not_told_again():
    chunk = {"id": "a-1", "object": "chat.completion.chunk", "created": 1_764_000_000, "model": "m-1"}
    choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    told = b"data: " + json.dumps({**chunk, "choices": [choice]}).encode() + b"\n\n"
    relay = second_to("openai-chat", told)
    out = poured(relay, written(CLAUDE.dialect, saying("Good day.", random.Random(1))), random.Random(1))
    assert b'"role"' not in out


def test_blocks_are_counted_on():
    thoughts = [BlockStart(index=0, block=Reasoning()), Delta(index=0, field="text", text="Hm."), BlockEnd(index=0)]
    text = [BlockStart(index=1, block=Text(text="")), Delta(index=1, field="text", text="Well,"), BlockEnd(index=1)]
    told = broken("anthropic-messages", [HEAD, *thoughts, *text])
    got = finished("anthropic-messages", told, saying(" it is.", random.Random(1)))
    assert [block["type"] for block in got.body["content"]] == ["thinking", "text", "text"]


@pytest.mark.parametrize("caller", CALLERS)
def test_an_answer_of_which_nothing_was_told_begins(caller):
    assert finished(caller, b"", saying("Good day.", random.Random(1))).text == "Good day."


def test_the_elements_of_an_array_go_on():
    incoming = asking("gemini", array=True)
    told = ALL["gemini"].writer(incoming).write(WELL)
    way, outgoing = onward("gemini", incoming, stands("gemini", told, incoming), CLAUDE)
    relay = resumed(way, incoming, outgoing)
    out = told + poured(relay, written(CLAUDE.dialect, saying(" it.", random.Random(1))), random.Random(1))
    chunks = json.loads(out)
    said = "".join(chunk["candidates"][0]["content"]["parts"][0]["text"] for chunk in chunks)
    assert said == "Well, this is it."


@pytest.mark.parametrize("caller", CALLERS)
def test_a_whole_answer_to_a_request_for_a_stream_goes_on_too(caller):
    incoming = asking(caller)
    told = broken(caller, WELL)
    way, outgoing = onward(caller, incoming, stands(caller, told, incoming), CLAUDE)
    content = [{"type": "text", "text": " it."}]
    body = {"id": "msg_2", "type": "message", "role": "assistant", "model": "x", "content": content}
    body |= {"stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 2}}
    relay, out = way.relay_whole(
        json.dumps(body).encode(), Trip(incoming=incoming, outgoing=outgoing, price=PRICE, now=NOW)
    )
    got = gathered(caller, told + out)
    assert (got.text, got.breaches, relay.has_content) == ("Well, this is it.", [], True)


@pytest.mark.parametrize("caller", CALLERS)
def test_a_second_stream_without_its_end_is_cut(caller):
    relay = second_to(caller, broken(caller, WELL))
    relay.feed(written(CLAUDE.dialect, saying(" it.", random.Random(1))).partition(b"event: message_delta")[0])
    assert relay.has_content
    with pytest.raises(UpstreamCut):
        relay.close()


def test_what_is_held_back_is_no_content():
    incoming = asking("openai-chat")
    stand = stands("openai-chat", broken("openai-chat", WELL), incoming)
    way, outgoing = onward("openai-chat", incoming, stand, SECONDS[1])
    relay = resumed(way, incoming, outgoing)
    data = written("openai-responses", saying("Well, this is it.", random.Random(1)))
    begun = data.find(b"response.output_text.delta", data.find(b"response.output_text.delta") + 40)
    assert b"content" not in relay.feed(data[:begun])
    assert not relay.has_content
    assert b'"content":" it."' in relay.feed(data[begun:])
    assert relay.has_content


def test_an_error_of_the_second_provider_is_raised_without_its_body():
    relay = second_to("openai-chat", broken("openai-chat", WELL))
    with pytest.raises(UpstreamRefused) as raised:
        relay.feed(b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Busy"}}\n\n')
    assert raised.value.body == b""
    with pytest.raises(UpstreamRefused):
        relay.feed(b"")


JSON = {"response_format": {"type": "json_object"}}
OBJECT = [HEAD, BlockStart(index=0, block=Text(text="")), Delta(index=0, field="text", text='{"a": [1, ')]


@pytest.mark.parametrize(("rest", "finish", "form"), [("2]}", "stop", "ok"), ("2], ", "length", "broken")])
def test_json_that_two_models_wrote_is_looked_at(rest, finish, form):
    relay = second_to("openai-chat", broken("openai-chat", OBJECT, **JSON), **JSON)
    poured(relay, written(CLAUDE.dialect, saying(rest, random.Random(1), finish=finish)), random.Random(1))
    assert relay.facts.form == form


def test_halves_that_are_no_json_together_do_not_look_like_an_answer():
    relay = second_to("openai-chat", broken("openai-chat", OBJECT, **JSON), **JSON)
    out = relay.feed(written(CLAUDE.dialect, saying('{"a": [1, 2]}', random.Random(1))))
    with pytest.raises(UpstreamGarbage, match="not the JSON"):
        relay.close()
    assert b"[DONE]" not in out


def test_sources_are_counted_from_the_beginning_of_the_whole_text():
    relay = second_to("openai-chat", broken("openai-chat", WELL))
    cited = Citation(url="https://a.example", start=1, end=3)
    text = [BlockStart(index=0, block=Text(text="")), Delta(index=0, field="text", text=" it."), BlockEnd(index=0)]
    events = [HEAD, *text[:2], BlockEnd(index=0, citations=(cited,)), ChoiceEnd(finish="stop")]
    relay._reader = Known(events)  # Anthropic's sources have no place in the text
    note = next(event for event in sse_events(relay.feed(b"").decode()) if "annotations" in event.data)
    place = note.value["choices"][0]["delta"]["annotations"][0]["url_citation"]
    assert (place["start_index"], place["end_index"]) == (len("Well, this is") + 1, len("Well, this is") + 3)


def test_a_stored_response_holds_all_of_the_answer():
    relay = second_to("openai-responses", broken("openai-responses", WELL))
    data = written(CLAUDE.dialect, saying(" it.", random.Random(1)))
    relay.feed(data.partition(b"event: content_block_stop")[0])
    assert json.loads(so_far_of(relay))["output"][0]["content"][0]["text"] == "Well, this is it."
    poured(relay, data[data.find(b"event: content_block_stop") :], random.Random(1))
    assert json.loads(final_of(relay))["output"][0]["content"][0]["text"] == "Well, this is it."
    assert relay.facts.id == json.loads(final_of(relay))["id"]


@pytest.mark.parametrize("caller", CALLERS)
def test_the_end_is_the_second_models(caller):
    relay = second_to(caller, broken(caller, WELL))
    poured(relay, written(CLAUDE.dialect, saying(" it.", random.Random(1), finish="length")), random.Random(1))
    assert relay.facts.finish == "max_tokens"
    assert relay.facts.model == "second-m"
    assert relay.done
    assert relay.written == len(" it.")
