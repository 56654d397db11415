"""Carriers side by side: what one request, and one event of a stream, costs the process that carries it.

    python bench/carriers.py [--rounds 7] [--requests 6000] [--json FILE]

A small server runs in a process of its own on the other core. Rounds alternate between the carriers, so that a slow
phase of the machine hits all alike; the table gives medians and the ratio to ours within the same round. CPU is that
of the whole client process, threads included. aiohttp takes part where it is installed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop

from pointsman.core.model import TimeLimits
from pointsman.core.ports import UpstreamRequest
from pointsman.upstream.http1 import Http1Carrier
from pointsman.upstream.reqwest import ReqwestCarrier

BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "What is the capital of France?"}]}).encode()
ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Paris. " * 60}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 14, "completion_tokens": 120, "total_tokens": 134},
    }
).encode()
COMMON = "".join(
    f"{name}: {value}\r\n"
    for name, value in {
        "date": "Sat, 21 Nov 2026 00:00:00 GMT",
        "content-type": "application/json",
        "connection": "keep-alive",
        "openai-processing-ms": "412",
        "openai-version": "2020-10-01",
        "x-ratelimit-limit-requests": "10000",
        "x-ratelimit-remaining-requests": "9999",
        "x-request-id": "req_0123456789abcdef",
        "strict-transport-security": "max-age=31536000",
        "server": "bench",
    }.items()
).encode()
WHOLE = b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n%b" % (COMMON, len(ANSWER), ANSWER)
STREAM = b"HTTP/1.1 200 OK\r\n%btransfer-encoding: chunked\r\n\r\n" % COMMON
EVENT = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":" Paris"},"finish_reason":null}]}\n\n'
CHUNK = b"%x\r\n%b\r\n" % (len(EVENT), EVENT)
HEADERS = (
    (b"authorization", b"Bearer sk-bench"),
    (b"content-type", b"application/json"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"identity"),
    (b"user-agent", b"pointsman-bench"),
)


class Responder(asyncio.Protocol):
    """Answers `/whole` at once and `/stream?N` with N events, one at each turn of a 4 ms clock."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.held = b""

    def data_received(self, data: bytes) -> None:
        self.held += data
        if not self.held.endswith(b"}]}"):
            return
        target = self.held.split(b" ", 2)[1]
        self.held = b""
        if target == b"/whole":
            self.transport.write(WHOLE)
            return
        self.transport.write(STREAM)
        self.tick(int(target.partition(b"?")[2]))

    def tick(self, left: int) -> None:
        if not left:
            self.transport.write(b"0\r\n\r\n")
            return
        self.transport.write(CHUNK)
        asyncio.get_running_loop().call_later(0.004, self.tick, left - 1)


def serve(port: Any, core: int) -> None:
    os.sched_setaffinity(0, {core})

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Responder, "127.0.0.1", 0, backlog=2048)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(main())


class Aiohttp:
    """aiohttp's client, for comparison."""

    def __init__(self) -> None:
        import aiohttp  # noqa: PLC0415 - optional

        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self.headers = {name.decode(): value.decode() for name, value in HEADERS}

    async def whole(self, url: str) -> int:
        async with self.session.post(url, data=BODY, headers=self.headers) as response:
            return len(await response.read())

    async def stream(self, url: str) -> int:
        reads = 0
        async with self.session.post(url, data=BODY, headers=self.headers) as response:
            while await response.content.readany():
                reads += 1
        return reads

    async def aclose(self) -> None:
        await self.session.close()


class Ported:
    """One of our carriers."""

    def __init__(self, carrier: Any) -> None:
        self.carrier = carrier
        self.limits = TimeLimits()

    def request(self, url: str) -> UpstreamRequest:
        return UpstreamRequest(url=url, headers=HEADERS, body=BODY, limits=self.limits)

    async def whole(self, url: str) -> int:
        response = await self.carrier.send(self.request(url))
        body = await response.read()
        await response.aclose()
        return len(body)

    async def stream(self, url: str) -> int:
        response = await self.carrier.send(self.request(url))
        reads = 0
        while await response.next_chunk():
            reads += 1
        await response.aclose()
        return reads

    async def aclose(self) -> None:
        await self.carrier.aclose()


def subjects() -> dict[str, Callable[[], Any]]:
    found: dict[str, Callable[[], Any]] = {
        "http1": lambda: Ported(Http1Carrier()),
        "pyreqwest": lambda: Ported(ReqwestCarrier()),
    }
    try:
        import aiohttp  # noqa: F401, PLC0415 - optional
    except ImportError:
        print("aiohttp is not installed: left out")
    else:
        found["aiohttp"] = Aiohttp
    return found


async def wholes(make: Callable[[], Any], base: str, count: int, together: int) -> tuple[float, float]:
    """Microseconds a request: on the clock, and of CPU."""
    subject = make()

    async def worker(turns: int) -> None:
        for _ in range(turns):
            assert await subject.whole(f"{base}/whole") == len(ANSWER)

    await asyncio.gather(*(worker(3) for _ in range(together)))
    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker(count // together) for _ in range(together)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    await subject.aclose()
    return wall / count * 1e6, cpu / count * 1e6


async def streams(make: Callable[[], Any], base: str, events: int, together: int) -> tuple[float, float]:
    """Microseconds of CPU for one read that brings one event, and how many events a read brought."""
    subject = make()
    await asyncio.gather(*(subject.whole(f"{base}/whole") for _ in range(together)))
    cpu = time.process_time()
    reads = sum(await asyncio.gather(*(subject.stream(f"{base}/stream?{events}") for _ in range(together))))
    cpu = time.process_time() - cpu
    await subject.aclose()
    return cpu / reads * 1e6, events * together / reads


def measure(base: str, rounds: int, requests: int) -> dict[str, dict[str, list[float]]]:
    makers = subjects()
    seen: dict[str, dict[str, list[float]]] = {name: {} for name in makers}
    for number in range(rounds):
        order = list(makers.items())
        for name, make in order if number % 2 else reversed(order):
            for together, count in ((1, requests // 4), (64, requests)):
                wall, cpu = uvloop.run(wholes(make, base, count, together))
                seen[name].setdefault(f"wall us, {together} at once", []).append(wall)
                seen[name].setdefault(f"CPU us, {together} at once", []).append(cpu)
            cpu, per_read = uvloop.run(streams(make, base, 60, 64))
            seen[name].setdefault("CPU us a stream read", []).append(cpu)
            seen[name].setdefault("events a read", []).append(per_read)
    return seen


def report(seen: dict[str, dict[str, list[float]]]) -> None:
    ours = seen["http1"]
    print(f"{'':28}" + "".join(f"{name:>22}" for name in seen))
    for what in ours:
        cells = []
        for values in seen.values():
            ratio = statistics.median(a / b for a, b in zip(values[what], ours[what], strict=True))
            cells.append(f"{statistics.median(values[what]):>12.1f} ({ratio:>5.2f}x)")
        print(f"{what:28}" + "".join(f"{cell:>22}" for cell in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=6000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(there, cores[-1]), daemon=True)
    server.start()
    os.sched_setaffinity(0, {cores[0]})
    try:
        seen = measure(f"http://127.0.0.1:{here.recv()}", options.rounds, options.requests)
    finally:
        server.terminate()
    report(seen)
    if options.json:
        options.json.write_text(json.dumps(seen, indent=1))


if __name__ == "__main__":
    main()
