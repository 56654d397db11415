"""Fast enough to stand behind a gateway under load. Processor time is measured: a busy machine does not change it."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import statistics
import sys
from pathlib import Path
from typing import Self

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

SCRIPT = """
providers:
  - name: p
    models:
      - {name: quick}
      - {name: paced, first_token: 0.2, pace: {events_per_second: 20}, output_tokens: 100}
"""
CODE = """
import sys
from pathlib import Path
from pointsman.testing.run import run
run(Path(sys.argv[1]), "127.0.0.1", 0)
"""


class Serving:
    """The simulator as a process; `cpu` is what it used, known afterwards."""

    def __init__(self, folder: Path) -> None:
        self._config = folder / "sim.yaml"
        self.port = 0
        self.cpu = 0.0

    async def __aenter__(self) -> Self:
        self._config.write_text(SCRIPT)
        self._before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CODE, str(self._config), stdout=asyncio.subprocess.PIPE
        )
        self.port = int((await self._process.stdout.readline()).decode().rsplit(":", 1)[1].split("/")[0])
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        await self._process.wait()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu = after.ru_utime + after.ru_stime - self._before.ru_utime - self._before.ru_stime


def request(model: str, *, stream: bool) -> bytes:
    fields = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "Tell me about rails."}]}
    body = json.dumps(fields).encode()
    return b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


async def test_whole_answers_cost_less_than_a_fifth_of_a_millisecond(tmp_path):
    wanted, clients = 12_000, 32

    async def ask(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(wanted // clients):
            writer.write(request("quick", stream=False))
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
        writer.close()

    async with Serving(tmp_path) as serving:
        await asyncio.gather(*[ask(serving.port) for _ in range(clients)])
    print(f"{serving.cpu / wanted * 1e6:.0f} µs of processor time for an answer, the start included")
    assert serving.cpu / wanted < 200e-6


class Reader(asyncio.Protocol):
    """Notes how late each event of one stream is."""

    def __init__(self, done: asyncio.Future[None]) -> None:
        self._done = done
        self._loop = asyncio.get_running_loop()
        self._events = 0
        self._sent = 0.0
        self.late: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._sent = self._loop.time()
        transport.write(request("paced", stream=True))

    def data_received(self, data: bytes) -> None:
        count = data.count(b'"content":"') - data.count(b'"content":"",')
        self._events += count
        if count:
            self.late.append(self._loop.time() - self._sent - 0.2 - (self._events - 1) / 20)
        if b"[DONE]" in data:
            assert self._events == 100
            self._done.set_result(None)


async def test_five_hundred_streams_keep_their_pace(tmp_path):
    loop = asyncio.get_running_loop()
    readers, waits, transports = [], [], []
    async with Serving(tmp_path) as serving:
        for _ in range(500):
            waits.append(loop.create_future())
            readers.append(Reader(waits[-1]))
            transport, _ = await loop.create_connection(lambda made=readers[-1]: made, "127.0.0.1", serving.port)
            transports.append(transport)
            await asyncio.sleep(0.004)
        await asyncio.gather(*waits)
        for transport in transports:
            transport.close()
    late = sorted(value for reader in readers for value in reader.late)
    middle, worst = statistics.median(late), late[int(len(late) * 0.99)]
    print(
        f"50,000 events: {serving.cpu:.2f} s of processor time; late by {middle * 1e3:.1f} ms, p99 {worst * 1e3:.1f} ms"
    )
    assert serving.cpu < 5
    assert late[0] > -0.005  # never early
    assert middle < 0.05
