"""Between two dialects: what cannot be said is dropped by name, or refused where the model says so."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest

from pointsman.compose.dialects import Dialects
from pointsman.core.errors import UnsupportedParameter, UpstreamRefused
from pointsman.core.model import Model, Provider
from pointsman.wire.trip import Trip

DIALECTS = Dialects()
CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "seed": 4, "logit_bias": {"5": 1}}


def model(dialect: str, policy: Literal["drop", "refuse"] = "drop") -> Model:
    provider = Provider(name="lab", dialect=dialect, base_url="http://x/v1")
    return Model(name="m", provider=provider, upstream="claude-x", param_policy=policy)


def write(policy: Literal["drop", "refuse"], body: dict[str, Any]) -> Any:
    incoming = DIALECTS.chat.read_request(json.dumps(body).encode(), "chat.completions")
    way = DIALECTS.passages.between("openai-chat", "anthropic-messages")
    return way.write_request(incoming, model("anthropic-messages", policy))


def test_a_film_by_url_is_fetched_for_a_gemini() -> None:
    url = "https://a.example/b.mp4"
    content = [{"type": "video_url", "video_url": {"url": url}}]
    body = {"model": "m", "messages": [{"role": "user", "content": content}]}
    incoming = DIALECTS.chat.read_request(json.dumps(body).encode(), "chat.completions")
    assert DIALECTS.passages.between("openai-chat", "gemini").wants(incoming) == [url]


def test_what_the_target_cannot_say_is_named() -> None:
    assert {"seed", "logit_bias"} <= {one.path for one in write("drop", CHAT).dropped}


def test_or_refused_where_nothing_may_be_left_out() -> None:
    with pytest.raises(UnsupportedParameter) as refused:
        write("refuse", CHAT)
    assert "`seed`" in refused.value.message
    assert "`logit_bias`" in refused.value.message
    assert not write("refuse", {key: CHAT[key] for key in ("model", "messages")}).dropped


@pytest.mark.parametrize("caller", ["openai-chat", "openai-responses", "gemini"])
def test_a_providers_error_keeps_its_words_and_loses_its_body(caller: str) -> None:
    way = DIALECTS.passages.between(caller, "anthropic-messages")
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}'
    error = way.read_error(529, ((b"retry-after", b"7"),), body)
    assert isinstance(error, UpstreamRefused)
    assert (error.status, error.kind, error.retryable, error.retry_after) == (503, "overloaded", True, 7.0)
    assert error.message == "Overloaded"
    assert error.body == b"", "another dialect's body is none that this caller reads"


def test_an_answer_without_a_time_gets_the_calls_own() -> None:
    incoming = DIALECTS.chat.read_request(json.dumps(CHAT).encode(), "chat.completions")
    way = DIALECTS.passages.between("openai-chat", "anthropic-messages")
    outgoing = way.write_request(incoming, model("anthropic-messages"))
    answer = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "Hello"}], "usage": {"input_tokens": 3, "output_tokens": 1},
    }  # fmt: skip
    trip = Trip(incoming=incoming, outgoing=outgoing, now=1_760_000_000_000_000_000)
    heard = way.read_answer(json.dumps(answer).encode(), trip)
    assert json.loads(heard.body)["created"] == 1_760_000_000
    assert heard.facts.usage is not None
    assert heard.facts.usage.total == 4


@pytest.mark.parametrize("caller", ["openai-responses", "anthropic-messages", "gemini"])
def test_half_a_character_from_a_tokeniser_breaks_no_stream(caller: str) -> None:
    way = DIALECTS.passages.between(caller, "openai-chat")
    asked: dict[str, tuple[Any, str, dict[str, Any]]] = {
        "openai-responses": ("responses", "", {"model": "m", "input": "Hi", "stream": True}),
        "anthropic-messages": ("messages", "", {**CHAT, "max_tokens": 9, "stream": True}),
        "gemini": (
            "gemini.generate",
            "/v1beta/models/m:streamGenerateContent",
            {"contents": [{"parts": [{"text": "Hi"}]}]},
        ),
    }
    surface, path, body = asked[caller]
    body = {name: value for name, value in body.items() if name not in ("seed", "logit_bias")}
    incoming = DIALECTS.translated[caller].read_request(json.dumps(body).encode(), surface, path, "alt=sse")
    relay = way.relay(Trip(incoming=incoming, outgoing=way.write_request(incoming, model("openai-chat"))))
    chunk = b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":%b}]}\n\n'
    out = relay.feed(chunk % (rb"a \ud83d", b"null")) + relay.feed(chunk % (b"b", b'"stop"') + b"data: [DONE]\n\n")
    assert b"a ?" in out
    assert relay.close()


def test_what_came_before_an_error_in_one_read_is_the_callers() -> None:
    way = DIALECTS.passages.between("anthropic-messages", "openai-chat")
    body = {**{key: CHAT[key] for key in ("model", "messages")}, "max_tokens": 9, "stream": True}
    incoming = DIALECTS.messages.read_request(json.dumps(body).encode(), "messages")
    relay = way.relay(Trip(incoming=incoming, outgoing=way.write_request(incoming, model("openai-chat"))))
    read = (
        b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"Half an"}}]}\n\n'
        b'data: {"error":{"message":"The server had an error","type":"server_error"}}\n\n'
    )
    assert b"Half an" in relay.feed(read)
    with pytest.raises(UpstreamRefused, match="had an error"):
        relay.feed(b"")
    first = way.relay(Trip(incoming=incoming, outgoing=way.write_request(incoming, model("openai-chat"))))
    with pytest.raises(UpstreamRefused):  # nothing of the answer has come: another provider may still give it
        first.feed(read.partition(b"\n\n")[2])
