"""Workers that die, cannot start or lose their parent: nothing changes for callers, and nothing is left behind."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from harness import Running, gateway, request, stop
from pointsman.testing import Script, SimModel, SimProvider, running
from pointsman.testing.script import Pace
from worker_looks import both_serve, children, socket_of, worker_serves

BODY = {"model": "small", "messages": [{"role": "user", "content": "Hello"}]}
LONG = [{"role": "user", "content": "repeat: " + "word " * 100}]
SLOW = Pace(events_per_second=8)


@pytest.fixture
def up() -> Iterator[Running]:
    """Two workers in front of a provider that takes a second or two to say a sentence in a stream."""
    with running(Script(providers=(SimProvider(name="one", models=(SimModel(name="small-1", pace=SLOW),)),))) as sim:
        said = {
            "providers": {"one": {"dialect": "openai-chat", "base_url": sim.url_of("one")}},
            "models": {"small": {"provider": "one", "model": "small-1"}},
            "server": {"workers": 2},
            "log": {"level": "info"},
        }
        with gateway(said) as ready:
            eventually(lambda: both_serve(ready))
            yield ready


def eventually(holds: Callable[[], Any], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def replace_one(up: Running) -> None:
    """Kill a worker and wait until another serves in its place."""
    before = children(up.process.pid)
    os.kill(before[0], signal.SIGKILL)
    eventually(lambda: before[0] not in children(up.process.pid) and both_serve(up))


def answers(
    up: Running, path: str = "/v1/models", headers: dict[str, str] | None = None
) -> list[tuple[int, dict[str, str]]]:
    """What both workers say: one or the other takes each of many connections."""
    return [request(up.port, "GET", path, headers=headers)[:2] for _ in range(40)]


def rewrite(up: Running, **more: Any) -> None:
    up.config.write_text(yaml.safe_dump({**yaml.safe_load(up.config.read_text()), **more}))


def test_a_replacement_serves_the_settings_that_its_siblings_started_with(up: Running) -> None:
    command = [sys.executable, "-m", "pointsman", "keys", "create", "app", "--config", str(up.config)]
    secret = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    eventually(lambda: {status for status, _ in answers(up)} == {401})
    time.sleep(1.0)  # by then the parent knows too
    server = {**yaml.safe_load(up.config.read_text())["server"], "cors": ["https://app.example"]}
    rewrite(up, store=f"sqlite:///{up.folder / 'other.db'}", server=server, keys="auto")
    eventually(lambda: "after a restart" in up.log())
    replace_one(up)
    assert {status for status, _ in answers(up)} == {401}
    known = answers(up, headers={"authorization": f"Bearer {secret}", "origin": "https://app.example"})
    assert {status for status, _ in known} == {200}, "the key is in the store that all of them have"
    assert not [headers for _, headers in known if "access-control-allow-origin" in headers]
    assert not (up.folder / "other.db").exists()


def test_a_replacement_serves_the_last_accepted_configuration_while_the_file_is_refused(up: Running) -> None:
    rewrite(up, routes={"fresh": {"try": ["small"]}})
    eventually(lambda: {status for status, _ in answers(up, "/v1/models/fresh")} == {200})
    good = up.config.read_text()
    up.config.write_text("routes: [")
    eventually(lambda: up.log().count("is refused") >= 2)
    replace_one(up)
    assert {status for status, _ in answers(up, "/v1/models/fresh")} == {200}
    up.config.write_text(good.replace("fresh", "fresher"))
    eventually(lambda: {status for status, _ in answers(up, "/v1/models/fresher")} == {200})
    assert up.process.poll() is None


def test_many_deaths_in_a_moment_end_nothing(up: Running) -> None:
    killed: set[int] = set()
    until = time.monotonic() + 1.2
    while time.monotonic() < until or len(killed) < 6:
        for pid in set(children(up.process.pid)) - killed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        time.sleep(0.02)
    eventually(lambda: len([pid for pid in children(up.process.pid) if pid not in killed]) == 2)
    eventually(lambda: serves(up))
    assert stop(up) == 0


def serves(up: Running) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return bool(up.get("/ready", timeout=2.0)[0] == 200)
    return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGQUIT])
def test_workers_end_with_their_parent_and_finish_their_answers_first(number: signal.Signals, up: Running) -> None:
    workers = children(up.process.pid)
    own = socket_of(workers[0])
    assert own is not None
    heard: list[bytes] = []
    body = {**BODY, "stream": True}
    caller = threading.Thread(target=lambda: heard.append(up.post("/v1/chat/completions", body)[2]))
    caller.start()
    time.sleep(0.4)
    up.process.send_signal(number)
    caller.join(20)
    assert heard[0].endswith(b"data: [DONE]\n\n")
    eventually(lambda: not any(alive(pid) for pid in workers))
    assert up.log().count("the parent process is gone") == 2
    assert not own.parent.exists(), "nothing is left in the folder for temporary files"


def test_signals_that_mean_something_else_end_nobody(up: Running) -> None:
    workers = children(up.process.pid)
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
        for pid in (up.process.pid, *workers):
            os.kill(pid, number)
    eventually(lambda: up.log().count("looked again: configuration") >= 2)
    assert children(up.process.pid) == workers
    rewrite(up, routes={"fresh": {"try": ["small"]}})
    up.process.send_signal(signal.SIGHUP)
    eventually(lambda: {status for status, _ in answers(up, "/v1/models/fresh")} == {200})
    assert stop(up) == 0


def test_a_second_ctrl_c_does_not_wait(up: Running) -> None:
    cut = threading.Thread(target=broken_off, args=(up,))
    cut.start()
    time.sleep(0.4)
    began = time.monotonic()
    up.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(10) == 0
    cut.join(10)
    assert time.monotonic() - began < 4
    assert "Traceback" not in up.log()


def broken_off(up: Running) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        up.post("/v1/chat/completions", {**BODY, "messages": LONG, "stream": True})


@pytest.mark.slow
def test_while_one_worker_serves_the_others_are_tried_again(tmp_path: Path) -> None:
    leaf = trustme.CA().issue_cert("127.0.0.1")
    leaf.private_key_pem.write_to_path(tmp_path / "key.pem")
    leaf.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    tls = {"cert": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}
    config = tmp_path / "pointsman.yaml"
    said = {"discover": False, "local": False, "store": f"sqlite:///{tmp_path / 'ledger.db'}"}
    config.write_text(yaml.safe_dump({**said, "server": {"port": 0, "workers": 2, "tls": tls}}))
    command = [sys.executable, "-m", "pointsman", "serve", "--config", str(config)]
    log = tmp_path / "log.txt"
    with log.open("wb") as out, subprocess.Popen(command, stderr=out, cwd=tmp_path) as process:
        try:
            eventually(lambda: "https://127.0.0.1:" in log.read_text())
            port = int(log.read_text().split("https://127.0.0.1:")[1].split()[0])
            eventually(lambda: len(pids := children(process.pid)) == 2 and all(worker_serves(pid) for pid in pids))
            workers = children(process.pid)
            (tmp_path / "key.pem").rename(tmp_path / "away.pem")
            os.kill(workers[0], signal.SIGKILL)
            eventually(lambda: log.read_text().count("before it served; the next try is in") >= 2, 25)
            assert "1 of 2 serve on" in log.read_text()
            assert all(ready(port) for _ in range(5))
            (tmp_path / "away.pem").rename(tmp_path / "key.pem")
            eventually(lambda: len(children(process.pid)) == 2, 20)
        finally:
            process.terminate()
            assert process.wait(20) == 0


def ready(port: int) -> bool:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def test_workers_serve_what_was_piped_in_though_it_can_be_read_only_once(tmp_path: Path) -> None:
    said = f"{{discover: false, local: false, store: 'sqlite:///{tmp_path / 'ledger.db'}', server: {{workers: 2}}}}"
    line = f'exec {sys.executable} -m pointsman serve --port 0 --config <(echo "{said}")'
    log = tmp_path / "log.txt"
    with log.open("wb") as out, subprocess.Popen(["bash", "-c", line], stderr=out, cwd=tmp_path) as process:
        try:
            eventually(
                lambda: (
                    len(pids := children(process.pid)) >= 2 and len([pid for pid in pids if worker_serves(pid)]) == 2
                )
            )
            time.sleep(0.6)  # two looks at a file
        finally:
            process.terminate()
            assert process.wait(20) == 0
    assert "refused" not in log.read_text()


def test_where_no_worker_can_be_started_at_all_that_is_the_end_and_is_said(tmp_path: Path) -> None:
    config = {"discover": False, "local": False, "store": f"sqlite:///{tmp_path / 'ledger.db'}"}
    (tmp_path / "pointsman.yaml").write_text(json.dumps({**config, "server": {"port": 0, "workers": 2}}))
    code = "import sys; sys.executable = '/bin/false'; from pointsman.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "serve"], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert "error: no worker serves, and none can be started" in done.stderr
    assert "Traceback" not in done.stderr
