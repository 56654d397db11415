"""The server's edge over real sockets: what careless and hostile callers send, and what proxies and browsers need."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
import trustme
import yaml

import harness
from pointsman.testing import Script, SimModel, SimProvider, Simulator
from pointsman.testing.script import Pace

QUESTION = {"model": "auto", "messages": [{"role": "user", "content": "What is the capital of France?"}]}
PATHS = [
    "/", "/health", "/ready", "/metrics", "/v1/models", "/v1/models/small", "/models", "/api/status", "/api/calls",
    "/api/totals", "/api/conformance", "/static/app.js",
]  # fmt: skip


async def raw(served: Any, data: bytes, seconds: float = 10) -> bytes:
    """Bytes in, bytes out until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(served.url).port)
    try:
        writer.write(data)
        async with asyncio.timeout(seconds):
            return await reader.read()
    finally:
        writer.close()


async def test_every_answer_has_an_id_and_head_answers_like_get(sim: Any, config: Any, serving: Any, ask: Any) -> None:
    async with serving(config(sim)) as served:
        for path in PATHS:
            got, head = await ask(served, "GET", path), await ask(served, "HEAD", path)
            assert got.status == head.status == 200, path
            assert head.body == b""
            assert len(got.headers["x-request-id"]) == 26, path
            if path not in ("/metrics", "/api/status"):  # these say something new each time
                assert head.headers["content-length"] == str(len(got.body)), path
        for method, path, status in (
            ("GET", "/nothing", 404), ("POST", "/v1/chat/completion", 404), ("DELETE", "/v1/models", 405),
            ("GET", "/v1/chat/completions", 405), ("HEAD", "/v1/chat/completions", 405), ("OPTIONS", "/v1/models", 405),
            ("PUT", "/", 405), ("GET", "/v1/models/nonesuch", 404), ("GET", "/static/../../etc/passwd", 404),
            ("GET", "/static/%2e%2e%2fapp.py", 404), ("GET", "/api/calls?limit=x", 400),
            ("GET", "/api/calls?after=-1", 400), ("GET", "/api/calls?after=99999999999999999999", 400),
            ("GET", "/api/calls?status=odd", 400), ("GET", "/v1/generation", 400), ("GET", "/api/calls/unknown", 404),
        ):  # fmt: skip
            answer = await ask(served, method, path)
            assert answer.status == status, (method, path)
            assert answer.headers["x-request-id"]
            if method != "HEAD":
                assert set(answer.error) == {"message", "type", "param", "code", "pointsman"}, path
            if status == 405:
                assert answer.headers["allow"] == ("POST" if "chat" in path else "GET, HEAD")
        near = await ask(served, "POST", "/v1/chat/completion")
        assert "/v1/chat/completions" in near.error["pointsman"]["hint"]


async def test_whoever_asks_what_came_since_misses_no_call_that_took_long(serving: Any, ask: Any) -> None:
    question = {"model": "lab/small-1", "messages": [{"role": "user", "content": "What is the capital of France?"}]}
    models = (SimModel(name="small-1"), SimModel(name="slow-1", first_token=1.5))
    async with (
        Simulator(Script(providers=(SimProvider(name="lab", models=models),))) as sim,
        serving({"providers": {"lab": {"dialect": "openai-chat", "base_url": sim.url_of("lab")}}}) as served,
    ):
        empty = (await ask(served, "GET", "/api/calls")).json
        assert (empty["calls"], empty["next"]) == ([], "0")
        slow = asyncio.create_task(ask(served, "POST", "/v1/chat/completions", {**question, "model": "lab/slow-1"}))
        await asyncio.sleep(0.2)
        quick = [await ask(served, "POST", "/v1/chat/completions", question) for _ in range(3)]
        ids = [one.headers["x-request-id"] for one in quick]
        flush = served.house.pieces.ledger.flush
        assert await asyncio.to_thread(flush)
        first = (await ask(served, "GET", "/api/calls?after=0&limit=2")).json
        assert ([one["id"] for one in first["calls"]], first["more"], first["gap"]) == (ids[:2], True, False)
        rest = (await ask(served, "GET", f"/api/calls?after={first['next']}&limit=2")).json
        assert ([one["id"] for one in rest["calls"]], rest["more"]) == (ids[2:], False)
        late = (await slow).headers["x-request-id"]
        assert await asyncio.to_thread(flush)
        found = (await ask(served, "GET", f"/api/calls?after={rest['next']}")).json
        assert [one["id"] for one in found["calls"]] == [late]
        listed = (await ask(served, "GET", "/api/calls")).json
        assert listed["calls"][-1]["id"] == late, "the list is by when they began"
        assert listed["next"] == found["next"]
        assert (await ask(served, "GET", "/api/calls?after=9223372036854775807")).json["gap"] is True


