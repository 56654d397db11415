"""Money is exact: prices in pico-dollars, sums in nano-dollars, one rounding."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.model import Price
from pointsman.core.money import nanos, picos_per_token, usd, usd_per_million, usd_text
from pointsman.core.usage import Usage

PRICES = st.decimals(0, 1000, places=6, allow_nan=False)
TOKENS = st.integers(0, 2_000_000)


@given(price=PRICES)
def test_a_price_survives_the_way_to_picos_and_back(price: Decimal) -> None:
    assert usd_per_million(picos_per_token(price)) == price


@given(tokens=TOKENS, price=PRICES)
def test_a_cost_is_the_exact_product_rounded_once(tokens: int, price: Decimal) -> None:
    exact = tokens * price / 1_000_000
    cost = Price(input=picos_per_token(price), output=0).cost(Usage(input=tokens))
    assert Decimal(cost) == (exact * 1_000_000_000).quantize(Decimal(1), rounding=ROUND_HALF_EVEN)


@given(picos=st.integers(0, 10**18))
def test_rounding_is_half_to_even(picos: int) -> None:
    assert nanos(picos) == int((Decimal(picos) / 1000).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


@given(amount=st.integers(-(10**15), 10**15))
def test_the_text_of_an_amount_is_plain_and_exact(amount: int) -> None:
    text = usd_text(amount)
    assert Decimal(text) * 1_000_000_000 == amount
    assert "e" not in text.lower()
    assert "." not in text or not text.endswith("0")


@pytest.mark.parametrize("wrong", ["", "abc", "NaN", "Infinity", "-1"])
def test_what_is_no_price_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"amount|negative"):
        picos_per_token(wrong)


def test_amounts_are_read_as_they_are_written() -> None:
    assert usd(0.1) == Decimal("0.1")
    assert usd("0.30") == Decimal("0.3")


PRICE = Price(
    input=picos_per_token(3),
    output=picos_per_token(15),
    cache_read=picos_per_token("0.3"),
    cache_write=picos_per_token("3.75"),
    cache_write_1h=picos_per_token(6),
)


def test_each_kind_of_token_is_billed_once_at_its_own_price() -> None:
    usage = Usage(input=1000, cache_read=600, cache_write=200, cache_write_1h=100, output=50, reasoning=20)
    dollars = Decimal(100 * 3 + 50 * 15) + Decimal("0.3") * 600 + Decimal("3.75") * 200 + 6 * 100
    assert Decimal(PRICE.cost(usage)) == dollars * 1000


def test_a_kind_without_a_price_is_billed_as_its_nearest() -> None:
    plain = Price(input=1000, output=2000)
    usage = Usage(input=10, cache_read=4, input_audio=2, output=6, reasoning=3, output_audio=1)
    assert plain.cost(usage) == (10 * 1000 + 6 * 2000) // 1000


def test_long_inputs_cost_what_their_tier_says() -> None:
    long = Price(input=6_000_000, output=22_500_000)
    tiered = Price(input=3_000_000, output=15_000_000, tiers=((200_000, long), (500_000, Price(input=9, output=9))))
    assert tiered.cost(Usage(input=200_000)) == 200_000 * 3000
    assert tiered.cost(Usage(input=200_001)) == 200_001 * 6000
    assert tiered.cost(Usage(input=600_000, output=400_000)) == 9000


@given(usage=st.builds(Usage, input=TOKENS, output=TOKENS, cache_read=TOKENS, reasoning=TOKENS))
def test_a_cost_is_never_negative(usage: Usage) -> None:
    assert PRICE.cost(usage) >= 0
