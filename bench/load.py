"""Load of whole answers: wrk where it is installed, else a loader of our own; both keep N requests in flight.

python -m bench.load URL N SECONDS FILE     our own loader; FILE holds {"headers": {...}, "body": "..."}
"""

from __future__ import annotations

import asyncio
import gc
import json
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import httptools
import uvloop

from bench import stats

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Shot:
    """What one load of some seconds showed."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: int  # answers with a status over 399, and broken connections

    @property
    def rate(self) -> float:
        return (self.requests - self.errors) / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Target:
    """Where a load goes and what it posts."""

    url: str
    headers: dict[str, str]
    body: bytes


_LUA = """
wrk.method = "POST"
wrk.body = {body}
{headers}
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\\nRESULT {{"requests":%d,"seconds":%f,"p50_ms":%f,"p99_ms":%f,"errors":%d}}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def lua(target: Target) -> str:
    """The script that makes wrk post the body and print its result as JSON."""
    headers = {"content-type": "application/json"} | target.headers
    lines = "\n".join(f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items())
    # A long bracket needs no escaping: the body is JSON of ours without "]=]" in it.
    return _LUA.format(body=f"[=[{target.body.decode()}]=]", headers=lines)


def parse_wrk(text: str) -> Shot:
    """The result line of our lua script."""
    for line in text.splitlines():
        if line.startswith("RESULT "):
            return Shot(**json.loads(line.removeprefix("RESULT ")))
    raise RuntimeError(f"wrk printed no result: {text[-400:]}")


def shoot(target: Target, connections: int, seconds: float, core: int, folder: Path) -> Shot:
    """Load a target for some seconds from one core. Blocks until the load has ended."""
    pinned = ["taskset", "-c", str(core)] if shutil.which("taskset") else []
    if wrk := shutil.which("wrk"):
        script = folder / "post.lua"
        script.write_text(lua(target), encoding="utf-8")
        whole = max(1, round(seconds))  # wrk counts in whole seconds
        argv = [wrk, "-t1", f"-c{connections}", f"-d{whole}s", "--timeout", "30s", "-s", str(script), target.url]
    else:
        whole = max(1, round(seconds))
        script = folder / "post.json"
        script.write_text(json.dumps({"headers": target.headers, "body": target.body.decode()}), encoding="utf-8")
        argv = [sys.executable, "-m", "bench.load", target.url, str(connections), str(seconds), str(script)]
    done = subprocess.run(
        pinned + argv,
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=whole + 60,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the load on {target.url} failed: {(done.stderr or done.stdout)[-400:]}")
    return parse_wrk(done.stdout)


class _Caller(asyncio.Protocol):
    """One connection that posts, waits for the answer and posts again."""

    def __init__(self, request: bytes, seen: list[int], stop_ns: int) -> None:
        self.request, self.seen, self.stop_ns = request, seen, stop_ns
        self.errors = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._sent = time.perf_counter_ns()
        self._transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        now = time.perf_counter_ns()
        self.seen.append(now - self._sent)
        self.errors += self._parser.get_status_code() > 399
        if now < self.stop_ns:
            asyncio.get_running_loop().call_soon(self._send)
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.errors += exc is not None or time.perf_counter_ns() < self.stop_ns
        if not self.done.done():
            self.done.set_result(None)


def wire(target: Target) -> tuple[str, int, bytes]:
    """Host, port and the bytes of the request."""
    host, _, path = target.url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    headers = {"host": host, "content-type": "application/json", "content-length": str(len(target.body))}
    lines = "".join(f"{key}: {value}\r\n" for key, value in (headers | target.headers).items())
    return name, int(port), f"POST /{path} HTTP/1.1\r\n{lines}\r\n".encode() + target.body


async def own(target: Target, connections: int, seconds: float) -> Shot:
    """Our own loader: slower than wrk, the same closed loop."""
    host, port, request = wire(target)
    loop = asyncio.get_running_loop()
    seen: list[int] = []
    begun = time.perf_counter_ns()
    stop = begun + int(seconds * 1e9)
    callers = []
    for _ in range(connections):
        _, caller = await loop.create_connection(lambda: _Caller(request, seen, stop), host, port)
        callers.append(caller)
    await asyncio.wait([caller.done for caller in callers], timeout=seconds + 30)
    took = (time.perf_counter_ns() - begun) / 1e9
    times = [ns / 1e6 for ns in seen] or [0.0]
    errors = sum(caller.errors for caller in callers)
    return Shot(len(seen), took, stats.percentile(times, 0.5), stats.percentile(times, 0.99), errors)


def main(argv: list[str]) -> None:
    url, connections, seconds, path = argv
    said = json.loads(Path(path).read_text(encoding="utf-8"))
    gc.disable()
    shot = uvloop.run(own(Target(url, said["headers"], said["body"].encode()), int(connections), float(seconds)))
    print("RESULT " + json.dumps(asdict(shot)))


if __name__ == "__main__":
    main(sys.argv[1:])
