"""Medians, percentiles and bootstrap intervals: a noisy machine's figures without false precision."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

DRAWS = 2000


@dataclass(frozen=True)
class Estimate:
    """A median or mean, and the interval that holds it with 95 % probability (bootstrap over rounds)."""

    value: float
    low: float
    high: float
    n: int

    def as_dict(self) -> dict[str, float]:
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n}


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the values lie, interpolated between neighbours."""
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def bootstrap(values: Sequence[float], seed: int = 7) -> Estimate:
    """The median of some rounds with its interval. Seeded: the same rounds give the same interval."""
    middle = statistics.median(values)
    if len(values) == 1:
        return Estimate(middle, middle, middle, 1)
    rng = random.Random(seed)
    medians = [statistics.median(rng.choices(values, k=len(values))) for _ in range(DRAWS)]
    return Estimate(middle, percentile(medians, 0.025), percentile(medians, 0.975), len(values))


def ratios(ours: Sequence[float | None], theirs: Sequence[float | None]) -> list[float]:
    """Round by round, ours over theirs; rounds in which either is missing are left out."""
    return [a / b for a, b in zip(ours, theirs, strict=False) if a is not None and b]


def mean(values: Sequence[float], seed: int = 7) -> Estimate:
    """The mean of some rounds with the interval that holds it with 95 % (bootstrap); seeded as `bootstrap` is."""
    middle = statistics.fmean(values)
    rng = random.Random(seed)
    means = [statistics.fmean(rng.choices(values, k=len(values))) for _ in range(DRAWS)]
    return Estimate(middle, percentile(means, 0.025), percentile(means, 0.975), len(values))


def tails(ours: Sequence[float], theirs: Sequence[float], share: float, seed: int = 7) -> Estimate:
    """One percentile of ours over the same of theirs, with its interval (bootstrap over calls, each side by itself)."""
    rng = random.Random(seed)

    def drawn(values: Sequence[float]) -> float:
        return percentile(rng.choices(values, k=len(values)), share)

    made = [drawn(ours) / drawn(theirs) for _ in range(DRAWS)]
    value = percentile(ours, share) / percentile(theirs, share)
    return Estimate(value, percentile(made, 0.025), percentile(made, 0.975), min(len(ours), len(theirs)))
