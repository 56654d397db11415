"""Google's own library against our bytes: what it tolerates, what it raises, and what it sends back."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pointsman.core.chat import Answer, Choice, Citation, Reasoning, Text, ToolCall
from pointsman.core.errors import InvalidKey, InvalidRequest, Overloaded, PointsmanError, UnknownModel, UpstreamRefused
from pointsman.core.usage import Usage
from pointsman.wire.events import events_of
from wire.gemini.made import GEMINI, model, sent

genai = pytest.importorskip("google.genai")
types = genai.types
errors = genai.errors

MAKER = "anthropic-messages/claude"
BLOCKS = (
    Reasoning(text="I think.", signature="s?g>=", maker=MAKER),
    Text(text="Hel"),
    Text(text="lo.", citations=(Citation(url="https://a", title="A", start=0, end=3),)),
    ToolCall(id="toolu_1", name="f", arguments='{"a": 1}'),
)
ANSWER = Answer(
    id="a-1",
    model="claude",
    created=1_700_000_000,
    choices=(Choice(blocks=BLOCKS, finish="tool_calls"),),
    usage=Usage(input=10, output=8, reasoning=3),
)


class Provider:
    """Answers as it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answer: tuple[int, str, bytes] = (200, "application/json", b"")
        self.seen: list[tuple[str, bytes]] = []

    def asked(self, surface: Any = "gemini.generate") -> Any:
        """The latest request, as the dialect reads it."""
        path, body = self.seen[-1]
        path, _, query = path.partition("?")
        return GEMINI.read_request(body, surface, path, query)


@pytest.fixture
def provider() -> Iterator[Provider]:
    told = Provider()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_POST(self) -> None:
            told.seen.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            status, kind, body = told.answer
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_address[1]}"  # type: ignore[attr-defined]
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(provider) -> Iterator[Any]:
    options = types.HttpOptions(base_url=provider.url, retry_options=types.HttpRetryOptions(attempts=1))
    with genai.Client(api_key="k", vertexai=False, http_options=options) as made:
        yield made


def whole(cost: int | None = 4_100) -> tuple[int, str, bytes]:
    encoded = GEMINI.write_answer(ANSWER, None)
    return 200, "application/json", GEMINI.annotate(encoded.body, cost)


def streamed(request: Any, sign: bytes = b"") -> tuple[int, str, bytes]:
    writer = GEMINI.writer(request)
    pieces = [writer.write([event]) for event in events_of(ANSWER)]
    return 200, "text/event-stream", sign.join([*pieces, writer.close(ANSWER.usage, 4_100)])


def test_a_whole_answer_with_its_cost(provider, client):
    provider.answer = whole()
    assert b'"cost":0.0000041' in provider.answer[2]
    got = client.models.generate_content(model="google/gemini-3", contents="Hi")
    assert provider.asked().model == "google/gemini-3"
    assert (got.text, got.response_id, got.model_version) == ("Hello.", "a-1", "claude")
    assert (got.function_calls[0].name, got.function_calls[0].args) == ("f", {"a": 1})
    usage = got.usage_metadata
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.thoughts_token_count) == (10, 5, 3)
    assert got.candidates[0].grounding_metadata.grounding_chunks[0].web.uri == "https://a"


def test_a_stream_with_signs_of_life_and_its_cost(provider, client):
    request = GEMINI.read_request(
        b'{"contents":{}}', "gemini.generate", "/v1/models/m:streamGenerateContent", "alt=sse"
    )
    provider.answer = streamed(request, sign=GEMINI.keep_alive())
    assert b'"cost":0.0000041' in provider.answer[2]
    chunks = list(client.models.generate_content_stream(model="m", contents="Hi"))
    asked = provider.asked()
    assert (asked.stream, asked.query) == (True, "alt=sse")
    assert (
        "".join(part.text or "" for one in chunks for part in one.candidates[0].content.parts or ()) == "I think.Hello."
    )
    assert chunks[-1].candidates[0].finish_reason == "STOP"
    assert chunks[-1].usage_metadata.total_token_count == 18


