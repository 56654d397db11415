"""A house tells of trouble: through a real webhook, its metrics, its ledger and its API. Calls never wait for it."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from pointsman.core.failure import State, Target
from pointsman.core.health import Transition
from pointsman.testing import Simulator

QUESTION = {"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}


class Sink:
    """Takes alerts over HTTP; answers after `pause` seconds."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.pause = 0.0
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(re.search(rb"content-length: (\d+)", head.lower())[1])
                body = await reader.readexactly(length)
                await asyncio.sleep(self.pause)
                self.bodies.append(json.loads(body))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def has(self, count: int) -> list[str]:
        """What came, once there are so many or ten seconds are over."""
        for _ in range(500):
            if len(self.bodies) >= count:
                break
            await asyncio.sleep(0.02)
        return [f"{body['kind']} {body['state']} {body['subject']}" for body in self.bodies]


@pytest_asyncio.fixture
async def sink() -> AsyncIterator[Sink]:
    made = Sink()
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/alerts"
    yield made
    server.close()


def alerts(sink: Sink, **more: Any) -> dict[str, Any]:
    return {"channels": {"own": {"type": "webhook", "url": sink.url}}, "settle": 0.5, **more}


def turn(served: Any, upstream: str, after: State, why: str = "503", provider: str = "one") -> None:
    """What the book of health tells."""
    now = served.house.pieces.clock.now()
    target = Target(provider, upstream)
    change = Transition(target=target, before="closed", after=after, at=now, why=why, cause="failures")
    served.house.transitions.hear(change)


async def test_a_provider_goes_down_and_comes_back(
    sim: Simulator, serving: Any, config: Callable[..., Any], ask: Callable[..., Any], sink: Sink
) -> None:
    async with serving(config(sim, alerts=alerts(sink))) as served:
        assert (await ask(served, "POST", "/v1/chat/completions", QUESTION)).status == 200
        turn(served, "small-1", "open", why="no connection")
        assert await sink.has(1) == ["provider_down firing one"]
        metrics = (await ask(served, "GET", "/metrics")).body.decode()
        assert 'gw_breaker_state{provider="one",model="small-1"} 3' in metrics
        assert 'gw_breaker_state{provider="one",model=""} 3' in metrics
        assert 'gw_breaker_transitions_total{provider="one",model="small-1",to="open"} 1' in metrics
        turn(served, "small-1", "closed")
        assert await sink.has(2) == ["provider_down firing one", "provider_down resolved one"]
        assert sink.bodies[1]["duration_seconds"] < 10
        metrics = (await ask(served, "GET", "/metrics")).body.decode()
        assert 'gw_breaker_state{provider="one",model=""} 0' in metrics
        assert 'gw_alerts_total{kind="provider_down",channel="own",result="delivered"} 2' in metrics
        assert await asyncio.to_thread(served.house.pieces.ledger.flush)
        found = (await ask(served, "GET", "/api/reliability?since=1h&by=month")).json
        [one] = [provider for provider in found["providers"] if provider["name"] == "one"]
        assert (one["total"]["incidents"], one["total"]["requests"]) == (1, 1)
        assert one["models"][0]["name"] == "small-1"
        assert found["routes"][0]["calls"] == 1


async def test_a_route_that_nobody_answers_is_told_and_so_is_its_end(
    sim: Simulator, serving: Any, config: Callable[..., Any], ask: Callable[..., Any], sink: Sink
) -> None:
    async with serving(config(sim, alerts=alerts(sink, kinds=["route_down"], down_after=2))) as served:
        sim.inject("unavailable", times=8)
        for _ in range(2):
            assert (await ask(served, "POST", "/v1/chat/completions", QUESTION)).status == 503
        assert await sink.has(1) == ["route_down firing auto"]
        assert "small: upstream_refused, large: upstream_refused" in sink.bodies[0]["summary"]
        sim.reset()
        assert (await ask(served, "POST", "/v1/chat/completions", QUESTION)).status == 200
        assert await sink.has(2) == ["route_down firing auto", "route_down resolved auto"]


async def test_calls_that_fail_over_bring_the_advice(
    sim: Simulator, serving: Any, config: Callable[..., Any], ask: Callable[..., Any], sink: Sink
) -> None:
    said = alerts(sink, kinds=["failover_rate"], least_calls=5)
    async with serving(config(sim, alerts=said)) as served:
        sim.inject("unavailable", provider="one", times=5)
        for _ in range(5):
            assert (await ask(served, "POST", "/v1/chat/completions", QUESTION)).status == 200
        assert await sink.has(1) == ["failover_rate firing auto"]
        assert sink.bodies[0]["summary"] == (
            "failover on 100 % of the calls of route auto in the last 15 minutes (5 of 5): "
            "its primary small should be reconsidered"
        )


