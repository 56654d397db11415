"""The gateway itself asks who rests: over real sockets, and over a virtual hour."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest_asyncio

from pointsman.compose.building import build
from pointsman.compose.checks import Checks
from pointsman.core.clock import SystemDraw
from pointsman.core.failure import State, Target
from pointsman.core.health import AttemptEnd
from pointsman.core.outcome import Outcome
from pointsman.health.book import Book
from pointsman.testing import Script, SimModel, SimProvider, Simulator
from pointsman.testing.spells import Spell, Timetable
from pointsman.testing.virtual import VirtualClock, run_virtual
from pointsman.testing.world import World

QUESTION = {"model": "small", "messages": [{"role": "user", "content": "Hi"}]}
ONCE = {"x-pointsman-retries": "0"}
ONE = Target("one", "small-1")


@pytest_asyncio.fixture
async def sim() -> AsyncIterator[Simulator]:
    models = (SimModel(name="small-1"),)
    async with Simulator(Script(providers=(SimProvider(name="one", own_port=True, models=models),))) as simulator:
        yield simulator


def config(sim: Simulator, **check: Any) -> dict[str, Any]:
    provider = {"dialect": "openai-chat", "base_url": sim.url_of("one"), "api_key_envs": ["KEY_A", "KEY_B"]}
    return {
        "providers": {"one": {**provider, **({"health_check": check} if check else {})}},
        "models": {"small": {"provider": "one", "model": "small-1", "price": {"input": 1, "output": 1}}},
    }


KEYS = {"KEY_A": "secret-of-the-first", "KEY_B": "secret-of-the-second"}


def states(served: Any) -> dict[str, State]:
    """By key."""
    pieces = served.house.pieces
    found = pieces.health.states(pieces.clock.monotonic())
    return {target.key: state for target, state in found.items()}


async def until(holds: Callable[[], Any], seconds: float = 12.0) -> float:
    """Wait until something is so; how long that was."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < seconds, "it did not come"
        await asyncio.sleep(0.02)
    return time.monotonic() - begun


async def fail(served: Any, sim: Simulator, ask: Any, fault: str) -> None:
    """Until nobody is asked any more."""
    for _ in range(8):
        sim.inject(fault)
        await ask(served, "POST", "/v1/chat/completions", QUESTION, ONCE)
        if set(states(served).values()) == {"open"} and len(states(served)) == 2:
            sim.reset()
            return
    raise AssertionError(states(served))


async def test_a_get_with_each_key_shows_that_calls_may_be_tried(sim: Simulator, serving: Any, ask: Any) -> None:
    async with serving(config(sim, interval=5), KEYS) as served:
        await fail(served, sim, ask, "unavailable")
        took = await until(lambda: set(states(served).values()) == {"half_open"})
        assert took < 3.9, "sooner than any rest ends"
        asked = [(entry.method, entry.path.rpartition("/")[2], entry.header("authorization")) for entry in sim.journal]
        assert sorted(asked) == [("GET", "models", f"Bearer {secret}") for secret in sorted(KEYS.values())]
        assert (await ask(served, "POST", "/v1/chat/completions", QUESTION)).status == 200
        assert await asyncio.to_thread(served.house.pieces.ledger.flush)
        calls = (await ask(served, "GET", "/api/calls")).json["calls"]
        assert {call["surface"] for call in calls} == {"chat.completions"}, "a GET is no call"


async def test_a_token_of_the_model_closes_it_again_and_is_booked(sim: Simulator, serving: Any, ask: Any) -> None:
    async with serving(config(sim, interval=5, kind="completion"), KEYS) as served:
        await fail(served, sim, ask, "cut_reset")
        took = await until(lambda: not states(served))
        assert took < 3.9, "no call had to find out"
        assert [entry.json()["max_tokens"] for entry in sim.journal] == [1, 1]
        assert await asyncio.to_thread(served.house.pieces.ledger.flush)
        calls = (await ask(served, "GET", "/api/calls")).json["calls"]
        found = [call for call in calls if call["surface"] == "check"]
        assert [(call["status"], call["route"], call["attempts"]) for call in found] == [("ok", "check", 1)] * 2
        assert all(call["cost"] for call in found)


async def test_a_provider_that_stays_away_is_asked_by_checks_alone(sim: Simulator, serving: Any, ask: Any) -> None:
    async with serving(config(sim, interval=5, timeout=1), KEYS) as served:
        await fail(served, sim, ask, "unavailable")
        sim.refuse("one")
        await until(lambda: served.house.checks.last)
        await asyncio.sleep(4.0)  # the rest would be over by now
        assert set(states(served).values()) == {"open"}
        sim.accept("one")
        await until(lambda: "half_open" in states(served).values(), seconds=8.0)


async def test_a_check_made_always_finds_out_before_any_call(serving: Any, sim: Simulator) -> None:
    sim.refuse("one")
    await sim.tick()
    async with serving(config(sim, when="always"), KEYS) as served:
        checks, book, clock = served.house.checks, served.house.pieces.health, served.house.pieces.clock
        for _ in range(3):
            await checks._round("one", checks.of("one"), [ONE._replace(key="KEY_A"), ONE._replace(key="KEY_B")])
        assert {one.state for one in book.status(clock.monotonic())} == {"open"}


