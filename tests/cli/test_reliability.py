"""`pointsman alerts test` and `pointsman reliability` as a user has them."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.core.clock import SystemClock, SystemIds
from pointsman.core.failure import Target
from pointsman.core.health import Transition
from pointsman.store.health_record import HealthRecord
from pointsman.store.ledger import Ledger

S = 1_000_000_000


class Sink(http.server.BaseHTTPRequestHandler):
    """Takes posts; `/gone` refuses them."""

    taken: list[dict] = []  # noqa: RUF012 - one sink a module

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.taken.append(body)
        self.send_response(410 if self.path == "/gone" else 200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def sink() -> Iterator[str]:
    Sink.taken.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join(5)


@pytest.fixture
def channels(nothing: str, sink: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CHAT_URL", f"{sink}/S3CRET")
    monkeypatch.setenv("GONE_URL", f"{sink}/gone")
    text = (
        "alerts:\n  channels:\n"
        "    chat: {type: slack, url_env: CHAT_URL}\n"
        "    gone: {type: webhook, url_env: GONE_URL}\n"
        "    duty: {type: pagerduty, key_env: DUTY_ROUTING}\n"
    )
    path = Path(nothing)
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")
    return nothing


def test_each_channel_gets_a_test_and_what_happened_is_said(invoke, channels: str) -> None:
    said = invoke("alerts", "test")
    assert said.code == 1
    lines = [line.split(maxsplit=2) for line in said.out.splitlines()]
    assert lines == [
        ["CHANNEL", "TYPE", "RESULT"],
        ["chat", "slack", "delivered"],
        ["gone", "webhook", "it answered with status 410"],
        ["duty", "pagerduty", "the variable DUTY_ROUTING is not set"],
    ]
    assert any("this is a test" in body.get("text", "") for body in Sink.taken)
    assert len(Sink.taken) == 2
    assert "S3CRET" not in said.out + said.err


def test_one_channel_by_name_as_json(invoke, channels: str) -> None:
    said = invoke("alerts", "test", "chat", "--json")
    assert said.code == 0
    assert json.loads(said.out) == [{"channel": "chat", "type": "slack", "ok": True, "error": ""}]
    assert len(Sink.taken) == 1


def test_a_channel_that_is_not_there(invoke, channels: str) -> None:
    said = invoke("alerts", "test", "chta")
    assert (said.code, said.out) == (1, "")
    assert "error: there is no channel `chta`" in said.err
    assert "chat, gone, duty" in said.err


def test_without_channels_the_way_out_is_said(invoke, nothing: str) -> None:
    said = invoke("alerts", "test")
    assert (said.code, said.out) == (0, "")
    assert "there are no channels" in said.err
    assert "alerts.channels" in said.err


@pytest.fixture
def past(lab: str, folder: Path, make) -> None:
    """A provider that was down for ten minutes two days ago, and a route whose calls failed over."""
    now = time.time_ns()
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}", SystemClock())
    ledger.start()
    log = HealthRecord(ledger.note, SystemIds(), "n")
    began = now - 2 * 86_400 * S
    for target in (Target("lab", "sim-1"), Target("lab", "")):
        for at, after in ((began, "open"), (began + 600 * S, "closed")):
            log.hear(Transition(target=target, before="closed", after=after, at=at, why="503"))
    for n in range(30):
        at = now - 4 * 86_400 * S + n * S
        tried = make.attempt(1, provider="lab", upstream="sim-1", started=at, error="upstream_cut")
        again = make.attempt(2, provider="other", upstream="x", model="large", started=at)
        ledger.record(make.outcome(now=at, attempts=(tried, again)))
    assert ledger.flush()
    assert ledger.close()


def test_reliability_is_a_table_with_advice(invoke, past: None) -> None:
    said = invoke("reliability")
    assert said.code == 0
    lines = [line.split() for line in said.out.splitlines()]
    assert lines[0] == ["PROVIDER", "UPTIME", "DOWN", "INCIDENTS", "RECOVERY", "REQUESTS", "FAILED"]
    assert lines[1][0] == "lab"
    assert lines[1][1:3] == ["99.826", "%"]
    assert lines[1][3:] == ["10", "min", "1", "10", "min", "30", "30"]
    assert lines[2] == ["other", "100.000", "%", "0", "s", "0", "-", "30", "0"]
    assert lines[4] == ["ROUTE", "CALLS", "FAILOVERS", "SHARE", "MOST", "LEFT"]
    assert lines[5] == ["auto", "30", "30", "100.0", "%", "small"]
    assert "warning: failover on 100 % of the calls of route auto" in said.err
    assert "its primary small should be reconsidered" in said.err


def test_reliability_by_day_and_by_model(invoke, past: None) -> None:
    said = invoke("reliability", "--by", "day", "--models", "--since", "7d")
    days = {line.split()[1] for line in said.out.splitlines() if line.startswith("lab ")}
    assert len(days) == 2, "the day of the calls and the day of the incident; on others nothing is known"
    assert all(len(day) == 10 for day in days)
    assert "  sim-1" in said.out


def test_reliability_as_json(invoke, past: None) -> None:
    found = json.loads(invoke("reliability", "--since", "1h", "--json").out)
    assert found["providers"] == [] or all(one["total"]["incidents"] == 0 for one in found["providers"])
    found = json.loads(invoke("reliability", "--since", "5d", "--json").out)
    assert found["providers"][0]["total"]["incidents"] == 1
    assert found["routes"][0]["share"] == 1.0


def test_reliability_of_nothing(invoke, lab: str, past: None) -> None:
    said = invoke("reliability", "--since", "1s")
    assert (said.code, said.out) == (0, "")
    assert "no provider was asked in that time" in said.err
    wrong = invoke("reliability", "--since", "soon")
    assert wrong.code == 2
    assert "no length of time" in wrong.err
