"""Discovery against servers that answer like the real ones, like others, and not at all."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from pointsman.core.model import Provider
from pointsman.core.ports import Headers, UpstreamRequest, UpstreamResponse
from pointsman.upstream.discover import Found, FoundModel, discover
from pointsman.upstream.http1 import Http1Carrier

TAG = {"name": "qwen3:8b", "model": "qwen3:8b", "digest": "ab12", "size": 5}
CLOUD = {
    "name": "gpt-oss:120b-cloud",
    "model": "gpt-oss:120b-cloud",
    "digest": "cd",
    "remote_host": "https://ollama.com",
}
EMBED = {"name": "nomic-embed-text:latest", "model": "nomic", "digest": "ef"}
SHOWN = {
    "qwen3:8b": {"model_info": {"qwen3.context_length": 40960, "general.architecture": "qwen3"},
                 "parameters": 'stop "<|im_end|>"\nnum_ctx                        8192',
                 "capabilities": ["completion", "tools"]},
    "nomic-embed-text:latest": {"model_info": {}, "capabilities": ["embedding"]},
}  # fmt: skip
OLLAMA = {"/api/tags": {"models": [TAG, CLOUD, EMBED]}, "/api/show": SHOWN}
STUDIO_MODEL = {"id": "gemma-3", "object": "model", "type": "llm", "state": "not-loaded", "max_context_length": 32768}
STUDIO = {"/api/v0/models": {"data": [STUDIO_MODEL, {**STUDIO_MODEL, "id": "e5", "type": "embeddings"}]}}
VLLM = {"/v1/models": {"object": "list", "data": [
    {"id": "meta/llama", "object": "model", "owned_by": "vllm", "max_model_len": 16384}]}}  # fmt: skip
LLAMA = {"/v1/models": {"models": [{"name": "x"}], "object": "list", "data": [
    {"id": "smol.gguf", "object": "model", "owned_by": "llamacpp", "meta": {"n_ctx_train": 8192}}]},
    "/props": {"default_generation_settings": {"n_ctx": 4096}}}  # fmt: skip


@asynccontextmanager
async def web(pages: dict[str, Any], *, raw: bytes | None = None) -> AsyncIterator[int]:
    """A web server with JSON pages; `/api/show` looks at what it is asked for."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next((int(x.split(":")[1]) for x in head.split("\r\n") if x.startswith("content-length")), 0)
                body = await reader.readexactly(length)
                page = pages.get(head.split()[1])
                if head.startswith("POST") and page is not None:
                    page = page.get(json.loads(body)["model"])
                data = raw if raw is not None else json.dumps(page).encode()
                status = b"404 Not Found" if page is None and raw is None else b"200 OK"
                writer.write(b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status, len(data), data))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest_asyncio.fixture
async def carrier() -> AsyncIterator[Http1Carrier]:
    carrier = Http1Carrier()
    yield carrier
    await carrier.aclose()
    await asyncio.sleep(0.01)


def places(**ports: int) -> dict[str, str]:
    """An environment that points every look at a port of this test; port 1 has nobody."""
    return {
        "OLLAMA_HOST": f"127.0.0.1:{ports.get('ollama', 1)}",
        "LM_STUDIO_API_BASE": f"http://localhost:{ports.get('studio', 1)}/v1",
        "HOSTED_VLLM_API_BASE": f"http://127.0.0.1:{ports.get('vllm', 1)}/v1",
        "LLAMA_ARG_HOST": "0.0.0.0",
        "LLAMA_ARG_PORT": str(ports.get("llama", 1)),
    }


async def test_all_four_are_found_with_their_context(carrier: Http1Carrier) -> None:
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(web(pages)) for pages in (OLLAMA, STUDIO, VLLM, LLAMA)]
        found = await discover(carrier, places(ollama=ports[0], studio=ports[1], vllm=ports[2], llama=ports[3]))
    assert [one.provider.name for one in found] == ["ollama", "lmstudio", "vllm", "llamacpp"]
    assert [one.models for one in found] == [
        (FoundModel(name="qwen3:8b", context=8192),),
        (FoundModel(name="gemma-3", context=32768),),
        (FoundModel(name="meta/llama", context=16384),),
        (FoundModel(name="smol.gguf", context=4096),),
    ]
    assert found[0].provider == Provider(
        name="ollama", dialect="openai-chat", base_url=f"http://127.0.0.1:{ports[0]}/v1", private=True, local=True
    )


