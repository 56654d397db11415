"""Several workers behind one port: answers from all of them, one set of metrics, the dead replaced, a clean end."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import Running, gateway, stop
from pointsman.observe.merging import lasting, merge
from pointsman.testing import Script, SimModel, SimProvider, running
from worker_looks import both_serve, children

BODY = json.dumps({"model": "small", "messages": [{"role": "user", "content": "Hello"}]}).encode()


def test_workers_share_a_port_a_ledger_and_their_metrics_and_the_dead_are_replaced() -> None:
    script = Script(providers=(SimProvider(name="one", models=(SimModel(name="small-1"),)),))
    with running(script) as sim:
        config = {
            "providers": {"one": {"dialect": "openai-chat", "base_url": sim.url_of("one")}},
            "models": {"small": {"provider": "one", "model": "small-1"}},
            "server": {"workers": 2},
        }
        with gateway(config) as up:
            for _ in range(20):
                assert up.post("/v1/chat/completions", BODY)[0] == 200
            counted = 'gw_calls_total{surface="chat.completions",route="small",status="ok"} 20'
            assert counted in up.get("/metrics")[2].decode()
            assert up.get("/metrics/own")[0] == 404, "that is for workers among themselves"
            before = children(up.process.pid)
            assert len(before) == 2
            os.kill(before[0], signal.SIGKILL)
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline and (len(now := children(up.process.pid)) < 2 or now == before):
                time.sleep(0.05)
            assert len(children(up.process.pid)) == 2
            assert f"(pid {before[0]}) ended: signal SIGKILL" in up.log()
            assert counted in up.get("/metrics")[2].decode(), "what was shown once stays counted"
            for _ in range(10):
                assert up.post("/v1/chat/completions", BODY)[0] == 200
            assert counted.removesuffix("20") + "30" in up.get("/metrics")[2].decode()
            pids = children(up.process.pid)
            assert stop(up) == 0
            assert not any(Path(f"/proc/{pid}").exists() for pid in pids), "no worker outlives its parent"


@pytest.mark.slow
def test_a_worker_that_starts_after_the_store_was_deleted_demands_a_key_as_the_others_do() -> None:
    with running(Script(providers=(SimProvider(name="one", models=(SimModel(name="small-1"),)),))) as sim:
        config = {
            "providers": {"one": {"dialect": "openai-chat", "base_url": sim.url_of("one")}},
            "models": {"small": {"provider": "one", "model": "small-1"}},
            "server": {"workers": 2},
            "log": {"level": "info"},
        }
        with gateway(config) as up:
            assert up.post("/v1/chat/completions", BODY)[0] == 200, "no keys yet"
            create_key(up)
            statuses_become(up, {401})
            time.sleep(0.6)  # by then the parent knows too
            for path in up.folder.glob("ledger.db*"):
                if path.is_file():
                    path.unlink()
            before = children(up.process.pid)
            os.kill(before[0], signal.SIGKILL)
            replaced(up, before)
            assert statuses(up) == {401}
            up.config.write_text(up.config.read_text() + "routes: {r: {try: [small]}}\n")
            eventually(lambda: "is in force" in up.log())
            time.sleep(0.3)  # until the other has looked too
            assert statuses(up) == {401}
            secret = create_key(up)  # the way out
            statuses_become(up, {200}, {"authorization": f"Bearer {secret}"})


def create_key(up: Running) -> str:
    command = [sys.executable, "-m", "pointsman", "keys", "create", "app", "--config", str(up.config)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def replaced(up: Running, before: list[int]) -> None:
    eventually(lambda: before[0] not in children(up.process.pid) and both_serve(up))


def eventually(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def statuses(up: Running, headers: dict[str, str] | None = None) -> set[int]:
    """What both workers answer: one or the other takes each of many connections."""
    return {up.post("/v1/chat/completions", BODY, headers)[0] for _ in range(40)}


def statuses_become(up: Running, wanted: set[int], headers: dict[str, str] | None = None) -> None:
    deadline = time.monotonic() + 10
    while (found := statuses(up, headers)) != wanted:
        assert time.monotonic() < deadline, found


def test_merged_metrics_add_up_and_health_is_the_worst() -> None:
    health = b"# HELP gw_ledger_up U.\n# TYPE gw_ledger_up gauge\ngw_ledger_up "
    head = b"# HELP a A.\n# TYPE a counter\n"
    one = head + b'a{x="1"} 2\n' + health + b"1\n"
    two = head + b'a{x="1"} 3\na{x="2"} 1.5\n' + health + b"0\n"
    text = merge([one, two, b""]).decode()
    assert text.splitlines() == [
        "# HELP a A.", "# TYPE a counter", 'a{x="1"} 5', 'a{x="2"} 1.5',
        "# HELP gw_ledger_up U.", "# TYPE gw_ledger_up gauge", "gw_ledger_up 0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "endings",
    [
        (signal.SIGKILL, signal.SIGTERM),
        pytest.param((signal.SIGKILL, signal.SIGTERM, signal.SIGKILL), marks=pytest.mark.slow),
    ],
    ids=len,
)
def test_counters_never_go_back_however_many_workers_die(endings: tuple[signal.Signals, ...]) -> None:
    script = Script(providers=(SimProvider(name="one", models=(SimModel(name="small-1"),)),))
    with running(script) as sim:
        config = {
            "providers": {"one": {"dialect": "openai-chat", "base_url": sim.url_of("one")}},
            "models": {"small": {"provider": "one", "model": "small-1"}},
            "server": {"workers": 2},
        }
        with gateway(config) as up:
            asked, shown, deadline = 0, 0, time.monotonic() + 20
            for ending in endings:
                for _ in range(10):
                    assert up.post("/v1/chat/completions", BODY)[0] == 200
                    asked += 1
                assert calls(up) == asked
                pids = children(up.process.pid)
                os.kill(pids[0], ending)
                while time.monotonic() < deadline and (pids[0] in (now := children(up.process.pid)) or len(now) < 2):
                    with contextlib.suppress(OSError, http.client.HTTPException):  # it was the one that was asked
                        shown = calls(up)
                        assert shown == asked
                if ending is not endings[-1]:
                    time.sleep(2.1)  # a worker that lives shorter counts as one that cannot start
            eventually(lambda: both_serve(up))
            assert calls(up) == asked == 10 * len(endings)
            assert shown > 0


def calls(up: Running) -> int:
    found = re.search(r'gw_calls_total\{.*status="ok"\} (\d+)', up.get("/metrics")[2].decode())
    return int(found[1]) if found else 0


def test_what_a_dead_worker_counted_lasts_and_what_it_measured_does_not() -> None:
    counter = b"# HELP a A.\n# TYPE a counter\na 2\n"
    gauge = b"# HELP b B.\n# TYPE b gauge\nb 7\n"
    lost = b"# HELP gw_ledger_dropped_rows D.\n# TYPE gw_ledger_dropped_rows gauge\ngw_ledger_dropped_rows 3\n"
    histogram = b'# HELP h H.\n# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 2\nh_count 1\n'
    text = counter + gauge + lost + histogram
    assert (
        merge([text, lasting(text)]).decode()
        == merge([counter, gauge, lost, histogram, counter, lost, histogram]).decode()
    )
