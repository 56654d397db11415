"""A caller of Gemini's who does not ask for events gets one JSON array, whatever becomes of the answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

import harness

Serving = Callable[..., AbstractAsyncContextManager[Any]]
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
ASKED = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


def chunk(text: str, finish: str | None = None) -> bytes:
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    candidate |= {"finishReason": finish} if finish else {}
    return b"data: " + json.dumps({"candidates": [candidate]}).encode() + b"\r\n\r\n"


def said(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "c", "model": "m", "choices": [choice]}).encode() + b"\n\n"


@asynccontextmanager
async def provider(*pieces: bytes, pause: float = 0.0) -> AsyncIterator[str]:
    """Answers with some pieces of a stream, one after the other, and hangs up."""

    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(pause)
        for piece in (HEAD, *pieces):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.05)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        for writer in writers:  # the gateway may be done with it before it is done with the gateway
            writer.transport.abort()
        await asyncio.sleep(0)


async def ask(serving: Serving, url: str, dialect: str, query: str = "", **server: Any) -> tuple[int, str, bytes]:
    config = {
        "providers": {"p": {"dialect": dialect, "base_url": url}},
        "models": {"m": {"provider": "p", "model": "x"}},
        "routes": {"r": {"try": ["m"], "retries": 0, "on_cut": "error"}},
        "server": server,
    }
    async with serving(config) as served:
        port = urlsplit(served.url).port or 0
        path = f"/v1beta/models/r:streamGenerateContent{query}"
        status, headers, body = await asyncio.to_thread(harness.request, port, "POST", path, body=ASKED)
        return status, headers["content-type"], body


CHUNKS = {"gemini": (chunk("Hel"), chunk("lo", "STOP")), "openai-chat": (said("Hel"), said("lo", "stop"))}


@pytest.mark.parametrize("dialect", CHUNKS)
async def test_an_answer_is_an_array(serving: Serving, dialect: str) -> None:
    async with provider(*CHUNKS[dialect]) as url:
        status, kind, body = await ask(serving, url, dialect)
        assert (status, kind) == (200, "application/json")
        texts = [one["candidates"][0]["content"]["parts"][0]["text"] for one in json.loads(body)]
        assert "".join(texts) == "Hello"
        _, kind, body = await ask(serving, url, dialect, "?alt=sse")
        assert kind.startswith("text/event-stream")
        assert body.startswith(b"data: ")


@pytest.mark.parametrize("dialect", CHUNKS)
async def test_an_answer_that_is_cut_is_an_array_that_ends_with_the_error(serving: Serving, dialect: str) -> None:
    async with provider(CHUNKS[dialect][0]) as url:
        _, kind, body = await ask(serving, url, dialect)
    first, error = json.loads(body)
    assert kind == "application/json"
    assert first["candidates"]
    assert error["error"]["details"][0]["reason"] == "UPSTREAM_CUT"


async def test_an_error_after_a_long_silence_is_an_array_of_it_alone(serving: Serving) -> None:
    async with provider(b'data: {"error": {"code": 400, "message": "No."}}\n\n', pause=0.7) as url:
        _, kind, body = await ask(serving, url, "gemini", keep_alive=0.2)
    assert kind == "application/json"
    assert [one["error"]["message"] for one in json.loads(body)] == ["No."]
