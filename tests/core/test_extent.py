"""What a request can cost at most: a bound for every price of the catalogue, however its provider serves."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from pointsman.catalog.catalogue import Catalog
from pointsman.catalog.shipped import shipped_models, shipped_providers
from pointsman.core.extent import PLAIN, Extent, most_of
from pointsman.core.model import Model, Price, Provider
from pointsman.core.plan import Needs, Plan, Step
from pointsman.core.reach import SILENT
from pointsman.core.usage import Usage
from pointsman.line.worst import worst_of_plan

HERE = Provider(name="here", dialect="openai-chat", base_url="http://127.0.0.1:1")
ASKED = {  # what a request says, and how its provider may serve it then
    "nothing": (SILENT, ("", "flex", "priority", "scale", "us", "provisioned")),
    "default": (frozenset[str](), ("",)),
    "flex": (frozenset({"flex"}), ("", "flex")),
    "priority": (frozenset({"priority"}), ("", "priority")),
    "fast": (SILENT | {"fast"}, ("", "fast", "us", "fast+us", "priority")),
}


def prices() -> Iterator[Price]:
    catalog = Catalog(shipped_models(), shipped_providers().providers)
    seen: set[bytes] = set()
    for row in catalog.models():
        price = row.full
        if price is None or (key := msgspec.json.encode(price)) in seen:
            continue
        seen.add(key)
        yield price


def usages(read: int, written: int) -> Iterator[Usage]:
    """As much as was allowed, of the dearest kinds that there are."""
    yield Usage(input=read, output=written)
    yield Usage(input=read, cache_write_1h=read, output=written, reasoning=written)
    yield Usage(input=read, input_audio=read, output=written, output_audio=written)
    yield Usage(input=read // 2, cache_write=read // 3, output=written // 2)


@pytest.mark.parametrize("asked", ASKED)
def test_no_price_of_the_catalogue_can_pass_what_is_held(asked: str) -> None:
    ways, served = ASKED[asked]
    extent = PLAIN if ways is SILENT else Extent(ways=ways)
    looked_at = 0
    for price in prices():
        for size in (500, 500_000):
            model = Model(name="m", provider=HERE, upstream="m", max_output=2_000, price=price)
            needs = Needs(dialect="openai-chat", body_bytes=size, output_tokens=700, choices=2)
            most = most_of(model, needs, extent)
            assert most.usd is not None
            assert most.read is not None
            plan = Plan(route="r", strategy="chain", steps=(Step(model=model, dialect="openai-chat"),))
            assert worst_of_plan(plan, needs, extent)[:2] == (most.usd, most.read + most.written)
            for usage in usages(most.read, most.written):
                for service in served:
                    cost = price.cost(msgspec.structs.replace(usage, service=service))
                    assert cost is None or cost <= most.usd, (price, service)
        looked_at += 1
    assert looked_at > 1_000


def priced(**more: object) -> Model:
    fast = Price(input=60_000_000, output=300_000_000)
    priority = Price(input=20_000_000, output=100_000_000)
    fees = (("web_search", 10_000_000_000),)
    price = Price(input=10_000_000, output=50_000_000, fees=fees, services=(("fast", fast), ("priority", priority)))
    return Model(name="m", provider=HERE, upstream="m", price=price, **{"context": 10_000, "max_output": 100, **more})


NEEDS = Needs(dialect="openai-chat", body_bytes=1_000, output_tokens=100)
PLAIN_USD = 2 * (2_024 * 10_000 + 100 * 50_000)
"""Nano-dollars at the price of `priority`, which silence may bring."""


@pytest.mark.parametrize(
    ("extent", "usd"),
    [
        (PLAIN, PLAIN_USD),
        (Extent(ways=frozenset()), PLAIN_USD // 2),
        (Extent(ways=SILENT | {"fast"}), PLAIN_USD * 3),
        (Extent(ways=frozenset(), kept=True), 10_000 * 10_000 + 5_000_000),
        (Extent(ways=frozenset(), kept=True, counted=(("m", 3_000),)), 3_000 * 10_000 + 5_000_000),
        (Extent(ways=frozenset(), written=50, answers=3), 2_024 * 10_000 + 350 * 50_000),
        (
            Extent(ways=frozenset(), tools=("web_search",), uses=2, rounds=2, fees=((("web_search",), 2),)),
            (2_024 + 2 * 10_000) * 10_000 + 5_000_000 + 20_000_000,
        ),
        (Extent(tools=("code_interpreter",), uses=2, rounds=2, fees=((("container",), 2),)), None),
        (Extent(tools=("googleSearch",), uses=None), None),
    ],
)
def test_each_thing_that_a_request_says_is_in_the_bound(extent: Extent, usd: int | None) -> None:
    assert most_of(priced(), NEEDS, extent).usd == usd


def test_a_models_own_parameters_are_in_the_bound() -> None:
    def said(**params: object) -> Model:
        return priced(params=tuple((name, msgspec.Raw(msgspec.json.encode(value))) for name, value in params.items()))

    needs = msgspec.structs.replace(NEEDS, output_tokens=0)
    assert most_of(said(max_tokens=5_000), needs).written == 5_000
    assert most_of(said(speed="fast"), NEEDS).usd == PLAIN_USD * 3
    assert most_of(said(n=3), NEEDS)[:4] == (None, 2_024, 100, "`n` among its own parameters has no bound")
    assert most_of(priced(refused_params=frozenset({"max_tokens", "max_completion_tokens"})), NEEDS).written == 100
    deaf = priced(refused_params=frozenset({"max_tokens", "max_completion_tokens"}), max_output=900)
    assert most_of(deaf, NEEDS).written == 900, "it is not told the limit of the request"
    assert most_of(priced(max_output=0, context=0), needs).written == 16_384


def test_a_window_that_is_not_known_bounds_no_file() -> None:
    assert most_of(priced(context=0), NEEDS, Extent(kept=True)).why == "its input has no bound"