@pytest.mark.parametrize("stream", [False, True])
def test_thinking_of_another_maker_survives_the_librarys_chat(provider, client, stream):
    chat = client.chats.create(model="m")
    request = GEMINI.read_request(
        b'{"contents":{}}', "gemini.generate", "/v1/models/m:streamGenerateContent", "alt=sse"
    )
    provider.answer = streamed(request) if stream else whole()
    for text in ("Hi", types.Part.from_function_response(name="f", response={"result": "ok"})):
        if stream:
            assert list(chat.send_message_stream(text))
        else:
            chat.send_message(text)
    again = provider.asked()
    blocks = GEMINI.to_core(again).messages[1].blocks
    assert blocks[0] == BLOCKS[0]
    assert [type(block) for block in blocks] == [Reasoning, Text, ToolCall]
    assert (blocks[1].text, blocks[2].id) == ("Hello.", "toolu_1")
    assert GEMINI.to_core(again).messages[2].blocks[0].call_id == "toolu_1"
    passed = sent(GEMINI.write_request(again, model("gemini-3-flash")))  # what a Gemini gets of it
    assert "pm1" not in json.dumps(passed)
    assert "cG0x" not in json.dumps(passed)


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        (InvalidRequest("No."), "ClientError", "INVALID_ARGUMENT"),
        (InvalidKey("No."), "ClientError", "UNAUTHENTICATED"),
        (UnknownModel("No."), "ClientError", "NOT_FOUND"),
        (UpstreamRefused("Slow.", status=429, retry_after=3.0), "ClientError", "RESOURCE_EXHAUSTED"),
        (Overloaded("Full."), "ServerError", "UNAVAILABLE"),
        (UpstreamRefused("Late.", status=504), "ServerError", "DEADLINE_EXCEEDED"),
    ],
)
def test_errors_are_raised_as_googles(provider, client, error: PointsmanError, kind, status):
    provider.answer = (error.status, "application/json", GEMINI.write_error(error, "req_1"))
    with pytest.raises(getattr(errors, kind)) as caught:
        client.models.generate_content(model="m", contents="Hi")
    assert (caught.value.code, caught.value.status, caught.value.message) == (error.status, status, error.message)


def test_an_error_in_a_stream_is_raised(provider, client):
    request = GEMINI.read_request(
        b'{"contents":{}}', "gemini.generate", "/v1/models/m:streamGenerateContent", "alt=sse"
    )
    begun = GEMINI.writer(request).write(events_of(ANSWER)[:4])
    provider.answer = (200, "text/event-stream", begun + GEMINI.write_stream_error(Overloaded("Full."), "req_1"))
    told = []
    with pytest.raises(errors.ServerError) as caught:
        told.extend(client.models.generate_content_stream(model="m", contents="Hi"))
    assert (caught.value.code, caught.value.message) == (503, "Full.")


def test_tokens_are_counted(provider, client):
    provider.answer = (200, "application/json", GEMINI.write_count(31))
    assert client.models.count_tokens(model="m", contents="Hi").total_tokens == 31
    assert provider.asked("gemini.count_tokens").needs.messages == 1


def test_what_the_library_sends_is_read(provider, client):
    def weather(city: str, days: int = 3) -> str:
        """Tell the weather."""
        return city * days

    provider.answer = whole()
    config = types.GenerateContentConfig(
        tools=[weather],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        max_output_tokens=5,
        thinking_config=types.ThinkingConfig(thinking_level="low"),
        system_instruction="Be brief.",
    )
    picture = types.Part.from_bytes(data=b"abc", mime_type="image/png")
    client.models.generate_content(model="m", contents=["Hi", picture], config=config)
    core = GEMINI.to_core(provider.asked())
    assert [(one.role, type(one.blocks[0]).__name__) for one in core.messages] == [("system", "Text"), ("user", "Text")]
    assert (core.tools[0].name, core.max_output, core.reasoning_effort) == ("weather", 5, "low")
    assert core.messages[1].blocks[1].data == "YWJj"
