"""How it ends: told to, with answers on their way, and killed."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

import harness
from pointsman.testing import running
from pointsman.testing.script import Pace

QUESTION = {"model": "small", "messages": [{"role": "user", "content": "What is the capital of France?"}]}
PROMISED = 0.1
"""Seconds before a crash from which on an answered call may be missing from the ledger."""


def kept(store: Path) -> dict[str, str]:
    """Ids and statuses in a ledger that nobody serves any more."""
    with contextlib.closing(sqlite3.connect(store)) as database:
        return dict(database.execute("SELECT id, status FROM calls").fetchall())


def test_told_to_stop_it_finishes_streams_takes_no_more_and_keeps_every_row(config: Any, script: Any) -> None:
    with running(script(Pace(events_per_second=6))) as sim, harness.gateway(config(sim)) as gateway:
        ids, texts = [], []
        with openai.OpenAI(base_url=gateway.base_url, api_key="x", max_retries=0) as sdk:
            streams = [sdk.chat.completions.create(**QUESTION, stream=True) for _ in range(3)]
            ids = [stream.response.headers["x-request-id"] for stream in streams]
            firsts = [next(iter(stream)) for stream in streams]
            idle = socket.create_connection(("127.0.0.1", gateway.port))
            gateway.process.send_signal(signal.SIGTERM)
            time.sleep(0.4)
            assert gateway.process.poll() is None, "answers on their way are finished first"
            with pytest.raises((OSError, http.client.HTTPException)):
                gateway.get("/health", timeout=1)
            for stream, first in zip(streams, firsts, strict=True):
                chunks = [first, *stream]
                texts.append("".join(c.choices[0].delta.content or "" for c in chunks if c.choices))
                assert chunks[-1].choices[0].finish_reason == "stop"
            idle.close()
        assert all("Paris" in text for text in texts)
        assert gateway.process.wait(10) == 0, gateway.log()
        assert {kept(gateway.store)[one] for one in ids} == {"ok"}
        assert "Traceback" not in gateway.log()


def test_a_second_signal_does_not_wait(config: Any, script: Any) -> None:
    with running(script(Pace(events_per_second=1))) as sim, harness.gateway(config(sim)) as gateway:
        with openai.OpenAI(base_url=gateway.base_url, api_key="x", max_retries=0) as sdk:
            stream = sdk.chat.completions.create(**QUESTION, stream=True)
            one = stream.response.headers["x-request-id"]
            began = time.monotonic()
            gateway.process.send_signal(signal.SIGINT)
            time.sleep(0.3)
            gateway.process.send_signal(signal.SIGINT)
            gateway.process.wait(8)
            assert time.monotonic() - began < 8
            with pytest.raises((openai.APIError, openai.APIConnectionError, OSError)):
                list(stream)
        assert kept(gateway.store).get(one) in ("cancelled", "failed"), "what was cut is in the record as cut"


class Load(threading.Thread):
    """Asks one question after the other over one connection, and notes when each was answered."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.answered: list[tuple[float, str]] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        body = json.dumps(QUESTION)
        with contextlib.suppress(OSError, http.client.HTTPException):
            while True:
                connection.request("POST", "/v1/chat/completions", body)
                answer = connection.getresponse()
                answer.read()
                self.answered.append((time.monotonic(), answer.headers["x-request-id"]))
        connection.close()


@pytest.mark.parametrize("seconds", [1.0, pytest.param(4.0, marks=pytest.mark.slow)])
def test_killed_under_load_it_has_kept_what_was_answered_before_the_last_100_ms(
    seconds: float, config: Any, script: Any
) -> None:
    with running(script(Pace())) as sim, harness.gateway(config(sim)) as gateway:
        load = [Load(gateway.port) for _ in range(8)]
        for thread in load:
            thread.start()
        time.sleep(seconds)
        killed = time.monotonic()
        os.kill(gateway.process.pid, signal.SIGKILL)
        gateway.process.wait(5)
        for thread in load:
            thread.join(10)
        answered = [one for thread in load for one in thread.answered]
        rows = kept(gateway.store)
        late = sorted(killed - at for at, one in answered if one not in rows)
        oldest = late[-1] * 1e3 if late else 0
        print(f"{len(answered)} answered, {len(late)} not kept, the oldest {oldest:.0f} ms before")
        assert len(answered) > 50
        assert not [age for age in late if age > PROMISED]
        with harness.gateway(config(sim), folder=gateway.folder) as again:
            assert again.json("/api/totals")["all"]["calls"] >= len(rows), "and the ledger opens again"


