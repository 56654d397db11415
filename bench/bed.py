"""The test bed: the provider and the gateways, up at once, each on its core, only the one being measured awake."""

from __future__ import annotations

import contextlib
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from bench.load import ROOT, Shot, Target, shoot
from bench.subjects import Missing, Place, Ready, Subject

from bench import answers, machine, upstream

Json = dict[str, Any]
READY_S = 90.0
REFUSALS_S = 2.0  # a good call that is refused so soon after the start is noted and sent again
STARTS, STARTS_S = 3, 10.0  # up to three starts, as many as fit into ten seconds


@dataclass
class Gateway:
    """A subject that runs: its process (none for `direct`) and what was measured of it."""

    subject: Subject
    ready: Ready
    port: int
    process: machine.Process | None
    folder: Path
    start_s: list[float] = field(default_factory=list)
    answer_s: list[float] = field(default_factory=list)  # from the start to the first right answer
    idle_mb: float | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.subject.name

    @property
    def target(self) -> Target:
        url = f"http://127.0.0.1:{self.port}/v1/chat/completions"
        return Target(url, self.ready.headers, answers.request(self.ready.model))

    def cpu_s(self) -> float:
        return machine.cpu_s(self.process.pid) if self.process else 0.0

    def memory_mb(self) -> float | None:
        return machine.memory_mb(self.process.pid) if self.process else None

    @contextlib.contextmanager
    def awake(self) -> Iterator[None]:
        """Awake for the length of a measurement; parked again after it."""
        if self.process is None:
            yield
            return
        if not self.process.alive():
            raise RuntimeError(f"{self.name} has ended: {self.process.last_words()}")
        self.process.wake()
        try:
            yield
            machine.settle(self.process)
        finally:
            self.process.park()


