"""A caller's request for a provider of the same dialect: untouched but for what routing has to change."""

from __future__ import annotations

import json

import msgspec
import pytest

from pointsman.core.chat import Answer, Choice, Citation, Reasoning, Text
from pointsman.core.errors import UnsupportedParameter


def test_only_the_name_of_the_model_changes_and_numbers_stay_as_written(messages, claude):
    turn = b'{"role":"user","content":"\\u00e9"}'
    body = b'{"model":"auto","max_tokens":5,"temperature":1.0,"new":{"x":1e2},"messages":[' + turn + b"]}"
    sent = messages.write_request(messages.read_request(body, "messages"), claude("claude-x"))
    assert sent.body == body.replace(b'"auto"', b'"claude-x"')


def test_defaults_and_refused_parameters_of_the_model(messages, read, claude):
    params = (("temperature", msgspec.Raw(b"0.5")), ("max_tokens", msgspec.Raw(b"7")))
    model = claude(params=params, refused_params=frozenset({"top_k"}))
    sent = messages.write_request(read(top_k=3), model)
    body = json.loads(sent.body)
    assert (body["temperature"], body["max_tokens"], "top_k" in body) == (0.5, 100, False)
    assert [one.path for one in sent.dropped] == ["top_k"]
    with pytest.raises(UnsupportedParameter):
        messages.write_request(read(top_k=3), msgspec.structs.replace(model, param_policy="refuse"))
    counted = json.loads(messages.write_request(read(surface="messages.count_tokens"), model).body)
    assert "temperature" not in counted


def test_the_query_of_anthropic_s_clients_stays_in_the_path(messages, claude):
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}]}).encode()
    for surface, path in (("messages", "/messages"), ("messages.count_tokens", "/messages/count_tokens")):
        incoming = messages.read_request(body, surface, "", "beta=true")
        assert messages.write_request(incoming, claude()).path == f"{path}?beta=true"


def test_what_other_models_sealed_does_not_reach_a_provider_of_this_dialect(messages, read, claude):
    blocks = (
        Reasoning(text="hm", signature="s", maker="gemini/g"),
        Reasoning(text="unsigned"),
        Reasoning(encrypted="e", maker="openai-responses/o"),
        Text(text="ok", citations=(Citation(url="https://x.test", title="T", quote="q"),)),
        Reasoning(text="own", signature="mine", maker="anthropic-messages/claude"),
    )
    answer = Answer(id="a", model="m", choices=(Choice(blocks=blocks, finish="stop"),))
    content = json.loads(messages.write_answer(answer, read()).body)["content"]
    assert [block["type"] for block in content] == ["thinking", "thinking", "redacted_thinking", "text", "thinking"]
    turns = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": content},
        {"role": "user", "content": "x"},
    ]
    thinking = {"type": "enabled", "budget_tokens": 1_024}
    sent = messages.write_request(read(messages=turns, thinking=thinking), claude())
    body = json.loads(sent.body)
    assert body["messages"][1]["content"] == [
        {"type": "text", "text": "ok"},
        {"type": "thinking", "thinking": "own", "signature": "mine"},
    ]
    assert body["thinking"] == {"type": "disabled"}  # the turn lacks what its model had thought
    assert {one.path for one in sent.dropped} == {*(f"messages[1].content[{n}]" for n in range(3)), "thinking"}


def test_a_turn_of_nothing_but_sealed_thinking_goes(messages, read, claude):
    sealed = {"type": "thinking", "thinking": "", "signature": "pm1.Z2VtaW5pL2c.s"}
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": [sealed]}]
    body = json.loads(messages.write_request(read(messages=turns), claude()).body)
    assert body["messages"] == turns[:1]


def test_words_that_look_like_a_seal_stay(messages, read, claude):
    turns = [{"role": "user", "content": [{"type": "text", "text": "pm1.x.y"}, {"type": "text", "text": '"pm1.'}]}]
    sent = messages.write_request(read(messages=turns), claude())
    assert json.loads(sent.body)["messages"] == turns
    assert not sent.dropped
