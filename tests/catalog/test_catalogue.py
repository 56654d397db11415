"""What the shipped catalogue answers; expected figures were checked against the source package's own calc_price."""

from __future__ import annotations

import json
import re
import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.catalog import Catalog, load
from pointsman.catalog.names import fine_tuned_base, spellings
from pointsman.catalog.shipped import _DATA, shipped_models, shipped_providers
from pointsman.core.errors import ConfigError
from pointsman.core.model import Ability
from pointsman.core.money import usd_per_million
from pointsman.core.usage import Usage


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load().catalog


# provider, model, US dollars per million: input, output, cached input, cache write
PRICES = [
    ("openai", "gpt-4o", "2.5", "10", "1.25", None),
    ("openai", "gpt-4o-mini", "0.15", "0.6", "0.075", None),
    ("openai", "gpt-5", "1.25", "10", "0.125", None),
    ("openai", "gpt-6.1-sol", "2", "10", "0.1", "2.5"),
    ("openai", "text-embedding-3-small", "0.02", "0", None, None),
    ("anthropic", "claude-opus-5-5", "4", "20", "0.2", "5"),
    ("anthropic", "claude-opus-4-6", "5", "25", "0.5", "6.25"),
    ("anthropic", "claude-haiku-4-5", "1", "5", "0.1", "1.25"),
    ("google", "gemini-2.5-pro", "1.25", "10", "0.125", None),
    ("groq", "llama-3.3-70b-versatile", "0.59", "0.79", None, None),
    ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "3.3", "16.5", "0.33", "4.125"),
    ("xai", "grok-4", "3", "15", "0.75", None),
    ("mistral", "codestral-latest", "0.3", "0.9", None, None),
]


def test_there_are_enough_providers_and_priced_models(catalog: Catalog) -> None:
    rows = catalog.models()
    assert len(catalog.providers()) >= 100
    assert sum(1 for row in rows if row.price is not None) >= 1000
    assert {(row.provider, row.id) for row in rows if row.price and not row.price.source} == set()


@pytest.mark.parametrize("expected", PRICES, ids=lambda expected: "/".join(expected[:2]))
def test_prices_are_those_of_the_source(catalog: Catalog, expected: tuple[str, ...]) -> None:
    provider, model, *texts = expected
    row = catalog.model(provider, model)
    assert row is not None
    assert row.price is not None
    kinds = (row.price.input, row.price.output, row.price.cache_read, row.price.cache_write)
    dollars = [None if picos is None else usd_per_million(picos) for picos in kinds]
    assert dollars == [None if text is None else Decimal(text) for text in texts]


def test_a_call_costs_what_the_source_package_says(catalog: Catalog) -> None:
    # calc_price(Usage(input_tokens=10_000, cache_read_tokens=4_000, cache_write_tokens=1_000, output_tokens=500),
    # "claude-opus-5-5") = 5,000 x 4 + 4,000 x 0.2 + 1,000 x 5 + 500 x 20 over a million = 0.0358 dollars
    row = catalog.model("anthropic", "claude-opus-5-5")
    assert row is not None
    assert row.price is not None
    usage = Usage(input=10_000, cache_read=4_000, cache_write=1_000, output=500)
    assert row.price.cost(usage) == 35_800_000


