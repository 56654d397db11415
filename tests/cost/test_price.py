"""What a price promises for any usage: parts that add up, never less for more, and a bound that holds."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.extent import picos as at_most
from pointsman.core.model import Price
from pointsman.core.money import PICOS_PER_NANO
from pointsman.core.usage import Usage

MINUTE = 60_000_000_000
PICOS = st.integers(0, 10**9)
MAYBE = st.none() | PICOS
KINDS = dict.fromkeys(("cache_read", "cache_write", "cache_write_1h", "reasoning"), MAYBE)
KINDS |= dict.fromkeys(("input_audio", "output_audio", "cache_audio", "input_image", "output_image"), MAYBE)
FEES = st.lists(st.tuples(st.sampled_from(["web_search", "x_search"]), PICOS), max_size=2, unique_by=lambda fee: fee[0])
PLAIN = st.builds(Price, input=PICOS, output=PICOS, request=PICOS, fees=FEES.map(tuple), **KINDS)
ABOVE = st.integers(1, 3_000)


@st.composite
def prices(draw: st.DrawFn) -> Price:
    """Any price, with tiers, hours and services, as the catalogue and the configuration make them."""
    price = _tiered(draw)
    services = draw(st.lists(st.sampled_from(["flex", "batch", "priority"]), max_size=2, unique=True))
    hours = draw(st.lists(st.tuples(st.integers(0, 1_439), st.integers(0, 1_439)), max_size=2))
    return msgspec.structs.replace(
        price,
        services=tuple((name, _tiered(draw)) for name in services),
        hours=tuple((start, end, _tiered(draw)) for start, end in hours),
        flat=draw(st.booleans()),
    )


def _tiered(draw: st.DrawFn) -> Price:
    tiers = draw(st.lists(ABOVE, max_size=2, unique=True).map(sorted))
    return msgspec.structs.replace(draw(PLAIN), tiers=tuple((above, draw(PLAIN)) for above in tiers))


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Any usage in normal form: parts that are within their wholes."""
    count = st.integers(0, 2_000)
    fresh, read, old, short, long, heard, seen = (draw(count) for _ in range(7))
    plain, thought, spoken, drawn = (draw(count) for _ in range(4))
    fees = draw(st.lists(st.sampled_from(["web_search", "x_search", "odd"]), max_size=2, unique=True))
    return Usage(
        input=fresh + read + old + short + long + heard + seen,
        cache_read=read + old,
        cache_audio=old,
        cache_write=short,
        cache_write_1h=long,
        input_audio=heard,
        input_image=seen,
        output=plain + thought + spoken + drawn,
        reasoning=thought,
        output_audio=spoken,
        output_image=drawn,
        service=draw(st.sampled_from(["", "flex", "batch", "priority", "scale"])),
        fees=tuple((name, draw(st.integers(1, 9))) for name in fees),
    )


AT = st.none() | st.integers(0, 3_000 * MINUTE)


@given(price=prices(), usage=usages(), at=AT)
def test_parts_add_up_to_the_cost(price: Price, usage: Usage, at: int | None) -> None:
    cost, bill = price.cost(usage, at), price.bill(usage, at)
    if bill is None:
        assert cost is None
        assert usage.service not in ("", *dict(price.services))
        return
    assert bill.total == cost == sum(bill.nanos.values())
    for name, picos in bill.parts:
        assert abs(bill.nanos[name] * PICOS_PER_NANO - picos) < PICOS_PER_NANO
    known = dict(price.held(usage, at).fees)
    assert {name for name, _ in bill.unpriced} == {name for name, _ in usage.fees} - known.keys()


@given(price=prices(), usage=usages(), at=AT, more=st.integers(1, 500))
def test_the_bound_holds_for_every_usage_within_it(price: Price, usage: Usage, at: int | None, more: int) -> None:
    usage = msgspec.structs.replace(usage, fees=())
    cost = price.cost(usage, at)
    if cost is None:
        return
    every = frozenset(name for name, _ in price.services)
    least = (cost - 1) * PICOS_PER_NANO  # it was rounded
    own = at_most(price.rates(frozenset({usage.service})), usage.input, usage.output)
    bound = at_most(price.rates(every), usage.input, usage.output)
    assert least <= own <= bound <= at_most(price.rates(every), usage.input + more, usage.output + more)
    if not usage.service:
        assert least <= at_most(price.rates(), usage.input, usage.output) <= own


@given(price=prices(), usage=usages(), at=AT, more=st.integers(1, 500))
def test_more_output_never_costs_less(price: Price, usage: Usage, at: int | None, more: int) -> None:
    cost = price.cost(usage, at)
    dearer = price.cost(msgspec.structs.replace(usage, output=usage.output + more), at)
    assert (cost is None) == (dearer is None)
    assert cost is None or cost <= dearer


@given(price=prices(), usage=usages(), at=st.integers(0, 3_000 * MINUTE))
def test_a_price_of_one_time_costs_what_the_whole_price_costs_then(price: Price, usage: Usage, at: int) -> None:
    assert price.at(at).cost(usage) == price.cost(usage, at)
    assert not price.at(at).hours


def test_the_hour_decides_also_past_midnight():
    night = Price(input=1_000, output=0)
    price = Price(input=5_000, output=0, hours=((0, 1_440, Price(input=3_000, output=0)), (1_320, 120, night)))
    used = Usage(input=10)
    assert [price.cost(used, minute * MINUTE) for minute in (1_319, 1_320, 1_439, 1_440, 1_559, 1_560)] == [
        *(30, 10, 10, 10, 10, 30)
    ]
    assert price.cost(used) == 50, "the dearest, where nobody says when"


def test_a_service_without_a_price_is_unpriced_not_standard():
    price = Price(input=2_000, output=0, services=(("flex", Price(input=1_000, output=0)),))
    used = Usage(input=1)
    assert price.cost(used) == 2
    assert price.cost(msgspec.structs.replace(used, service="flex")) == 1
    assert price.cost(msgspec.structs.replace(used, service="priority")) is None
    everything = msgspec.structs.replace(price, flat=True)
    assert everything.cost(msgspec.structs.replace(used, service="priority")) == 2


def test_a_cache_write_that_is_dearer_than_input_is_in_the_bound():
    price = Price(input=3_000, output=15_000, cache_write=3_750, cache_write_1h=6_000)
    assert at_most(price.rates(), 1_000, 0) == 6_000 * PICOS_PER_NANO
    assert price.cost(Usage(input=1_000, cache_write_1h=1_000)) == 6_000
