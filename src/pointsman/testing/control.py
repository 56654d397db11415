"""The simulator's own endpoints below `/_sim`: what a test does by Python object, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol
from urllib.parse import parse_qs

import msgspec

from pointsman.core.errors import PointsmanError
from pointsman.testing.faults import FAULTS
from pointsman.testing.http import Exchange
from pointsman.testing.journal import Journal
from pointsman.testing.temper import Injected
from pointsman.wire.parse import BAD_JSON

_JSON = [(b"content-type", b"application/json")]
_encode = msgspec.json.Encoder(enc_hook=str).encode


class Controlled(Protocol):
    """What the endpoints steer."""

    journal: Journal

    def queue(self, injected: Injected) -> None:
        """Queue a fault."""
        ...

    def reset(self) -> None:
        """Back to the start."""
        ...

    def refuse(self, provider: str) -> None:
        """Refuse connections."""
        ...

    def accept(self, provider: str) -> None:
        """Accept them again."""
        ...


class Control:
    """Answers `/_sim/…`."""

    def __init__(self, simulator: Controlled) -> None:
        self._simulator = simulator
        self._table: dict[tuple[str, str], Callable[[Exchange], object]] = {
            ("POST", "fault"): self._fault,
            ("POST", "reset"): self._reset,
            ("POST", "refuse"): lambda exchange: self._simulator.refuse(_provider(exchange)),
            ("POST", "accept"): lambda exchange: self._simulator.accept(_provider(exchange)),
            ("GET", "journal"): self._journal,
            ("GET", "faults"): lambda _: list(FAULTS.values()),
            ("GET", "totals"): self._totals,
        }

    def handle(self, exchange: Exchange) -> None:
        """Answer one request."""
        action = self._table.get((exchange.method, exchange.path.removeprefix("/_sim/")))
        if action is None:
            names = ", ".join(f"{method} /_sim/{name}" for method, name in self._table)
            exchange.reply(404, _JSON, _encode({"error": f"no such control; there are: {names}"}))
            return
        try:
            made = action(exchange)
        except (*BAD_JSON, PointsmanError) as error:
            exchange.reply(400, _JSON, _encode({"error": str(error)}))
            return
        exchange.reply(200, _JSON, _encode({"ok": True} if made is None else made))

    def _fault(self, exchange: Exchange) -> None:
        self._simulator.queue(msgspec.json.decode(exchange.body, type=Injected))

    def _reset(self, _: Exchange) -> None:
        self._simulator.reset()

    def _journal(self, exchange: Exchange) -> object:
        asked = {name: values[-1] for name, values in parse_qs(exchange.query).items()}
        entries = self._simulator.journal.of(asked.get("provider", ""), asked.get("model", ""))
        if (last := asked.get("last", "")).isdecimal():
            entries = entries[max(len(entries) - int(last), 0) :]
        return {"requests": self._simulator.journal.requests, "entries": [entry.shown() for entry in entries]}

    def _totals(self, _: Exchange) -> object:
        return {"requests": self._simulator.journal.requests, "cost_nanos": self._simulator.journal.cost}


def _provider(exchange: Exchange) -> str:
    fields = msgspec.json.decode(exchange.body, type=dict[str, str])
    return fields.get("provider", "")
