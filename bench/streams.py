"""Streams: a provider that sends events and the callers that read them, in one process on one clock.

The process is told what to do by lines of JSON on its standard input and answers each with a line of JSON:

    {"do": "paced", "port": 4545, "headers": {...}, "body": "...", "streams": 500,
     "ramp_s": 10, "hold_s": 4, "gap_ms": 50}
    {"do": "lockstep", "port": 4545, "headers": {...}, "body": "...", "streams": 32, "seconds": 3}

"paced": streams arrive evenly over the ramp, each gets an event every gap, and all end together after the hold.
"lockstep": the next event of a stream is written when the last one has reached its caller, so that whoever stands
between reads exactly one event at a time; what is counted is how many of them pass in a second. A gateway that holds
an event back until the next one comes gets one more in flight, else it would stand still.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import httptools
import uvloop

from bench import answers, stats

Json = dict[str, Any]
now_ns = time.perf_counter_ns
# Our callers mark their requests with a number, so that provider and caller of a stream find each other
# whatever stands between them. It stands in the user's message.
TAG = "stream-%06d-"
_TAG = b"stream-"
HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


def chunk(data: bytes) -> bytes:
    """One chunk of an HTTP/1.1 body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


@dataclass
class Stream:
    """One stream, seen from both ends."""

    number: int
    sent_ns: int = 0  # the caller wrote its request
    asked_ns: int = 0  # the provider had read the request
    wrote_ns: int = 0  # the provider wrote the first event
    first_ns: int = 0  # the caller had read the first event
    written: int = 0
    read: int = 0
    lags_ns: list[int] = field(default_factory=list)  # of later events: written to read
    whole: bool = False  # ended as it should
    error: str = ""


class Hub:
    """What provider and callers share: the streams by number, and what to do when one begins or is read."""

    def __init__(self) -> None:
        self.streams: dict[int, Stream] = {}
        self.connections: dict[int, Provider] = {}
        self.lockstep = False
        self.watching = False  # lags are noted
        self.slots: list[list[Provider]] = []

    def reset(self, *, lockstep: bool, slots: int) -> None:
        self.streams, self.connections = {}, {}
        self.lockstep, self.watching = lockstep, False
        self.slots = [[] for _ in range(slots)]


class Provider(asyncio.Protocol):
    """The provider's end of a connection: answers whole or streams, as it is asked."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.parser = httptools.HttpRequestParser(self)
        self.body = b""
        self.stream: Stream | None = None
        self.gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def connection_lost(self, _: Exception | None) -> None:
        self.gone = True

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.close()

    def on_message_begin(self) -> None:
        self.body = b""

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        at = self.body.find(_TAG)
        if at < 0 or b'"stream":true' not in self.body.replace(b" ", b""):
            self._whole()
            return
        number = int(self.body[at + len(_TAG) :].split(b"-", 1)[0])
        stream = self.hub.streams.get(number)
        if stream is None:
            self._whole()
            return
        self.stream = stream
        stream.asked_ns = now_ns()
        self.hub.connections[number] = self
        self.transport.write(HEAD)
        if self.hub.lockstep:
            self.write_event()
        else:
            slots = self.hub.slots
            slots[(stream.asked_ns // 1_000_000) % len(slots)].append(self)

    def _whole(self) -> None:
        body = answers.answer().encode()
        self.transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        )

    def write_event(self) -> None:
        stream = self.stream
        if stream is None or self.gone:
            return
        now = now_ns()
        if not stream.written:
            stream.wrote_ns = now
        self.transport.write(chunk(answers.event(now, first=not stream.written)))
        stream.written += 1

    def write_end(self) -> None:
        if self.stream is not None and not self.gone:
            self.transport.write(chunk(answers.LAST) + b"0\r\n\r\n")
        self.stream = None


class Caller(asyncio.Protocol):
    """The caller's end of one stream."""

    def __init__(self, hub: Hub, stream: Stream, request: bytes) -> None:
        self.hub, self.stream, self.request = hub, stream, request
        self.parser = httptools.HttpResponseParser(self)
        self.marks = answers.Marks()
        self.tail = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.stream.sent_ns = now_ns()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as broken:
            self.stream.error = f"broken HTTP: {broken}"
            self.transport.close()

    def on_body(self, data: bytes) -> None:
        stream, hub = self.stream, self.hub
        if self.parser.get_status_code() != 200:
            stream.error = stream.error or f"{self.parser.get_status_code()}: {data[:200].decode(errors='replace')}"
            return
        self.tail = (self.tail + data)[-64:]
        found = self.marks.feed(data)
        if not found:
            return
        now = now_ns()
        if not stream.read:
            stream.first_ns = now
        stream.read += len(found)
        if hub.lockstep:
            provider = hub.connections[stream.number]
            for _ in found:
                provider.write_event()
        elif hub.watching:
            stream.lags_ns += [now - wrote for wrote in found]

    def on_message_complete(self) -> None:
        self.stream.whole = self.tail.rstrip().endswith(b"[DONE]")
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self.stream.error = self.stream.error or str(exc)
        if not self.done.done():
            self.done.set_result(None)


def http(said: Json, number: int) -> bytes:
    """The bytes of one caller's request."""
    body = said["body"].replace("STREAM", TAG % number).encode()
    headers = {"host": f"127.0.0.1:{said['port']}", "content-type": "application/json", "accept": "text/event-stream"}
    lines = "".join(f"{key}: {value}\r\n" for key, value in (headers | said["headers"]).items())
    return f"POST /v1/chat/completions HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body


