"""When providers are in trouble: timetables made from stated habits and a seed, and nothing else.

Outages begin at random (a Poisson process) and last exponentially long. Their rate is chosen so that the share of time
in which a provider is up is exactly the one stated, over many years; one year differs from the next, as in life.
Seconds everywhere, counted from the beginning of the timetable.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal

import msgspec

Trouble = Literal["down", "limited", "slow"]
"""`down`: it cannot answer. `limited`: 429 with the true wait. `slow`: a brown-out, slow and one call in three fails.
Where several hold at once the first of these counts."""
Way = Literal["errors", "refused", "unreachable", "reset", "silent", "mixed"]
"""How it is down: 500 and 503, connections refused, connections that never come about, reset before a head, silence
before or after the head; `mixed` is any of these, by call."""
WAYS: dict[Way, float] = {
    "errors": 0.4,
    "refused": 0.1,
    "unreachable": 0.05,
    "reset": 0.1,
    "silent": 0.2,
    "mixed": 0.15,
}
"""How often each is the way of an outage."""
_RANK: dict[Trouble, int] = {"down": 0, "limited": 1, "slow": 2}
_WARM_UP = 10
"""Mean lengths before the beginning from which spells are made, so that one may be under way when time begins."""
_DAY = 86_400.0


class Spell(msgspec.Struct, frozen=True):
    """A time in which a provider is in trouble: from `start` until before `end`."""

    start: float
    end: float
    trouble: Trouble = "down"
    way: Way = "errors"


class Habits(msgspec.Struct, frozen=True, kw_only=True):
    """How often a provider is in trouble, and for how long.

    Attributes:
        name: of the provider.
        uptime: share of the time in which it is not down, above 0 up to 1.
        repair: mean length of an outage.
        slow: share of the time in which it has a brown-out.
        slow_for: mean length of a brown-out.
        limited: spells of 429 a day.
        limited_for: mean length of one.
    """

    name: str
    uptime: float = 1.0
    repair: float = 3600.0
    slow: float = 0.0
    slow_for: float = 1800.0
    limited: float = 0.0
    limited_for: float = 60.0


class Timetable:
    """One provider's troubles, in order and without overlap.

    Args:
        spells: in any order; where they overlap, `down` hides `limited`, and that `slow`.
    """

    def __init__(self, spells: Sequence[Spell]) -> None:
        self.spells = tuple(_flat(spells))
        self._starts = [spell.start for spell in self.spells]
        self._downs = [spell for spell in self.spells if spell.trouble == "down"]
        self._down_starts = [spell.start for spell in self._downs]

    def at(self, moment: float) -> Spell | None:
        """The trouble of a moment; None where all is well."""
        place = bisect_right(self._starts, moment) - 1
        if place < 0 or moment >= self.spells[place].end:
            return None
        return self.spells[place]

    def next_down(self, moment: float) -> Spell | None:
        """The first outage that begins after a moment."""
        place = bisect_right(self._down_starts, moment)
        return self._downs[place] if place < len(self._downs) else None

    def total(self, trouble: Trouble) -> float:
        """Seconds spent in a kind of trouble."""
        return sum(spell.end - spell.start for spell in self.spells if spell.trouble == trouble)


def timetables(
    habits: Sequence[Habits], *, seed: int | str, seconds: float, shared: float = 0.0
) -> dict[str, Timetable]:
    """The troubles of some providers over a time.

    Args:
        habits: of each.
        seed: the same gives the same.
        seconds: how long.
        shared: share of the outages that strike two providers at once, for the same time. Each provider's uptime stays
            what its habits say.

    Raises:
        ValueError: an uptime outside its range, or providers whose uptimes are too far apart for so large a share.
    """
    spells: dict[str, list[Spell]] = {one.name: [] for one in habits}
    for one, rate in zip(habits, rates(habits, shared), strict=True):
        draw = random.Random(f"{seed}/{one.name}/down")  # noqa: S311 - a simulation
        others = [other.name for other in habits if other is not one]
        for start, end in _times(draw, rate, one.repair, seconds):
            struck = [one.name, draw.choice(others)] if others and draw.random() < shared else [one.name]
            for name in struck:  # what broke is the same, what it looks like need not be
                spells[name].append(Spell(start, end, "down", _way(draw)))
        spells[one.name] += _besides(one, seed, seconds)
    return {name: Timetable(some) for name, some in spells.items()}


def rates(habits: Sequence[Habits], shared: float) -> list[float]:
    """Outages a second that each provider begins, of which the share `shared` strikes one other besides.

    Raises:
        ValueError: as `timetables`.
    """
    if not all(0 < one.uptime <= 1 for one in habits) or not 0 <= shared < 1:
        raise ValueError("an uptime is above 0 and at most 1, and the shared share is from 0 to below 1")
    wanted = [-math.log(one.uptime) / one.repair for one in habits]  # exact also where outages overlap
    if len(habits) < 2 or not shared:
        return wanted
    # Each suffers its own and its part of the others': own + part * (all - own) = wanted, all * (1 + shared) = sum.
    part = shared / (len(habits) - 1)
    everybody = sum(wanted) / (1 + shared)
    own = [(rate - part * everybody) / (1 - part) for rate in wanted]
    if min(own) < 0:
        raise ValueError(f"{shared:.0%} of the outages cannot be shared: one provider has too few of its own")
    return own


def steps(tables: Mapping[str, Timetable], seconds: float) -> Iterator[tuple[float, float, dict[str, Spell]]]:
    """A time cut where anybody's trouble changes: from, until, and who is in which trouble there."""
    cuts = {0.0, seconds}
    for table in tables.values():
        cuts.update(edge for spell in table.spells for edge in (spell.start, spell.end) if 0 < edge < seconds)
    ordered = sorted(cuts)
    for start, end in pairwise(ordered):
        found = ((name, table.at(start)) for name, table in tables.items())
        yield start, end, {name: spell for name, spell in found if spell is not None}


