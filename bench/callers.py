"""Callers that go on calling while a gateway ends, and say of each call exactly what they got.

Half of them ask for streams; every other one keeps its connection, the rest take a new one for each call. Nothing is
tried again, so that whatever goes wrong is seen.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["whole", "told", "turned_away", "refused", "closed", "reset", "broken", "silent"]
"""What a caller got. `whole`: the complete answer. `told`: a begun stream that ended properly with a typed error.
`turned_away`: 503. `refused`: no connection. `closed`: a kept connection ended before any byte of the answer. `reset`:
a new one did. `broken`: part of an answer. `silent`: nothing for as long as a caller waits."""
_PATIENCE = 30.0
_WORDS = {"model": "small", "messages": [{"role": "user", "content": "What is the capital of France?"}]}


@dataclass(frozen=True)
class Got:
    """One call: what came of it, its id where an answer said it, and when it ended (monotonic seconds)."""

    kind: Kind
    id: str
    at: float
    stream: bool
    detail: str = ""


@dataclass
class Callers:
    """Many callers of one address.

    Attributes:
        port: on 127.0.0.1.
        number: how many call at once.
        got: every call that has ended.
    """

    port: int
    number: int = 60
    got: list[Got] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _resting: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self) -> None:
        """Begin to call."""
        self._tasks = [asyncio.create_task(self._go_on(n)) for n in range(self.number)]

    async def rest(self) -> None:
        """Let the calls under way end, and begin no more."""
        self._resting.set()
        await asyncio.gather(*self._tasks)

    def count(self, *kinds: Kind) -> int:
        """How many calls ended in one of these ways."""
        return sum(got.kind in kinds for got in self.got)

    async def _go_on(self, number: int) -> None:
        stream, keeps = number % 2 == 0, number % 4 < 2
        line: _Line | None = None
        while not self._resting.is_set():
            if line is None:
                try:
                    line = await _Line.open(self.port)
                except OSError as error:
                    self.got.append(Got("refused", "", time.monotonic(), stream, str(error)))
                    await asyncio.sleep(0.05)
                    continue
            got = await line.ask(stream=stream, keeps=keeps)
            self.got.append(got)
            if not keeps or line.over or got.kind != "whole":
                line.close()
                line = None
            if got.kind != "whole":
                await asyncio.sleep(0.05)
        if line is not None:
            line.close()


class _Line:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._asked = 0
        self.over = False

    @classmethod
    async def open(cls, port: int) -> _Line:
        return cls(*await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), _PATIENCE))

    def close(self) -> None:
        self._writer.close()

    async def ask(self, *, stream: bool, keeps: bool) -> Got:
        """One call; the connection is `over` where the answer says so."""
        body = json.dumps({**_WORDS, "stream": stream}).encode()
        lines = [b"POST /v1/chat/completions HTTP/1.1", b"host: localhost", b"content-type: application/json"]
        lines += [b"content-length: %d" % len(body), b"connection: keep-alive" if keeps else b"connection: close"]
        self._asked += 1
        seen = _Seen()
        try:
            self._writer.write(b"\r\n".join([*lines, b"", body]))
            async with asyncio.timeout(_PATIENCE):
                await self._read(seen)
        except TimeoutError:
            return self._got("silent", seen, stream)
        except (OSError, EOFError, ValueError) as error:
            lost: Kind = "broken" if seen.status else "closed" if self._asked > 1 else "reset"
            return self._got(lost, seen, stream, repr(error))
        self.over = seen.headers.get("connection") == "close"
        return self._got(_judged(seen, stream=stream), seen, stream)

    async def _read(self, seen: _Seen) -> None:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        seen.status = int(head[0].split(" ")[1])
        for line in head[1:-2]:
            name, _, value = line.partition(": ")
            seen.headers[name.lower()] = value
        if "content-length" in seen.headers:
            seen.body = await self._reader.readexactly(int(seen.headers["content-length"]))
            return
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            seen.body += (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readexactly(2)

    @staticmethod
    def _got(kind: Kind, seen: _Seen, stream: bool, detail: str = "") -> Got:
        what = detail or (seen.body[-300:].decode("utf-8", "replace") if kind == "broken" else "")
        return Got(kind, seen.headers.get("x-request-id", ""), time.monotonic(), stream, what)


@dataclass
class _Seen:
    """What has come of an answer."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def _judged(seen: _Seen, *, stream: bool) -> Kind:
    if seen.status == 503:
        return "turned_away"
    if seen.status != 200:
        return "broken"
    if not stream:
        return "whole" if json.loads(seen.body)["choices"][0]["finish_reason"] == "stop" else "broken"
    if seen.body.endswith(b"data: [DONE]\n\n") and b'"finish_reason":"stop"' in seen.body.replace(b": ", b":"):
        return "whole"
    return "told" if b'"error"' in seen.body and b'"code"' in seen.body else "broken"
