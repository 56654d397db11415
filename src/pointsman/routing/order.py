"""The order of a plan's steps: who stands in for whom, and what health says about it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from pointsman.core.failure import State, Target
from pointsman.core.model import TIERS, Model
from pointsman.core.plan import Step

_LAST: Mapping[State, int] = {"closed": 0, "half_open": 0, "degraded": 1, "open": 2}
"""A target that is half open keeps its place: the one call that is let through to it shows whether it is well."""


def stand_ins(first: Model, others: Sequence[Model]) -> list[Model]:
    """Those who answer if `first` does not; `others` come in their order of preference.

    Models of the same tier, other providers' before its own siblings, for a provider that failed once will probably
    fail again; then better ones, then poorer ones; then those of this machine, which can answer when every cloud is
    down; models for demonstration last.
    """
    return sorted(others, key=lambda model: (_standing(first, model), model.provider.name == first.provider.name))


def _standing(first: Model, model: Model) -> int:
    if model.demonstration:
        return 4
    if model.provider.local and not first.provider.local:
        return 3
    if first.tier is None or model.tier is None or model.tier == first.tier:
        return 0
    return 1 if TIERS.index(model.tier) > TIERS.index(first.tier) else 2


def by_health(steps: Sequence[Step], states: Mapping[Target, State]) -> tuple[Step, ...]:
    """The same steps, at least one: who is well, then who is slow or prone to errors, then who rests."""
    ordered = steps
    if states:
        ordered = sorted(steps, key=lambda step: _LAST[states.get(step.target, "closed")])
    return (msgspec.structs.replace(ordered[0], start="at_once"), *ordered[1:])
