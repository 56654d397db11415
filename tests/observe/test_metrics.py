"""Metrics as Prometheus reads them: names, units, bounds, and agreement with the ledger."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

import harness
from pointsman.observe.merging import merge
from pointsman.observe.metrics import Metrics
from pointsman.testing import Script, SimModel, SimProvider, Simulator

UNITS = ("_seconds", "_total", "_usd_total", "_rows", "_up", "_state", "_in_flight", "_waiting", "_info", "_bytes")
QUESTION = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}


@pytest_asyncio.fixture
async def sim() -> AsyncIterator[Simulator]:
    one = SimProvider(name="one", models=(SimModel(name="small-1"),))
    two = SimProvider(name="two", models=(SimModel(name="large-1"), SimModel(name="free-1")))
    async with Simulator(Script(providers=(one, two))) as simulator:
        yield simulator


def config(sim: Simulator) -> dict[str, Any]:
    return {
        "providers": {name: {"dialect": "openai-chat", "base_url": sim.url_of(name)} for name in ("one", "two")},
        "models": {
            "small": {"provider": "one", "model": "small-1", "price": {"input": 0.15, "output": 0.6}},
            "large": {"provider": "two", "model": "large-1", "price": {"input": 5, "output": 25}},
            "unpriced": {"provider": "two", "model": "free-1"},
        },
        "routes": {"auto": {"pool": ["small", "large"]}},
    }


async def call(served: Any, model: str, **more: Any) -> int:
    port = urlsplit(served.url).port or 0
    body = {**QUESTION, "model": model, **more}
    return (await asyncio.to_thread(harness.request, port, "POST", "/v1/chat/completions", body=body))[0]


async def scrape(served: Any) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by name and labels."""
    port = urlsplit(served.url).port or 0
    status, headers, body = await asyncio.to_thread(harness.request, port, "GET", "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    return samples(body)


def samples(body: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for family in text_string_to_metric_families(body.decode()):
        assert family.documentation, f"{family.name} says what it counts"
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"{key} is there twice"
            found[key] = sample.value
    return found


def total(found: dict[Any, float], name: str, **labels: str) -> float:
    wanted = set(labels.items())
    return sum(value for (sample, own), value in found.items() if sample == name and wanted <= set(own))


async def test_names_have_units_and_counters_move_as_calls_do(sim: Simulator, serving: Any) -> None:
    async with serving(config(sim)) as served:
        before = await scrape(served)
        assert all(name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count").endswith(UNITS)
                   for name, _ in before), before  # fmt: skip
        assert await call(served, "auto") == 200
        assert await call(served, "auto", stream=True) == 200
        assert await call(served, "unpriced") == 200
        sim.inject("unavailable", provider="one")
        assert await call(served, "auto") == 200
        assert await call(served, "nonesuch") == 404
        sim.inject("bad_request", provider="one")
        assert await call(served, "small") == 400
        sim.inject("unavailable", times=9)
        assert await call(served, "auto") == 503
        found = await scrape(served)

    assert total(found, "gw_calls_total") == 7
    assert total(found, "gw_calls_total", route="auto", status="ok") == 3
    assert total(found, "gw_calls_total", status="refused") == 2
    assert total(found, "gw_calls_total", status="failed") == 1
    assert total(found, "gw_attempts_total", provider="one", model="small", error="") == 2
    refused = total(found, "gw_attempts_total", provider="one", error="upstream_refused")
    assert refused == 4, "once, once, and in the last call a second time, for nobody else was left"
    assert total(found, "gw_failovers_total", route="auto") == 1
    assert total(found, "gw_unpriced_calls_total", model="unpriced") == 1
    assert total(found, "gw_unpriced_calls_total") == 1
    assert total(found, "gw_cost_usd_total", model="unpriced") == 0
    assert total(found, "gw_cost_usd_total", model="small") > 0
    assert total(found, "gw_tokens_total", type="output") > 0
    assert total(found, "gw_call_duration_seconds_count") == 7
    assert total(found, "gw_ledger_up") == 1


async def test_histograms_are_cumulative_and_within_what_was_measured(sim: Simulator, serving: Any) -> None:
    async with serving(config(sim)) as served:
        for _ in range(20):
            await call(served, "auto")
        found = await scrape(served)
    for name in ("gw_call_duration_seconds", "gw_first_byte_seconds", "gw_overhead_seconds"):
        rows = [(dict(labels), value) for (sample, labels), value in found.items() if sample == f"{name}_bucket"]
        buckets = sorted((float(labels["le"]), value) for labels, value in rows)
        assert [value for _, value in buckets] == sorted(value for _, value in buckets), name
        assert buckets[-1] == (float("inf"), 20), name
        assert total(found, f"{name}_count") == 20
        assert 0 < total(found, f"{name}_sum") < 20 * 5, "seconds, not nanoseconds"
    assert total(found, "gw_overhead_seconds_sum") < total(found, "gw_call_duration_seconds_sum")


async def test_metrics_and_ledger_agree(sim: Simulator, serving: Any) -> None:
    async with serving(config(sim)) as served:
        for number in range(30):
            if number % 10 == 3:
                sim.inject("server_error", provider="one")
            await call(served, ("auto", "large", "unpriced", "nonesuch", "small")[number % 5], stream=number % 3 == 0)
        found = await scrape(served)
        assert await asyncio.to_thread(served.house.pieces.ledger.flush)
        totals = await asyncio.to_thread(served.house.questions().totals)
    for status in ("ok", "refused", "failed", "cancelled"):
        assert total(found, "gw_calls_total", status=status) == getattr(totals.all, status), status
    assert total(found, "gw_attempts_total") == totals.all.attempts
    assert total(found, "gw_unpriced_calls_total") == totals.all.unpriced
    assert total(found, "gw_tokens_total", type="input") == totals.all.input_tokens
    assert total(found, "gw_tokens_total", type="output") == totals.all.output_tokens
    assert Decimal(str(round(total(found, "gw_cost_usd_total"), 9))) == Decimal(totals.all.cost) / 10**9
    for model, sums in totals.by_model.items():
        assert total(found, "gw_tokens_total", model=model, type="output") == sums.output_tokens


def test_money_is_written_to_the_digit_by_one_process_and_by_several(make: Any) -> None:
    metrics = Metrics()
    for cost in (100_000_000, 200_000_000, 1, 9_000_000_000_000_000):
        metrics.record(make.outcome(attempts=(make.attempt(cost=cost),)))
    own = metrics.render({})
    series = b'gw_cost_usd_total{provider="openai",model="small"} '
    assert series + b"9000000.300000001\n" in own
    small = Metrics()
    small.record(make.outcome(attempts=(make.attempt(cost=200_000_000),)))
    assert series + b"9000000.500000001\n" in merge([own, small.render({})])
    tiny = Metrics()
    tiny.record(make.outcome(attempts=(make.attempt(cost=10),)))
    assert series + b"0.00000001\n" in tiny.render({})
    assert series + b"0.00000002\n" in merge([tiny.render({})] * 2)


def test_invented_names_make_no_series_without_end(make: Any) -> None:
    metrics = Metrics()
    metrics.names.expect(["auto", "configured"])

    def outcome(name: str) -> Any:
        plan = msgspec.structs.replace(make.PLAN, route=name)
        return make.outcome(plan=plan, attempts=(make.attempt(model=name),))

    for number in range(5_000):
        metrics.record(outcome(f"one/invented-{number}"))
    for _ in range(3):
        metrics.record(outcome("configured"))
    text = metrics.render({})
    found = samples(text)
    assert len({labels for name, labels in found if name == "gw_calls_total"}) < 500
    assert len(found) < 20_000
    assert total(found, "gw_calls_total") == 5_003, "none is lost"
    assert total(found, "gw_call_duration_seconds_count") == 5_003
    assert total(found, "gw_attempts_total", model="configured") == 3, "what is configured keeps its own series"
    assert total(found, "gw_call_duration_seconds_count", route="configured") == 3


def test_any_name_survives_the_format(make: Any) -> None:
    metrics = Metrics()
    odd = 'a"b\\c\nd{e="f"} 1 # é 漢'
    plan = msgspec.structs.replace(make.PLAN, route=odd)
    metrics.record(make.outcome(plan=plan, attempts=(make.attempt(model=odd),)))
    found = samples(metrics.render({}))
    assert total(found, "gw_calls_total", route=odd) == 1


def test_control_characters_in_a_name_break_no_line_of_the_format(make: Any) -> None:
    metrics = Metrics()
    for odd in ("evil/a\x00b\rc\x85d\u2028e\x7f", "half \ud83d", "evil/a\\u0000b"):
        plan = msgspec.structs.replace(make.PLAN, route=odd)
        metrics.record(make.outcome(plan=plan, attempts=(make.attempt(model=odd),)))
    text = metrics.render({})
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]", text.decode())
    found = samples(text)
    assert total(found, "gw_calls_total", route="evil/a\\u0000b\\u000dc\\u0085d\\u2028e\\u007f") == 1
    assert total(found, "gw_calls_total") == 3
