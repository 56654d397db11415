"""What a caller is told when no provider answers, and what counts as an attempt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import msgspec

import harness

SECRET = "pass-word-of-the-provider"
PAGE = b"<html><h1>Login</h1></html>"
REPLIES = {
    b"html": b"HTTP/1.1 200 OK\r\ncontent-type: text/html; a=b\r\ncontent-length: %d\r\n\r\n%b" % (len(PAGE), PAGE),
    b"page": b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(PAGE), PAGE),
    b"none": b"HTTP/1.1 204 No Content\r\n\r\n",
    b"away": b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n",
    b"wrong": b"HTTP/1.1 400 X\r\ncontent-type: application/json\r\ncontent-length: 82\r\n\r\n"
    b'{"error":{"message":"key ' + SECRET.encode() + b' may not, says organization-1"}}',
    b"echo": b"HTTP/1.1 500 X\r\ncontent-length: 40\r\n\r\nkey " + SECRET.encode() + b" is no good",
}


@asynccontextmanager
async def provider() -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            asked = await reader.read(4096)
            for name, reply in REPLIES.items():
                if b'"%b"' % name in asked:
                    writer.write(reply)
                    await writer.drain()
                    return
            await asyncio.sleep(3)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


def config(url: str) -> dict[str, Any]:
    names = ("html", "page", "none", "away", "wrong", "echo", "slow")
    return {
        "providers": {
            "p": {"dialect": "openai-chat", "base_url": url, "api_key_env": "P_KEY"},
            "nokey": {"dialect": "openai-chat", "base_url": url, "api_key_env": "ABSENT_KEY"},
        },
        "models": {name: {"provider": "p", "model": name} for name in names}
        | {"picky": {"provider": "p", "model": "x", "refuses": ["logit_bias"], "unsupported": "refuse"}},
        "routes": {"both": {"try": ["html", "echo"]}, "late": {"try": ["slow", "html"]}},
    }


async def ask(served: Any, model: str, headers: dict[str, str] | None = None, **more: Any) -> Any:
    body = {"model": model, "messages": [{"role": "user", "content": "x"}], **more}
    port = urlsplit(served.url).port or 0
    path = "/v1/chat/completions"
    status, got, raw = await asyncio.to_thread(harness.request, port, "POST", path, body=body, headers=headers)
    return status, got, msgspec.json.decode(raw)["error"]


async def test_failures_are_told_in_plain_words_and_without_secrets(serving: Any) -> None:
    async with provider() as url, serving(config(url), {"P_KEY": SECRET}) as served:
        for stream in (False, True):
            for name, words in {
                "html": "answered with text/html (200): is base_url right?",
                "page": "answered with a page, not JSON (200): is base_url right?",
                "none": "answered 204 with nothing: is base_url right?",
                "away": "redirect (302), which is not followed: is base_url right?",
            }.items():
                status, got, error = await ask(served, name, {"x-pointsman-retries": "0"}, stream=stream)
                assert (status, words in error["message"]) == (502, True), error
                assert error["pointsman"]["hint"] == f"pointsman logs {got['x-request-id']}"
        _, got, error = await ask(served, "both")
        assert "html at p: upstream_garbage: The provider answered with text/html" in error["message"]
        assert "echo at p: upstream_refused (500): key … is no good" in error["message"]
        assert SECRET not in str(error)
        assert error["pointsman"]["hint"] == f"pointsman logs {got['x-request-id']}"


async def test_a_providers_own_error_passes_without_our_key(serving: Any) -> None:
    async with provider() as url, serving(config(url), {"P_KEY": SECRET}) as served:
        status, _, error = await ask(served, "wrong")
        assert (status, error) == (400, {"message": "key … may not, says organization-1"})
        body = {"model": "wrong", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
        port = urlsplit(served.url).port or 0
        status, _, raw = await asyncio.to_thread(harness.request, port, "POST", "/v1/messages", body=body)
        assert (status, SECRET.encode() in raw, "key … may not".encode() in raw) == (400, False, True)


async def test_the_callers_own_limit_is_named_and_nobody_else_blamed(serving: Any) -> None:
    async with provider() as url, serving(config(url), {"P_KEY": SECRET}) as served:
        status, got, error = await ask(served, "late", {"x-pointsman-timeout": "0.3"})
        assert status == 504
        assert error["message"].startswith(
            "the call's own limit of 0.3 s (x-pointsman-timeout) has passed; tried: slow"
        )
        assert "html" not in error["message"]
        assert got["x-pointsman-attempts"] == "1"


async def test_what_was_never_sent_is_no_attempt(serving: Any) -> None:
    async with provider() as url, serving(config(url), {"P_KEY": SECRET}) as served:
        status, got, error = await ask(served, "picky", logit_bias={"1": 1})
        assert (status, error["code"], got.get("x-pointsman-attempts", "0")) == (400, "unsupported_parameter", "0")
        assert await asyncio.to_thread(served.house.pieces.ledger.flush)
        questions = await asyncio.to_thread(served.house.questions)
        rows = await asyncio.to_thread(questions.calls, 1)
        kept = await asyncio.to_thread(questions.call, rows[0].id)
        assert kept.attempts == ()
