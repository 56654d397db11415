"""Recorded answers cost what a second reader says, to the nano-dollar, and what their providers say."""

from __future__ import annotations

import tomllib
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

from cost.ledgerman import ODD, Counted, count, list_price
from cost.recorded import Answer, answers
from pointsman.catalog.catalogue import Catalog
from pointsman.catalog.shipped import shipped_models, shipped_providers
from pointsman.core.model import Price
from pointsman.core.money import picos_per_token

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PER_USD = 10**12
ODD_PRICE = Price(
    **{kind: picos_per_token(each) for kind, each in ODD.kinds.items()},
    request=int(ODD.request * PER_USD),
    fees=tuple((name, int(each * PER_USD)) for name, each in ODD.fees.items()),
    flat=True,
)
BY_HAND = tomllib.loads((Path(__file__).parent / "by_hand.toml").read_text(encoding="utf-8"))["answers"]
BESIDE = {("azure", "openai-chat"): 23, ("mistral", "mistral-chat"): 1}
"""Answers whose total leaves out what came from the cache, which stands beside the prompt there."""
BOTH = "81361ce68269c5c6"  # the same tokens read from the cache and written to it: in the total once, billed as both
WRONG_TOTAL = "0297560f49996d83"  # the total is the candidates' alone


@pytest.fixture(scope="module")
def said(recordings: Path) -> list[tuple[Answer, Counted]]:
    """Every answer that says what was used, with what the second reader makes of it."""
    found = []
    for answer in answers(recordings, ODD_PRICE):
        counted = count(answer.kind, answer.objects)
        assert (counted is None) == (answer.usage is None), answer.record["id"]
        if counted is not None:
            found.append((answer, counted))
    return found


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog(shipped_models(), shipped_providers().providers)


def price_of(catalog: Catalog, answer: Answer) -> Price | None:
    row = catalog.model(answer.record["provider"], answer.record["model"] or "")
    return None if row is None else row.full


def test_every_kind_is_counted_once_whole_and_streamed(said):
    seen: Counter[str] = Counter()
    for answer, counted in said:
        usage = answer.usage
        where = answer.record["id"]
        assert usage is not None
        assert ODD_PRICE.cost(usage) == ODD.nanos(counted), where
        assert (usage.service, tuple(sorted(usage.fees))) == (counted.service, counted.fees), where
        if answer.written is not None:
            assert answer.written == ODD.nanos(counted), where
            seen["cost in a stream"] += 1
        seen.update(kind for kind, n in counted.kinds.items() if n)
        seen.update(f"fee {name}" for name, _ in counted.fees)
        seen.update([f"{answer.record['provider']}/{answer.kind}", f"service {counted.service}"])
    assert len(said) > 5_000
    assert sum("/" in name for name in seen) >= 60, "providers and dialects"
    least = {"cache_read": 300, "cache_write": 30, "cache_write_1h": 8, "reasoning": 1_000, "input_audio": 20}
    least |= {"output_audio": 3, "input_image": 30, "output_image": 5, "fee web_search": 50, "cost in a stream": 1_000}
    least |= {"service priority": 3, "service flex": 1, "service provisioned": 1}
    assert {name: seen[name] for name in least if seen[name] < least[name]} == {}


def test_the_catalogues_price_gives_the_cost_of_the_second_price_list(said, catalog):
    priced: Counter[str] = Counter()
    for answer, counted in said:
        price = price_of(catalog, answer)
        listed = list_price(answer.record["provider"], [answer.record["model"] or ""], counted, catalog.today)
        if price is None or listed is None:
            continue
        assert price.cost(answer.usage) == listed.nanos(counted), answer.record["id"]
        priced[answer.record["provider"]] += 1
    assert sum(priced.values()) > 4_500
    assert len(priced) >= 20


def test_parts_add_up_to_what_was_booked(said, catalog):
    for answer, _ in said:
        price = price_of(catalog, answer) or ODD_PRICE
        bill = price.bill(answer.usage)
        assert (None if bill is None else bill.total) == price.cost(answer.usage)
        assert bill is None or sum(bill.nanos.values()) == bill.total, answer.record["id"]


