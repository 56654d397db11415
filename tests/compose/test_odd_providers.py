"""Providers that answer what HTTP does not have: nothing of it reaches the caller as it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

QUESTION = {"model": "odd", "messages": [{"role": "user", "content": "Hi"}]}
ANSWER = json.dumps(
    {
        "id": "c1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }
).encode()  # fmt: skip


@asynccontextmanager
async def odd(answer: bytes) -> AsyncIterator[dict[str, Any]]:
    """A configuration with a provider that says these bytes to everybody."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(say, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        provider = {"dialect": "openai-chat", "base_url": f"http://127.0.0.1:{port}/v1"}
        yield {"providers": {"odd": provider}, "models": {"odd": {"provider": "odd", "model": "m"}}}


@pytest.mark.parametrize("status", [600, 700, 999])
@pytest.mark.parametrize("body", [b"", b'{"error":{"message":"x"}}'])
async def test_a_status_that_http_does_not_have_is_a_bad_gateway(
    status: int, body: bytes, serving: Any, ask: Any
) -> None:
    said = b"HTTP/1.1 %d Odd\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, len(body))
    async with odd(said + body) as config, serving(config) as served:
        answer = await ask(served, "POST", "/v1/chat/completions", QUESTION, {"x-pointsman-retries": "0"})
        assert answer.status == 502
        assert answer.error["code"] == "upstream_garbage"
        assert str(status) in answer.error["message"]


async def test_forwarded_headers_are_printable_ascii(serving: Any, ask: Any) -> None:
    said = (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
        b"x-request-id: a\xff\xfeb\r\nx-ratelimit-foo: 1\tb\xc3\xa9\r\nopenai-model: %b\r\n\r\n%b"
    ) % (len(ANSWER), b"x" * 600, ANSWER)
    async with odd(said) as config, serving(config) as served:
        answer = await ask(served, "POST", "/v1/chat/completions", QUESTION)
        assert answer.status == 200
        assert answer.headers["x-pointsman-upstream-request-id"] == "a??b"
        assert answer.headers["x-ratelimit-foo"] == "1?b??"
        assert answer.headers["openai-model"] == "x" * 512