@pytest.mark.parametrize(
    ("provider", "asked", "base"),
    [
        ("openai", "gpt-4o-2024-08-06", "gpt-4o"),
        ("openai", "GPT-4o", "gpt-4o"),
        ("openai", "gpt-5-mini-2025-08-07", "gpt-5-mini"),
        ("openai", "gpt-5.6-luna-2026-06-30", "gpt-5.6-luna"),
        ("anthropic", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("anthropic", "claude-opus-4.6", "claude-opus-4-6"),
        ("google", "models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("bedrock", "eu.amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0"),
        ("gemini", "gemini-2.5-pro", "gemini-2.5-pro"),
        ("azure", "gpt-4.1-2025-04-14", "gpt-4.1"),
    ],
)
def test_a_model_is_found_by_its_other_names(catalog: Catalog, provider: str, asked: str, base: str) -> None:
    row = catalog.model(provider, asked)
    assert row is not None
    assert row.base == base
    assert row.id == asked, "the name is sent upstream as the caller wrote it"
    assert row.price is not None


@pytest.mark.parametrize(
    ("provider", "asked"),
    [
        ("openai", "gpt-4o-turbo"),
        ("openai", "gpt-4oo"),
        ("openai", "my-gpt-4o"),
        ("anthropic", "claude-opus-5-9"),
        ("anthropic", "claude-sonnet-4-5-fast"),
        ("openai", ""),
        ("nobody", "gpt-4o"),
        ("openai", "-2024-08-06"),
    ],
)
def test_a_name_that_only_looks_alike_is_unknown(catalog: Catalog, provider: str, asked: str) -> None:
    assert catalog.model(provider, asked) is None


def test_a_fine_tuned_model_inherits_and_has_its_own_price(catalog: Catalog) -> None:
    row = catalog.model("openai", "ft:gpt-4o-mini-2024-07-18:org::id")
    base = catalog.model("openai", "gpt-4o-mini")
    assert row is not None
    assert base is not None
    assert (row.fine_tuned, row.context, row.abilities) == (True, base.context, base.abilities)
    assert row.price is not None
    assert (row.price.input, row.price.output) == (300_000, 1_200_000)


def test_a_fine_tuned_model_without_a_known_price_is_unpriced(catalog: Catalog) -> None:
    row = catalog.model("openai", "ft:gpt-5-2025-08-07:org::id")
    assert row is not None
    assert row.price is None
    assert row.context == 400_000


def test_long_inputs_cost_more_where_the_source_says_so(catalog: Catalog) -> None:
    row = catalog.model("google", "gemini-2.5-pro")
    assert row is not None
    short, long = row.price_for(200_000), row.price_for(200_001)
    assert short is not None
    assert long is not None
    assert (short.input, long.input, long.output) == (1_250_000, 2_500_000, 15_000_000)


def test_where_the_hour_counts_the_dearest_price_stands_and_the_others_are_kept(catalog: Catalog) -> None:
    row = catalog.model("deepseek", "deepseek-flash")
    assert row is not None
    peak, night = row.price_at(2 * 60), row.price_at(20 * 60)
    assert peak is not None
    assert night is not None
    assert row.price == peak
    assert (peak.input, night.input) == (300_000, 150_000)


def test_a_dated_price_holds_from_its_day(catalog: Catalog) -> None:
    # before 13 March 2026 long inputs of Opus 4.6 cost twice as much
    old = Catalog(catalog.document, catalog.providers(), today="2026-03-12").model("anthropic", "claude-opus-4-6")
    new = catalog.model("anthropic", "claude-opus-4-6")
    assert old is not None
    assert new is not None
    assert [tier.above for tier in old.tiers] == [200_000]
    assert new.tiers == ()


def test_half_known_models_are_unpriced_and_not_filtered(catalog: Catalog) -> None:
    whisper = catalog.model("openai", "whisper-1")
    assert whisper is not None
    assert whisper.price is None
    assert whisper.other_prices["audio_hours"] == "0.36"
    gpt = catalog.model("openai", "gpt-4o")
    assert gpt is not None
    assert gpt.known & Ability.TOOLS
    assert not gpt.known & Ability.LOGPROBS, "no source says so"
    assert gpt.abilities is not None
    assert gpt.abilities & Ability.LOGPROBS, "and none says otherwise"
    assert not gpt.abilities & Ability.AUDIO_INPUT, "known to be lacking"


def test_providers_are_found_by_alias_and_say_where_data_goes(catalog: Catalog) -> None:
    for alias, name in [("gemini", "google"), ("x-ai", "xai"), ("Together-AI", "together"), ("aws", "bedrock")]:
        row = catalog.provider(alias)
        assert row is not None
        assert row.name == name
    mistral, ollama = catalog.provider("mistral"), catalog.provider("ollama")
    assert mistral is not None
    assert ollama is not None
    assert (mistral.jurisdiction, mistral.regions) == ("FR", ("EU",))
    assert (ollama.private, ollama.local, ollama.api_key_env, ollama.base_url) == (
        True,
        True,
        "",
        "http://127.0.0.1:11434/v1",
    )
    assert catalog.provider("nobody") is None


def test_models_that_a_local_server_runs_elsewhere_are_not_private(catalog: Catalog) -> None:
    ollama = catalog.provider("ollama")
    assert ollama is not None
    assert ollama.keeps_home("llama3.2:3b")
    assert not ollama.keeps_home("gpt-oss:120b-cloud")
    assert not ollama.keeps_home("glm-5:cloud")
    openai = catalog.provider("openai")
    assert openai is not None
    assert not openai.keeps_home("gpt-4o")


def test_listed_names_can_be_sent_upstream(catalog: Catalog) -> None:
    listed = {row.id for row in catalog.models("bedrock")}
    assert "us.anthropic.claude-sonnet-4-5-20250929-v1:0" in listed
    assert not [name for name in listed if name.startswith("regional.")]


def test_prices_move_on_with_the_day(catalog: Catalog) -> None:
    old = catalog.at("2026-03-12").model("anthropic", "claude-opus-4-6")
    assert old is not None
    assert old.tiers
    assert catalog.at(catalog.today) is catalog


def test_every_provider_row_can_be_used(catalog: Catalog) -> None:
    names = [row.name for row in catalog.providers()]
    aliases = [alias for row in catalog.providers() for alias in row.aliases]
    assert len(set(names + aliases)) == len(names + aliases), "every name leads to one provider"
    for row in catalog.providers():
        assert row.title, row.name
        assert row.base_url.startswith(("https://", "http://127.0.0.1", "http://localhost", "{")), row.name
        assert not row.base_url.endswith(("/", "/chat/completions")), row.name
        assert row.local == row.private, row.name
        assert row.api_key_env or row.local, row.name


def test_a_url_takes_its_variables_from_the_environment(catalog: Catalog) -> None:
    azure, bedrock = catalog.provider("azure"), catalog.provider("bedrock")
    assert azure is not None
    assert bedrock is not None
    assert azure.variables == ("AZURE_RESOURCE_NAME",)
    assert azure.url({"AZURE_RESOURCE_NAME": "acme"}) == "https://acme.openai.azure.com/openai/v1"
    assert bedrock.url({}) == "https://bedrock-runtime.us-east-1.amazonaws.com"
    assert bedrock.url({"AWS_REGION": "eu-west-1"}, "openai-chat").endswith("eu-west-1.amazonaws.com/openai/v1")
    with pytest.raises(ConfigError, match="AZURE_RESOURCE_NAME"):
        azure.url({})


def test_nearest_names(catalog: Catalog) -> None:
    assert "openai" in catalog.nearest("opnai")
    assert catalog.nearest("openai/gpt4o")[0] == "openai/gpt-4o"
    assert catalog.nearest("anthropc/claude-opus-5")[0] == "anthropic/claude-opus-5"
    assert catalog.nearest("zzzzqqqq") == ()


@pytest.mark.parametrize(
    ("today", "state"),
    [
        ("2026-11-10", None),
        ("2026-11-11", "soon"),
        ("2026-12-10", "soon"),
        ("2026-12-11", "over"),
        ("2027-05-01", "over"),
    ],
)
def test_the_warning_begins_30_days_before_the_end(catalog: Catalog, today: str, state: str | None) -> None:
    row = catalog.model("openai", "gpt-5-2025-08-07")
    assert row is not None
    end = catalog.retirement(row, today)
    assert (end.state if end else None) == state
    if end:
        assert end.replaced_by == "gpt-6.1-sol"
        assert "gpt-5-2025-08-07" in end.text
        assert "2026-12-11" in end.text


def test_a_retired_model_is_replaced_along_the_chain(catalog: Catalog) -> None:
    row = catalog.model("google", "gemini-2.5-pro")
    assert row is not None
    assert catalog.successor(row, "2026-11-30") is None
    successor = catalog.successor(row, "2026-12-01")
    assert successor is not None
    assert successor.id == "gemini-3.8-flash"
    gone = catalog.model("openai", "gpt-4.5-preview")
    assert gone is not None
    after = catalog.successor(gone, "2027-02-01")  # gpt-4.1, itself gone in January
    assert after is not None
    assert after.id == "gpt-6-luna"


def test_every_named_successor_exists(catalog: Catalog) -> None:
    for row in catalog.models():
        if row.replaced_by:
            assert catalog.model(row.provider, row.replaced_by) is not None, (row.provider, row.id, row.replaced_by)


def test_tiers_follow_the_rule(catalog: Catalog) -> None:
    def tier(provider: str, model: str) -> str | None:
        row = catalog.model(provider, model)
        assert row is not None
        return row.tier

    assert tier("openai", "gpt-6-luna") == "economy"
    assert tier("anthropic", "claude-haiku-4-5") == "workhorse"
    assert tier("anthropic", "claude-opus-5-5") == "frontier"
    assert tier("openai", "gpt-4o") == "workhorse", "dear, but superseded"
    assert tier("openai", "text-embedding-3-small") == "specialised"
    assert tier("openai", "gpt-4o-mini-transcribe") == "specialised"


def test_loading_is_quick(catalog: Catalog) -> None:
    times = []
    for _ in range(5):
        start = time.perf_counter()
        load().catalog.model("openai", "gpt-4o")
        times.append((time.perf_counter() - start) * 1000)
    print(f"load and first look-up: best {min(times):.1f} ms of {len(times)}")
    assert min(times) < 1000, "a budget of 40 ms is measured above; this bound only catches an accident"


def test_provider_rows_are_plain_json_that_people_can_read() -> None:
    rows = json.loads((_DATA / "providers.json").read_text(encoding="utf-8"))
    assert rows["date"] == shipped_models().date == shipped_providers().date


@given(st.text(max_size=80))
def test_any_name_is_answered(name: str) -> None:
    assert list(spellings(name))
    fine_tuned_base(name)
    catalog = load().catalog
    row = catalog.model("openai", name)
    assert row is None or row.provider == "openai"


def test_endless_names_cost_neither_time_nor_memory() -> None:
    catalog = load().catalog
    start = time.perf_counter()
    assert catalog.model("openai", "gpt-4o" + "-001" * 100_000) is None
    assert time.perf_counter() - start < 1
    for number in range(6000):
        catalog.model("openai", f"ft:gpt-4o-2024-08-06:org::{number}")
    assert len(catalog._rows) <= 4096
    assert catalog.model("openai", "ft:gpt-4o-2024-08-06:org::5999") is not None


@given(st.sampled_from(["-2025-01-31", "-20250131", "@20250131", "-latest", "-001", ":0", "-v1:0"]))
def test_dates_and_revisions_come_off_every_name(mark: str) -> None:
    assert "some-model" in list(spellings(f"some-model{mark}"))


def test_every_variable_can_be_exported_by_a_shell(catalog: Catalog) -> None:
    for provider in catalog.providers():
        for variable in (*provider.key_variables, *provider.variables):
            assert re.fullmatch(r"[A-Z_][A-Z0-9_]*", variable), (provider.name, variable)
