"""A service manager holds the socket: nobody is refused while one gateway follows another."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pointsman.compose.service import demand_fit
from pointsman.core.errors import ConfigError

HANDING = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.executable, [sys.executable, "-m", "pointsman", "serve", "--config", sys.argv[2]])
"""


@contextlib.contextmanager
def served(held: socket.socket, config: Path, heard: socket.socket) -> Iterator[subprocess.Popen[bytes]]:
    """A gateway that has said that it serves."""
    with (config.parent / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", HANDING, str(held.fileno()), str(config)],
            cwd=config.parent,
            pass_fds=(held.fileno(),),
            env={**os.environ, "NOTIFY_SOCKET": heard.getsockname()},
            stdout=log,
            stderr=log,
        )
    try:
        assert heard.recv(100) == b"READY=1", (config.parent / "log.txt").read_text()
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(5)


def ready(connection: http.client.HTTPConnection) -> int:
    answer = connection.getresponse()
    answer.read()
    return answer.status


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_who_connects_between_two_gateways_is_answered_by_the_second(tmp_path: Path, workers: int) -> None:
    config = tmp_path / "pointsman.yaml"
    said: dict[str, Any] = {"server": {"port": 1, "workers": workers}, "discover": False, "local": False}
    config.write_text(json.dumps(said), encoding="utf-8")
    with socket.socket() as held, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        held.bind(("127.0.0.1", 0))
        held.listen(100)
        heard.bind(str(tmp_path / "notify.sock"))
        heard.settimeout(20)
        connections = [http.client.HTTPConnection("127.0.0.1", held.getsockname()[1], timeout=20) for _ in range(2)]
        with served(held, config, heard) as first:
            connections[0].request("GET", "/ready")
            assert ready(connections[0]) == 200
            first.send_signal(signal.SIGTERM)
            assert heard.recv(100) == b"STOPPING=1"
            assert first.wait(10) == 0
        connections[1].request("GET", "/ready")
        with served(held, config, heard):
            assert ready(connections[1]) == 200
        for connection in connections:
            connection.close()


def test_a_socket_that_more_can_reach_than_the_configuration_says_is_refused() -> None:
    demand_fit("127.0.0.1", "localhost")
    demand_fit("0.0.0.0", "0.0.0.0")
    demand_fit("127.0.0.1", "0.0.0.0")
    for address in ("0.0.0.0", "::", "192.0.2.1"):
        with pytest.raises(ConfigError, match="says 127"):
            demand_fit(address, "127.0.0.1")