async def call(hub: Hub, said: Json, number: int) -> Caller | None:
    """Open one stream; None when even the connection failed (the stream keeps the reason)."""
    stream = hub.streams[number] = Stream(number)
    try:
        _, caller = await asyncio.get_running_loop().create_connection(
            lambda: Caller(hub, stream, http(said, number)), "127.0.0.1", said["port"]
        )
    except OSError as refused:
        stream.error = str(refused)
        return None
    return caller


async def tick(hub: Hub, stop: asyncio.Event) -> None:
    """Every millisecond, write one event to each stream whose turn it is; a late tick is made up for."""
    slots = len(hub.slots)
    at = now_ns() // 1_000_000
    while not stop.is_set():
        upto = now_ns() // 1_000_000
        while at < upto:
            at += 1
            for provider in hub.slots[at % slots]:
                provider.write_event()
        await asyncio.sleep(0.001)


async def paced(hub: Hub, said: Json) -> Json:
    count, ramp, hold = said["streams"], said["ramp_s"], said["hold_s"]
    hub.reset(lockstep=False, slots=said["gap_ms"])
    stop = asyncio.Event()
    ticker = asyncio.create_task(tick(hub, stop))
    begun = now_ns()
    tasks = []
    for number in range(count):
        wait = number * ramp / count - (now_ns() - begun) / 1e9
        if wait > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(call(hub, said, number)))
    callers = [caller for caller in await asyncio.gather(*tasks) if caller is not None]
    hub.watching = True
    wrote, read, at = _counts(hub)
    await asyncio.sleep(hold)
    hub.watching = False
    wrote_after, read_after, at_after = _counts(hub)
    stop.set()
    await ticker
    for provider in hub.connections.values():
        provider.write_end()
    if callers:
        await asyncio.wait([caller.done for caller in callers], timeout=said.get("drain_s", 10))
    for caller in callers:
        caller.transport.abort()
    seconds = (at_after - at) / 1e9
    return _paced_result(hub) | {
        "events_per_s": (read_after - read) / seconds,
        "written_per_s": (wrote_after - wrote) / seconds,
    }


def _counts(hub: Hub) -> tuple[int, int, int]:
    streams = hub.streams.values()
    return sum(s.written for s in streams), sum(s.read for s in streams), now_ns()


def _spread(values: list[float]) -> Json:
    if not values:
        return {"p50": None, "p99": None}
    return {"p50": stats.percentile(values, 0.5), "p99": stats.percentile(values, 0.99)}


def _paced_result(hub: Hub) -> Json:
    streams = list(hub.streams.values())
    begun = [s for s in streams if s.first_ns]
    # The provider's own time between request and first event is taken out: what is left was added on the way.
    added = [(s.first_ns - s.sent_ns - (s.wrote_ns - s.asked_ns)) / 1e6 for s in begun]
    relay = [(s.first_ns - s.wrote_ns) / 1e6 for s in begun]
    lags = [lag / 1e6 for s in streams for lag in s.lags_ns]
    return {
        "streams": len(streams),
        "begun": len(begun),
        "whole": sum(s.whole and s.read == s.written for s in streams),
        "first_added_ms": _spread(added),
        "first_relay_ms": _spread(relay),
        "event_lag_ms": _spread(lags),
        "error": next((s.error for s in streams if s.error), ""),
    }


async def nudge(hub: Hub) -> None:
    """Write one more event to a stream that stands still: some gateways hold an event until the next has come."""
    before: dict[int, int] = {}
    while True:
        await asyncio.sleep(0.1)
        for number, provider in hub.connections.items():
            read = hub.streams[number].read
            if before.get(number) == read:
                provider.write_event()
            before[number] = read


async def lockstep(hub: Hub, said: Json) -> Json:
    hub.reset(lockstep=True, slots=1)
    callers = [caller for n in range(said["streams"]) if (caller := await call(hub, said, n)) is not None]
    nudging = asyncio.create_task(nudge(hub))
    await asyncio.sleep(said.get("warm_s", 0.5))
    _, read, at = _counts(hub)
    await asyncio.sleep(said["seconds"])
    _, read_after, at_after = _counts(hub)
    nudging.cancel()
    hub.lockstep = False  # nobody writes the next one any more
    await asyncio.sleep(0.1)
    for provider in list(hub.connections.values()):
        provider.write_end()
    if callers:
        await asyncio.wait([caller.done for caller in callers], timeout=5)
    for caller in callers:
        caller.transport.abort()
    streams = hub.streams.values()
    return {
        "reads_per_s": (read_after - read) / ((at_after - at) / 1e9),
        "events": sum(s.read for s in streams),
        "whole": sum(s.whole and s.read == s.written for s in streams),
        "streams": len(streams),
        "error": next((s.error for s in streams if s.error), ""),
    }


async def serve(port: int) -> None:
    """Serve as the provider, and do what standard input says until it closes."""
    loop = asyncio.get_running_loop()
    hub = Hub()
    server = await loop.create_server(lambda: Provider(hub), "127.0.0.1", port, backlog=4096)
    print(json.dumps({"ready": port}), flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        said = json.loads(line)
        gc.collect()
        gc.disable()  # a collection would show as somebody's latency
        result = await {"paced": paced, "lockstep": lockstep}[said["do"]](hub, said)
        gc.enable()
        print(json.dumps(result), flush=True)
    server.close()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
