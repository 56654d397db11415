"""What batch, flex, priority and the like cost, and what is billed by the piece, as the shipped data has it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from pointsman.catalog.catalogue import Catalog
from pointsman.catalog.rows import ProviderRow, ServicePrice
from pointsman.catalog.services import with_services
from pointsman.catalog.shipped import shipped_models, shipped_providers
from pointsman.core.model import Price
from pointsman.core.usage import Usage


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog(shipped_models(), shipped_providers().providers)


@pytest.mark.parametrize(
    ("name", "service", "times"),
    [
        ("openai/gpt-5", "flex", "0.5"),
        ("openai/gpt-5-2025-08-07", "priority", "2"),
        ("openai/gpt-4.1", "priority", "1.75"),
        ("anthropic/claude-sonnet-4-6", "batch", "0.5"),
        ("anthropic/claude-sonnet-4-6", "us", "1.1"),
        ("anthropic/claude-sonnet-4-6", "batch+us", "0.55"),
        ("anthropic/claude-opus-4-6", "fast", "6"),
        ("anthropic/claude-opus-4-6", "fast+us", "6.6"),
        ("google/gemini-2.5-flash", "flex", "0.5"),
        ("groq/llama-3.3-70b-versatile", "flex", "1"),
    ],
)
def test_a_service_costs_its_multiple(catalog: Catalog, name: str, service: str, times: str) -> None:
    provider, _, model = name.partition("/")
    row = catalog.model(provider, model)
    assert row is not None
    assert row.full is not None
    standard = row.full.cost(Usage(input=1_000_000))
    served = row.full.cost(Usage(input=1_000_000, service=service))
    assert standard is not None
    assert served == standard * Decimal(times)


def test_a_service_that_nobody_has_a_price_for_is_unpriced(catalog: Catalog) -> None:
    row = catalog.model("openai", "gpt-4.1-nano")
    assert row is not None
    assert row.full is not None
    assert row.full.cost(Usage(input=1)) is not None
    assert row.full.cost(Usage(input=1, service="priority")) is None


def test_hours_and_long_inputs_are_in_the_price_that_bills(catalog: Catalog) -> None:
    row = catalog.model("deepseek", "deepseek-flash")
    assert row is not None
    assert row.full is not None
    for minute in range(0, 1_440, 30):
        priced = row.price_at(minute)
        assert priced is not None
        assert row.full.cost(Usage(input=10**6), minute * 60 * 10**9) == priced.cost(Usage(input=10**6)), minute
    dear = row.price
    assert dear is not None
    assert row.full.cost(Usage(input=10**6)) == dear.cost(Usage(input=10**6)), "without an hour the dearest"


def test_a_search_costs_what_the_feed_or_the_page_says(catalog: Catalog) -> None:
    for name, usd in {"anthropic/claude-sonnet-4-6": "0.01", "xai/grok-4.3": "0.005"}.items():
        provider, _, model = name.partition("/")
        row = catalog.model(provider, model)
        assert row is not None
        assert row.full is not None
        bill = row.full.bill(Usage(fees=(("web_search", 3), ("web_fetch", 1))))
        assert bill is not None
        assert bill.nanos == {"web_search": Decimal(usd) * 3 * 10**9}
        assert bill.unpriced == (("web_fetch", 1),)


def test_every_service_and_fee_names_its_page_and_a_date(catalog: Catalog) -> None:
    rows = [row for owner in catalog.providers() for row in (*owner.services, *owner.fees)]
    assert len(rows) >= 15
    for row in rows:
        assert row.source.startswith("https://")
        assert dt.date.fromisoformat(row.date)


def test_a_service_holds_from_its_day_and_for_its_models() -> None:
    page = {"source": "https://example.com", "date": "2026-11-28"}
    rows = (
        ServicePrice(name="flex", factor="0.5", **page),
        ServicePrice(name="flex", factor="0.25", since="2026-12-01", models=("new-*",), **page),
    )
    owner = ProviderRow(name="lab", title="Lab", dialect="openai-chat", base_url="https://example.com", services=rows)
    used = Usage(input=4, service="flex")
    costs = [
        with_services(Price(input=1_000, output=0), owner, model, day).cost(used)
        for model, day in (("new-1", "2026-11-30"), ("new-1", "2026-12-01"), ("old", "2026-12-01"))
    ]
    assert costs == [2, 1, 2]