@pytest.fixture
def connect() -> Iterator[Callable[[harness.Running], http.client.HTTPConnection]]:
    """Connections that are closed at the end."""
    with contextlib.ExitStack() as stack:
        yield lambda gateway: stack.enter_context(
            contextlib.closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10))
        )


def asked(connection: http.client.HTTPConnection, path: str, question: dict[str, Any]) -> http.client.HTTPResponse:
    """A stream that has begun."""
    connection.request("POST", path, json.dumps(question), {"content-type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 200
    answer.readline()
    return answer


def test_at_the_end_of_its_time_it_tells_every_caller_in_its_own_dialect(
    config: Any, script: Any, connect: Any
) -> None:
    turn = [{"role": "user", "content": "What is the capital of France?"}]
    with (
        running(script(Pace(events_per_second=2))) as sim,
        harness.gateway(config(sim, server={"drain": 0.5, "max_in_flight": 3})) as gateway,
    ):
        streams = [
            asked(connect(gateway), "/v1/chat/completions", {**QUESTION, "stream": True}),
            asked(
                connect(gateway), "/v1/messages", {"model": "small", "max_tokens": 99, "messages": turn, "stream": True}
            ),
            asked(connect(gateway), "/v1/responses", {"model": "small", "input": "Hello", "stream": True}),
        ]
        waits = connect(gateway)
        waits.request("POST", "/v1/chat/completions", json.dumps(QUESTION))
        time.sleep(0.2)
        began = time.monotonic()
        gateway.process.send_signal(signal.SIGTERM)
        ends = [answer.read() for answer in streams]
        turned_away = waits.getresponse()
        assert (turned_away.status, json.loads(turned_away.read())["error"]["code"]) == (503, "stopping")
        assert gateway.process.wait(10) == 0, gateway.log()
        assert 0.4 < time.monotonic() - began < 5
        ids = [answer.headers["x-request-id"] for answer in streams]
        assert [kept(gateway.store)[one] for one in ids] == ["failed"] * 3
    assert b'"stopping"' in ends[0], "and the chunked body had its proper end, or `read` would have failed"
    assert b"event: error" in ends[1]
    assert b"The gateway stops" in ends[1]
    assert b"response.failed" in ends[2] or b'"type":"error"' in ends[2].replace(b": ", b":")


def test_told_to_stop_it_says_so_over_standing_connections_and_answers_who_was_about_to_ask(
    config: Any, script: Any, connect: Any
) -> None:
    with running(script(Pace(events_per_second=12))) as sim, harness.gateway(config(sim)) as gateway:
        stream = asked(connect(gateway), "/v1/chat/completions", {**QUESTION, "stream": True})
        kept_open = [connect(gateway) for _ in range(2)]
        for connection in kept_open:
            connection.request("GET", "/ready")
            answer = connection.getresponse()
            assert (answer.status, answer.headers["connection"]) == (200, None)
            answer.read()
        gateway.process.send_signal(signal.SIGTERM)
        time.sleep(0.25)
        kept_open[0].request("GET", "/ready")
        answer = kept_open[0].getresponse()
        assert (answer.status, json.loads(answer.read())) == (503, {"status": "stopping"})
        assert answer.headers["connection"] == "close"
        kept_open[1].request("POST", "/v1/chat/completions", json.dumps(QUESTION))
        answer = kept_open[1].getresponse()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert stream.read().endswith(b"data: [DONE]\n\n")
        assert gateway.process.wait(10) == 0


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_two_sigterms_at_once_are_one_and_a_later_one_does_not_wait(
    config: Any, script: Any, connect: Any, workers: int
) -> None:
    with (
        running(script(Pace(events_per_second=1))) as sim,
        harness.gateway(config(sim, server={"workers": workers})) as gateway,
    ):
        stream = asked(connect(gateway), "/v1/chat/completions", {**QUESTION, "stream": True})
        for _ in range(2):
            gateway.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
        time.sleep(1.0)
        assert gateway.process.poll() is None
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(4) == 0
        assert b'"stopping"' in stream.read()
