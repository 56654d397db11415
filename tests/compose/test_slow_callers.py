"""Callers that do not read: they hold no memory, and not their place for ever."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import harness

EVENT = b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": "x" * 8000}}]}).encode() + b"\n\n"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
BODY = json.dumps({"model": "small", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}).encode()
ASK = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)
ENDLESS = 1 << 40


class Flood:
    """A provider whose streams never end. Counts what it could send, and which connections have ended."""

    def __init__(self) -> None:
        self.sent = self.begun = self.over = self.open = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.begun += 1
            writer.write(HEAD)
            while self.sent < ENDLESS:
                writer.write(EVENT)
                await writer.drain()
                self.sent += len(EVENT)
        except (OSError, EOFError):
            self.over += 1
        finally:
            writer.transport.abort()
            self.open -= 1


@contextlib.asynccontextmanager
async def flooded(**server: Any) -> AsyncIterator[tuple[Flood, harness.Running]]:
    flood = Flood()
    provider = await asyncio.start_server(flood, "127.0.0.1", 0, backlog=1000)
    port = provider.sockets[0].getsockname()[1]
    config = {
        "providers": {"one": {"dialect": "openai-chat", "base_url": f"http://127.0.0.1:{port}/v1"}},
        "models": {"small": {"provider": "one", "model": "small-1"}},
        "server": server,
    }
    starting = harness.gateway(config)
    gateway = await asyncio.to_thread(starting.__enter__)
    try:
        yield flood, gateway
    finally:
        await asyncio.to_thread(starting.__exit__, None, None, None)
        provider.close()
        while flood.open:  # noqa: ASYNC110 - until it has noticed
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)


@contextlib.contextmanager
def callers(port: int, number: int) -> Iterator[None]:
    """Ask, and never read; their own buffers are small."""
    with contextlib.ExitStack() as stack:
        for _ in range(number):
            sock = stack.enter_context(contextlib.closing(socket.socket()))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", port))
            sock.sendall(ASK)
        yield


def resident(pid: int) -> int:
    """Bytes."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(text.partition("VmRSS:")[2].split()[0]) * 1024


def statuses(store: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(store)) as database:
        return [row[0] for row in database.execute("SELECT status FROM calls")]


@pytest.mark.parametrize("number", [16, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(180)])])
async def test_callers_that_read_nothing_of_a_large_stream_cost_little_memory_and_no_more_with_time(
    number: int,
) -> None:
    async with flooded() as (flood, gateway):
        pid = gateway.process.pid
        before = resident(pid)
        with callers(gateway.port, number):
            sent = full = -1
            # Until nothing flows any more, nor in a gateway that lags behind its provider: all buffers are full.
            while flood.begun < number or flood.sent != sent or abs(resident(pid) - full) > 100_000:
                sent, full = flood.sent, resident(pid)
                await asyncio.sleep(0.4)
            await asyncio.sleep(1.0)
            later = resident(pid)
            print(f"{number} callers: {(full - before) // number} bytes each, then {later - full} more")
            assert flood.sent - sent < number * 100_000, "the provider is held up too"
            assert full - before < number * 1_000_000 + 10_000_000
            assert later - full < 1_000_000
            assert (await asyncio.to_thread(gateway.get, "/health"))[0] == 200


async def test_a_caller_that_takes_nothing_is_disconnected_and_its_call_cancelled() -> None:
    async with flooded(stall_timeout=0.6) as (flood, gateway):
        with callers(gateway.port, 3):
            began = time.monotonic()
            while flood.over < 3:
                await asyncio.sleep(0.02)
                assert time.monotonic() - began < 8
            assert time.monotonic() - began > 0.6
        await asyncio.sleep(0.2)
        assert statuses(gateway.store) == ["cancelled"] * 3


def sips(port: int, seconds: float) -> int:
    """Ask, and read a little at a time; the bytes that were read."""
    taken, end = 0, time.monotonic() + seconds
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        sock.sendall(ASK)
        while time.monotonic() < end:
            taken += len(sock.recv(65536))
            time.sleep(0.005)
    return taken


async def test_a_caller_that_reads_slowly_but_reads_is_not() -> None:
    async with flooded(stall_timeout=0.6) as (flood, gateway):
        sipping = asyncio.create_task(asyncio.to_thread(sips, gateway.port, 1.8))
        await asyncio.sleep(1.5)
        assert flood.over == 0
        assert await sipping > 100_000
