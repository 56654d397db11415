"""Errors, as OpenAI's client and Codex understand them."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import msgspec
import openai
import pytest
from openai.types.responses import Response

from pointsman.core.chat import Answer, Choice, Reasoning, Text, ToolCall
from pointsman.core.errors import (
    AllAttemptsFailed,
    InvalidRequest,
    Overloaded,
    PointsmanError,
    UpstreamCut,
    UpstreamGarbage,
    UpstreamRefused,
)
from pointsman.wire.events import events_of
from pointsman.wire.openai_responses import OpenAIResponses

LIMITED = UpstreamRefused("Slow down.", status=429, kind="rate_limit_exceeded", retry_after=2.5, retryable=True)
TOO_LONG = UpstreamRefused("Too long.", status=400, kind="context_length_exceeded")


def client_over(stream: bytes) -> openai.OpenAI:
    """OpenAI's client, answered with a stream."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=stream)

    transport = httpx2.MockTransport(answer)
    return openai.OpenAI(
        api_key="k", base_url="http://test/v1", max_retries=0, http_client=httpx2.Client(transport=transport)
    )


def events_in(stream: bytes) -> list[dict[str, Any]]:
    return [json.loads(frame.split("data: ")[1]) for frame in stream.decode().removesuffix("\n\n").split("\n\n")]


def test_a_whole_error_has_openais_shape(dialect):
    body = json.loads(dialect.write_error(InvalidRequest("No.", param="input[0]", hint="Do."), "req-1"))["error"]
    assert (body["message"], body["type"], body["param"], body["code"]) == (
        "No.",
        "invalid_request_error",
        "input[0]",
        "invalid_request",
    )
    assert (body["pointsman"]["request_id"], body["pointsman"]["hint"]) == ("req-1", "Do.")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (LIMITED, "rate_limit_exceeded"),
        (TOO_LONG, "context_length_exceeded"),
        (AllAttemptsFailed(TOO_LONG, ("a: Too long.",)), "context_length_exceeded"),
        (AllAttemptsFailed(UpstreamCut("cut"), ("a: cut",)), "server_error"),
        (UpstreamCut("cut"), "server_error"),
        (UpstreamGarbage("odd"), "server_error"),
        (Overloaded("full"), "server_error"),
        (InvalidRequest("No.", param="input"), "invalid_request"),
    ],
)
def test_a_stream_that_fails_tells_everybody(dialect, error: PointsmanError, code):
    told, failed = events_in(dialect.write_stream_error(error, "req-1"))
    assert (told["type"], told["message"], told["param"]) == ("error", error.message, error.param)
    assert told["error"]["pointsman"]["request_id"] == "req-1"
    assert failed["type"] == "response.failed"
    assert failed["sequence_number"] == told["sequence_number"] + 1
    assert (failed["response"]["status"], failed["response"]["error"]["code"]) == ("failed", code)
    Response.model_validate({**failed["response"], "error": None})  # OpenAI's list of codes is not all that it sends


@pytest.mark.parametrize("upto", range(3, 12))
def test_the_response_that_failed_is_the_one_that_had_begun(dialect, asking, upto):
    blocks = (Reasoning(text="hm"), Text(text="Good"), ToolCall(id="c", name="f", arguments='{"a":1}'))
    answer = Answer(id="x", model="m-1", created=7, choices=(Choice(blocks=blocks, finish="stop"),))
    incoming = msgspec.structs.replace(asking(metadata={"a": "b"}), call="01call")
    writer = dialect.writer(incoming)
    assert writer.so_far == b""
    begun = events_in(writer.write(events_of(answer)[:upto]))
    _, failed = events_in(dialect.write_stream_error(UpstreamCut("cut"), "01call", writer.so_far))
    last = failed["response"]
    Response.model_validate({**last, "error": None})
    for name in ("id", "model", "created_at", "metadata"):
        assert last[name] == begun[0]["response"][name]
    assert (last["status"], last["error"]["message"]) == ("failed", "cut")
    announced = [event["item"]["id"] for event in begun if event["type"] == "response.output_item.added"]
    assert [item["id"] for item in last["output"]] == announced
    written = "".join(event["delta"] for event in begun if event["type"].endswith(".delta"))
    assert "".join(_words(item) for item in last["output"]) == written
    done = [event["item"] for event in begun if event["type"] == "response.output_item.done"]
    for item in last["output"]:
        assert item in done or item.get("status", "incomplete") == "incomplete"


def _words(item: dict[str, Any]) -> str:
    parts = item.get("content") or item.get("summary") or [{"text": item.get("arguments", "")}]
    return "".join(part["text"] for part in parts)


def test_before_its_beginning_it_bears_the_id_that_it_would_have_had(dialect, asking):
    _, failed = events_in(dialect.write_stream_error(UpstreamCut("cut"), "01call"))
    answer = Answer(id="x", model="m-1", choices=(Choice(),))
    body = dialect.write_answer(answer, msgspec.structs.replace(asking(), call="01call")).body
    assert failed["response"]["id"] == json.loads(body)["id"]


def test_codex_reads_in_the_message_how_long_to_wait(dialect):
    _, failed = events_in(dialect.write_stream_error(LIMITED, "req-1"))
    assert failed["response"]["error"]["message"] == "Slow down. Please try again in 2.5s."


def test_openais_client_raises(dialect, asking):
    begun = b'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":{"id":"r"}}\n\n'
    stream = begun + dialect.keep_alive() + dialect.write_stream_error(TOO_LONG, "req-1")
    seen = []
    with pytest.raises(openai.APIError, match="Too long") as error:
        seen.extend(client_over(stream).responses.create(model="m", input="x", stream=True))
    assert [event.type for event in seen] == ["response.created", "keepalive"]
    assert error.value.code == "context_length_exceeded"


def test_our_own_reader_understands_it(dialect, asking, model):
    reader = dialect.reader(dialect.write_request(asking(), model))
    with pytest.raises(UpstreamRefused) as error:
        reader.feed(dialect.write_stream_error(TOO_LONG, "req-1"))
    assert error.value.kind == "context_length_exceeded"


def test_the_sign_of_life_is_an_event_that_codex_notices():
    """Codex does not see comments, and gives up on a stream in which it sees nothing for some time."""
    name, data, *rest = OpenAIResponses().keep_alive().decode().split("\n")
    assert (name, rest) == ("event: keepalive", ["", ""])
    assert json.loads(data.removeprefix("data: "))["type"] == "keepalive"


def test_before_the_first_event_the_sign_of_life_is_a_comment(dialect, asking):
    """OpenAI's client, which puts responses together, takes no event before `response.created`."""
    body = json.dumps(
        {"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": []}
    ).encode()
    stream = dialect.as_stream(body, asking())
    with client_over(dialect.keep_alive(begun=False) + stream).responses.stream(model="m", input="x") as events:
        assert events.get_final_response().id == "resp_1"
    with (
        pytest.raises(RuntimeError, match=r"response\.created"),
        client_over(dialect.keep_alive() + stream).responses.stream(model="m", input="x") as events,
    ):
        events.until_done()
