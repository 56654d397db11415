"""Golden files: small exchanges in our own words, and what every other dialect makes of them, read by eye."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pointsman.wire.passage import Crossing
from pointsman.wire.port import Dialect
from pointsman.wire.trip import Outgoing, Trip
from wire.across.asks_judge import incoming as asking
from wire.across.asks_judge import model
from wire.across.dialects import every
from wire.across.frames import events
from wire.across.judge import NOW, incoming

FOLDER = Path(__file__).parent / "golden"


def _others(name: str) -> tuple[Dialect, list[Dialect]]:
    dialects = {dialect.name: dialect for dialect in every()}
    return dialects[name], [dialect for dialect in dialects.values() if dialect.name != name]


def carried(provider: str, body: dict[str, Any]) -> dict[str, Any]:
    """A provider's whole answer as the callers of the other dialects get it, whole and as a stream."""
    known, others = _others(provider)
    found = {}
    for caller in others:
        way = Crossing(caller, known)
        sent = json.dumps(body).encode()
        trips = [
            Trip(incoming=incoming(caller, stream=stream), outgoing=Outgoing(path="/", body=b""), now=NOW)
            for stream in (False, True)
        ]
        heard = way.read_answer(sent, trips[0])
        streamed = events(way.relay_whole(sent, trips[1])[1].decode())
        found[caller.name] = {
            "whole": json.loads(heard.body),
            "dropped": [f"{one.path}: {one.reason}" for one in heard.dropped],
            "stream": [[event.name, event.data if event.value is None else event.value] for event in streamed],
        }
    return found


def asked(caller: str, body: dict[str, Any]) -> dict[str, Any]:
    """A caller's request as the providers of the other dialects get it."""
    known, others = _others(caller)
    verb = ":streamGenerateContent" if body.get("stream") else ":generateContent"
    record = {"request": {"body": body, "path": verb}, "stream": bool(body.get("stream")), "model": "keel-1"}
    found = {}
    for provider in others:
        outgoing = Crossing(known, provider).write_request(asking(known, record), model(provider.name, "keel-1"))
        found[provider.name] = {
            "path": outgoing.path,
            "body": json.loads(outgoing.body),
            "dropped": [f"{one.path}: {one.reason}" for one in outgoing.dropped],
        }
    return found
