"""Alerts to a chat, as Slack's incoming webhooks take them (and Mattermost's, and others')."""

from __future__ import annotations

import msgspec

from pointsman.observe.alerts.alert import Alert
from pointsman.observe.alerts.channel import Web, iso, post

_MARKS = {"critical": ":red_circle:", "warning": ":large_yellow_circle:", "info": ":large_blue_circle:"}
_OVER = ":large_green_circle:"


class Slack:
    """Posts alerts to `web`, an address that is itself a key; `source` is this machine's name."""

    def __init__(self, web: Web, source: str) -> None:
        self._web = web
        self._source = source

    async def deliver(self, alert: Alert) -> None:
        """See `Channel`."""
        await post(self._web, msgspec.json.encode({"text": self.text(alert)}))

    def secrets(self) -> tuple[str, ...]:
        """See `Channel`."""
        return (self._web.url,)

    def text(self, alert: Alert) -> str:
        """The message. What Slack would read as a link or a mention is written as text."""
        mark = _OVER if alert.state == "resolved" else _MARKS[alert.severity]
        summary = alert.summary.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return f"{mark} {summary}\n_{self._source}, {alert.kind} {alert.state}, {iso(alert.at)}_"