async def test_nobody_there_is_no_error_and_quick(carrier: Http1Carrier) -> None:
    started = time.monotonic()
    assert await discover(carrier, places()) == ()
    assert time.monotonic() - started < 1


OTHERS: list[bytes] = [
    b"<html>hello</html>",
    b"{}",
    b"[]",
    b"null",
    b'{"data": []}',
    b'{"models": []}',
    b'{"data": [{"id": "gpt-4", "object": "model", "owned_by": "openai"}]}',
    b'{"data": [{"id": 5}], "models": "x"}',
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"models": [], "data": [], "more": ' + b"[" * 100_000,
]


@pytest.mark.parametrize("raw", OTHERS)
async def test_another_server_on_the_port_is_not_taken_for_one_of_ours(carrier: Http1Carrier, raw: bytes) -> None:
    async with web({}, raw=raw) as port:
        assert await discover(carrier, places(ollama=port, studio=port, vllm=port, llama=port)) == ()


async def test_vllm_is_not_llama_cpp(carrier: Http1Carrier) -> None:
    async with web(VLLM) as port:
        assert await discover(carrier, places(llama=port)) == ()


async def test_a_server_that_never_answers_costs_its_patience_only(carrier: Http1Carrier) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    started = time.monotonic()
    assert await discover(carrier, places(ollama=port, studio=port, vllm=port, llama=port), patience=0.2) == ()
    assert time.monotonic() - started < 1
    await asyncio.sleep(0.02)
    server.close()


async def test_where_ollama_says_nothing_its_environment_does(carrier: Http1Carrier) -> None:
    pages = {"/api/tags": {"models": [TAG]}, "/api/show": {"qwen3:8b": {"model_info": {"qwen3.context_length": 40960}}}}

    async def found(extra: dict[str, str]) -> tuple[Found, ...]:
        async with web(pages) as port:
            return await discover(carrier, {**places(ollama=port), **extra})

    assert (await found({"OLLAMA_CONTEXT_LENGTH": "16384"}))[0].models[0].context == 16384
    assert (await found({}))[0].models[0].context == 40960
    assert (await found({"OLLAMA_CONTEXT_LENGTH": "999999"}))[0].models[0].context == 40960


@pytest.mark.parametrize("value", ["", "::::", "http://[::1", "host:abc", "http://", "0.0.0.0", "[::]:1"])
async def test_strange_places_are_no_error(carrier: Http1Carrier, value: str) -> None:
    await discover(carrier, {**places(), "OLLAMA_HOST": value, "HOSTED_VLLM_API_BASE": value}, patience=0.1)


async def test_numbers_without_measure_are_no_window(carrier: Http1Carrier) -> None:
    long = "9" * 5_000
    shown = {"qwen3:8b": {"model_info": {"x.context_length": 7}, "parameters": f"num_ctx {long}"}}
    pages = {"/api/tags": {"models": [TAG]}, "/api/show": shown}
    async with web(pages) as port:
        found = await discover(carrier, {**places(ollama=port), "OLLAMA_CONTEXT_LENGTH": long})
    assert [one.models for one in found] == [(FoundModel(name="qwen3:8b", context=7),)]


async def test_only_this_machine_is_private() -> None:
    class Anywhere:
        """Answers for every host as Ollama does."""

        async def send(self, request: UpstreamRequest) -> UpstreamResponse:
            page = SHOWN["qwen3:8b"] if request.body else {"models": [TAG]}
            return Whole(json.dumps(page).encode())

        async def aclose(self) -> None:
            pass

    private = {}
    for host in ("127.0.0.1", "127.9.9.9", "localhost", "[::1]", "127.example.com", "10.0.0.1", "localhost.example"):
        found = await discover(Anywhere(), {**places(), "OLLAMA_HOST": f"http://{host}:11434"})
        private[host] = next(one for one in found if one.provider.name == "ollama").provider.private
    assert [host for host, here in private.items() if here] == ["127.0.0.1", "127.9.9.9", "localhost", "[::1]"]


class Whole:
    """An answer that is there."""

    status = 200
    headers: Headers = ()

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def read(self) -> bytes:
        return self._body

    async def next_chunk(self) -> bytes:
        return b""

    async def aclose(self) -> None:
        pass