async def test_an_outage_that_calls_meet_is_told_recorded_and_over_with_its_end(
    sim: Simulator,
    serving: Any,
    config: Callable[..., Any],
    ask: Callable[..., Any],
    sink: Sink,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From real calls by way of the book of health: callers get answers, people get one alert for the provider."""
    monkeypatch.setattr("pointsman.health.gate._FIRST_REST", 2.5)
    said = alerts(sink, kinds=["breaker_open", "provider_down", "failover_rate"])
    async with serving(config(sim, alerts=said)) as served:
        assert (await ask(served, "POST", "/v1/chat/completions", QUESTION)).status == 200
        sim.refuse("one")
        await sim.tick()
        for _ in range(30):
            heard = await ask(served, "POST", "/v1/chat/completions", QUESTION)
            assert (heard.status, heard.headers["x-pointsman-model"]) == (200, "large")
        told = await sink.has(2)
        assert sorted(told) == ["failover_rate firing auto", "provider_down firing one"]
        metrics = (await ask(served, "GET", "/metrics")).body.decode()
        assert re.search(r'gw_breaker_state\{provider="one",model="small-1"\} [23]', metrics)
        assert await asyncio.to_thread(served.house.pieces.ledger.flush)
        found = (await ask(served, "GET", "/api/reliability?since=1h&by=month")).json
        one = next(provider for provider in found["providers"] if provider["name"] == "one")
        assert (one["total"]["incidents"], one["total"]["lasting"]) == (1, 1)
        [auto] = found["routes"]
        assert (auto["calls"], auto["failovers"], auto["primary"]) == (31, 30, "small"), "those planned around it too"
        assert "its primary small should be reconsidered" in auto["advice"]
        sim.accept("one")
        await sim.tick()
        for _ in range(100):  # the rest of two seconds or so has to pass
            await ask(served, "POST", "/v1/chat/completions", QUESTION)
            if len(sink.bodies) > 2:
                break
            await asyncio.sleep(0.2)
        assert (await sink.has(3))[2] == "provider_down resolved one"
        assert await asyncio.to_thread(served.house.pieces.ledger.flush)
        found = (await ask(served, "GET", "/api/reliability?since=1h")).json
        one = next(provider for provider in found["providers"] if provider["name"] == "one")
        assert (one["total"]["incidents"], one["total"]["lasting"]) == (1, 0)
        assert 0 < one["total"]["downtime"] < 60 * 10**9


async def test_a_channel_that_hangs_delays_no_call(
    sim: Simulator,
    serving: Any,
    config: Callable[..., Any],
    ask: Callable[..., Any],
    sink: Sink,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pointsman.compose.alerting._LAST_WORD_SECONDS", 0.5)
    sink.pause = 30
    async with serving(config(sim, alerts=alerts(sink))) as served:
        for number in range(300):
            turn(served, "small-1", "open" if number % 2 == 0 else "closed")
        begun = time.monotonic()
        assert (await ask(served, "POST", "/v1/chat/completions", QUESTION)).status == 200
        assert time.monotonic() - begun < 5
    assert time.monotonic() - begun < 20, "the end waits a few seconds for what is under way, no longer"


async def test_what_waits_at_the_end_is_told(
    sim: Simulator, serving: Any, config: Callable[..., Any], sink: Sink
) -> None:
    async with serving(config(sim, alerts=alerts(sink))) as served:
        turn(served, "small-1", "open")
    assert await sink.has(1) == ["provider_down firing one"]


async def test_an_orderly_stop_ends_the_incident_in_the_record(
    sim: Simulator, serving: Any, config: Callable[..., Any], ask: Callable[..., Any]
) -> None:
    said = config(sim)
    async with serving(said) as served:
        turn(served, "small-1", "open")
    async with serving(said) as served:
        found = (await ask(served, "GET", "/api/reliability?since=1d")).json
    [one] = found["providers"]
    assert (one["total"]["incidents"], one["total"]["lasting"]) == (1, 0)


async def test_channels_that_change_are_in_force_without_a_restart(
    sim: Simulator, serving: Any, config: Callable[..., Any], sink: Sink, tmp_path: Path
) -> None:
    file = tmp_path / "pointsman.yaml"
    said = config(sim, store=f"sqlite:///{tmp_path / 'l.db'}", discover=False, local=False)
    file.write_text(yaml.safe_dump(said), encoding="utf-8")
    async with serving(file) as served:
        turn(served, "small-1", "open")
        file.write_text(yaml.safe_dump({**said, "alerts": alerts(sink)}), encoding="utf-8")
        for _ in range(200):
            if served.house.loaded.config.alerts.channels:
                break
            await asyncio.sleep(0.05)
        assert served.house.restart_needed == ()
        turn(served, "small-1", "closed")
        assert await sink.has(1) == ["provider_down resolved one"], "what was begun before goes on"


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01", "-1d", "9999d", "2999-01-01", "", "1e9"])
async def test_a_moment_that_is_none_is_refused(
    sim: Simulator, serving: Any, config: Callable[..., Any], ask: Callable[..., Any], since: str
) -> None:
    async with serving(config(sim)) as served:
        heard = await ask(served, "GET", f"/api/reliability?since={since}&x=")
        if since:
            assert heard.status == 400
            assert heard.error["param"] == "since"
        else:
            assert heard.status == 200
        wrong = await ask(served, "GET", "/api/reliability?by=week")
        assert (wrong.status, wrong.error["param"]) == (400, "by")


async def test_a_date_is_its_beginning_in_utc(
    sim: Simulator, serving: Any, config: Callable[..., Any], ask: Callable[..., Any]
) -> None:
    async with serving(config(sim)) as served:
        await ask(served, "POST", "/v1/chat/completions", QUESTION)
        assert await asyncio.to_thread(served.house.pieces.ledger.flush)
        today = time.strftime("%Y-%m-%d", time.gmtime())
        found = (await ask(served, "GET", f"/api/reliability?since={today}")).json
        assert [provider["name"] for provider in found["providers"]] == ["one"]
        assert found["by"] == "day"
