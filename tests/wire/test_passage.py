"""Between two dialects: what cannot be said is dropped by name, or refused where the model says so."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest

from pointsman.compose.dialects import Dialects
from pointsman.core.errors import UnsupportedParameter, UpstreamGarbage, UpstreamRefused
from pointsman.core.model import Model, Provider
from pointsman.wire.trip import Outgoing, Trip

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


SERVED = {
    "metadata": {"a": "b"},
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
    "safety_identifier": "s",
    "store": True,
    "service_tier": "flex",
}


def passed(caller: str, provider: str, **fields: Any) -> tuple[dict[str, Any], list[str]]:
    """A request as a provider gets it, and what of it was dropped."""
    surface, path, body = ASKED[caller]
    asked = DIALECTS.translated[caller].read_request(json.dumps({**body, **fields}).encode(), surface, path)
    outgoing = DIALECTS.passages.between(caller, provider).write_request(asked, model(provider))
    return json.loads(outgoing.body), [one.path for one in outgoing.dropped]


def test_how_to_serve_a_request_is_told_to_providers_of_responses_as_to_those_of_chat() -> None:
    body, lost = passed("openai-chat", "openai-responses", **SERVED, verbosity="low")
    assert {name: body[name] for name in SERVED} == SERVED
    assert (body["text"], lost) == ({"verbosity": "low"}, [])
    assert passed("openai-chat", "openai-responses")[0]["store"] is False


def test_of_a_responses_request_chat_is_told_what_changes_the_answer_its_time_or_its_price() -> None:
    """And no hints: many servers refuse fields that they do not know, and Codex sends some with each request."""
    body, lost = passed("openai-responses", "openai-chat", **SERVED, text={"verbosity": "low"})
    assert (body["service_tier"], body["verbosity"], lost) == ("flex", "low", [])
    assert not {"metadata", "prompt_cache_key", "store"} & body.keys()
    assert "service_tier" not in passed("openai-responses", "openai-chat", service_tier="auto")[0]
    body, lost = passed("openai-responses", "mistral-chat", **SERVED, text={"verbosity": "low"})
    assert not {"service_tier", "verbosity"} & body.keys()
    assert sorted(lost) == ["service_tier", "text.verbosity"]


PNG = "data:image/png;base64,QUJD"


def test_how_closely_to_look_at_a_picture_passes_between_openais_dialects_and_is_named_elsewhere() -> None:
    part: dict[str, Any] = {"type": "image_url", "image_url": {"url": PNG, "detail": "high"}}
    messages = [{"role": "user", "content": [part]}]
    body, lost = passed("openai-chat", "openai-responses", messages=messages)
    image = {"type": "input_image", "image_url": PNG, "detail": "high"}
    assert (body["input"][0]["content"], lost) == ([image], [])
    body, lost = passed("openai-responses", "openai-chat", input=[{"role": "user", "content": [image]}])
    assert (body["messages"][0]["content"], lost) == ([part], [])
    for provider in ("anthropic-messages", "gemini"):
        assert passed("openai-chat", provider, messages=messages)[1] == ["messages[0].detail"]
        part["image_url"]["detail"] = "auto"
        assert passed("openai-chat", provider, messages=messages)[1] == []
        part["image_url"]["detail"] = "high"


@pytest.mark.parametrize("provider", ["openai-responses", "anthropic-messages", "gemini"])
def test_names_of_speakers_are_named_where_they_are_lost(provider: str) -> None:
    messages = [
        {"role": "system", "name": "rules", "content": "s"},
        {"role": "user", "name": "bob", "content": "Hi"},
    ]
    lost = passed("openai-chat", provider, messages=messages)[1]
    assert sorted(lost) == ["messages[0].name", "messages[1].name"]


@pytest.mark.parametrize("provider", ["anthropic-messages", "gemini"])
@pytest.mark.parametrize("caller", ["openai-chat", "openai-responses"])
def test_a_tier_of_service_is_named_where_there_is_none(caller: str, provider: str) -> None:
    assert passed(caller, provider, **SERVED)[1] == ["service_tier"]
    for usual in ("auto", "default", None):
        assert passed(caller, provider, service_tier=usual)[1] == []


ASKED: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "openai-chat": ("chat.completions", "", {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}),
    "openai-responses": ("responses", "", {"model": "m", "input": "Hi"}),
    "anthropic-messages": (
        "messages",
        "",
        {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]},
    ),
    "gemini": ("gemini.generate", "/v1beta/models/m:generateContent", {"contents": [{"parts": [{"text": "Hi"}]}]}),
}


def told(caller: str, provider: str, answer: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """An answer as a caller gets it: whole, and the events of its stream."""
    surface, path, body = ASKED[caller]
    way, sent = DIALECTS.passages.between(caller, provider), json.dumps(answer).encode()
    trips = []
    for stream in (False, True):
        if caller == "gemini":
            path = path.replace("generate", "streamGenerate") if stream else path
        else:
            body = {**body, "stream": stream}
        asked = DIALECTS.translated[caller].read_request(json.dumps(body).encode(), surface, path, "alt=sse")
        trips.append(Trip(incoming=asked, outgoing=Outgoing(path="/", body=b""), now=1_760_000_000_000_000_000))
    events = way.relay_whole(sent, trips[1])[1].decode().split("\n\n")
    lines = [line for event in events for line in event.split("\n") if line.startswith("data: {")]
    return json.loads(way.read_answer(sent, trips[0]).body), [json.loads(line[6:]) for line in lines]


def by_claude(*content: Any, stop: str = "refusal", **more: Any) -> dict[str, Any]:
    usage = {"input_tokens": 3, "output_tokens": 1}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "usage": usage}
    return {**head, "content": list(content), "stop_reason": stop, **more}


@pytest.mark.parametrize("said", [[], [{"type": "text", "text": "Well, th"}]], ids=["nothing", "a beginning"])
def test_a_refusal_without_words_is_no_whole_response(said: list[Any]) -> None:
    body, events = told("openai-responses", "anthropic-messages", by_claude(*said))
    assert events[-1]["type"] == "response.incomplete"
    for one in (body, events[-1]["response"]):
        assert (one["status"], one["incomplete_details"]) == ("incomplete", {"reason": "content_filter"})
        assert [item["status"] for item in one["output"]] == ["incomplete"] * len(said)


def test_a_refusal_in_words_is_one_of_a_response() -> None:
    details = {"type": "refusal", "explanation": "Not that."}
    body, events = told("openai-responses", "anthropic-messages", by_claude(stop_details=details))
    for one in (body, events[-1]["response"]):
        assert (one["status"], one["incomplete_details"]) == ("completed", None)
        assert one["output"][0]["content"] == [{"type": "refusal", "refusal": "Not that."}]


REFUSALS = {
    "openai-chat": {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "refusal": "No."}}],
    },
    "openai-responses": {
        "id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "completed",
        "output": [{"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}],
    },
}  # fmt: skip


@pytest.mark.parametrize("provider", REFUSALS)
def test_openais_refusals_are_none_of_a_clean_end_for_callers_who_have_a_word_for_them(provider: str) -> None:
    body, events = told("anthropic-messages", provider, REFUSALS[provider])
    assert (body["stop_reason"], body["content"]) == ("refusal", [{"type": "text", "text": "No."}])
    assert [event["delta"]["stop_reason"] for event in events if event["type"] == "message_delta"] == ["refusal"]
    body, events = told("gemini", provider, REFUSALS[provider])
    assert body["candidates"][0]["finishReason"] == events[-1]["candidates"][0]["finishReason"] == "SAFETY"
    assert body["candidates"][0]["content"]["parts"] == [{"text": "No."}]


@pytest.mark.parametrize("provider", REFUSALS)
def test_between_openais_dialects_a_refusal_stays_what_it_is(provider: str) -> None:
    caller = next(name for name in REFUSALS if name != provider)
    body, _ = told(caller, provider, REFUSALS[provider])
    if caller == "openai-chat":
        assert (body["choices"][0]["message"]["refusal"], body["choices"][0]["finish_reason"]) == ("No.", "stop")
    else:
        assert (body["output"][0]["content"][0]["refusal"], body["status"]) == ("No.", "completed")


@pytest.mark.parametrize("stop", ["max_tokens", "tool_use", "refusal"])
def test_a_call_that_the_end_cuts_is_as_incomplete_as_its_response(stop: str) -> None:
    calls = [{"type": "tool_use", "id": f"toolu_{at}", "name": "f", "input": {}} for at in range(2)]
    body, events = told("openai-responses", "anthropic-messages", by_claude(*calls, stop=stop))
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    ended = "completed" if stop == "tool_use" else "incomplete"
    assert done == events[-1]["response"]["output"]
    for output in (body["output"], done):
        assert [item["status"] for item in output] == ["completed", ended]
    followed, events = told(
        "openai-responses", "anthropic-messages", by_claude(*calls, {"type": "text", "text": "a"}, stop=stop)
    )
    for output in (followed["output"], events[-1]["response"]["output"]):
        assert [item["status"] for item in output] == ["completed", "completed", ended]


@pytest.mark.parametrize("status", ["queued", "in_progress"])
@pytest.mark.parametrize("caller", ["openai-chat", "anthropic-messages", "gemini"])
def test_a_response_that_is_not_there_yet_is_no_empty_answer(caller: str, status: str) -> None:
    with pytest.raises(UpstreamGarbage, match=status):
        told(caller, "openai-responses", {**REFUSALS["openai-responses"], "status": status, "output": []})
    assert told(caller, "openai-responses", {**REFUSALS["openai-responses"], "status": status})
