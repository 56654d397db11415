"""Pointsman in the caller's own process: answers, streams, threads, errors, leaving, closing."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import Gateway
from pointsman.core.errors import (
    AllAttemptsFailed,
    CallerGone,
    ConfigError,
    InvalidRequest,
    PointsmanError,
    UnknownModel,
    UpstreamError,
    UpstreamTimeout,
)
from pointsman.library.plain import without_decimals
from pointsman.testing import Script, SimModel, SimProvider, Simulator, running
from pointsman.testing.script import Pace

QUESTION = "What is the capital of France?"


@pytest.fixture
def sim() -> Iterator[Simulator]:
    models = (
        SimModel(name="small-1", pace=Pace(events_per_second=400)),
        SimModel(name="slow-1", pace=Pace(events_per_second=2)),
    )
    with running(Script(providers=(SimProvider(name="one", models=models),))) as simulator:
        yield simulator


Make = Callable[..., Gateway]


@pytest.fixture
def make(sim: Simulator, tmp_path: Path) -> Iterator[Make]:
    """Gateways over the simulator, closed at the end."""
    made: list[Gateway] = []

    def gateway(**more: Any) -> Gateway:
        said = {
            "providers": {"one": {"dialect": "openai-chat", "base_url": sim.url_of("one")}},
            "models": {
                "small": {"provider": "one", "model": "small-1", "price": {"input": 0.15, "output": 0.6}},
                "slow": {"provider": "one", "model": "slow-1", "price": {"input": 5, "output": 25}},
            },
            "store": f"sqlite:///{tmp_path / 'ledger.db'}",
            "discover": False,
            "local": False,
            **more,
        }
        made.append(Gateway(said))
        return made[-1]

    yield gateway
    for one in made:
        one.close()


def calls(gateway: Gateway) -> list[Any]:
    """What the ledger has, newest first."""
    house = gateway._running.house
    assert house.pieces.ledger.flush()
    return house.questions().calls(1000)


def text_of(chunks: list[dict[str, Any]]) -> str:
    return "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])


def test_an_answer_with_its_route_model_and_exact_cost(make: Make) -> None:
    with make() as gateway:
        answer = gateway.chat(QUESTION)
        assert "Paris" in answer.text
        assert (answer.model, answer.provider, answer.route) == ("small", "one", "auto")
        usage = answer.usage
        expected = (usage["prompt_tokens"] * Decimal("0.15") + usage["completion_tokens"] * Decimal("0.6")) / 10**6
        assert answer.cost == expected
        assert answer.decision.startswith("cheapest; small")
        assert calls(gateway)[0].id == answer.id
        whole = gateway.chat([{"role": "user", "content": QUESTION}], model="one/small-1", temperature=0)
        assert whole.cost is None, "a model without a price is unpriced, not free"


async def test_the_async_twins_from_a_loop_of_ones_own(make: Make) -> None:
    async with make() as gateway:
        answers = await asyncio.gather(*(gateway.achat(QUESTION) for _ in range(10)))
        assert all("Paris" in answer.text for answer in answers)
        chunks = [chunk async for chunk in gateway.astream(QUESTION, stream_options={"include_usage": True})]
        assert "Paris" in text_of(chunks)
        assert chunks[-1]["usage"]["cost"] > 0


def test_a_stream_has_headers_and_ends_once(make: Make) -> None:
    with make() as gateway, gateway.stream(QUESTION) as stream:
        assert "Paris" in text_of(list(stream))
        assert stream.headers["x-pointsman-model"] == "small"
        assert list(stream) == [], "a stream that has ended has no more, and does not wait for more"


def test_twenty_threads_at_once_share_one_gateway(make: Make) -> None:
    gateway = make()  # nobody has started it: the first call does

    def work(number: int) -> str:
        if number % 2:
            return text_of(list(gateway.stream(QUESTION)))
        return gateway.chat(QUESTION).text

    with ThreadPoolExecutor(20) as pool:
        texts = list(pool.map(work, range(100)))
    assert all("Paris" in text for text in texts)
    assert len(calls(gateway)) == 100
    assert sum(thread.name == "pointsman" for thread in threading.enumerate()) == 1


def test_errors_come_from_the_one_tree(make: Make, sim: Simulator) -> None:
    with make() as gateway:
        with pytest.raises(UnknownModel, match="smal1") as unknown:
            gateway.chat(QUESTION, model="smal1")
        assert "small" in unknown.value.hint
        for messages in (5, [object()], [{"role": "user", "content": {1, 2}}]):
            with pytest.raises((InvalidRequest, UpstreamError)):
                gateway.chat(messages)  # type: ignore[arg-type]
        sim.inject("unavailable", times=9)
        with pytest.raises((AllAttemptsFailed, UpstreamError)) as failed:
            gateway.chat(QUESTION, model="small")
        assert failed.value.status == 503
        sim.reset()
        with pytest.raises(UnknownModel):
            list(gateway.stream(QUESTION, model="nonesuch"))
        sim.inject("cut_clean", after=1, times=2)  # and so does whoever goes on with it
        with pytest.raises(UpstreamError):
            list(gateway.stream(QUESTION, model="small"))
        assert "Paris" in gateway.chat(QUESTION).text, "and it lives on"


def test_a_calls_own_timeout_ends_it_in_time_and_is_booked(make: Make) -> None:
    with make() as gateway:
        begun = time.monotonic()
        with pytest.raises(UpstreamTimeout, match=r"0\.4 s"):
            gateway.chat(QUESTION, model="slow", timeout=0.4)
        with pytest.raises(UpstreamTimeout):
            list(gateway.stream(QUESTION, model="slow", timeout=0.4))
        assert time.monotonic() - begun < 3
        assert {(call.status, call.error) for call in calls(gateway)} == {("failed", "upstream_timeout")}
        assert "Paris" in gateway.chat(QUESTION, timeout=30).text


async def test_the_async_twins_take_timeout_and_retries_too(make: Make, sim: Simulator) -> None:
    async with make() as gateway:
        with pytest.raises(UpstreamTimeout):
            await gateway.achat(QUESTION, model="slow", timeout=0.3)
        with pytest.raises(UpstreamTimeout):
            [chunk async for chunk in gateway.astream(QUESTION, model="slow", timeout=0.3)]
        before = sim.journal.requests
        sim.inject("unavailable", times=9)
        with pytest.raises(PointsmanError):
            await gateway.achat(QUESTION, retries=0)
        with pytest.raises(PointsmanError):
            [chunk async for chunk in gateway.astream(QUESTION, retries=0)]
        assert sim.journal.requests - before == 2


@pytest.mark.parametrize(("retries", "attempts"), [(0, 1), (1, 2), (3, 4)])
def test_a_calls_own_retries_are_the_attempts_after_the_first(
    make: Make, sim: Simulator, retries: int, attempts: int
) -> None:
    with make() as gateway:
        sim.inject("unavailable", times=9)
        for ask in (
            lambda: gateway.chat(QUESTION, retries=retries),
            lambda: list(gateway.stream(QUESTION, retries=retries)),
        ):
            before = sim.journal.requests
            with pytest.raises(PointsmanError):
                ask()
            assert sim.journal.requests - before == attempts
        assert b"retries" not in sim.journal[-1].body, "what is asked of the gateway is not asked of the provider"


@pytest.mark.parametrize("wish", [{"timeout": 0}, {"timeout": -1}, {"timeout": float("nan")}, {"timeout": 3601},
                                  {"timeout": "soon"}, {"retries": -1}, {"retries": 1.5}, {"retries": 10}])  # fmt: skip
def test_a_wish_that_makes_no_sense_is_refused_and_nothing_sent(make: Make, sim: Simulator, wish: Any) -> None:
    with make() as gateway:
        name = next(iter(wish))
        with pytest.raises(InvalidRequest, match=name):
            gateway.chat(QUESTION, **wish)
        with pytest.raises(InvalidRequest, match=name):
            list(gateway.stream(QUESTION, **wish))
        assert sim.journal.requests == 0


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": float("-inf")}, "top_p"),
        ({"temperature": Decimal("NaN")}, "temperature"),
        ({"logit_bias": {"50256": float("inf")}}, r"logit_bias\.50256"),
        ({"tools": [{"function": {"parameters": {"maximum": float("inf")}}}]}, r"tools\[0\]\.function"),
        ({"messages": [{"role": "user", "content": "x", "weight": float("nan")}]}, r"messages\[0\]\.weight"),
    ],
)
def test_a_number_that_is_none_is_refused_by_name_and_nothing_sent(
    make: Make, sim: Simulator, params: dict[str, Any], name: str
) -> None:
    with make() as gateway:
        asked = {"messages": QUESTION, **params}
        for ask in (gateway.chat, gateway.explain, lambda **said: list(gateway.stream(**said))):
            with pytest.raises(InvalidRequest, match=name) as refused:
                ask(**asked)
            assert refused.value.param is not None
        assert sim.journal.requests == 0


async def test_asking_a_method_for_the_other_kind_of_answer_names_the_right_one(make: Make, sim: Simulator) -> None:
    async with make() as gateway:
        with pytest.raises(InvalidRequest, match="stream=True") as whole:
            await gateway.achat(QUESTION, stream=True)
        assert "`stream()`" in whole.value.hint
        with pytest.raises(InvalidRequest, match="stream=True"):
            await asyncio.to_thread(gateway.chat, QUESTION, stream=True)
        with pytest.raises(InvalidRequest, match="stream=False") as streamed:
            await anext(gateway.astream(QUESTION, stream=False))
        assert "`chat()`" in streamed.value.hint
        assert sim.journal.requests == 0
        assert "Paris" in (await gateway.achat(QUESTION, stream=False)).text
        assert "Paris" in text_of([chunk async for chunk in gateway.astream(QUESTION, stream=True)])


@given(
    amount=st.decimals(0, 1_000_000, places=6, allow_nan=False)
    | st.sampled_from([Decimal("1E-6"), Decimal("0.150"), Decimal("1E+3"), Decimal(7)])
)
def test_decimals_in_a_mapping_stay_exact(amount: Decimal) -> None:
    said = {"price": {"input": amount, "output": [amount]}, "name": "x"}
    found = without_decimals(said)
    for number in (found["price"]["input"], found["price"]["output"][0]):
        assert Decimal(json.dumps(number)) == amount
    assert found["name"] == "x"


def test_what_contains_itself_is_refused(make: Make) -> None:
    loop: dict[str, Any] = {}
    loop["models"] = loop
    with pytest.raises(ConfigError, match="contains itself"):
        Gateway(loop)
    with make() as gateway, pytest.raises(InvalidRequest, match="JSON"):
        gateway.chat(QUESTION, metadata=loop)


def test_prices_may_be_decimals(make: Make) -> None:
    def models(price: Any) -> dict[str, Any]:
        return {"small": {"provider": "one", "model": "small-1", "price": {"input": price, "output": Decimal("0.60")}}}

    with make(models=models(Decimal("0.123457"))) as gateway:
        answer = gateway.chat(QUESTION, model="small")
        usage = answer.usage
        expected = usage["prompt_tokens"] * Decimal("0.123457") + usage["completion_tokens"] * Decimal("0.6")
        assert answer.cost is not None
        assert abs(answer.cost * 10**6 - expected) < Decimal("0.001"), "to the nano-dollar"
    for wrong in (Decimal("NaN"), Decimal("Infinity"), Decimal(-1), Decimal("0.1234567890123456789")):
        with pytest.raises(ConfigError, match=r"price"):
            make(models=models(wrong))


def test_explain_says_the_plan_and_sends_nothing(make: Make, sim: Simulator) -> None:
    with make() as gateway:
        plan = gateway.explain(QUESTION)
        assert [step.model.name for step in plan.steps] == ["small", "slow"]
        assert plan.strategy == "cheapest"
        with pytest.raises(UnknownModel):
            gateway.explain(QUESTION, model="nonesuch")
        assert set(gateway.models()) == {"auto", "small", "slow"}
        assert sim.journal.requests == 0


def test_no_key_is_asked_of_the_process_itself(make: Make) -> None:
    with make(keys="required") as gateway:
        assert "Paris" in gateway.chat(QUESTION).text


async def test_cancelling_the_await_cancels_upstream_and_is_booked(make: Make, sim: Simulator) -> None:
    async with make() as gateway:
        task = asyncio.create_task(gateway.achat(QUESTION, model="slow"))
        await until(lambda: len(sim.journal) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: sim.journal[-1].hung_up)
        await until(lambda: bool(calls(gateway)))
        assert calls(gateway)[0].status == "cancelled"


async def test_leaving_an_async_stream_early_hangs_up(make: Make, sim: Simulator) -> None:
    async with make() as gateway:
        stream = gateway.astream(QUESTION, model="slow")
        await anext(stream)
        await stream.aclose()
        await until(lambda: sim.journal[-1].hung_up)
        assert calls(gateway)[0].status == "cancelled"


def test_leaving_a_stream_early_hangs_up(make: Make, sim: Simulator) -> None:
    with make() as gateway:
        for _ in gateway.stream(QUESTION, model="slow"):
            break
        unread = gateway.stream(QUESTION, model="slow")
        unread.close()
        unread.close()
        end = time.monotonic() + 5
        while not all(entry.hung_up for entry in sim.journal) and time.monotonic() < end:
            time.sleep(0.02)
        assert all(entry.hung_up for entry in sim.journal)
        with pytest.raises(CallerGone):
            list(unread)


def test_closing_ends_calls_on_their_way_and_nobody_waits_for_ever(make: Make, sim: Simulator) -> None:
    gateway = make()
    seen: list[Any] = []

    def read(how: Callable[[], Any]) -> None:
        try:
            how()
        except PointsmanError as error:
            seen.append(error)

    ways: list[Callable[[], Any]] = [
        lambda: gateway.chat(QUESTION, model="slow"),
        lambda: list(gateway.stream(QUESTION, model="slow")),
    ]
    threads = [threading.Thread(target=read, args=(way,)) for way in ways * 3]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 10
    while len(sim.journal) < len(threads) and time.monotonic() < end:
        time.sleep(0.02)
    gateway.close()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert [type(error) for error in seen] == [CallerGone] * 6
    with make() as again:
        assert [call.status for call in calls(again)] == ["cancelled"] * 6


async def test_a_closed_gateway_says_so_and_closing_twice_is_fine(make: Make) -> None:
    gateway, unused = make(), make()
    assert "Paris" in gateway.chat(QUESTION).text
    for one in (gateway, unused):
        one.close()
        one.close()
        for ask in (
            lambda one=one: one.chat(QUESTION),
            lambda one=one: one.stream(QUESTION),
            lambda one=one: one.explain(QUESTION),
            lambda one=one: one.models(),
            lambda one=one: one.start(),
        ):
            with pytest.raises(CallerGone, match="closed"):
                ask()
        with pytest.raises(CallerGone, match="closed"):
            await one.achat(QUESTION)
        with pytest.raises(CallerGone, match="closed"):
            await anext(one.astream(QUESTION))
    with make() as another:
        assert len(calls(another)) == 1


@pytest.mark.parametrize(
    "garbage",
    [
        {"modells": {}},
        {"models": {"a": {}}},
        {"routes": {"r": {"try": ["no"]}}},
        "nonesuch.yaml",
        {"store": "x://"},
        {1: 2},
        5,
        b"pointsman.yaml",
        ["pointsman.yaml"],
    ],
)
def test_a_configuration_that_is_wrong_is_refused_at_once(garbage: Any) -> None:
    with pytest.raises(ConfigError):
        Gateway(garbage)


def test_a_store_that_cannot_be_opened_stops_no_answer(
    make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "folder.db").mkdir()
    with make(store=f"sqlite:///{tmp_path / 'folder.db'}") as gateway:
        assert "Paris" in gateway.chat(QUESTION).text
    assert "keys" not in caplog.text, "nobody calls from outside: only the record is missed"
    assert "rows wait" in caplog.text


def test_importing_is_cheap_and_loads_no_room() -> None:
    code = (
        "import sys; before = set(sys.modules); import pointsman\n"
        "more = set(sys.modules) - before\n"
        "print(sorted(m for m in more if m.startswith('pointsman')))\n"
        "assert not {'asyncio', 'msgspec', 'yaml', 'sqlalchemy', 'pyreqwest'} & more, more\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout.strip() == "['pointsman']"


def test_a_program_that_never_closes_still_keeps_its_record(sim: Simulator, make: Make, tmp_path: Path) -> None:
    said = {
        "providers": {"one": {"dialect": "openai-chat", "base_url": sim.url_of("one")}},
        "store": f"sqlite:///{tmp_path / 'ledger.db'}",
        "discover": False,
        "local": False,
    }
    code = f"from pointsman import Gateway\nprint(Gateway({said!r}).chat('Hello', model='one/small-1').id)"
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={**os.environ},
    )
    assert (done.returncode, done.stderr) == (0, "")
    with make() as gateway:
        assert [call.id for call in calls(gateway)] == [done.stdout.strip()]


async def until(check: Callable[[], Any]) -> None:
    """Wait until `check()` holds."""
    async with asyncio.timeout(5):
        while not await asyncio.to_thread(check):  # noqa: ASYNC110 - the state of other threads
            await asyncio.sleep(0.02)