async def test_old_http_and_absolute_targets_are_answered(sim: Any, config: Any, serving: Any) -> None:
    async with serving(config(sim)) as served:
        old = await raw(served, b"GET /nothing HTTP/1.0\r\n\r\n")
        assert old.startswith(b"HTTP/1.1 404")
        assert b"connection: close" in old
        assert json.loads(old.partition(b"\r\n\r\n")[2])["error"]["code"] == "not_found"
        body = json.dumps({**QUESTION, "stream": True}).encode()
        head = b"POST /v1/chat/completions HTTP/1.0\r\ncontent-length: %d\r\n\r\n" % len(body)
        streamed = await raw(served, head + body)
        assert b"chunked" not in streamed, "HTTP/1.0 knows no chunks"
        assert streamed.endswith(b"data: [DONE]\n\n")
        proxied = await raw(served, b"GET http://gateway.test/health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        assert proxied.startswith(b"HTTP/1.1 200")
        for target in (b"http://gateway.test", b"http://", b"://", b"*"):
            answer = await raw(served, b"GET %b HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n" % target)
            assert answer.startswith(b"HTTP/1.1 "), target


async def test_one_connection_serves_many_calls(sim: Any, config: Any, serving: Any) -> None:
    async with serving(config(sim)) as served:
        port = urlsplit(served.url).port

        def many() -> set[int]:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            seen = set()
            try:
                for number in range(100):
                    path = "/v1/chat/completions" if number % 2 else "/health"
                    body = json.dumps({**QUESTION, "stream": number % 4 == 1}) if number % 2 else None
                    connection.request("POST" if body else "GET", path, body)
                    answer = connection.getresponse()
                    assert answer.status == 200
                    answer.read()
                    assert connection.sock is not None, "the server kept it open"
                    seen.add(connection.sock.getsockname()[1])
            finally:
                connection.close()
            return seen

        assert len(await asyncio.to_thread(many)) == 1


@pytest.mark.parametrize("root", ["/llm", "/a/b"])
async def test_a_root_path_answers_with_and_without_its_prefix(
    root: str, sim: Any, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim, server={"root_path": root})) as served:
        for prefix in ("", root):
            assert (await ask(served, "GET", f"{prefix}/health")).status == 200
            assert (await ask(served, "GET", f"{prefix}/")).status == 200
            assert (await ask(served, "POST", f"{prefix}/v1/chat/completions", QUESTION)).status == 200
        for method in ("GET", "HEAD"):
            bare = await ask(served, method, f"{root}?x=1")
            assert (bare.status, bare.headers["location"], bare.body) == (308, f"{root}/?x=1", b"")
        assert (await ask(served, "POST", root)).status == 405
        assert (await ask(served, "GET", f"{root}x/health")).status == 404, "a path that only begins alike is another"
        async with openai.AsyncOpenAI(base_url=f"{served.url}{root}/v1", api_key="x", max_retries=0) as sdk:
            assert (await sdk.chat.completions.create(**QUESTION)).choices


def test_tls_with_the_vendors_sdk(sim_thread: Any, config: Any, tmp_path: Path) -> None:
    authority = trustme.CA()
    own = authority.issue_cert("127.0.0.1", "localhost")
    own.private_key_pem.write_to_path(tmp_path / "key.pem")
    for number, part in enumerate(own.cert_chain_pems):
        part.write_to_path(tmp_path / "cert.pem", append=number > 0)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = {"cert": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}
    port = harness.free_port()
    said = {
        "discover": False, "local": False, "store": f"sqlite:///{tmp_path / 'ledger.db'}",
        **config(sim_thread, server={"port": port, "tls": tls}),
    }  # fmt: skip
    (tmp_path / "pointsman.yaml").write_text(yaml.safe_dump(said))
    command = [sys.executable, "-m", "pointsman", "serve", "--config", str(tmp_path / "pointsman.yaml")]
    with (tmp_path / "log.txt").open("wb") as log, subprocess.Popen(command, cwd=tmp_path, stderr=log) as process:
        try:
            trust = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
            with (
                openai.DefaultHttpx2Client(verify=trust) as carrier,
                openai.OpenAI(base_url=f"https://127.0.0.1:{port}/v1", api_key="x", http_client=carrier) as sdk,
            ):
                end = time.monotonic() + 15
                while True:
                    try:
                        answer = sdk.chat.completions.create(**QUESTION)
                        break
                    except openai.APIConnectionError:
                        assert time.monotonic() < end, (tmp_path / "log.txt").read_text()
                        time.sleep(0.1)
                assert "Paris" in (answer.choices[0].message.content or "")
                text = "".join(
                    chunk.choices[0].delta.content or ""
                    for chunk in sdk.chat.completions.create(**QUESTION, stream=True)
                    if chunk.choices
                )
                assert "Paris" in text
        finally:
            process.terminate()
            assert process.wait(15) == 0
    assert f"https://127.0.0.1:{port}" in (tmp_path / "log.txt").read_text()


