"""What is kept of responses, and what of it another provider is told."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.chat import Answer, Choice, Reasoning, Text
from pointsman.core.errors import InvalidJson, InvalidRequest
from pointsman.core.kept import KeptResponse, Maker
from pointsman.wire.openai_responses import OpenAIResponses, with_history
from pointsman.wire.openai_responses.kept import (
    complete,
    conversation,
    dereferenced,
    joined,
    listed,
    may_be_kept,
    references,
    told_to,
)
from pointsman.wire.openai_responses.seals import PREFIX, seal_of

DIALECT = OpenAIResponses()
SEALED_BY_US = seal_of(Reasoning(text="hm", signature="sig", maker="anthropic-messages/claude"))
ENCRYPTED_BY_US = seal_of(Reasoning(encrypted="enc", maker="openai-chat/m"))
OF_A_CALL = PREFIX + base64.urlsafe_b64encode(
    json.dumps({"maker": "gemini", "call": "call_1", "encrypted": "", "fields": {"thoughtSignature": "s"}}).encode()
).decode().rstrip("=")

USER = {"role": "user", "content": "Hi"}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Yes"}]}
CALL = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
THOUGHT = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}
SUMMED = {"id": "rs_2", "type": "reasoning", "summary": [{"type": "summary_text", "text": "I think"}]}
OPEN = {"id": "rs_3", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
OURS = {"id": "rs_4", "type": "reasoning", "summary": [], "encrypted_content": SEALED_BY_US}
OURS_CLOSED = {"id": "rs_5", "type": "reasoning", "summary": [], "encrypted_content": ENCRYPTED_BY_US}
OURS_OF_CALL = {"id": "rs_6", "type": "reasoning", "summary": [], "encrypted_content": OF_A_CALL}
PRESSED = {"id": "cmp_1", "type": "compaction", "encrypted_content": "gBBBB"}
SEARCH = {"id": "ws_1", "type": "web_search_call", "status": "completed"}
EVERY = [MESSAGE, CALL, THOUGHT, SUMMED, OPEN, OURS, OURS_CLOSED, OURS_OF_CALL, PRESSED, SEARCH]


def incoming(**fields: Any) -> Any:
    return DIALECT.read_request(json.dumps({"model": "m", **fields}).encode(), "responses")


def kept(**changes: Any) -> KeptResponse:
    values: dict[str, Any] = {
        "id": "resp_1",
        "tenant": "",
        "call": "01",
        "created": 1,
        "expires": 2,
        "model": "m",
        "provider": "a",
        "input": b"[]",
        "makers": (),
        "response": b'{"output":[]}',
    }
    return KeptResponse(**(values | changes))


def told(provider: str, *, straight: bool, makers: tuple[Maker, ...] = (Maker("a", len(EVERY)),)) -> Any:
    request, lost = told_to(provider, incoming(input=[*EVERY, USER]), makers, straight=straight)
    return json.loads(bytes(request.fields["input"])), [one.path for one in lost]


def test_its_maker_is_told_everything_as_it_is() -> None:
    request = incoming(input=[*EVERY, USER])
    for straight in (True, False):
        assert told_to("a", request, (Maker("", 1), Maker("a", 9)), straight=straight) == (request, ())
        assert told_to("b", request, (), straight=straight) == (request, ())


def test_another_provider_of_responses_is_told_what_it_can_read_without_the_ids_of_what_it_did_not_store() -> None:
    def bare(item: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in item.items() if name != "id"}

    items, lost = told("b", straight=True)
    assert items == [bare(MESSAGE), bare(CALL), bare(OPEN), OURS, OURS_OF_CALL, SEARCH, USER]
    assert lost == ["previous_response_id.reasoning", "previous_response_id.compaction"]


def test_another_dialect_is_told_all_that_is_not_sealed_by_a_provider() -> None:
    items, lost = told("b", straight=False)
    assert items == [MESSAGE, CALL, SUMMED, OPEN, OURS, OURS_OF_CALL, SEARCH, USER]
    assert lost == ["previous_response_id.reasoning", "previous_response_id.compaction"]


def test_what_the_caller_sent_is_never_touched() -> None:
    makers = (Maker("a", 1), Maker("", len(EVERY) - 1))
    items, lost = told("b", straight=True, makers=makers)
    assert items[1:] == [*EVERY[1:], USER]
    assert lost == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"store": True}, True),
        ({"store": None}, True),
        ({"store": False}, False),
        ({"conversation": "conv_1"}, False),
        ({"conversation": {"id": "conv_1"}}, False),
        ({"conversation": None}, True),
    ],
)
def test_callers_and_providers_may_keep_it_to_themselves(fields: dict[str, Any], expected: bool) -> None:
    assert may_be_kept(incoming(input="x", **fields)) is expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "resp_1"),
        ({"status": "incomplete"}, "resp_1"),
        ({"status": None}, "resp_1"),
        *(({"status": status}, "") for status in ("failed", "in_progress", "queued", "cancelled", "new")),
        ({"id": ""}, ""),
        ({"id": "x" * 257}, ""),
        ({"id": "resp\n1"}, ""),
        ({"id": "räsp"}, ""),
        ({"id": 7}, ""),
        ({"output": None}, ""),
        ({"output": [1]}, ""),
    ],
)
def test_only_a_complete_response_can_be_gone_on_from(changes: dict[str, Any], expected: str) -> None:
    response = {"id": "resp_1", "status": "completed", "output": [MESSAGE], "usage": {}, **changes}
    body = json.dumps(response).encode()
    assert complete(body) == (expected, body if expected else b"")


def test_half_a_character_is_replaced_for_no_request_may_hold_it() -> None:
    body = rb'{"id":"resp_1","output":[{"type":"message","content":[{"type":"output_text","text":"a\ud83db"}]}]}'
    name, repaired = complete(body)
    assert name == "resp_1"
    assert json.loads(repaired)["output"][0]["content"][0]["text"] == "a?b"


def test_makers_side_by_side_are_one() -> None:
    makers = (Maker("a", 1), Maker("a", 2), Maker("", 0), Maker("a", 1), Maker("", 3), Maker("b", 0))
    assert joined(makers) == (Maker("a", 4), Maker("", 3))


def test_a_conversation_ends_with_the_output_and_its_maker() -> None:
    one = kept(
        input=json.dumps([USER]).encode(),
        makers=(Maker("", 1),),
        response=json.dumps({"output": [OPEN, CALL]}).encode(),
    )
    items, makers = conversation(one)
    assert [json.loads(bytes(item)) for item in items] == [USER, OPEN, CALL]
    assert makers == (Maker("", 1), Maker("a", 2))
    resumed = with_history(incoming(input="Go on", previous_response_id="resp_1"), items)
    assert "previous_response_id" not in resumed.fields
    assert resumed.needs.messages == 4


def test_listed_items_have_ids_that_stay() -> None:
    given_items = [USER, {"role": "assistant", "content": "Yes"}, CALL, {"type": "function_call_output", "output": "1"}]
    one = kept(input=json.dumps(given_items).encode())
    shown = listed(one)
    assert shown == listed(one)
    prefixes = [item["id"].partition("_")[0] for item in shown]
    assert prefixes == ["msg", "msg", "fc", "fco"]
    assert shown[0]["content"] == [{"type": "input_text", "text": "Hi"}]
    assert shown[1]["content"][0]["type"] == "output_text"
    assert shown[2]["id"] == "fc_1"
    assert listed(kept(id="resp_2", input=one.input))[0]["id"] != shown[0]["id"]


def test_items_that_we_wrote_are_found_by_their_ids_alone() -> None:
    written = json.loads(
        DIALECT.write_answer(
            Answer(id="chatcmpl-1", model="m", created=1, choices=(Choice(blocks=(Text(text="Yes"),), finish="stop"),)),
            incoming(input="x"),
        ).body
    )
    [item] = written["output"]
    reference = {"type": "item_reference", "id": item["id"]}
    theirs = {"type": "item_reference", "id": "msg_67ccd2bf17f0819081ff3bb2cf6508e60bb6a6b452d3795b"}
    request = incoming(input=[USER, reference, theirs, reference, {**USER, "content": '"item_reference"'}])
    assert references(request) == [written["id"]]
    one = kept(id=written["id"], response=json.dumps(written).encode())
    found = dereferenced(request, [one])
    assert found is not None
    items, makers = found
    assert [json.loads(bytes(raw)) for raw in items] == [
        USER,
        item,
        theirs,
        item,
        {**USER, "content": '"item_reference"'},
    ]
    assert makers == (Maker("", 1), Maker("a", 1), Maker("", 1), Maker("a", 1), Maker("", 1))
    assert dereferenced(request, []) is None
    assert references(incoming(input="item_reference")) == []
    nameless = {**written, "output": [{**item, "id": ""}, {"type": "web_search_call"}]}
    assert dereferenced(request, [kept(id=written["id"], response=json.dumps(nameless).encode())]) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
ITEMS = st.lists(
    st.dictionaries(
        st.sampled_from(["id", "type", "role", "content", "summary", "encrypted_content", "call_id"]),
        st.sampled_from(
            ["", "message", "reasoning", "function_call", "item_reference", SEALED_BY_US, "pm1.", "pm1.AAAA", "x"]
        )
        | JSON,
    )
)


@given(ITEMS, st.lists(st.tuples(st.sampled_from(["", "a", "b"]), st.integers(0, 4))), st.booleans())
def test_no_item_raises_anything_untyped(items: list[Any], spans: list[tuple[str, int]], straight: bool) -> None:
    body = json.dumps({"model": "m", "input": items}).encode()
    try:
        request = DIALECT.read_request(body, "responses")
    except (InvalidJson, InvalidRequest):
        return
    makers = tuple(Maker(*span) for span in spans)
    answered, lost = told_to("a", request, makers, straight=straight)
    assert len(lost) <= len(items)
    assert isinstance(answered.fields["input"], msgspec.Raw)
    one = kept(input=bytes(request.fields["input"]), response=body)
    assert len(listed(one)) == len(items)
    assert len(conversation(one)[0]) == len(items)
    references(request)
    dereferenced(request, [one])


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_body_raises_anything(body: bytes) -> None:
    assert isinstance(complete(body)[0], str)
    one = kept(input=body, response=body)
    listed(one)
    conversation(one)
