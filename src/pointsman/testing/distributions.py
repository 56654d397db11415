"""Distributions that a script can name: latency in seconds, lengths in tokens."""

from __future__ import annotations

import math
import random

import msgspec


class Fixed(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="fixed", forbid_unknown_fields=True):
    """Always the same."""

    value: float


class Normal(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="normal", forbid_unknown_fields=True):
    """Bell-shaped, cut off at 0."""

    mean: float
    sd: float


class Lognormal(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="lognormal", forbid_unknown_fields=True
):
    """Skewed as real latencies are: `median` in the distribution's unit, `sigma` of its logarithm."""

    median: float
    sigma: float


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One part of a mixture; weights need not add up to 1."""

    weight: float
    of: Distribution


class Mixture(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="mixture", forbid_unknown_fields=True):
    """One of several, e.g. mostly quick and now and then very slow."""

    parts: tuple[Part, ...]


Distribution = float | Fixed | Normal | Lognormal | Mixture
"""A plain number is that number, always."""


def sample(distribution: Distribution, rng: random.Random) -> float:
    """Draw once; never below 0.

    Args:
        distribution: what to draw from.
        rng: where the randomness comes from.
    """
    match distribution:
        case Fixed(value=value):
            return max(value, 0.0)
        case Normal(mean=mean, sd=sd):
            return max(rng.gauss(mean, sd), 0.0)
        case Lognormal(median=median, sigma=sigma):
            return median * math.exp(rng.gauss(0.0, sigma))
        case Mixture(parts=parts):
            chosen = rng.choices(parts, weights=[part.weight for part in parts])[0]
            return sample(chosen.of, rng)
        case number:
            return max(float(number), 0.0)
