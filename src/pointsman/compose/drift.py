"""Drift between a provider's bill and the ledger, told through the channels of alerts, and its end where that was told.

A reconciliation is a process of its own, so what was told of stands in the store: the next one of the same provider
that is within the tolerance tells that it is over.
"""

from __future__ import annotations

import asyncio

import msgspec

from pointsman.compose.house import House
from pointsman.insight.periods import Period
from pointsman.insight.reconcile.answer import Reconciliation
from pointsman.insight.reconcile.words import figure, verdict, worst
from pointsman.observe.alerts.alert import Alert, Details, Kind, State
from pointsman.store.alert_claims import AlertClaims, Told

KIND: Kind = "reconciliation_drift"
_KEEPER = "reconcile"
"""In whose name it stands in the store that drift was told: no gateway's, so that none forgets it at its end."""


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """What was told (empty: nothing was due), and by channel why it was not taken (empty if it was)."""

    summary: str = ""
    channels: dict[str, str] = {}


async def tell_drift(house: House, found: Reconciliation) -> Delivered:
    """Tell that both sides have drifted apart, or that this is over where it was told; else nothing.

    For a house that does not run. Each channel is tried once.
    """
    pieces = house.pieces
    claims = AlertClaims(pieces.url, pieces.clock, _KEEPER)
    try:
        return await _tell(house, found, claims, pieces.clock.now())
    finally:
        await asyncio.to_thread(claims.disconnect)
        await pieces.carrier.aclose()


async def _tell(house: House, found: Reconciliation, claims: AlertClaims, now: int) -> Delivered:
    alert = drift_alert(found, await claims.told(f"{KIND} {_subject(found)}"), now)
    if alert is None:
        return Delivered()
    channels = await house.alerting.send(alert)
    if alert.state != "reminder" and any(not why for why in channels.values()):
        await claims.take(f"{KIND} {alert.subject}", alert.state, now, 0)
    return Delivered(summary=alert.summary, channels=channels)


def drift_alert(found: Reconciliation, told: Told | None, now: int) -> Alert | None:
    """The alert that is due; None where all is well and nothing else was told. `now` is nanoseconds since the epoch."""
    since = told.at if told is not None and told.state == "firing" else None
    if not found.alarm and since is None:
        return None
    state: State = "resolved" if not found.alarm else "firing" if since is None else "reminder"
    subject, when = _subject(found), Period(found.start, found.end).shown
    limit = f"{100 * found.tolerance:g} %"
    if found.alarm:
        says = f"the bill of {subject} and the ledger have drifted apart in {when}: {verdict(found)}, above {limit}"
        part = worst(found)
        most = f"; most of it at {part.name}" if part is not None else ""
    else:
        says, most = f"the bill of {subject} and the ledger agree again in {when}: {verdict(found)}, within {limit}", ""
    return Alert(
        kind=KIND,
        state=state,
        subject=subject,
        summary=says + most,
        at=now,
        since=now if since is None else since,
        until=now if state == "resolved" else None,
        details=_details(found, when),
    )


def _subject(found: Reconciliation) -> str:
    return found.provider or "all providers"


def _details(found: Reconciliation, when: str) -> Details:
    details: Details = {
        "provider": found.provider,
        "period": when,
        "of": found.of,
        "tolerance": found.tolerance,
        "there": figure(found.there, found.of),
        "here": figure(found.here, found.of),
        "differences": len(found.findings) + found.unnamed,
    }
    for name, share in (("drift", found.drift), ("gross", found.gross)):
        if share is not None:
            details[name] = round(share, 6)
    part = worst(found)
    return details if part is None else {**details, "model": part.name}
