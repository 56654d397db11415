"""A stream ends where the provider says so, whatever it does afterwards."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import harness

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def event(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "c", "model": "m", "choices": [choice]}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Provider:
    """Answers every request with the same bytes and ends the body, or not, after a pause."""

    def __init__(self, body: bytes, end: bytes, pause: float) -> None:
        self.body, self.end, self.pause = body, end, pause
        self.connections = 0
        self.closed = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                size = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:")
                await reader.readexactly(size)
                writer.write(HEAD + chunk(self.body))
                await writer.drain()
                await asyncio.sleep(self.pause)
                writer.write(self.end)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.closed = time.monotonic()
        finally:
            writer.close()


@asynccontextmanager
async def listening(provider: Provider) -> AsyncIterator[dict[str, Any]]:
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield {
            "providers": {"p": {"dialect": "openai-chat", "base_url": f"http://127.0.0.1:{port}/v1"}},
            "models": {"m": {"provider": "p", "model": "x"}},
        }


async def ask(served: Any) -> bytes:
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}
    port = urlsplit(served.url).port or 0
    return (await asyncio.to_thread(harness.request, port, "POST", "/v1/chat/completions", body=body))[2]


async def test_done_ends_a_stream_whose_provider_does_not(serving: Any) -> None:
    body = event("a") + event("", "stop") + DONE + event("evil")
    for content in (body, event("", "stop") + DONE):
        provider = Provider(content, b"", 0.0)
        async with listening(provider) as config, serving(config) as served:
            began = time.monotonic()
            answer = await ask(served)
            assert time.monotonic() - began < 2
            assert answer.endswith(DONE)
            assert b"evil" not in answer
            for _ in range(100):
                if provider.closed:
                    break
                await asyncio.sleep(0.02)
            assert provider.closed, "the connection was let go"


async def test_a_body_that_ends_a_moment_after_done_keeps_its_connection(serving: Any) -> None:
    provider = Provider(event("a") + event("", "stop") + DONE, b"0\r\n\r\n", 0.01)
    async with listening(provider) as config, serving(config) as served:
        for _ in range(3):
            assert (await ask(served)).endswith(DONE)
        assert provider.connections == 1
