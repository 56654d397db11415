"""What the shipped catalogue says of places, retention, limits and ends, and where it has that from."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path

import pytest

from pointsman.catalog import Catalog, load
from pointsman.catalog.document import Source, decode_providers
from pointsman.catalog.feed import FeedModel, FeedProvider, merge
from pointsman.catalog.shipped import _DATA
from pointsman.core.errors import ConfigError

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "catalogue.md"
FACTS = ("jurisdiction", "regions", "retention")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load().catalog


def test_every_cited_fact_is_there_and_no_page_is_from_the_future(catalog: Catalog) -> None:
    for row in catalog.providers():
        assert set(row.citations) <= set(FACTS), row.name
        for fact, page in row.citations.items():
            assert getattr(row, fact), (row.name, fact)
            assert dt.date.fromisoformat(page.date) <= dt.date(2026, 11, 22), (row.name, fact)
        if row.retention:
            assert "retention" in row.citations, f"{row.name} says how long it keeps content, but not where it has that"
        assert not (row.group and row.group == row.jurisdiction), row.name


def test_nothing_is_said_of_retention_where_no_page_says_it(catalog: Catalog) -> None:
    for row in catalog.providers():
        if not row.retention:
            assert (row.retention_days, row.zero_retention) == (None, ""), row.name
    deepseek = catalog.provider("deepseek")
    assert deepseek is not None
    assert deepseek.retention_days is None, "its policy states no number"
    assert "no number" in deepseek.retention


@pytest.mark.parametrize(
    ("name", "days", "zero"),
    [
        ("openai", 30, "agreement"),
        ("groq", 0, "setting"),
        ("fireworks", 0, "default"),
        ("cohere", 30, "agreement"),
        ("nebius", None, "setting"),
        ("ovhcloud", 0, "default"),
    ],
)
def test_how_long_content_is_kept(catalog: Catalog, name: str, days: int | None, zero: str) -> None:
    row = catalog.provider(name)
    assert row is not None
    assert (row.retention_days, row.zero_retention) == (days, zero)


def test_a_subsidiary_is_told_from_its_group(catalog: Catalog) -> None:
    for name in ("moonshotai", "zai", "minimax", "siliconflow"):
        row = catalog.provider(name)
        assert row is not None
        assert (row.jurisdiction, row.group) == ("SG", "CN")
        assert row.citations["jurisdiction"].url.startswith("https://")


@pytest.mark.parametrize(
    "broken",
    [
        {"citations": {"retention": {"url": "http://example.org", "date": "2026-01-01"}}},
        {"citations": {"retention": {"url": "https://example.org", "date": "last week"}}},
        {"citations": {"retention": {"url": "https://example.org"}}},
        {"regions": ["Europe"]},
        {"jurisdiction": "Germany"},
        {"retention_days": -1},
        {"zero_retention": "perhaps"},
    ],
)
def test_a_fact_that_is_none_is_refused(broken: dict[str, object]) -> None:
    row = {"name": "x", "title": "X", "dialect": "openai-chat", "base_url": "https://x.example/v1", **broken}
    with pytest.raises(ConfigError, match=r"^providers: "):
        decode_providers(json.dumps({"format": 1, "date": "2026-11-21", "providers": [row]}).encode())


@pytest.mark.parametrize(
    ("provider", "model", "figures"),
    [
        ("groq", "openai/gpt-oss-120b", {"rpm": 30, "rpd": 1000, "tpm": 8000, "tpd": 200_000, "tier": "free plan"}),
        ("openai", "gpt-4o-2024-08-06", {"rpm": 500, "tpm": 30_000, "rpd": 0, "tier": "Tier 1"}),
        ("anthropic", "claude-opus-5", {"rpm": 1000, "tpm": 0, "input_tpm": 2_000_000, "output_tpm": 400_000}),
        ("cohere", "command-r-08-2024", {"rpm": 20, "tier": "trial key"}),
        ("cerebras", "gpt-oss-120b", {"rpm": 5, "tpm": 90_000, "tpd": 1_000_000}),
    ],
)
def test_published_limits(catalog: Catalog, provider: str, model: str, figures: dict[str, object]) -> None:
    row = catalog.model(provider, model)
    assert row is not None
    assert {name: getattr(row.quotas, name) for name in figures} == figures


def test_limits_name_their_tier_and_page(catalog: Catalog) -> None:
    limited = [row.quotas for row in catalog.models() if row.quotas.source]
    assert len(limited) > 100
    for quotas in limited:
        assert quotas.tier
        assert quotas.source.startswith("https://")
        assert dt.date.fromisoformat(quotas.date)
    free = [row for row in catalog.models("openrouter") if row.id.endswith(":free")]
    assert free
    assert {(row.quotas.rpm, row.quotas.rpd) for row in free} == {(20, 50)}
    paid = catalog.model("openrouter", "openai/gpt-4o")
    assert paid is not None
    assert not paid.quotas.source, "a limit of free models is none of others"


def test_ends_and_limits_are_the_vendors_and_not_those_of_who_else_serves_its_models(catalog: Catalog) -> None:
    own, other = catalog.model("openai", "o1-mini"), catalog.model("azure", "gpt-4o-audio-preview")
    assert own is not None
    assert own.retires
    assert other is not None
    assert (other.provider, other.retires, other.replaced_by, other.deprecated) == ("azure", "", "", False)
    tuned = catalog.model("azure-cognitive-services", "ft:gpt-4o-mini-2024-07-18:org::id")
    assert tuned is not None
    assert not tuned.retires


def test_a_refresh_of_prices_keeps_limits_and_ends(catalog: Catalog) -> None:
    fresh = FeedModel(id="gpt-4o", match={"equals": "gpt-4o"}, prices={"input_mtok": 2, "output_mtok": 8})
    source = Source(title="feed", date="2026-12-01")
    feed = [FeedProvider(id="openai", name="OpenAI", models=[fresh])]
    document = merge(catalog.document, catalog.providers(), feed, source)
    row = Catalog(document, catalog.providers()).model("openai", "gpt-4o")
    assert row is not None
    assert row.price is not None
    assert (row.price.input, row.quotas.rpm, row.retires) == (2_000_000, 500, "2027-01-14")


def test_a_refresh_keeps_the_end_of_a_name_that_shares_a_price(catalog: Catalog) -> None:
    match = {"or": [{"equals": "mistral-large-latest"}, {"equals": "mistral-large-2411"}]}
    fresh = FeedModel(id="mistral-large", match=match, prices={"input_mtok": 3, "output_mtok": 9})
    feed = [FeedProvider(id="mistral", name="Mistral", models=[fresh])]
    document = merge(catalog.document, catalog.providers(), feed, Source(title="feed", date="2026-12-01"))
    after = Catalog(document, catalog.providers())
    gone, alive = after.model("mistral", "mistral-large-2411"), after.model("mistral", "mistral-large-latest")
    assert gone is not None
    assert alive is not None
    assert gone.price is not None
    assert (gone.base, gone.retires, gone.price.input) == ("mistral-large-2411", "2026-05-31", 3_000_000)
    assert (alive.base, alive.retires) == ("mistral-large", "")


@pytest.mark.parametrize(
    ("provider", "model", "retires", "heir"),
    [
        ("mistral", "open-mistral-nemo", "2026-07-31", "ministral-8b-2512"),
        ("mistral", "mistral-medium-2508", "2026-08-31", "mistral-medium-3-5"),
        ("mistral", "mistral-large-2411", "2026-05-31", "mistral-medium-3-5"),
        ("mistral", "mistral-large-latest", "", ""),
        ("anthropic", "claude-sonnet-4-5-20250929", "2026-11-30", "claude-sonnet-5-5"),
        ("openai", "gpt-5-codex", "2026-07-23", "gpt-5.6-sol"),
        ("openai", "gpt-5", "2026-12-11", "gpt-6.1-sol"),
        ("groq", "gemma2-9b-it", "2025-10-08", "llama-3.1-8b-instant"),
        ("cohere", "c4ai-aya-expanse-8b", "2026-04-04", "command-a-03-2025"),
        ("cohere", "command-light", "", "command-r-08-2024"),
        ("anthropic", "claude-opus-4-1-20250805", "2026-08-05", "claude-opus-4-8"),
        ("google", "gemini-2.0-flash", "2026-06-01", "gemini-3.6-flash"),
        ("openai", "o3-deep-research", "2026-07-23", "gpt-5.6-sol"),
    ],
)
def test_announced_ends(catalog: Catalog, provider: str, model: str, retires: str, heir: str) -> None:
    row = catalog.model(provider, model)
    assert row is not None
    assert (row.retires, row.replaced_by) == (retires, heir)
    assert row.deprecated == bool(retires or heir)
    if retires and retires <= "2026-11-22":
        following = catalog.successor(row, "2026-11-22")
        assert following is not None
        assert following.base != row.base


def test_every_end_is_a_day(catalog: Catalog) -> None:
    for row in catalog.models():
        if row.retires:
            assert dt.date.fromisoformat(row.retires)


def test_the_reference_page_counts_right(catalog: Catalog) -> None:
    table = dict(re.findall(r"^\| ([a-z ]+) \| (\d+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    rows = catalog.providers()
    for fact in FACTS:
        assert int(table[fact]) == sum(1 for row in rows if getattr(row, fact)), fact
    assert int(table["providers"]) == len(rows)
    assert int(table["models with published limits"]) == sum(1 for row in catalog.models() if row.quotas.source)
    assert int(table["models with an announced end"]) == sum(1 for row in catalog.models() if row.retires)


def test_provider_rows_stay_one_a_line() -> None:
    lines = (_DATA / "providers.json").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(load().catalog.providers()) + 2