def _besides(one: Habits, seed: int | str, seconds: float) -> list[Spell]:
    """Brown-outs and spells of 429."""
    slow = random.Random(f"{seed}/{one.name}/slow")  # noqa: S311 - a simulation
    limited = random.Random(f"{seed}/{one.name}/limited")  # noqa: S311 - a simulation
    rate = -math.log(1 - one.slow) / one.slow_for
    return [
        *(Spell(start, end, "slow") for start, end in _times(slow, rate, one.slow_for, seconds)),
        *(Spell(start, end, "limited") for start, end in _times(limited, one.limited / _DAY, one.limited_for, seconds)),
    ]


def _times(draw: random.Random, rate: float, mean: float, seconds: float) -> Iterator[tuple[float, float]]:
    """Spells that begin `rate` times a second and last `mean` seconds, as far as they lie within the time."""
    if rate <= 0:
        return
    start = -_WARM_UP * mean
    while (start := start + draw.expovariate(rate)) < seconds:
        end = start + draw.expovariate(1 / mean)
        if end > 0:
            yield max(start, 0.0), min(end, seconds)


def _way(draw: random.Random) -> Way:
    return draw.choices(list(WAYS), weights=list(WAYS.values()))[0]


def _flat(spells: Sequence[Spell]) -> Iterator[Spell]:
    """Spells without overlap, in order: at each moment the worst that holds, of several the one that began first."""
    edges = sorted({edge for spell in spells for edge in (spell.start, spell.end)})
    waiting = sorted(spells, key=lambda spell: spell.start)
    active: list[Spell] = []
    last: Spell | None = None  # the spell whose piece is growing
    begun = until = 0.0
    place = 0
    for start, end in pairwise(edges):
        while place < len(waiting) and waiting[place].start <= start:
            active.append(waiting[place])
            place += 1
        active = [spell for spell in active if spell.end > start]
        worst = min(active, key=lambda spell: (_RANK[spell.trouble], spell.start), default=None)
        if worst is not last:
            if last is not None:
                yield Spell(begun, until, last.trouble, last.way)
            last, begun = worst, start
        until = end
    if last is not None:
        yield Spell(begun, until, last.trouble, last.way)
