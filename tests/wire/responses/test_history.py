"""For whoever keeps responses: what to store, and how a request goes on from it."""

from __future__ import annotations

import json

import msgspec

from pointsman.core.chat import Text, ToolCall
from pointsman.core.model import Ability
from pointsman.wire.openai_responses import answer_items, with_history
from pointsman.wire.openai_responses.history import input_items, previous

CALL = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}", "status": "completed"}
PICTURE = {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,QUJD"}]}


def raws(*items):
    return [msgspec.Raw(json.dumps(item).encode()) for item in items]


def test_the_items_of_an_answer(dialect):
    body = json.dumps({"id": "resp_1", "object": "response", "output": [CALL]}).encode()
    assert [json.loads(bytes(item)) for item in answer_items(body)] == [CALL]
    assert answer_items(b"garbage") == answer_items(b'{"output": 3}') == []


def test_a_request_that_goes_on(asking, dialect, model):
    result = {"type": "function_call_output", "call_id": "c", "output": "1"}
    incoming = asking(previous_response_id="resp_1", input=[result], store=True)
    assert previous(incoming) == "resp_1"
    whole = with_history(incoming, raws({"role": "user", "content": "hi"}, CALL))
    sent = json.loads(dialect.write_request(whole, model).body)
    assert sent["input"] == [{"role": "user", "content": "hi"}, CALL, result]
    assert "previous_response_id" not in sent
    assert sent["store"] is True
    messages = dialect.to_core(whole).messages
    assert [message.role for message in messages] == ["user", "assistant", "tool"]
    assert messages[1].blocks == (ToolCall(id="c", name="f"),)


def test_a_text_becomes_a_message(asking, dialect):
    whole = with_history(asking(previous_response_id="resp_1"), raws({"role": "user", "content": "before"}))
    assert [message.blocks for message in dialect.to_core(whole).messages] == [
        (Text(text="before"),),
        (Text(text="hi"),),
    ]
    assert [json.loads(bytes(item))["role"] for item in input_items(asking())] == ["user"]


def test_what_the_whole_conversation_needs(asking):
    incoming = asking(previous_response_id="resp_1")
    whole = with_history(incoming, raws(PICTURE, {"role": "user", "content": "word " * 1_000}))
    assert whole.needs.abilities == Ability.VISION
    assert whole.needs.messages == 3
    assert whole.needs.input_tokens > 1_000
    assert (incoming.needs.messages, incoming.needs.abilities) == (1, Ability(0))


def test_a_request_that_begins(asking):
    assert (
        previous(asking())
        == previous(asking(previous_response_id=None))
        == previous(asking(previous_response_id=3))
        == ""
    )
