from __future__ import annotations

import json

import msgspec
import pytest

from pointsman.core.chat import Message, Request, ResponseFormat, Text
from pointsman.core.errors import UnsupportedParameter
from pointsman.core.model import Model
from pointsman.wire.continuing import continuation, seam_for
from pointsman.wire.raw import dump
from pointsman.wire.told import Standing
from wire.continuing.second import ALL, CALLERS, PASSAGES, SECONDS, Second, asked, asking, words

HI = Message(role="user", blocks=(Text(text="Hi."),))
ASKED = Request(model="m", messages=(HI,), max_output=100, reasoning_effort="high", temperature=0.3)
SCHEMA = ResponseFormat(kind="json_schema", name="x", schema=dump({"type": "object", "required": ["a"]}))


def test_a_begun_answer_stands_last_without_the_white_space_behind_it():
    got = continuation(ASKED, "Well, this is \n", prefill=True)
    assert got.messages == (HI, Message(role="assistant", blocks=(Text(text="Well, this is"),)))
    assert got.reasoning_effort == ""
    assert got.temperature == 0.3


def test_an_instruction_follows_what_was_told_exactly():
    got = continuation(ASKED, "Well, this is \n", prefill=False)
    assert got.messages[:2] == (HI, Message(role="assistant", blocks=(Text(text="Well, this is \n"),)))
    assert got.messages[2].role == "user"
    assert "exactly where it stops" in words(got.messages[2])
    assert got.reasoning_effort == "high"


@pytest.mark.parametrize(("told", "left"), [("x" * 200, 50), ("x" * 4_000, 1), ("x", 100)])
def test_what_was_told_counts_towards_the_longest_answer(told, left):
    assert continuation(ASKED, told, prefill=True).max_output == left
    silent = msgspec.structs.replace(ASKED, max_output=None)
    assert continuation(silent, told, prefill=True).max_output is None


@pytest.mark.parametrize("prefill", [True, False])
def test_nothing_but_white_space_told_is_asked_anew(prefill):
    request = msgspec.structs.replace(ASKED, response_format=SCHEMA)
    assert continuation(request, " \n", prefill=prefill) == request
    assert seam_for(" \n", prefill=prefill) == ""


@pytest.mark.parametrize("prefill", [True, False])
def test_the_form_of_the_rest_is_not_asked_for(prefill):
    got = continuation(msgspec.structs.replace(ASKED, response_format=SCHEMA), '{"a": ', prefill=prefill)
    assert got.response_format is None
    if not prefill:
        assert '"required":["a"]' in words(got.messages[-1])


@pytest.mark.parametrize(
    ("second", "takes"),
    [
        (Second("anthropic-messages", "claude-3-5-sonnet-20241022"), True),
        (Second("anthropic-messages", "claude-opus-4-8"), False),
        (Second("anthropic-messages", "somebody-else"), False),
        (Second("mistral-chat", "mistral-large-latest"), True),
        (Second("openai-chat", "gpt-4.1"), False),
        (Second("openai-responses", "gpt-4.1"), False),
        (Second("gemini", "gemini-2.5-pro"), False),
    ],
)
def test_who_goes_on_with_a_begun_answer(second, takes):
    assert ALL[second.dialect].prefills(second.model) is takes


@pytest.mark.parametrize("second", SECONDS, ids=lambda one: one.upstream)
@pytest.mark.parametrize("caller", CALLERS)
def test_every_dialect_asks_every_dialect_to_go_on(caller, second):
    incoming = asking(caller)
    way = PASSAGES.onward(caller, second.dialect, Standing(text="Well, this "))
    outgoing = way.write_request(incoming, second.model)
    assert outgoing.seam == ("prefill" if second.prefills else "instruction")
    messages = asked(second, outgoing).messages
    if second.prefills:
        assert messages[-1].role == "assistant"
        assert words(messages[-1]) == "Well, this"
    else:
        assert [message.role for message in messages[-2:]] == ["assistant", "user"]
        assert words(messages[-2]) == "Well, this "


def test_mistral_is_told_that_the_answer_has_begun():
    way = PASSAGES.onward("openai-chat", "mistral-chat", Standing(text="Well, this "))
    body = json.loads(way.write_request(asking("openai-chat"), SECONDS[2].model).body)
    assert body["messages"][-1] == {"role": "assistant", "content": "Well, this", "prefix": True}


def test_a_policy_that_drops_nothing_is_kept():
    strict: Model = msgspec.structs.replace(SECONDS[0].model, param_policy="refuse")
    way = PASSAGES.onward("openai-chat", "anthropic-messages", Standing(text="Well"))
    with pytest.raises(UnsupportedParameter):
        way.write_request(asking("openai-chat", seed=4), strict)
