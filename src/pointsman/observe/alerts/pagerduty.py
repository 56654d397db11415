"""Alerts to PagerDuty, as its Events API v2 takes them: a trouble triggers an incident, its end resolves it."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.observe.alerts.alert import NEWS, Alert
from pointsman.observe.alerts.channel import Web, demand, iso, post

EVENTS_URL = "https://events.pagerduty.com/v2/enqueue"
_MOST_SUMMARY = 1024
_MOST_KEY = 255


class PagerDuty:
    """Sends events to `web` with the routing key of a service; `source` is this machine's name."""

    def __init__(self, web: Web, source: str, routing_key: str, lacking: str = "") -> None:
        self._web = web
        self._source = source
        self._routing_key = routing_key
        self._lacking = lacking

    async def deliver(self, alert: Alert) -> None:
        """See `Channel`. What has no end is resolved at once, so that nobody has to."""
        demand(self._lacking)
        await post(self._web, msgspec.json.encode(self.event(alert)))
        if alert.kind in NEWS:
            await post(self._web, msgspec.json.encode(self._resolved(alert)))

    def secrets(self) -> tuple[str, ...]:
        """See `Channel`."""
        return (self._routing_key,)

    def event(self, alert: Alert) -> dict[str, Any]:
        """One event. Reminders trigger the same incident again, which changes its text and no more."""
        if alert.state == "resolved":
            return self._resolved(alert)
        return {
            "routing_key": self._routing_key,
            "event_action": "trigger",
            "dedup_key": alert.key[:_MOST_KEY],
            "client": "Pointsman",
            "payload": {
                "summary": alert.summary[:_MOST_SUMMARY],
                "source": self._source,
                "severity": alert.severity,
                "timestamp": iso(alert.at),
                "component": alert.subject,
                "class": alert.kind,
                "custom_details": {**alert.details, "since": iso(alert.since), "times": alert.times},
            },
        }

    def _resolved(self, alert: Alert) -> dict[str, Any]:
        return {"routing_key": self._routing_key, "event_action": "resolve", "dedup_key": alert.key[:_MOST_KEY]}
