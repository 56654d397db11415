"""The simulator's own HTTP server under bad and unusual clients, its control endpoints, and as a process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzzing import examples
from pointsman.core.errors import ConfigError
from pointsman.testing import Script, SimModel, SimProvider, Simulator, load_script

PING = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"


async def talk(port: int, data: bytes, until: bytes = b"") -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    got = b""
    async with asyncio.timeout(3):
        while not until or until not in got:
            try:
                piece = await reader.read(65536)
            except ConnectionResetError:
                break
            if not piece:
                break
            got += piece
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    return got


async def asked(body: object) -> bytes:
    """What a new simulator answers to a chat request."""
    data = json.dumps(body).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    async with Simulator() as sim:
        return await talk(sim.port, head % len(data) + data)


async def control(sim: Simulator, method: str, path: str, body: object = None) -> tuple[int, dict]:
    data = b"" if body is None else json.dumps(body).encode()
    head = f"{method} /_sim/{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(data)}\r\n\r\n"
    got = await talk(sim.port, head.encode() + data)
    top, _, rest = got.partition(b"\r\n\r\n")
    return int(top.split()[1]), json.loads(rest)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.booleans())
def test_garbage_is_answered_or_dropped_and_the_next_client_is_served(data, as_body):
    if as_body:
        data = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (
            len(data),
            data,
        )

    async def scenario() -> None:
        async with Simulator() as sim:
            _, writer = await asyncio.open_connection("127.0.0.1", sim.port)
            writer.write(data)
            if as_body:
                assert b" 400 " in (await talk(sim.port, data)).split(b"\r\n")[0]
            assert b"200 OK" in await talk(sim.port, PING, b"sim-1")
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    asyncio.run(scenario())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["role", "content", "type", "name", "properties", "enum", "minimum", "items"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
    st.sampled_from(
        [
            "messages",
            "tools",
            "tool_choice",
            "response_format",
            "n",
            "max_tokens",
            "stream_options",
            "schema",
            "parameters",
        ]
    ),
)
@settings(max_examples=examples(300), deadline=None)
def test_any_json_in_any_field_is_an_answer_or_a_400(value, field):
    body = {"model": "sim-1", "messages": [{"role": "user", "content": "x"}], field: value}
    if field == "schema":
        body = {**body, "response_format": {"type": "json_schema", "json_schema": {"schema": value}}}
    if field == "parameters":
        tool = {"type": "function", "function": {"name": "x", "parameters": value}}
        body = {**body, "tools": [tool]}

    async def scenario() -> None:
        got = await asked(body)
        assert got.split()[1] in {b"200", b"400"}

    asyncio.run(scenario())


async def test_a_stream_over_a_kept_connection_is_not_held_back():
    """With Nagle's algorithm its body waits some 40 ms for the client to acknowledge the head."""
    body = json.dumps({"model": "sim-1", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
    took = []
    async with Simulator() as sim:
        reader, writer = await asyncio.open_connection("127.0.0.1", sim.port)
        for _ in range(8):
            began = time.monotonic()
            writer.write(head + body)
            async with asyncio.timeout(3):
                await reader.readuntil(b"0\r\n\r\n")
            took.append(time.monotonic() - began)
        writer.close()
    assert min(took[-4:]) < 0.03


async def test_pipelined_requests_are_answered_in_order():
    async with Simulator() as sim:
        missing = b"GET /v1/models/none HTTP/1.1\r\nhost: x\r\n\r\n"
        got = await talk(sim.port, PING + missing + PING.replace(b"host", b"connection: close\r\nhost"))
    assert [line for line in got.split(b"\r\n") if b"HTTP/1.1" in line or line.startswith(b"HTTP")] != []
    assert [int(part.split()[1]) for part in got.split(b"HTTP/")[1:]] == [200, 404, 200]


async def test_the_control_endpoints_do_what_the_object_does():
    async with Simulator() as sim:
        assert await control(sim, "POST", "fault", {"fault": "overloaded", "times": 1}) == (200, {"ok": True})
        status, error = await control(sim, "POST", "fault", {"fault": "flood"})
        assert status == 400
        assert "flood" in error["error"]
        assert (await control(sim, "POST", "fault", {"fault": "silent", "typo": 1}))[0] == 400
        body = json.dumps({"model": "sim-1", "messages": [{"role": "user", "content": "x"}]}).encode()
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer hush\r\nconnection: close\r\n"
        got = await talk(sim.port, head + b"content-length: %d\r\n\r\n" % len(body) + body)
        assert got.startswith(b"HTTP/1.1 529")
        _, journal = await control(sim, "GET", "journal?last=5")
        assert journal["entries"][0]["fault"] == "overloaded"
        assert "hush" not in json.dumps(journal)
        assert (await control(sim, "POST", "reset"))[0] == 200
        assert (await control(sim, "GET", "journal"))[1]["entries"] == []
        assert (await control(sim, "POST", "refuse", {"provider": "sim"}))[0] == 400
        assert (await control(sim, "GET", "nothing"))[0] == 404
        assert len((await control(sim, "GET", "faults"))[1]) > 30


async def test_as_a_process_with_a_file(tmp_path: Path):
    config = tmp_path / "sim.yaml"
    config.write_text(
        "seed: 3\nproviders: [{name: lab, models: [{name: small, first_token: {kind: normal, mean: 0.01, sd: 0}}]}]"
    )
    code = (
        f"from pathlib import Path; from pointsman.testing.run import run; run(Path({str(config)!r}), '127.0.0.1', 0)"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    line = (await process.stdout.readline()).decode()
    port = int(line.rsplit(":", 1)[1].split("/")[0])
    assert b'"small"' in await talk(port, PING, b"small")
    os.kill(process.pid, signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 5) == 0


@pytest.mark.parametrize("text", ["seed: [", "sede: 1", "providers: [{name: a, models: [{name: b, pace: fast}]}]"])
def test_a_bad_file_is_refused_with_its_name(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        load_script(path)


@pytest.mark.parametrize("text", ["seed: 2024-13-45", "[" * 5_000, "seed: !!timestamp x", "\ud800"])
def test_whatever_is_no_script_is_refused_with_its_name(tmp_path, text):
    path = tmp_path / "odd.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigError, match=r"odd\.yaml"):
        load_script(path)


@pytest.mark.parametrize(
    "body",
    [b'{"model":"\xff","messages":[1]}', b"[" * 100_000, b'{"model":"sim-1","messages":' + b"[" * 100_000],
    ids=["no text", "deep", "deep inside"],
)
@pytest.mark.parametrize("path", [b"/v1/chat/completions", b"/_sim/fault", b"/_sim/refuse"])
async def test_a_body_that_no_reader_takes_gets_400_and_not_a_closed_connection(body, path):
    head = b"POST %b HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    many = Script(providers=tuple(SimProvider(name=name, models=(SimModel(name=name),)) for name in "ab"))
    async with Simulator(many) as sim:
        assert (await talk(sim.port, head % (path, len(body)) + body)).split()[1] == b"400"


async def test_the_journal_hides_every_header_that_may_hold_a_key_and_takes_any_count():
    async with Simulator() as sim:
        names = ("authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "proxy-authorization", "x-token")
        lines = "".join(f"{name}: hush\r\n" for name in names)
        await talk(sim.port, f"GET /v1/models HTTP/1.1\r\nhost: x\r\n{lines}connection: close\r\n\r\n".encode())
        for last in ("²", "1", "x", ""):
            status, journal = await control(sim, "GET", f"journal?last={quote(last)}")
            assert status == 200
            assert journal["entries"]
            assert "hush" not in json.dumps(journal)


@pytest.mark.parametrize("wanted", [{"minItems": 10**9, "type": "array"}, {"minLength": 10**12, "type": "string"}])
async def test_a_schema_that_wants_a_flood_is_refused(wanted):
    form = {"type": "json_schema", "json_schema": {"schema": {"type": "object", "properties": {"a": wanted}}}}
    body = {"model": "sim-1", "messages": [{"role": "user", "content": "x"}], "response_format": form}
    got = await asked(body)
    assert got.split()[1] == b"400"
    assert b"invalid_schema" in got


async def test_a_body_beyond_the_limit_is_refused_once_and_never_answered(monkeypatch):
    monkeypatch.setattr("pointsman.testing.http.MAX_BODY", 10)
    body = b"x" * 4_000
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    chunks = b"".join(b"%x\r\n%b\r\n" % (100, body[at : at + 100]) for at in range(0, len(body), 100))
    async with Simulator() as sim:
        got = await talk(sim.port, head + chunks + b"0\r\n\r\n")
        assert got.count(b"HTTP/1.1") == got.count(b"413 Too Large") == 1
        assert len(sim.journal) == 0