def test_tokens_add_up_to_the_total_that_the_provider_states(said):
    beside: Counter[tuple[str, str]] = Counter()
    for answer, counted in said:
        usage, stated = answer.usage, counted.stated_total
        if stated is None or usage.total == stated or answer.record["id"] in (BOTH, WRONG_TOTAL):
            continue
        assert usage.total - stated == usage.cache_read, answer.record["id"]
        beside[answer.record["provider"], answer.kind] += 1
    assert beside == BESIDE


def test_the_cost_is_what_the_provider_says_where_it_says_one_and_its_prices_are_known(said, catalog):
    same: Counter[str] = Counter()
    other: defaultdict[str, set[str]] = defaultdict(set)
    for answer, _ in said:
        stated, price = _stated(answer), price_of(catalog, answer)
        if stated is None or price is None:
            continue
        name = f"{answer.record['provider']}/{answer.record['model']}"
        cost = price.cost(answer.usage)
        if cost is not None and abs(cost - stated * 10**9) <= 1:
            same[answer.record["provider"]] += 1
        else:
            other[name].add(answer.record["id"])
    assert same["openrouter"] >= 240
    assert same["xai"] >= 55
    assert set(other) <= set(MOVED) | set(RESOLD) | set(SIZED), "each model that differs has its reason"


MOVED = (
    "xai/grok-3-mini",
    "xai/grok-4-0709",
    "openrouter/openai/gpt-5.6-sol",
    "openrouter/openai/gpt-4o-mini",
    "openrouter/openai/gpt-5.1-codex-mini",
    "openrouter/google/gemini-3.6-flash",
)
"""The answer was billed by a price that held on another day than the catalogue's."""
RESOLD = (
    "openrouter/deepseek/deepseek-chat-v3-0324",
    "openrouter/moonshotai/kimi-k2.5",
    "openrouter/deepseek/deepseek-chat",
    "openrouter/openai/gpt-oss-120b",
    "openrouter/openai/gpt-oss-20b",
    "openrouter/qwen/qwen3-vl-8b-instruct",
    "openrouter/qwen/qwen3-30b-a3b-instruct-2507",
    "openrouter/perplexity/sonar",
    "openrouter/openai/gpt-5.2",
    "openai/gpt-4.1-mini",
)
"""A reseller's price of the host that answered, a fee of the host's, or another currency than the list's."""
SIZED = ("perplexity/sonar", "perplexity/sonar-pro", "perplexity/sonar-reasoning-pro")
"""The fee for a request depends on how much was searched; the catalogue has that of the largest size."""


def _stated(answer: Answer) -> Decimal | None:
    """US dollars, as the answer itself says."""
    found = None
    for one in answer.objects:
        response = one.get("response")
        usage = one.get("usage") or (response.get("usage") if isinstance(response, dict) else None)
        if not isinstance(usage, dict):
            continue
        cost = usage.get("cost")
        cost = cost.get("total_cost") if isinstance(cost, dict) else cost
        if usage.get("cost_in_usd_ticks"):
            found = Decimal(usage["cost_in_usd_ticks"]) / 10**10
        elif cost:
            found = Decimal(str(cost))
    return found


def test_thirty_and_more_are_checked_by_hand(said, catalog):
    checked = 0
    for answer, _ in said:
        hand = BY_HAND.get(answer.record["id"])
        if hand is None:
            continue
        worked = sum(_product(term) for term in hand["sum"].split(" + ")) * 1000
        assert worked == hand["nanos"], f"{answer.record['id']}: the arithmetic"
        price = price_of(catalog, answer)
        assert price is not None
        assert price.cost(answer.usage) == hand["nanos"], answer.record["id"]
        if "stated" in hand:
            assert _stated(answer) == Decimal(hand["stated"]) / 10**9
        checked += 1
    assert checked == len(BY_HAND) >= 30


def _product(term: str) -> Decimal:
    value = Decimal(1)
    for factor in term.split("*"):
        value *= Decimal(factor)
    return value
