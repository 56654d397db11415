"""An old answer where nobody can give a new one, over real sockets: marked, booked, never in the way of the error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import pytest

from harness import request
from pointsman.compose.token_check import Asked
from pointsman.core.model import HealthCheck
from pointsman.line.parts import Call, KeptAnswer, NoStale
from pointsman.testing import Script, SimModel, SimProvider, Simulator

Serving = Callable[..., AbstractAsyncContextManager[Any]]
TEXT = "Paris, as I said an hour ago."
USAGE = {"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17}
KEPT = {
    "id": "chatcmpl-old",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "m-1",
    "system_fingerprint": "fp_1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
    "usage": USAGE,
}
ASKED = "What is the capital of France?"
SAID = [{"role": "user", "content": ASKED}]
GEMINI = {"contents": [{"role": "user", "parts": [{"text": ASKED}]}]}
CALLERS = {
    "openai-chat": ("/v1/chat/completions", {"model": "m", "messages": SAID}),
    "openai-responses": ("/v1/responses", {"model": "m", "input": ASKED}),
    "anthropic-messages": ("/v1/messages", {"model": "m", "messages": SAID, "max_tokens": 99}),
    "gemini": ("/v1beta/models/m:generateContent", GEMINI),
}
STREAMS = {"gemini": ("/v1beta/models/m:streamGenerateContent?alt=sse", GEMINI)}


class Shelf:
    """Keeps one answer; counts how often it was asked for it."""

    def __init__(self, **said: Any) -> None:
        kept = {"body": json.dumps(KEPT).encode(), "dialect": "openai-chat", "model": "m-one", "provider": "one"}
        self.answer = KeptAnswer(**{"age": 3600.7, **kept, **said})
        self.asked: list[str] = []
        self.wait = 0.0
        self.error: Exception | None = None

    async def find(self, call: Call, _plan: Any) -> KeptAnswer | None:
        self.asked.append(call.incoming.model)
        await asyncio.sleep(self.wait)
        if self.error is not None:
            raise self.error
        return self.answer


def put(served: Any, shelf: Any, **more: Any) -> None:
    served.house.line.parts = msgspec.structs.replace(served.house.line.parts, stale=shelf, **more)


def config(sim: Simulator, **server: Any) -> dict[str, Any]:
    return {
        "providers": {name: {"dialect": "openai-chat", "base_url": sim.url_of(name)} for name in ("one", "two")},
        "models": {f"m-{name}": {"provider": name, "model": "m-1"} for name in ("one", "two")},
        "routes": {"m": {"try": ["m-one", "m-two"]}},
        "server": server,
    }


def script(**said: Any) -> Script:
    return Script(
        providers=tuple(SimProvider(name=name, models=(SimModel(name="m-1", **said),)) for name in ("one", "two"))
    )


async def post(served: Any, path: str, body: Any) -> tuple[int, dict[str, str], bytes]:
    return await asyncio.to_thread(request, int(served.url.rpartition(":")[2]), "POST", path, body=body)


async def booked(served: Any) -> Any:
    assert await asyncio.to_thread(served.house.pieces.ledger.flush)
    questions = await asyncio.to_thread(served.house.questions)
    rows = await asyncio.to_thread(questions.calls, 1)
    return await asyncio.to_thread(questions.call, rows[0].id)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", CALLERS)
async def test_an_old_answer_stands_in_marked_and_booked(serving: Serving, dialect: str, *, stream: bool) -> None:
    path, body = CALLERS[dialect]
    if stream:
        path, body = STREAMS.get(dialect, (path, {**body, "stream": True}))
    async with Simulator(script()) as sim, serving(config(sim)) as served:
        put(served, Shelf())
        sim.inject("server_error", times=20)
        status, headers, answer = await post(served, path, body)
        assert status == 200
        assert headers["x-pointsman-cache"] == "stale"
        assert headers["age"] == "3600"
        assert headers["x-pointsman-warning"] == "an old answer, 3600 s of age: nobody could give a new one"
        assert headers["x-pointsman-model"] == "m-one"
        assert headers["x-pointsman-attempts"] == "3"
        assert headers["x-pointsman-decision"] == "chain; kept answer; after m-one, m-two failed"
        assert TEXT in text_of(dialect, answer, stream=stream)
        assert b'"cost"' not in answer, "nothing was paid for it now"
        call = await booked(served)
        row = call.call
        assert (row.status, row.http_status, row.error) == ("stale", 200, "all_attempts_failed")
        assert (row.provider, row.model, row.cost) == ("", "", 0), "no attempt of this call gave it"
        assert row.usage is None
        assert [one.status for one in call.attempts] == [500, 500, 500]
        assert (await asyncio.to_thread((await asyncio.to_thread(served.house.questions)).totals)).all.stale == 1


def text_of(dialect: str, answer: bytes, *, stream: bool) -> str:
    """The text that the caller has, and a proper end."""
    return text_streamed(dialect, answer) if stream else text_whole(dialect, json.loads(answer))


def text_whole(dialect: str, told: Any) -> str:
    if dialect == "openai-chat":
        assert told == KEPT, "in its own dialect nothing is changed"
    found = {
        "openai-chat": lambda: told["choices"][0]["message"]["content"],
        "openai-responses": lambda: told["output"][-1]["content"][0]["text"],
        "anthropic-messages": lambda: told["content"][0]["text"],
        "gemini": lambda: told["candidates"][0]["content"]["parts"][0]["text"],
    }
    return str(found[dialect]())


def text_streamed(dialect: str, answer: bytes) -> str:
    events = [json.loads(line[6:]) for line in answer.splitlines() if line.startswith(b"data: {")]
    match dialect:
        case "openai-chat":
            assert answer.rstrip().endswith(b"data: [DONE]")
            return "".join(one["choices"][0]["delta"].get("content") or "" for one in events if one["choices"])
        case "openai-responses":
            assert events[-1]["type"] == "response.completed"
            return "".join(one["delta"] for one in events if one["type"] == "response.output_text.delta")
        case "anthropic-messages":
            assert events[-1]["type"] == "message_stop"
            return "".join(one["delta"]["text"] for one in events if one["type"] == "content_block_delta")
    assert events[-1]["candidates"][0]["finishReason"] == "STOP"
    return "".join(part["text"] for one in events for part in one["candidates"][0]["content"]["parts"])


@pytest.mark.parametrize("trouble", ["late", "broken", "nothing", "unreadable", "null"])
async def test_whatever_happens_to_it_the_caller_is_told_what_failed(
    serving: Serving, caplog: pytest.LogCaptureFixture, trouble: str
) -> None:
    shelf = Shelf(body=b'{"choices": [') if trouble == "unreadable" else Shelf()
    if trouble == "late":
        shelf.wait = 30.0
    elif trouble == "broken":
        shelf.error = RuntimeError("the shelf fell down")
    elif trouble == "nothing":
        shelf.answer = None  # type: ignore[assignment]
    async with Simulator(script()) as sim, serving(config(sim)) as served:
        put(served, NoStale() if trouble == "null" else shelf, stale_within=0.1)
        sim.inject("server_error", times=20)
        for more in ({}, {"stream": True}):
            status, headers, answer = await post(served, *with_body("openai-chat", **more))
            assert status == 500
            assert json.loads(answer)["error"]["code"] == "all_attempts_failed"
            assert "x-pointsman-cache" not in headers
        assert (await booked(served)).call.status == "failed"
    said = {"late": "within 0.1 s", "broken": "search for a kept answer failed", "unreadable": "cannot be read"}
    assert said.get(trouble, "") in caplog.text


def with_body(dialect: str, **more: Any) -> tuple[str, dict[str, Any]]:
    path, body = CALLERS[dialect]
    return path, {**body, **more}


async def test_it_is_asked_for_only_where_nobody_could_answer(serving: Serving) -> None:
    shelf = Shelf()
    async with Simulator(script()) as sim, serving(config(sim)) as served:
        put(served, shelf)
        assert (await post(served, *with_body("openai-chat")))[0] == 200
        sim.inject("server_error")
        assert (await post(served, *with_body("openai-chat")))[1]["x-pointsman-model"] == "m-two"
        sim.inject("context_length", times=2)
        assert (await post(served, *with_body("openai-chat")))[0] == 400, "a no to this request is an answer"
        assert (await post(served, *with_body("openai-chat", messages=7)))[0] == 400
        sim.inject("cut_reset", times=20, after=3)
        said = await post(served, *with_body("openai-chat", stream=True))
        assert "x-pointsman-cache" not in said[1], "what has begun is gone on with, or ends with an error"
        assert shelf.asked == []


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1beta/models/m:streamGenerateContent"])
async def test_where_the_headers_are_out_a_comment_says_so_or_the_error_is_told(serving: Serving, path: str) -> None:
    async with Simulator(script(first_token=30.0)) as sim:
        said = config(sim, keep_alive=0.1)
        for provider in said["providers"].values():
            provider["timeouts"] = {"first_byte": 0.3, "between_bytes": 0.3}
        async with serving(said) as served:
            put(served, Shelf())
            body = GEMINI if "beta" in path else {"model": "m", "messages": SAID, "stream": True}
            status, headers, answer = await post(served, path, body)
            assert status == 200
            assert "x-pointsman-cache" not in headers
            if body is GEMINI:
                assert "error" in json.loads(answer)[-1], "an array has no place for a mark"
                assert TEXT.encode() not in answer
            else:
                assert b": x-pointsman-cache: stale; age=3600\n\n" in answer
                assert text_of("openai-chat", answer, stream=True) == TEXT
                assert (await booked(served)).call.status == "stale"


async def test_a_check_of_the_gateways_own_is_answered_by_the_provider_alone(serving: Serving) -> None:
    shelf = Shelf()
    async with Simulator(script()) as sim, serving(config(sim)) as served:
        put(served, shelf)
        sim.inject("server_error", times=20)
        model = served.house.directory.models["m-one"]
        check = Asked(served.house.line.parts, served.house.pieces.health, HealthCheck(), model, "")
        assert await check.answer() is not None
        assert shelf.asked == []
