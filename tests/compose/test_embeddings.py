"""Embeddings through the gateway, and what it passes through unread."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest

Answer = Callable[[str, str, dict[str, str], bytes], bytes]
VECTOR = [0.5, -1.25, 3.0]


@asynccontextmanager
async def provider(answer: Answer) -> AsyncIterator[tuple[str, list[tuple[str, str, dict[str, str], bytes]]]]:
    """A server that answers as it is told, and keeps what it was asked: method, target, headers, body."""
    asked: list[tuple[str, str, dict[str, str], bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            method, target, _ = line.decode().split(" ")
            headers: dict[str, str] = {}
            while (line := await reader.readline()) not in (b"\r\n", b""):
                name, _, value = line.decode().partition(":")
                headers[name.lower()] = value.strip()
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            asked.append((method, target, headers, body))
            writer.write(answer(method, target, headers, body))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", asked


def whole(body: bytes, status: str = "200 OK", kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nx-request-id: theirs\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def vectors(embedding: Any) -> bytes:
    data = [{"object": "embedding", "index": 0, "embedding": embedding}]
    usage = {"prompt_tokens": 1000, "total_tokens": 1000}
    return json.dumps({"object": "list", "data": data, "model": "e-1", "usage": usage}).encode()


def config(url: str, **more: Any) -> dict[str, Any]:
    return {
        "providers": {"lab": {"dialect": "openai-chat", "base_url": url, "api_key_env": "LAB_KEY", **more}},
        "models": {"embed": {"provider": "lab", "model": "e-1", "price": {"input": 0.02, "output": 0}}},
    }


PACKED = base64.b64encode(struct.pack("<3f", *VECTOR)).decode()


@pytest.mark.parametrize("sent", [VECTOR, PACKED], ids=["a server that sends floats", "a server that sends base64"])
async def test_vectors_arrive_whatever_form_the_server_knows(serving: Any, ask: Any, sent: Any) -> None:
    async with (
        provider(lambda *_: whole(vectors(sent))) as (url, asked),
        serving(config(url), env={"LAB_KEY": "sk-lab"}) as served,
        openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="any", max_retries=0) as sdk,
    ):
        for form in (openai.omit, "float", "base64"):
            found = await sdk.embeddings.create(model="embed", input="Hello", encoding_format=form)
            assert found.data[0].embedding == (PACKED if form == "base64" else VECTOR)
        assert json.loads(asked[0][3])["model"] == "e-1"
        assert asked[0][1] == "/v1/embeddings"
        raw = await ask(served, "POST", "/embeddings", {"model": "embed", "input": ["a", "b"]})
        assert raw.json["data"][0]["embedding"] == VECTOR, "floats, where a caller does not say"
        assert raw.json["usage"]["cost"] == 0.00002
        assert raw.headers["x-pointsman-cost-usd"] == "0.00002"


async def test_what_is_no_input_and_what_is_no_answer_is_told(serving: Any, ask: Any) -> None:
    async with (
        provider(lambda *_: whole(b'{"object":"list"}')) as (url, asked),
        serving(config(url), env={"LAB_KEY": "sk-lab"}) as served,
    ):
        for body, param in (({}, "input"), ({"input": []}, "input"), ({"input": {"a": 1}}, "input")):
            refused = await ask(served, "POST", "/v1/embeddings", {"model": "embed", **body})
            assert (refused.status, refused.error["param"]) == (400, param)
        assert not asked
        empty = await ask(served, "POST", "/v1/embeddings", {"model": "embed", "input": "x"})
        assert (empty.status, empty.error["code"]) == (502, "all_attempts_failed")
        assert "has no list `data`" in empty.error["message"]


async def test_a_path_without_a_dialect_passes_with_the_providers_key_and_is_recorded(serving: Any, ask: Any) -> None:
    picture = bytes(range(256)) * 40
    async with (
        provider(lambda *_: whole(picture, kind="image/png")) as (url, asked),
        serving(config(url), env={"LAB_KEY": "sk-lab"}) as served,
    ):
        for path in ("/passthrough/lab/v1/images/edits?size=1", "/passthrough/lab/images/edits?size=1"):
            answer = await ask(served, "POST", path, {"prompt": "a cat"}, {"authorization": "Bearer sk-callers"})
            assert (answer.status, answer.body) == (200, picture)
            assert answer.headers["content-type"] == "image/png"
            assert answer.headers["x-pointsman-provider"] == "lab"
            method, target, headers, body = asked[-1]
            assert (method, target) == ("POST", "/v1/images/edits?size=1")
            assert headers["authorization"] == "Bearer sk-lab"
            assert json.loads(body) == {"prompt": "a cat"}
        deleted = await ask(served, "DELETE", "/passthrough/lab/v1/files/f-1")
        assert (deleted.status, asked[-1][0]) == (200, "DELETE")
        assert await asyncio.to_thread(served.house.pieces.ledger.flush)
        calls = (await ask(served, "GET", "/api/calls")).json["calls"]
        assert [call["surface"] for call in calls] == ["passthrough"] * 3
        assert all(call["status"] == "ok" and call["cost"] is None for call in calls)


async def test_a_providers_no_passes_as_it_is_and_counts_as_refused(serving: Any, ask: Any) -> None:
    no = b'{"detail":"no such voice"}'
    async with (
        provider(lambda *_: whole(no, "422 Unprocessable Entity")) as (url, _),
        serving(config(url), env={"LAB_KEY": "sk-lab"}) as served,
    ):
        answer = await ask(served, "POST", "/passthrough/lab/audio/speech", {})
        assert (answer.status, answer.body) == (422, no)
        assert await asyncio.to_thread(served.house.pieces.ledger.flush)
        assert (await ask(served, "GET", "/api/calls")).json["calls"][0]["status"] == "refused"


async def test_heads_are_asked_for_as_heads(serving: Any, ask: Any) -> None:
    async with (
        provider(lambda *_: b"HTTP/1.1 200 OK\r\ncontent-type: audio/wav\r\ncontent-length: 7\r\n\r\n") as (url, asked),
        serving(config(url), env={"LAB_KEY": "sk-lab"}) as served,
    ):
        answer = await ask(served, "HEAD", "/passthrough/lab/v1/files/f-1")
        assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"", "audio/wav")
        assert asked[0][:2] == ("HEAD", "/v1/files/f-1")


async def test_a_providers_no_does_not_repeat_our_key(serving: Any, ask: Any) -> None:
    def answer(_: str, target: str, headers: dict[str, str], __: bytes) -> bytes:
        text = b'{"key":"%b","id":"req_011CQabcdefghijklmnopqrstuvwxyz0123456"}' % headers["authorization"].encode()
        return whole(text, "200 OK" if target.endswith("fine") else "401 Unauthorized")

    async with provider(answer) as (url, _), serving(config(url), env={"LAB_KEY": "sk-lab-x"}) as served:
        no = await ask(served, "GET", "/passthrough/lab/v1/models")
        assert no.status == 401
        assert no.json == {"key": "…", "id": "req_011CQabcdefghijklmnopqrstuvwxyz0123456"}
        fine = await ask(served, "GET", "/passthrough/lab/v1/fine")
        assert fine.json["key"] == "Bearer sk-lab-x", "what is no error passes unread"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/passthrough/nobody/x", 404),
        ("/passthrough/lab/../../admin", 400),
        ("/passthrough/lab/%2e%2e/admin", 400),
        ("/passthrough/lab//evil.example/x", 400),
    ],
)
async def test_paths_that_lead_elsewhere_are_refused(serving: Any, ask: Any, path: str, status: int) -> None:
    async with (
        provider(lambda *_: whole(b"{}")) as (url, asked),
        serving(config(url), env={"LAB_KEY": "sk-lab"}) as served,
    ):
        assert (await ask(served, "POST", path, {})).status == status
        assert not asked


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/passthrough/lab/files/a%20b%23c%3Fd", "/v1/files/a%20b%23c%3Fd"),
        ("/passthrough/lab/files/%C3%A4:batch", "/v1/files/%C3%A4:batch"),
        ("/passthrough/lab/%252e%252e/admin", "/v1/%252e%252e/admin"),
    ],
)
async def test_paths_are_encoded_as_they_came(serving: Any, ask: Any, path: str, target: str) -> None:
    async with (
        provider(lambda *_: whole(b"{}")) as (url, asked),
        serving(config(url), env={"LAB_KEY": "sk-lab"}) as served,
    ):
        assert (await ask(served, "POST", path, {})).status == 200
        assert asked[0][1] == target


async def test_a_key_of_ours_in_the_query_stays_here(serving: Any, ask: Any) -> None:
    async with (
        provider(lambda *_: whole(b"{}")) as (url, asked),
        serving(config(url) | {"keys": "required"}, env={"LAB_KEY": "sk-lab"}) as served,
    ):
        key = await asyncio.to_thread(served.house.pieces.keys.create, "app")
        await asyncio.to_thread(served.house.pieces.keys.refresh)
        path = f"/passthrough/lab/x?a=1&key={key.secret}&b=key%3D2"
        assert (await ask(served, "POST", path, {})).status == 200
        assert asked[0][1] == "/v1/x?a=1&b=key%3D2"


async def test_a_provider_without_its_key_is_not_asked(serving: Any, ask: Any) -> None:
    async with provider(lambda *_: whole(b"{}")) as (url, asked), serving(config(url)) as served:
        answer = await ask(served, "POST", "/passthrough/lab/x", {})
        assert (answer.status, answer.error["code"]) == (502, "no_credentials")
        assert "$LAB_KEY" in answer.error["message"]
        assert not asked
