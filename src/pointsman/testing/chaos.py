"""Providers that are well and ill by turns: chaos becomes a timetable of outages, so that a seed says all of it."""

from __future__ import annotations

import random

import msgspec

from pointsman.testing.distributions import sample
from pointsman.testing.script import Chaos, Outage, Script

_LEAST = 0.05  # seconds of any turn: the timetable is looked at 20 times a second
_MOST = 100_000  # outages of one provider


def timetable(chaos: Chaos, seed: int, provider: str) -> tuple[Outage, ...]:
    """The outages that a seed draws for a provider, in order, none beyond `chaos.lasts`."""
    rng = random.Random(f"chaos/{seed}/{provider}")  # noqa: S311 - repeatable on purpose
    weights = [mishap.weight for mishap in chaos.mishaps]
    made: list[Outage] = []
    at = max(sample(chaos.well, rng), _LEAST)
    while at < chaos.lasts and len(made) < _MOST and chaos.mishaps:
        mishap = rng.choices(chaos.mishaps, weights)[0]
        end = min(at + max(sample(chaos.ill, rng), _LEAST), chaos.lasts)
        made.append(
            Outage(
                start=at,
                end=end,
                fault=mishap.fault,
                probability=mishap.probability,
                after=mishap.after,
                seconds=mishap.seconds,
            )
        )
        at = end + max(sample(chaos.well, rng), _LEAST)
    return tuple(made)


def settled(script: Script) -> Script:
    """The script with all chaos drawn."""
    providers = tuple(
        msgspec.structs.replace(
            provider,
            chaos=None,
            outages=provider.outages + timetable(provider.chaos, script.seed, provider.name),
        )
        if provider.chaos is not None
        else provider
        for provider in script.providers
    )
    return msgspec.structs.replace(script, providers=providers)
