"""Two independent providers: does the simulation agree with arithmetic?

Both are down together so rarely (a few minutes in a year) that twenty years say little. So the time in which both are
down is counted from many thousand timetables without calls, and calls are made around a sample of just these times, to
see that the line answers exactly when somebody can.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from bench.lived import live
from bench.sampling import Rates, moments

from pointsman.testing.spells import Habits, Spell, Timetable, steps, timetables

WINDOWS = 120
_PART = 1000
_YEAR = 365 * 86_400.0
_AROUND = 400.0
_SURE = 1.96
_RATES = Rates(edge=4.0, two=20.0, one=20.0, well=20.0)


@dataclass(frozen=True)
class Window:
    """A time in which both are down, and both timetables around it, in seconds from its own beginning."""

    start: float
    end: float
    seconds: float
    spells: dict[str, tuple[Spell, ...]]


@dataclass(frozen=True)
class Agreement:
    """Shares of time: not answered by arithmetic, and by simulation with half the width of its 95 % interval.

    `both` is the share in which both are down, `lost_both` the share of the calls begun then that got no answer,
    `lost_else` what was lost while somebody could have answered.
    """

    arithmetic: float
    simulated: float
    half: float
    both: float
    lost_both: float
    lost_else: float
    windows: int
    years: int

    @property
    def agrees(self) -> bool:
        return abs(self.simulated - self.arithmetic) <= self.half

    def text(self) -> str:
        agree = "they agree" if self.agrees else "they do NOT agree"
        return (
            f"Two independent providers, arithmetic: {(1 - self.arithmetic) * 100:.5f} % answered; simulated: "
            f"{(1 - self.simulated) * 100:.5f} % +- {self.half * 100:.5f} %: {agree}.\n"
            f"  Both down for {self.both * 100:.5f} % of {self.years:,} years; of the calls begun then (in "
            f"{self.windows} such times) {self.lost_both:.2%} got no answer; lost while somebody could answer: "
            f"{self.lost_else * 100:.6f} %."
        )


def agreement(
    habits: Sequence[Habits], lost: Sequence[float], *, years: int, patience: float, pool: Executor
) -> Agreement:
    """Compare.

    Args:
        habits: of two providers.
        lost: for each simulated year, the share that was lost while somebody could have answered.
        years: of timetables without calls.
        patience: seconds after which a caller hangs up.
        pool: does the work.
    """
    parts = [pool.submit(_together, habits, start, min(_PART, years - start)) for start in range(0, years, _PART)]
    together = [year for part in parts for year in part.result()[0]]
    windows = [window for part in parts for window in part.result()[1]]
    chosen = random.Random(1).sample(windows, min(WINDOWS, len(windows)))
    jobs = [pool.submit(_lived, window, seed, patience) for seed, window in enumerate(chosen)]
    gone = [job.result() for job in jobs]
    weight = sum(seconds for _, seconds in gone)
    lost_both = sum(unanswered for unanswered, _ in gone) / weight
    both, lost_else = statistics.fmean(together), statistics.fmean(lost)
    spread = (_error(together) * lost_both) ** 2 + _error(lost) ** 2
    spread += (both * _error([one[0] - lost_both * one[1] for one in gone]) * len(gone) / weight) ** 2
    return Agreement(
        arithmetic=math.prod(1 - one.uptime for one in habits),
        simulated=both * lost_both + lost_else,
        half=_SURE * math.sqrt(spread),
        both=both,
        lost_both=lost_both,
        lost_else=lost_else,
        windows=len(gone),
        years=years,
    )


def _together(habits: Sequence[Habits], first: int, years: int) -> tuple[list[float], list[Window]]:
    """Of each year, the share in which both are down, and the times."""
    shares, windows = [], []
    for year in range(first, first + years):
        tables = timetables(habits, seed=f"pair/{year}", seconds=_YEAR)
        found = [(start, end) for start, end, who in steps(tables, _YEAR) if len(who) == len(tables)]
        shares.append(sum(end - start for start, end in found) / _YEAR)
        windows += [_window(tables, start, end) for start, end in found]
    return shares, windows


def _window(tables: dict[str, Timetable], start: float, end: float) -> Window:
    first = start - _AROUND
    near = {
        name: tuple(
            Spell(max(one.start - first, 0.0), one.end - first, one.trouble, one.way)
            for one in table.spells
            if one.end > first and one.start < end + _AROUND
        )
        for name, table in tables.items()
    }
    return Window(_AROUND, end - first, end - first + _AROUND, near)


def _lived(window: Window, seed: int, patience: float) -> tuple[float, float]:
    """Seconds of calls begun while both were down, unanswered and in all."""
    tables = {name: Timetable(spells) for name, spells in window.spells.items()}
    calls = list(moments(tables, window.seconds, random.Random(seed), _RATES))
    tally = live(tables, calls, seed=seed, patience=patience)
    begun = sum(one.weight for one in calls if window.start <= one.at < window.end)
    return sum(tally.lost.values()) - tally.lost_able, begun


def _error(values: Sequence[float]) -> float:
    """The standard error of a mean."""
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
