"""What a model costs, and the one arithmetic that turns usage into money.

Prices are pico-dollars; sums are exact and rounded once, half to even, to nano-dollars.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import msgspec

from pointsman.core.money import PICOS_PER_NANO, nanos
from pointsman.core.usage import Fees, Usage

_NS_PER_MINUTE = 60_000_000_000
_MINUTES_PER_DAY = 1_440
Rate = tuple[int, int, int, int]
"""For requests of more than so many input tokens: pico-dollars of a token read, of one written, and of a request."""
Rates = tuple[Rate, ...]


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer cost, part by part.

    Attributes:
        parts: pico-dollars by kind; kinds of which nothing was used are left out.
        unpriced: fees for which no price is known: they are in no part.
    """

    parts: tuple[tuple[str, int], ...]
    unpriced: Fees = ()

    @property
    def total(self) -> int:
        """Nano-dollars: the exact sum, rounded once."""
        return nanos(sum(picos for _, picos in self.parts))

    @property
    def nanos(self) -> dict[str, int]:
        """Nano-dollars by kind, which add up to `total`: what rounding leaves goes to the largest remainders."""
        whole = {name: picos // PICOS_PER_NANO for name, picos in self.parts}
        rest = sorted(self.parts, key=lambda part: part[1] % PICOS_PER_NANO, reverse=True)
        for name, _ in rest[: self.total - sum(whole.values())]:
            whole[name] += 1
        return whole


class Price(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What one model costs, in pico-dollars per token (per request for `request`, per piece in `fees`).

    A kind without a price of its own falls back as its provider bills it: cached input and cache writes as input,
    reasoning as output, audio and images as their text kind. `source` and `since` (ISO date) say where the price comes
    from.

    Attributes:
        fees: by name, see `Usage.fees`.
        tiers: whole prices for requests with more than so many input tokens, ascending.
        hours: whole prices for certain hours: first and last minute of the day (UTC, the last one not included; may
            span midnight); the last that holds counts. The fields beside them are then the dearest of the day, which
            planning goes by.
        services: whole prices by `Usage.service`.
        flat: services that are not among `services` cost the same; else what they cost is unknown.
    """

    input: int
    output: int
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    reasoning: int | None = None
    input_audio: int | None = None
    output_audio: int | None = None
    cache_audio: int | None = None
    input_image: int | None = None
    output_image: int | None = None
    request: int = 0
    fees: Fees = ()
    source: str = ""
    since: str = ""
    tiers: tuple[tuple[int, Price], ...] = ()
    hours: tuple[tuple[int, int, Price], ...] = ()
    services: tuple[tuple[str, Price], ...] = ()
    flat: bool = False

    def cost(self, usage: Usage, at: int | None = None) -> int | None:
        """Nano-dollars for one answer; None where the price of its service is unknown.

        Args:
            usage: what was used.
            at: when the request was sent, nanoseconds since the epoch; None takes the dearest hour.
        """
        price: Price | None = self
        if usage.service or self.hours or (self.tiers and usage.input > self.tiers[0][0]):
            price = self.held(usage, at)
        return None if price is None else nanos(price.picos(usage))

    def bill(self, usage: Usage, at: int | None = None) -> Bill | None:
        """The same, part by part: `bill(usage, at).total == cost(usage, at)`."""
        price = self.held(usage, at)
        if price is None:
            return None
        known = dict(price.fees)
        parts = [(name, count * each) for name, count, each in price.lines(usage) if count > 0 and each]
        parts += [("request", price.request)] if price.request else []
        parts += [(name, count * known[name]) for name, count in usage.fees if known.get(name)]
        return Bill(parts=tuple(parts), unpriced=tuple(fee for fee in usage.fees if fee[0] not in known))

    def rates(self, ways: frozenset[str] = frozenset()) -> Rates:
        """What is asked at most, however long and at whatever hour, where it is served in one of several `ways`.

        `ways` are parts of services' names (see `Usage.service`) besides the usual way: of `fast+us` both have to be
        there. Each rate holds for requests of more than so many input tokens; the first holds for all.
        """
        if not self.services:
            ways = frozenset()
        known = self._rates.get(ways)
        if known is None:
            known = self._rates[ways] = self._at_most(ways)
        return known

    def _at_most(self, ways: frozenset[str]) -> Rates:
        bounds = list(self.bounds)
        for name, one in self.services:
            if ways.issuperset(name.split("+")):
                bounds += one.bounds
        sizes = sorted({above for above, _, _, _ in bounds})
        alike = [[bound[1:] for bound in bounds if bound[0] == above] for above in sizes]
        return tuple((above, *map(max, zip(*rates, strict=True))) for above, rates in zip(sizes, alike, strict=True))

    @cached_property
    def _rates(self) -> dict[frozenset[str], Rates]:
        """What `rates` has found."""
        return {}

    def at(self, at: int) -> Price:
        """The same price at one time (nanoseconds since the epoch), without hours."""
        if not self.hours:
            return self
        return msgspec.structs.replace(
            self.of_hour(at),
            hours=(),
            services=tuple((name, price.at(at)) for name, price in self.services),
            flat=self.flat,
        )

    def held(self, usage: Usage, at: int | None = None) -> Price | None:
        """The price that holds for an answer: of its service, its hour and its length; None where that is unknown."""
        price = self
        if usage.service:
            price = next((one for name, one in self.services if name == usage.service), price)
            if price is self and not self.flat:
                return None
        if price.hours and at is not None:
            price = price.of_hour(at)
        if price.tiers and usage.input > price.tiers[0][0]:
            return next(one for above, one in reversed(price.tiers) if usage.input > above)
        return price

    def of_hour(self, at: int) -> Price:
        """The price of an hour alone, without services; what holds at none of the hours is the dearest."""
        minute = at // _NS_PER_MINUTE % _MINUTES_PER_DAY
        return next((price for start, end, price in reversed(self.hours) if _holds(start, end, minute)), self)

    def picos(self, usage: Usage) -> int:
        """The exact sum; the parts of `lines`, but only those that most answers have are looked at one by one."""
        read, reasoning = usage.cache_read, usage.reasoning
        written = usage.cache_write or usage.cache_write_1h
        other = usage.input_audio or usage.input_image or usage.output_audio or usage.output_image or usage.cache_audio
        if written or other or usage.fees:
            known = dict(self.fees)
            picos = sum(count * each for _, count, each in self.lines(usage) if count > 0)
            picos += sum(count * known.get(name, 0) for name, count in usage.fees)
            return picos + self.request
        fresh, plain = usage.input - read, usage.output - reasoning
        picos = self.request
        if fresh > 0:
            picos += fresh * self.input
        if plain > 0:
            picos += plain * self.output
        if read:
            picos += read * (self.input if self.cache_read is None else self.cache_read)
        if reasoning:
            picos += reasoning * (self.output if self.reasoning is None else self.reasoning)
        return picos

    def lines(self, usage: Usage) -> Iterator[tuple[str, int, int]]:
        """Each kind of token: its name, how many, what one costs."""
        read, short, long = usage.cache_read, usage.cache_write, usage.cache_write_1h
        heard, seen, old = usage.input_audio, usage.input_image, usage.cache_audio
        cached = _first(self.cache_read, self.input)
        brief = _first(self.cache_write, self.input)
        yield "input", usage.input - read - short - long - heard - seen, self.input
        yield "cache_read", read - old, cached
        yield "cache_audio", old, _first(self.cache_audio, cached)
        yield "cache_write", short, brief
        yield "cache_write_1h", long, _first(self.cache_write_1h, brief)
        yield "input_audio", heard, _first(self.input_audio, self.input)
        yield "input_image", seen, _first(self.input_image, self.input)
        spoken, drawn, thought = usage.output_audio, usage.output_image, usage.reasoning
        yield "output", usage.output - thought - spoken - drawn, self.output
        yield "reasoning", thought, _first(self.reasoning, self.output)
        yield "output_audio", spoken, _first(self.output_audio, self.output)
        yield "output_image", drawn, _first(self.output_image, self.output)

    @cached_property
    def bounds(self) -> tuple[Rate, ...]:
        """From which size on at most what is asked per token read and written, and per request."""
        own = (-1, self._dearest_input, self._dearest_output, self.request)
        longer = [(above, read, wrote, each) for above, one in self.tiers for _, read, wrote, each in one.bounds]
        hourly = [bound for _, _, one in self.hours for bound in one.bounds]
        return (own, *longer, *hourly)

    @property
    def _dearest_input(self) -> int:
        kinds = (self.cache_read, self.cache_audio, self.cache_write, self.cache_write_1h)
        return max(self.input, *_known(*kinds, self.input_audio, self.input_image))

    @property
    def _dearest_output(self) -> int:
        return max(self.output, *_known(self.reasoning, self.output_audio, self.output_image))


def _holds(start: int, end: int, minute: int) -> bool:
    """Whether hours hold at a minute of the day."""
    return start <= minute < end if start <= end else minute >= start or minute < end


def _first(price: int | None, otherwise: int) -> int:
    return otherwise if price is None else price


def _known(*prices: int | None) -> list[int]:
    return [0, *(price for price in prices if price is not None)]
