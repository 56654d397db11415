"""A real gateway for end-to-end tests: `pointsman serve` as a process of its own, on a free port, until the block ends.

    with gateway({"providers": …, "models": …}) as running:
        client = openai.OpenAI(base_url=running.base_url, api_key="any")

`sys.path` needs this folder: a conftest beside the tests puts it there.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

READY_WITHIN = 20.0  # seconds; a start takes less than one, but the machine may be busy with others
STOPPED_WITHIN = 15.0
TRIES = 3  # another process may take the free port first


class GatewayDidNotStart(AssertionError):
    """The process ended, or was not ready in time; the message carries what it said."""


@dataclass(frozen=True)
class Running:
    """A gateway that is ready."""

    port: int
    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def root_url(self) -> str:
        """For `/ready`, `/metrics` and the page."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """For OpenAI clients."""
        return f"{self.root_url}/v1"

    @property
    def config(self) -> Path:
        """The configuration file, to be changed while it runs."""
        return self.folder / "pointsman.yaml"

    @property
    def store(self) -> Path:
        """The ledger's file, unless the configuration says otherwise."""
        return self.folder / "ledger.db"

    def log(self) -> str:
        """What it wrote to stderr and stdout so far."""
        return (self.folder / "log.txt").read_text(encoding="utf-8", errors="replace")

    def get(self, path: str, timeout: float = 10.0) -> tuple[int, dict[str, str], bytes]:
        """GET a path: status, headers in lower case, body."""
        return request(self.port, "GET", path, timeout=timeout)

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
        """POST JSON (bytes go out as they are): status, headers in lower case, body."""
        return request(self.port, "POST", path, body=body, headers=headers)

    def json(self, path: str) -> Any:
        """GET a path and read its JSON."""
        return json.loads(self.get(path)[2])

    def recorded(self, call: str) -> Any:
        """One call in full, as `/api/calls/ID` has it, once it is written."""
        for _ in range(100):
            status, _, body = self.get(f"/api/calls/{call}")
            if status == 200:
                return json.loads(body)
            time.sleep(0.02)
        raise AssertionError(f"the call {call} was not recorded")


def request(
    port: int,
    method: str,
    path: str,
    *,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 30.0,
) -> tuple[int, dict[str, str], bytes]:
    """One request over a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    try:
        connection.request(method, path, data, {"content-type": "application/json", **(headers or {})})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def gateway(
    config: Mapping[str, Any],
    *,
    env: Mapping[str, str] | None = None,
    folder: Path | None = None,
    arguments: tuple[str, ...] = (),
) -> Iterator[Running]:
    """Start a gateway with this configuration and stop it at the end of the block.

    Unless the configuration says otherwise it looks for no local servers, embeds no model, and keeps its ledger in its
    folder. Of the environment it gets no provider's key, only what `env` adds.

    Args:
        config: as in `pointsman.yaml`.
        env: variables on top, e.g. the keys that the configuration names.
        folder: where it works; a temporary one if None.
        arguments: more of the command line.
    """
    with contextlib.ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pointsman-test-")))
        running = _start(config, env or {}, folder, arguments)
        try:
            yield running
        finally:
            stop(running)


def stop(running: Running) -> int:
    """Ask it to end, and insist if it does not; returns its exit code."""
    process = running.process
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(STOPPED_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"the gateway did not stop within {STOPPED_WITHIN:.0f} s:\n{running.log()}") from None


def _start(config: Mapping[str, Any], env: Mapping[str, str], folder: Path, arguments: tuple[str, ...]) -> Running:
    for attempt in range(1, TRIES + 1):
        running = _spawn(config, env, folder, arguments)
        try:
            _wait_until_ready(running)
        except GatewayDidNotStart as error:
            stop(running)
            if attempt == TRIES or "in use" not in str(error):
                raise
        except BaseException:
            stop(running)
            raise
        else:
            return running
    raise AssertionError("unreachable")


def _spawn(config: Mapping[str, Any], env: Mapping[str, str], folder: Path, arguments: tuple[str, ...]) -> Running:
    port = free_port()
    defaults = {"discover": False, "local": False, "store": f"sqlite:///{folder / 'ledger.db'}"}
    server = {"host": "127.0.0.1", **config.get("server", {}), "port": port}
    path = folder / "pointsman.yaml"
    path.write_text(yaml.safe_dump({**defaults, **config, "server": server}), encoding="utf-8")
    inherited = {name: value for name, value in os.environ.items() if not name.endswith(("_API_KEY", "_KEY", "_TOKEN"))}
    command = [sys.executable, "-m", "pointsman", "serve", "--config", str(path), *arguments]
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**inherited, "NO_COLOR": "1", **env},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    return Running(port=port, process=process, folder=folder)


def _wait_until_ready(running: Running) -> None:
    end = time.monotonic() + READY_WITHIN
    while time.monotonic() < end:
        if running.process.poll() is not None:
            raise GatewayDidNotStart(f"exit code {running.process.returncode}:\n{running.log()}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            if running.get("/ready", timeout=2.0)[0] == 200:
                return
        time.sleep(0.02)
    raise GatewayDidNotStart(f"not ready within {READY_WITHIN:.0f} s:\n{running.log()}")
