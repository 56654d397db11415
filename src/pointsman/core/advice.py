"""What a figure advises, in the same words wherever it is shown: in an alert, in a report, on a page."""

from __future__ import annotations

from typing import Literal

AlertKind = Literal[
    "breaker_open",
    "provider_down",
    "route_down",
    "failover_rate",
    "spend_rate",
    "spend_forecast",
    "call_cost",
    "unpriced_model",
    "price_change",
    "budget_used",
    "reconciliation_drift",
]
"""What people can be told of by an alert."""


def reconsider(route: str, primary: str, failovers: int, calls: int, when: str) -> str:
    """That a route's first model should be another one; `when` is e.g. `in the last 15 minutes`."""
    share = f"{100 * failovers / calls:.3g}" if calls else "0"
    who = f"its primary {primary}" if primary else "its primary"
    return (
        f"failover on {share} % of the calls of route {route} {when} ({failovers} of {calls}): {who} "
        "should be reconsidered"
    )