async def test_a_path_of_the_host_is_asked_for_instead_of_the_list(sim: Simulator, serving: Any) -> None:
    async with serving(config(sim, when="always", path="/v1/models/small-1"), KEYS) as served:
        checks = served.house.checks
        await checks._round("one", checks.of("one"), [ONE._replace(key="KEY_B")])
        assert [(entry.method, entry.path) for entry in sim.journal] == [("GET", "/v1/models/small-1")]
        status = served.house.checks.last["one"]
        assert (status.ok, status.found) == (True, "HTTP 200")


async def test_a_changed_configuration_while_a_check_is_under_way(sim: Simulator, serving: Any) -> None:
    async with serving(config(sim, when="always", kind="completion"), KEYS) as served:
        checks = served.house.checks
        both = [ONE._replace(key="KEY_A"), ONE._replace(key="KEY_B")]
        task = asyncio.create_task(checks._round("one", checks.of("one"), both))
        await asyncio.sleep(0)
        checks.configure([], {})
        await task
        assert len(list(sim.journal)) == 2
        checks.look()
        assert checks.of("one") is None


async def test_without_it_nobody_asks(sim: Simulator, serving: Any, ask: Any) -> None:
    async with serving(config(sim), KEYS) as served:
        await fail(served, sim, ask, "unavailable")
        await asyncio.sleep(3.5)
        assert list(sim.journal) == []
        assert set(states(served).values()) == {"open"}


async def test_the_end_does_not_wait_for_a_check(sim: Simulator, serving: Any, ask: Any) -> None:
    left = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        left.set()

    silent = await asyncio.start_server(listen, "127.0.0.1", 0)
    config_ = config(sim, when="always", timeout=600)
    config_["providers"]["one"]["base_url"] = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}/v1"
    async with silent:
        async with serving(config_, KEYS) as served:
            checks = served.house.checks
            begun = time.monotonic()
            task = asyncio.create_task(checks._round("one", checks.of("one"), [ONE._replace(key="KEY_A")]))
            checks._running.add(task)
            await asyncio.sleep(0.2)
            assert not task.done()
        assert time.monotonic() - begun < 5.0
        assert task.done()
        await asyncio.wait_for(left.wait(), 5.0)


class Hour:
    """One provider on virtual time that is away from second 10 to 1000; nobody calls."""

    def __init__(self, **check: Any) -> None:
        self.outcomes: list[Outcome] = []
        self.check = check
        self.changes: list[tuple[float, State]] = []

    def record(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    async def live(self) -> None:
        clock = VirtualClock()
        self.world = World({"one": Timetable([Spell(10.0, 1000.0)])}, clock=clock, seed=1)
        book = Book(SystemDraw(1), clock.now)
        house = build(
            {
                "providers": {
                    "one": {"dialect": "openai-chat", "base_url": World.url("one"), "health_check": self.check}
                },
                "models": {"small": {"provider": "one", "model": "small-1", "price": {"input": 1, "output": 1}}},
                "store": "sqlite:///never-opened.db",
                "discover": False,
                "local": False,
            },
            env={},
        )
        parts = msgspec.structs.replace(
            house.own_line.parts, carrier=self.world, clock=clock, recorder=self, draw=SystemDraw(1), health=book
        )
        checks = Checks(lambda: parts, book)
        checks.configure(house.listed(), {})
        task = asyncio.create_task(checks.run())
        await asyncio.sleep(11)
        for _ in range(3):
            assert book.begin(ONE, clock.monotonic()) == 0.0
            book.end(ONE, AttemptEnd(failure="server_error"), clock.monotonic())
        while self.world.now() < 1100:
            await asyncio.sleep(0.5)
            state = book.states(clock.monotonic()).get(ONE, "closed")
            if not self.changes or self.changes[-1][1] != state:
                self.changes.append((self.world.now(), state))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.limits = book.status(clock.monotonic())[0].learned


def test_an_outage_is_over_within_one_interval_and_no_call_was_the_probe() -> None:
    hour = Hour(kind="completion", interval=20)
    run_virtual(hour.live())
    assert [state for _, state in hour.changes] == ["open", "closed"], "never half open while it is away"
    assert 1000 < hour.changes[-1][0] < 1000 + 24 + 3
    assert 40 <= len(hour.outcomes) <= 65
    assert {outcome.surface for outcome in hour.outcomes} == {"check"}
    assert all(outcome.plan.route == "check" for outcome in hour.outcomes)
    failed = [outcome for outcome in hour.outcomes if outcome.status == "failed"]
    assert all(len(outcome.attempts) == 1 and not outcome.cost for outcome in failed), "asked once, and free"
    assert hour.outcomes[-1].status == "ok"
    assert hour.outcomes[-1].cost
    assert hour.limits.whole_answer is None, "checks teach no times"
