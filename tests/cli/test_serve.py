from __future__ import annotations

import http.client
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from pointsman.cli import ports
from pointsman.testing import Script, SimModel, SimProvider, running
from pointsman.testing.script import Pace


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


@pytest.fixture
def slow(lab, folder, sim_url) -> Iterator[None]:
    """The lab's models take a second for what they say in a stream."""
    model = SimModel(name="sim-1", pace=Pace(events_per_second=10))
    with running(Script(providers=(SimProvider(name="one", models=(model,)),))) as sim:
        path = folder / "pointsman.yaml"
        path.write_text(path.read_text().replace(sim_url, sim.url_of("one")))
        yield


def ask_slowly(port: int) -> tuple[threading.Thread, list[bytes]]:
    """A stream under way, and where it goes to."""
    heard: list[bytes] = []
    words = {"role": "user", "content": "repeat: one two three four five six seven eight nine ten"}

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        body = json.dumps({"model": "small", "stream": True, "messages": [words]})
        connection.request("POST", "/v1/chat/completions", body)
        heard.append(connection.getresponse().read())
        connection.close()

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.5)
    return thread, heard


def test_hanging_up_and_users_signals_cut_no_answer_and_the_configuration_is_looked_at(slow, folder):
    with start(folder, "serve", "--port", "0") as process:
        assert process.stderr is not None
        lines = [process.stderr.readline()]
        while not lines[-1].startswith("hint: try"):
            lines.append(process.stderr.readline())
        thread, heard = ask_slowly(int(lines[0].split("127.0.0.1:")[1].split()[0]))
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            process.send_signal(number)
        assert re.search(r"looked again: configuration \w+ is in force", process.stderr.readline())
        path = folder / "pointsman.yaml"
        path.write_text("nonsense: 1\n", encoding="utf-8")
        process.send_signal(signal.SIGHUP)
        assert "unknown key `nonsense`" in process.stderr.readline()
        thread.join(20)
        assert heard[0].endswith(b"data: [DONE]\n\n")
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_closed_terminal_cuts_no_answer(workers, slow, folder):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    ours, theirs = pty.openpty()
    # A shell of its own session, as a terminal's window has: its end hangs up on the whole group.
    code = (
        "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.executable, sys.argv[1:])"
    )
    arguments = [sys.executable, "-m", "pointsman", "serve", "--port", str(port), "--workers", workers]
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        until_ready(port)
        thread, heard = ask_slowly(port)
        os.close(ours)
        thread.join(20)
        assert heard[0].endswith(b"data: [DONE]\n\n")
        assert process.poll() is None
        until_ready(port)
        process.terminate()
        assert process.wait(20) == 0


def until_ready(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/ready")
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            assert time.monotonic() < deadline
        finally:
            connection.close()
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("", "error: the address to bind is empty"),
        (" ", "error: the address to bind is empty"),
        ("0", "error: `0` is no address written in full"),
        ("127.1", "error: `127.1` is no address written in full"),
        ("0x7f000001", "error: `0x7f000001` is no address written in full"),
    ],
)
def test_an_address_that_says_something_else_than_it_seems_to_is_refused(host, message, invoke, lab):
    said = invoke("serve", "--port", "0", "--host", host)
    assert said.code == 2
    assert said.err.startswith(message)
    assert "0.0.0.0" in said.err


def test_an_address_in_brackets_is_taken_for_the_one_it_is(lab, folder):
    with start(folder, "serve", "--port", "0", "--host", "[::1]") as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.terminate()
        process.communicate(timeout=20)
    assert re.match(r"pointsman \S+ — http://\[::1\]:\d+ ", first)


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
