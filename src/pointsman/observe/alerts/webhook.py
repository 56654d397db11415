"""Alerts as JSON to a URL of one's own; `docs/reference/alerts.md` describes the body."""

from __future__ import annotations

import hashlib
import hmac

import msgspec

from pointsman.observe.alerts.alert import Alert, Details, Kind, Severity, State
from pointsman.observe.alerts.channel import Web, demand, iso, post

SIGNATURE = b"pointsman-signature"


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """What is posted. Moments are ISO 8601 in UTC."""

    version: int = 1
    key: str
    kind: Kind
    state: State
    severity: Severity
    subject: str
    summary: str
    at: str
    since: str
    until: str | None
    duration_seconds: float | None
    times: int
    source: str
    details: Details


class Webhook:
    """Posts alerts.

    Args:
        web: where to.
        source: who says it: this machine's name.
        secret: signs the body, where there is one.
        lacking: the variable of the secret, where it is not set.
    """

    def __init__(self, web: Web, source: str, secret: str = "", lacking: str = "") -> None:
        self._web = web
        self._source = source
        self._secret = secret
        self._lacking = lacking

    async def deliver(self, alert: Alert) -> None:
        """See `Channel`."""
        demand(self._lacking)  # a body that should be signed is not sent without
        body = msgspec.json.encode(body_of(alert, self._source))
        headers = ((SIGNATURE, signature(self._secret, body)),) if self._secret else ()
        await post(self._web, body, headers)

    def secrets(self) -> tuple[str, ...]:
        """See `Channel`. Many a URL carries a token in its path."""
        return (self._secret, self._web.url)


def body_of(alert: Alert, source: str) -> Body:
    """An alert as it is posted."""
    return Body(
        key=alert.key,
        kind=alert.kind,
        state=alert.state,
        severity=alert.severity,
        subject=alert.subject,
        summary=alert.summary,
        at=iso(alert.at),
        since=iso(alert.since),
        until=None if alert.until is None else iso(alert.until),
        duration_seconds=None if alert.until is None else round((alert.until - alert.since) / 1e9, 3),
        times=alert.times,
        source=source,
        details=alert.details,
    )


def signature(secret: str, body: bytes) -> bytes:
    """`sha256=` and the HMAC-SHA256 of the body in hexadecimal."""
    return b"sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()
