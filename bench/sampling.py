"""At which moments of a simulated year a call is made, and how many seconds of the year each call stands for.

Almost all of a year is well, and there every call goes the same way. So the year is cut into slices, short where
something is the matter and long where nothing is; in each slice a call, or a few together, are made at a random moment
and weigh as much as the slice is long. Sums of weights are then estimates of time.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pointsman.testing.spells import Timetable, steps


@dataclass(frozen=True)
class Rates:
    """Seconds between calls, by what is the matter.

    Attributes:
        edge: from `before` to `after` seconds around each moment at which anybody's trouble begins or ends.
        two: while two providers or more are in trouble.
        one: while one is, and `margin` seconds around it, so that whatever remembers the past has seen some calls.
        well: otherwise.
        burst, apart: in `one` and `two` so many calls come together, so many seconds from each other. A breaker lets
            one call through to see whether its provider is well again, and where every call comes a minute after the
            last, every call is that one.
    """

    edge: float = 4.0
    two: float = 15.0
    one: float = 60.0
    well: float = 7200.0
    before: float = 8.0
    after: float = 32.0
    margin: float = 120.0
    burst: int = 8
    apart: float = 2.0


@dataclass(frozen=True)
class Moment:
    """A call to be made: when (seconds), and the seconds that it stands for."""

    at: float
    weight: float


def moments(tables: Mapping[str, Timetable], seconds: float, draw: random.Random, rates: Rates) -> Iterator[Moment]:
    """The calls of a time, in order; their weights add up to `seconds`."""
    for start, end, gap in _levels(tables, seconds, rates):
        slices = gap if gap in (rates.edge, rates.well) else gap * rates.burst
        at = start
        while at < end:
            until = at + slices if at + 1.5 * slices < end else end
            count = 1 if slices == gap else max(round((until - at) / gap), 1)
            apart = min(rates.apart, (until - at) / count)
            first = at + draw.random() * (until - at - apart * (count - 1))
            for number in range(count):
                yield Moment(first + number * apart, (until - at) / count)
            at = until


def _levels(tables: Mapping[str, Timetable], seconds: float, rates: Rates) -> Iterator[tuple[float, float, float]]:
    """From, until, and the gap between calls there."""
    changes: list[tuple[float, int, float]] = [(0.0, 1, rates.well), (seconds, -1, rates.well)]
    for start, end, gap in _spans(tables, seconds, rates):
        low, high = max(start, 0.0), min(end, seconds)
        if low < high:
            changes += [(low, 1, gap), (high, -1, gap)]
    counts: dict[float, int] = {}
    begun = 0.0
    for moment, change, gap in sorted(changes):
        if moment > begun:
            yield begun, moment, min(level for level, count in counts.items() if count)
            begun = moment
        counts[gap] = counts.get(gap, 0) + change


def _spans(tables: Mapping[str, Timetable], seconds: float, rates: Rates) -> Iterator[tuple[float, float, float]]:
    for table in tables.values():
        for spell in table.spells:
            yield spell.start - rates.margin, spell.end + rates.margin, rates.one
            for edge in (spell.start, spell.end):
                yield edge - rates.before, edge + rates.after, rates.edge
    for start, end, who in steps(tables, seconds):
        if len(who) > 1:
            yield start, end, rates.two
