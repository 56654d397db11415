"""Several workers behind one port: answers from all of them, one set of metrics, the dead replaced, a clean end."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

from harness import gateway, stop
from pointsman.observe.merging import merge
from pointsman.testing import Script, SimModel, SimProvider, running

BODY = json.dumps({"model": "small", "messages": [{"role": "user", "content": "Hello"}]}).encode()


def children(pid: int) -> list[int]:
    return [int(p) for task in Path(f"/proc/{pid}/task").iterdir() for p in (task / "children").read_text().split()]


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
            for _ in range(10):
                assert up.post("/v1/chat/completions", BODY)[0] == 200
            pids = children(up.process.pid)
            assert stop(up) == 0
            assert not any(Path(f"/proc/{pid}").exists() for pid in pids), "no worker outlives its parent"


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
