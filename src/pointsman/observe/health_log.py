"""Changes of health, in the log."""

from __future__ import annotations

import logging

from pointsman.core.health import Transition

_log = logging.getLogger("pointsman.health")


def log_transition(change: Transition) -> None:
    """Write one line for a change of a target's state."""
    target = change.target
    name = f"{target.provider}/{target.upstream}" + (f" with ${target.key}" if target.key else "")
    level = logging.INFO if change.after == "closed" else logging.WARNING
    _log.log(level, "%s: %s, was %s: %s", name, change.after, change.before, change.why)