async def test_a_browser_page_may_call_where_it_is_allowed(sim: Any, config: Any, serving: Any, ask: Any) -> None:
    async with serving(config(sim, server={"cors": ["https://app.test"]}, keys="required")) as served:
        origin = {"origin": "https://app.test"}
        wish = {
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,x-stainless-os",
        }
        preflight = await ask(served, "OPTIONS", "/v1/chat/completions", None, {**origin, **wish})
        assert preflight.status == 204, "browsers send no key with the question"
        assert preflight.headers["access-control-allow-origin"] == "https://app.test"
        assert "x-stainless-os" in preflight.headers["access-control-allow-headers"]
        assert preflight.headers["x-request-id"]
        refused = await ask(served, "POST", "/v1/chat/completions", QUESTION, origin)
        assert refused.status == 401
        assert refused.headers["access-control-allow-origin"] == "https://app.test", "or the page cannot read the error"
        foreign = await ask(served, "OPTIONS", "/v1/chat/completions", None, {**wish, "origin": "https://evil.test"})
        assert foreign.status == 403
        assert "access-control-allow-origin" not in foreign.headers


async def test_more_calls_at_once_than_allowed_get_503_and_health_still_answers(
    config: Any, serving: Any, script: Any, ask: Any
) -> None:
    async with (
        Simulator(script(Pace(events_per_second=8))) as sim,
        serving(config(sim, server={"max_in_flight": 3, "max_waiting": 0})) as served,
        openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="x", max_retries=0) as sdk,
    ):
        streams = [await sdk.chat.completions.create(**QUESTION, stream=True) for _ in range(3)]
        for one in streams:
            await anext(aiter(one))
        refused = await ask(served, "POST", "/v1/chat/completions", QUESTION)
        assert (refused.status, refused.error["code"]) == (503, "overloaded")
        assert refused.headers["retry-after"] == "1"
        assert b'gw_turned_away_total{priority="normal",reason="full"} 1' in (await ask(served, "GET", "/metrics")).body
        for path in ("/health", "/ready", "/metrics"):
            assert (await ask(served, "GET", path)).status == 200, path
        texts = [[chunk async for chunk in one] for one in streams]
        assert all(chunks[-1].choices[0].finish_reason == "stop" for chunks in texts), "those on their way finish"
        assert (await ask(served, "POST", "/v1/chat/completions", QUESTION)).status == 200


async def test_a_large_body_passes_below_the_limit_and_is_refused_above(
    sim: Any, config: Any, serving: Any, ask: Any
) -> None:
    async with serving(config(sim)) as served:

        def question(size: int) -> bytes:
            # A picture: bytes that no context window counts as words.
            picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * size}}
            return json.dumps({"model": "small", "messages": [{"role": "user", "content": [picture]}]}).encode()

        assert (await ask(served, "POST", "/v1/chat/completions", question(30_000_000))).status == 200
        huge = await ask(served, "POST", "/v1/chat/completions", question(50_000_000))
        assert (huge.status, huge.error["code"]) == (413, "body_too_large")
        assert "max_body" in huge.error["pointsman"]["hint"]
        assert (await ask(served, "GET", "/health")).status == 200
        assert len(sim.journal) == 1


async def test_a_flood_of_headers_is_refused(sim: Any, config: Any, serving: Any) -> None:
    async with serving(config(sim)) as served:
        for flood in (
            b"".join(b"x-%d: y\r\n" % n for n in range(500)),
            b"x: " + b"y" * 100_000 + b"\r\n",
        ):
            answer = await raw(served, b"GET /health HTTP/1.1\r\nhost: a\r\n" + flood + b"\r\n")
            assert answer.startswith(b"HTTP/1.1 431")
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "headers_too_large"
            assert b"x-request-id" in answer


async def test_a_slow_sender_is_told_after_the_configured_time(sim: Any, config: Any, serving: Any) -> None:
    async with serving(config(sim, server={"header_timeout": 0.5, "body_timeout": 0.5})) as served:
        began = time.monotonic()
        parts = (b"POST /v1/chat", b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{")
        for answer in await asyncio.gather(*[raw(served, part) for part in parts]):
            assert answer.startswith(b"HTTP/1.1 408")
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "request_timeout"
            assert time.monotonic() - began < 6


async def test_a_body_that_trickles_has_an_end(sim: Any, config: Any, serving: Any) -> None:
    """`body_timeout` bounds the whole body: a byte now and then does not keep a place for ever."""
    async with serving(config(sim, server={"body_timeout": 0.7})) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(served.url).port)
        try:
            writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n")
            began = time.monotonic()
            answer = asyncio.create_task(reader.read())
            while not answer.done() and time.monotonic() - began < 12:
                writer.write(b"{")
                await asyncio.sleep(0.1)
            assert time.monotonic() - began < 8
            assert (await answer).startswith(b"HTTP/1.1 408")
        finally:
            writer.close()


def test_a_taken_port_is_the_first_thing_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        (tmp_path / "pointsman.yaml").write_text("discover: false\nlocal: false\n")
        command = [sys.executable, "-m", "pointsman", "serve", "--port", port, "--config", "pointsman.yaml"]
        done = subprocess.run(
            command, cwd=tmp_path, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, check=False, timeout=20
        )
    said = done.stderr.decode()
    assert done.returncode == 2
    assert port in said
    assert "taken" in said
    assert "--port" in said
    assert "Traceback" not in said
