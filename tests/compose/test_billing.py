"""A price in the configuration bills as it is written, at any length, hour and service."""

from __future__ import annotations

import pytest

from pointsman.compose.billing import price_of
from pointsman.config.load import load_text
from pointsman.core.errors import ConfigError
from pointsman.core.model import Price
from pointsman.core.usage import Usage

MORNING, NIGHT = 9 * 3_600 * 10**9, 23 * 3_600 * 10**9


def priced(text: str) -> Price:
    said = load_text(f"models: {{a: {{provider: openai, price: {{{text}}}}}}}").config.models["a"].price
    assert said is not None
    return price_of(said)


@pytest.mark.parametrize(
    ("used", "at", "nanos"),
    [
        (Usage(input=100), MORNING, 100_000),
        (Usage(input=100), NIGHT, 50_000),
        (Usage(input=2_000), MORNING, 2_000 * 3_000),
        (Usage(input=100, service="flex"), NIGHT, 25_000),
        (Usage(input=2_000, service="flex"), MORNING, 2_000 * 1_500),
        (Usage(input=2_000, service="priority"), NIGHT, 2_000 * 9_000),
        (Usage(input=100, service="batch"), MORNING, 100_000),
        (Usage(input=1, fees=(("web_search", 2),)), MORNING, 20_001_000),
        (Usage(input=100, cache_read=50, cache_audio=50), MORNING, 50_000 + 50 * 700),
    ],
    ids=["plain", "at night", "long", "flex at night", "flex, long", "its own", "as any other", "fees", "cached audio"],
)
def test_what_is_written_is_billed(used: Usage, at: int, nanos: int) -> None:
    price = priced(
        "input: 1, output: 2, cached_audio: 0.7, above: {1000: {input: 3}}, fees: {web_search: 0.01}, "
        'hours: {"22:00-06:00": {input: 0.5}}, services: {flex: {factor: 0.5}, priority: {input: 9, output: 9}}'
    )
    assert price.cost(used, at) == nanos


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("above: {many: {input: 3}}", "a number of tokens"),
        ('hours: {"25:00-26:00": {input: 3}}', "hours in UTC"),
        ("services: {flex: {factor: -1}}", "from 0 to"),
        ("fees: {Web: 1}", "a name such as web_search"),
    ],
)
def test_what_cannot_be_is_said_with_its_place(wrong: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        priced(f"input: 1, output: 2, {wrong}")
