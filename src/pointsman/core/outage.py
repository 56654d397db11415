"""What of a target's states is an outage. Alerts, the record of reliability and its sums judge by this alone."""

from __future__ import annotations

from pointsman.core.failure import State
from pointsman.core.health import Cause

PAUSES: frozenset[Cause] = frozenset({"pause", "limits"})
"""Rests that a provider asked for: it answers, only not so often."""


def is_down(after: State, cause: Cause, *, was: bool) -> bool:
    """Whether a target is down after a change of state; `was`: whether it was before.

    Half open says nothing new. A pause is no outage, and ends one.
    """
    if after == "half_open":
        return was
    return after == "open" and cause not in PAUSES
