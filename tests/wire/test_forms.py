"""Whether answers have the form that was asked for, whole and streamed, and what is not judged."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.chat import Answer, Text
from pointsman.core.model import Model
from pointsman.core.outcome import Form
from pointsman.wire.anthropic_messages import AnthropicMessages
from pointsman.wire.forms import ANY, Judge, Wanted, asks_json, fits, judged, wanted_of
from pointsman.wire.gemini import Gemini
from pointsman.wire.openai_chat import OpenAIChat
from pointsman.wire.openai_responses import OpenAIResponses
from pointsman.wire.passage import Passages
from pointsman.wire.port import Dialect
from pointsman.wire.trip import Incoming, Outgoing, Surface, Trip

CHAT, RESPONSES, MESSAGES, GEMINI = OpenAIChat(), OpenAIResponses(), AnthropicMessages(), Gemini()
USER = [{"role": "user", "content": "Hi"}]
WAYS = Passages([CHAT])
SENT = Outgoing(path="/chat/completions", body=b"{}")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def asking(form: Any = None, *, stream: bool = False, **more: Any) -> Incoming:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": stream, **more}
    body |= {"response_format": form} if form is not None else {}
    return CHAT.read_request(json.dumps(body).encode(), "chat.completions")


def of_schema(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


def answer(content: Any, finish: str = "stop", **more: Any) -> bytes:
    message = {"role": "assistant", "content": content, **more}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps({"id": "a", "object": "chat.completion", "model": "m", "choices": [choice]}).encode()


def stream(content: str, finish: str = "stop", **more: Any) -> bytes:
    deltas: list[Any] = [{"role": "assistant", "content": ""}, *({"content": c} for c in content)]
    deltas += [more] if more else []
    chunks = [{"id": "a", "model": "m", "choices": [{"index": 0, "delta": d}]} for d in deltas]
    chunks.append({"id": "a", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    return b"".join(b"data: %s\n\n" % json.dumps(c).encode() for c in chunks) + b"data: [DONE]\n\n"


def form_of(incoming: Incoming, body: bytes, *, tidy: bool = False) -> Form:
    way, trip = WAYS.between(CHAT.name, CHAT.name, tidy=tidy), Trip(incoming=incoming, outgoing=SENT)
    if not incoming.stream:
        return way.read_answer(body, trip).facts.form
    relay = way.relay(trip)
    for at in range(0, len(body), 100):
        relay.feed(body[at : at + 100])
    relay.close()
    relay.close()
    return relay.facts.form


JUDGED = [
    ('{"city": "Paris"}', {"type": "json_object"}, "ok"),
    ("[]", {"type": "json_object"}, "ok"),
    ('{"city": "Paris"', {"type": "json_object"}, "broken"),
    ('{"city": "Paris"} Done.', {"type": "json_object"}, "broken"),
    ("```json\n{}\n```", {"type": "json_object"}, "broken"),
    ("Paris", {"type": "json_object"}, "broken"),
    ("NaN", {"type": "json_object"}, "broken"),
    ("", {"type": "json_object"}, "broken"),
    ('{"city": "Paris"}', of_schema(SCHEMA), "ok"),
    ('{"town": "Paris"}', of_schema(SCHEMA), "broken"),
    ('["Paris"]', of_schema(SCHEMA), "broken"),
    ('{"city": 1}', of_schema(SCHEMA), "ok"),  # deeper than the top nobody looks
    ("2.0", of_schema({"type": ["integer", "null"]}), "ok"),
    ("2.5", of_schema({"type": "integer"}), "broken"),
    ("true", of_schema({"type": "number"}), "broken"),
    ("null", of_schema({"type": ["integer", "null"]}), "ok"),
    ('{"a": 1}', of_schema({"type": {"odd": 1}, "required": "a"}), "ok"),
    ('{"a": 1}', of_schema("odd"), "ok"),
    ('{"a": 1}', {"type": "json_schema"}, "ok"),
    ("{", None, ""),
    ("{", {"type": "text"}, ""),
]


@pytest.mark.parametrize("tidy", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("text", "form", "expected"), JUDGED)
def test_an_answer_to_a_request_for_json_is_judged(
    text: str, form: Any, expected: Form, streamed: bool, tidy: bool
) -> None:
    if tidy:
        expected = "ok" if text.startswith("```") else expected
        if form is None or form["type"] == "text":
            return  # such requests never go that way
    body = stream(text) if streamed else answer(text)
    assert form_of(asking(form, stream=streamed), body, tidy=tidy) == expected


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("finish", "more"),
    [
        ("tool_calls", {"tool_calls": [{"index": 0, "id": "1", "function": {"name": "f", "arguments": "{}"}}]}),
        ("stop", {"refusal": "I will not."}),
        ("content_filter", {}),
    ],
)
def test_calls_and_refusals_are_not_judged(finish: str, more: Any, streamed: bool) -> None:
    body = stream("", finish, **more) if streamed else answer("", finish, **more)
    assert form_of(asking({"type": "json_object"}, stream=streamed), body) == ""


@pytest.mark.parametrize("streamed", [False, True])
def test_json_that_was_cut_by_the_limit_is_broken(streamed: bool) -> None:
    body = stream('{"a": ', "length") if streamed else answer('{"a": ', "length")
    assert form_of(asking({"type": "json_object"}, stream=streamed), body) == "broken"


@pytest.mark.parametrize("streamed", [False, True])
def test_a_very_long_answer_is_not_judged(streamed: bool) -> None:
    text = '{"a": "' + "x" * (1 << 20) + '"}'
    if not streamed:
        assert form_of(asking({"type": "json_object"}), answer(text)) == ""
        return
    chunks = [
        {"choices": [{"index": 0, "delta": {"content": text[at : at + 50_000]}}]} for at in range(0, len(text), 50_000)
    ]
    body = b"".join(b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in chunks) + stream("")
    assert form_of(asking({"type": "json_object"}, stream=True), body) == ""


def test_every_one_of_several_answers_has_to_fit() -> None:
    choices = [
        {"index": at, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        for at, text in enumerate(("{}", "no"))
    ]
    body = json.dumps({"id": "a", "model": "m", "choices": choices}).encode()
    assert form_of(asking({"type": "json_object"}, n=2), body) == "broken"


def test_a_straight_answer_passes_untouched_while_it_is_judged() -> None:
    way = WAYS.between(CHAT.name, CHAT.name)
    body = answer("{}", odd_field=[1, 2])
    trip = Trip(incoming=asking({"type": "json_object"}), outgoing=SENT)
    assert way.read_answer(body, trip).body == body
    incoming = asking({"type": "json_object"}, stream=True, stream_options={"include_usage": True})
    sent = stream("{}")
    relay = way.relay(Trip(incoming=incoming, outgoing=SENT))
    assert relay.feed(sent) + relay.close() == sent
    assert (relay.has_content, relay.done, relay.facts.form) == (True, True, "ok")


def test_the_tidy_way_leaves_requests_and_unfenced_answers_as_they_are(model: Model) -> None:
    way = WAYS.between(CHAT.name, CHAT.name, tidy=True)
    incoming = asking({"type": "json_object"}, logit_bias={"1": 2}, store=True, my_own_field={"a": [None]})
    straight = WAYS.between(CHAT.name, CHAT.name).write_request(incoming, model)
    assert way.write_request(incoming, model) == straight
    assert b'"my_own_field":{"a": [null]}' in straight.body
    body = answer('{"a": 1}', odd_field=[1, 2])
    heard = way.read_answer(body, Trip(incoming=incoming, outgoing=straight))
    assert (heard.body, heard.facts.form) == (body, "ok")
    said = answer('Sure!\n```json\n{"a": "é"}\n```', odd_field=[1, 2.50])
    fenced = way.read_answer(said, Trip(incoming=incoming, outgoing=straight))
    assert fenced.body == answer("@", odd_field=[1, 2.50]).replace(b'"@"', '"{\\"a\\": \\"é\\"}"'.encode())
    assert fenced.facts.form == "ok"


def test_a_text_that_is_in_no_one_string_makes_the_answer_be_written_anew(model: Model) -> None:

    class Odd(OpenAIChat):
        def read_whole(self, body: bytes, outgoing: Outgoing) -> Answer:
            found = super().read_whole(body, outgoing)
            choice = msgspec.structs.replace(found.choices[0], blocks=(Text(text="```json\n{}\n```"),))
            return msgspec.structs.replace(found, choices=(choice,))

    dialect = Odd()
    incoming = asking({"type": "json_object"})
    way = Passages([dialect]).between(dialect.name, dialect.name, tidy=True)
    heard = way.read_answer(answer("odd"), Trip(incoming=incoming, outgoing=way.write_request(incoming, model)))
    assert json.loads(heard.body)["choices"][0]["message"]["content"] == "{}"
    assert heard.facts.form == "ok"


SAID: list[tuple[Dialect, Surface, Any, Any]] = [
    (RESPONSES, "responses", {"input": "Hi"}, {"text": {"format": {"type": "json_schema", "schema": SCHEMA}}}),
    (
        RESPONSES,
        "responses",
        {"previous_response_id": "r"},
        {"text": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    ),
    (
        MESSAGES,
        "messages",
        {"messages": USER},
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    ),
    (MESSAGES, "messages", {"messages": USER}, {"output_format": {"type": "json_schema", "schema": SCHEMA}}),
    (
        GEMINI,
        "gemini.generate",
        {"contents": [{"parts": [{"text": "Hi"}]}]},
        {
            "generationConfig": {
                "responseMimeType": "application/json",
                "responseSchema": {"type": "OBJECT", "required": ["city"], "properties": {"city": {"type": "STRING"}}},
            }
        },
    ),
    (
        GEMINI,
        "gemini.generate",
        {"contents": [{"parts": [{"text": "Hi"}]}]},
        {"generation_config": {"response_mime_type": "application/json", "response_json_schema": SCHEMA}},
    ),
]


@pytest.mark.parametrize(("caller", "surface", "body", "form"), SAID)
def test_every_dialect_says_what_it_wants_in_its_own_way(
    caller: Dialect, surface: Surface, body: Any, form: Any
) -> None:
    def read(said: Any) -> Incoming:
        return caller.read_request(
            json.dumps({"model": "m", "max_tokens": 9, **said}).encode(), surface, "/v1beta/models/m:generateContent"
        )

    assert not asks_json(read(body))
    assert asks_json(read(body | form))
    assert wanted_of(caller, read(body | form)) == Wanted(types=frozenset({"object"}), required=frozenset({"city"}))


def test_what_is_no_request_for_json_is_none() -> None:
    assert not asks_json(asking())
    assert not asks_json(asking({"type": "text"}))
    assert asks_json(asking({"type": "json_object"}))
    assert judged(asking({"type": "json_object"}))
    counted = msgspec.structs.replace(asking({"type": "json_object"}), surface="messages.count_tokens")
    assert asks_json(counted)
    assert not judged(counted)
    assert wanted_of(CHAT, asking({"type": "json_object"})) == ANY
    assert wanted_of(CHAT, asking(of_schema(SCHEMA))) == Wanted(
        types=frozenset({"object"}), required=frozenset({"city"})
    )


@given(st.text(max_size=40))
def test_any_text_can_be_judged(text: str) -> None:
    assert fits(text, ANY) in (True, False)
    assert not fits(text + "{", ANY)


def test_depth_is_no_trouble() -> None:
    assert not fits("[" * 100_000, ANY)
    judge = Judge(ANY)
    assert judge.form() == ""
