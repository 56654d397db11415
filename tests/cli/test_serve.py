from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pointsman.cli import ports


@pytest.fixture
def listening() -> Iterator[int]:
    """A port that this process has."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock.getsockname()[1]


def start(folder, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pointsman", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_what_is_missing_and_stops_when_told(lab, folder, number):
    with start(folder, "serve", "--port", "0") as process:
        assert process.stderr is not None
        lines = [process.stderr.readline()]
        found = re.match(r"pointsman \S+ — http://127\.0\.0\.1:(\d+)", lines[0])
        assert found, lines[0] + process.stderr.read()
        while not lines[-1].startswith("hint: try"):
            lines.append(process.stderr.readline())
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=10)
        connection.request("GET", "/health")
        assert connection.getresponse().status == 200
        connection.close()
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    assert err.endswith("stopped\n")
    assert "Traceback" not in err
    assert any("openai is off: $OPENAI_API_KEY is not set" in line for line in lines)
    assert any(line.startswith("  routes     auto, chain") for line in lines)


def test_the_log_is_written_as_the_configuration_says(lab, folder):
    path = folder / "pointsman.yaml"
    good = path.read_text(encoding="utf-8") + "log: {format: json}\n"
    path.write_text(good, encoding="utf-8")
    with start(folder, "serve", "--port", "0") as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith("hint: try"):
            pass
        path.write_text(good + "nonsense: 1\n", encoding="utf-8")
        said = json.loads(process.stderr.readline())
        process.terminate()
        process.communicate(timeout=20)
    assert (said["level"], "unknown key `nonsense`" in said["message"]) == ("error", True)


def test_a_taken_port_names_the_process(command, lab, listening):
    said = command("serve", "--port", str(listening))
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"error: 127.0.0.1:{listening} is taken by ")
    assert f"(process {os.getpid()})" in said.err
    assert f"`pointsman serve --port {listening + 1}`" in said.err


def test_an_address_of_another_machine(command, lab):
    said = command("serve", "--host", "192.0.2.1")
    assert said.code == 2
    assert said.err.startswith("error: 192.0.2.1:4545 is not an address of this machine")


def test_the_simulator_serves_and_stops(folder):
    with start(folder, "simulate", "--port", "0") as process:
        assert process.stdout is not None
        assert "listening on http://127.0.0.1:" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "stopped\n")


def test_the_simulator_on_a_taken_port(command, folder, listening):
    said = command("simulate", "--port", str(listening))
    assert said.code == 2
    assert f"is taken by {ports.holder(listening)}" in said.err
    assert command("simulate", "--config", "nowhere.yaml").code == 2


def test_who_holds_a_port(listening):
    found = ports.holder(listening)
    assert found is not None
    assert (found.pid, found.ours) == (os.getpid(), False)
    assert ports.is_taken("127.0.0.1", listening)
    assert not ports.is_taken("192.0.2.1", 1)


def test_nobody_holds_a_free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        free = sock.getsockname()[1]
    assert ports.holder(free) is None
    assert ports.bind_error("127.0.0.1", free) is None