def ask(target: Target, *, headers: bool = True) -> tuple[int, str]:
    """One call: status and text. Status 0 when nobody answers."""
    more = {"content-type": "application/json"} | (target.headers if headers else {})
    request = urllib.request.Request(target.url, data=target.body, headers=more, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode(errors="replace")
    except OSError as gone:
        return 0, str(gone)


class Bed:
    """Provider, stream process and gateways of one run. Ends them all on leaving."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gateway_core, self.load_core = machine.cores()
        self.upstream_port = machine.free_port()
        self.gateways: list[Gateway] = []
        self.skipped: dict[str, str] = {}
        self.provider: machine.Process | None = None
        self.streamer: machine.Process | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for gateway in self.gateways:
            if gateway.process:
                gateway.process.end()
        for process in (self.provider, self.streamer):
            if process:
                process.end()

    def serve_whole(self) -> str:
        """Bring up the provider of whole answers; the name of what it is."""
        binary = upstream.nginx()
        if binary is None:
            self.serve_streams()
            return "our own asyncio provider (nginx is missing; Debian: apt-get install nginx-light)"
        folder = self.folder / "nginx"
        launch = upstream.launch(binary, folder, self.upstream_port)
        self.provider = machine.start("nginx", launch, self.load_core, folder)
        machine.wait_listening(self.provider, self.upstream_port, 10)
        return "nginx"

    def serve_streams(self) -> None:
        """Put the provider of streams in the place of the one of whole answers."""
        if self.provider:
            self.provider.end()
            self.provider = None
        if self.streamer:
            return
        argv = [sys.executable, "-m", "bench.streams", str(self.upstream_port)]
        launch = machine.Launch(argv, {"PYTHONPATH": str(ROOT)}, pipes=True)
        self.streamer = machine.start("streams", launch, self.load_core, self.folder / "streams")
        self._hear()

    def _hear(self) -> Json:
        process = self.streamer
        if process is None or process.popen.stdout is None:
            raise RuntimeError("no stream process")
        line = process.popen.stdout.readline()
        if not line:
            raise RuntimeError(f"the stream process ended: {process.last_words()}")
        said: Json = json.loads(line)
        return said

    def stream(self, gateway: Gateway, said: Json) -> Json:
        """Let the stream process do something with a gateway, which is awake meanwhile."""
        body = answers.request(gateway.ready.model, stream=True, text="STREAM How far is it?").decode()
        order = said | {"port": gateway.port, "headers": gateway.ready.headers, "body": body}
        if self.streamer is None or self.streamer.popen.stdin is None:
            raise RuntimeError("no stream process")
        with gateway.awake():
            before = gateway.cpu_s()
            self.streamer.popen.stdin.write(json.dumps(order).encode() + b"\n")
            self.streamer.popen.stdin.flush()
            result = self._hear()
            result["cpu_s"] = gateway.cpu_s() - before
        return result

    def load(self, gateway: Gateway, connections: int, seconds: float) -> tuple[Shot, float]:
        """Load a gateway; what the load saw, and the CPU seconds that the gateway used from first to last."""
        with gateway.awake():
            before = gateway.cpu_s()
            shot = shoot(gateway.target, connections, seconds, self.load_core, self.folder)
            if gateway.process:
                machine.settle(gateway.process)  # rows still to be written belong to these calls
            return shot, gateway.cpu_s() - before

    def raise_up(self, subject: Subject) -> Gateway | None:
        """Start a subject and see that it answers as it should; None, with the reason kept, when it cannot be had."""
        try:
            gateway = self._started(subject)
        except (Missing, RuntimeError) as reason:
            self.skipped[subject.name] = str(reason)
            return None
        self.gateways.append(gateway)
        return gateway

    def _started(self, subject: Subject) -> Gateway:
        port = machine.free_port()
        place = Place(self.folder / subject.name, port, self.upstream_port)
        ready = subject.prepare(place)
        if ready.launch is None:
            return Gateway(subject, ready, self.upstream_port, None, place.folder)
        gateway = Gateway(subject, ready, port, None, place.folder)
        begun = time.monotonic()
        process = self._start(gateway)
        while len(gateway.start_s) < STARTS and time.monotonic() - begun + gateway.answer_s[-1] < STARTS_S:
            process.end()
            process = self._start(gateway)
        gateway.process = process
        try:
            machine.settle(process, 10)
            gateway.idle_mb = machine.memory_mb(process.pid)
            self._refuses_strangers(gateway)
        except BaseException:
            process.end()
            raise
        process.park()
        return gateway

    def _start(self, gateway: Gateway) -> machine.Process:
        """Start it once, and note when it listened and when it first answered right."""
        launch = gateway.ready.launch
        if launch is None:
            raise RuntimeError(f"{gateway.name} has nothing to start")
        since = time.perf_counter()
        process = machine.start(gateway.name, launch, self.gateway_core, gateway.folder)
        try:
            machine.wait_listening(process, gateway.port, READY_S)
            gateway.start_s.append(time.perf_counter() - since)
            self._first_answer(gateway, process)
            gateway.answer_s.append(time.perf_counter() - since)
        except BaseException:
            process.end()
            raise
        return process

    def _first_answer(self, gateway: Gateway, process: machine.Process) -> None:
        """Wait for the first right answer."""
        begun = time.monotonic()
        while True:
            status, text = ask(gateway.target)
            if status == 200 and answers.SAID in text:
                return
            waited = time.monotonic() - begun
            refused = status in range(400, 500)
            if waited > READY_S or (refused and waited > REFUSALS_S) or not process.alive():
                raise RuntimeError(f"{gateway.name} answered {status}: {text[:300]} {process.last_words()}")
            if refused and waited < REFUSALS_S:
                gateway.notes.append(f"refused a good call {waited:.3f} s after it listened: {status} {text[:120]}")
            time.sleep(0.005)

    def _refuses_strangers(self, gateway: Gateway) -> None:
        """Where keys are demanded, a caller without one has to be refused."""
        if gateway.ready.demands_key:
            status, _ = ask(gateway.target, headers=False)
            if status != 401:
                raise RuntimeError(f"{gateway.name} answered {status} to a caller without a key, not 401")
