"""The order of a plan's steps: who stands in for whom, and what health says about it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from pointsman.core.failure import State, Target
from pointsman.core.model import TIERS, Model
from pointsman.core.plan import NO_SPEEDS, Stands, Step, quickest_first

_ORDER: Mapping[Stands, int] = {"": 0, "same": 0, "better": 1, "poorer": 2, "local": 3, "demonstration": 4}
_LAST: Mapping[State, int] = {"closed": 0, "half_open": 0, "degraded": 1, "open": 2}
"""A target that is half open keeps its place: the one call that is let through to it shows whether it is well."""


def stand_ins(first: Model, others: Sequence[Model]) -> list[Model]:
    """Those who answer if `first` does not; `others` come in their order of preference.

    Models of the same tier, other providers' before its own siblings, for a provider that failed once will probably
    fail again; then better ones, then poorer ones, of which the quickest is asked first when it comes to that
    (`quickest_first`); then those of this machine, which can answer when every cloud is down; those for demonstration
    last.
    """
    return sorted(
        others, key=lambda model: (_ORDER[standing(first, model)], model.provider.name == first.provider.name)
    )


def standing(first: Model, model: Model) -> Stands:
    """What a model is beside the one that was chosen."""
    if model.demonstration:
        return "demonstration"
    if model.provider.local and not first.provider.local:
        return "local"
    if first.tier is None or model.tier is None or model.tier == first.tier:
        return "same"
    return "better" if TIERS.index(model.tier) > TIERS.index(first.tier) else "poorer"


def by_health(
    steps: Sequence[Step], states: Mapping[Target, State], speeds: Mapping[Target, float] = NO_SPEEDS
) -> tuple[Step, ...]:
    """The same steps, at least one: who is well, then who is slow or prone to errors, then who rests.

    Where that leaves a poorer one to be asked first, it is the quickest.
    """
    ordered = list(steps)
    if states:
        ordered.sort(key=lambda step: _LAST[states.get(step.target, "closed")])
        well = {target: speed for target, speed in speeds.items() if target not in states}
        ordered = quickest_first(ordered, well)
    return (msgspec.structs.replace(ordered[0], start="at_once"), *ordered[1:])
