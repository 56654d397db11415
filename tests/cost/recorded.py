"""Recorded answers on the gateway's own path: the dialect's reader, whole or streamed, then the model's price."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pointsman.compose.dialects import Dialects
from pointsman.core.errors import PointsmanError
from pointsman.core.model import Price
from pointsman.core.plan import Needs
from pointsman.core.usage import Usage
from pointsman.wire.trip import Incoming

FILES = {
    "openai-chat": "openai-chat",
    "openai-completions": "openai-chat",
    "mistral-chat": "mistral-chat",
    "openai-embeddings": "openai-embeddings",
    "openai-responses": "openai-responses",
    "anthropic-messages": "anthropic-messages",
    "gemini-generateContent": "gemini",
}
"""The recordings' dialects that are built, to the gateway's name for them."""


class Answer(NamedTuple):
    """A recorded answer that says what was used: its objects, and what the gateway makes of it."""

    record: dict[str, Any]
    objects: list[dict[str, Any]]
    usage: Usage | None
    written: int | None

    @property
    def kind(self) -> str:
        return str(self.record["dialect"])


def answers(folder: Path, price: Price) -> Iterator[Answer]:
    """Every recorded answer of a dialect that is built, but refusals and what broke off; streams get this price."""
    every = Dialects().every
    for path in sorted(folder.glob("*.jsonl.gz")):
        name = path.name.removesuffix(".jsonl.gz").partition("__")[2]
        if name not in FILES:
            continue
        dialect = every[FILES[name]]
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                found = _read(record, dialect, price)
                if found is not None:
                    yield found


def _read(record: dict[str, Any], dialect: Any, price: Price) -> Answer | None:
    response = record["response"]
    if response["status"] not in (200, None):
        return None
    body = response.get("body")
    try:
        if isinstance(body, dict):
            return Answer(record, [body], dialect.read_answer(json.dumps(body).encode()).usage, None)
        if "sse" in response:
            return _streamed(record, dialect, price)
    except PointsmanError:
        return None
    return None


def _streamed(record: dict[str, Any], dialect: Any, price: Price) -> Answer | None:
    data = response_bytes(record)
    wanted = (record["request"] or {}).get("body") or {}
    needs = Needs(dialect=dialect.name, stream=True, choices=wanted.get("n") or 1 if isinstance(wanted, dict) else 1)
    incoming = Incoming(surface="chat.completions", model="m", stream=True, needs=needs, fields={}, shows_usage=True)
    relay = dialect.relay(incoming, price)
    out = relay.feed(data) + relay.close()
    objects = _first_answer([one for text in events(data) if isinstance(one := _json(text), dict)])
    costs = [one for text in events(out) if (one := _cost_in(_json(text), objects)) is not None]
    return Answer(record, objects, relay.facts.usage, costs[-1] if costs else None)


def _first_answer(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Up to the first end: four recordings hold several answers one after the other."""
    for at, one in enumerate(objects):
        if one.get("type") in ("message_stop", "response.completed", "response.incomplete"):
            return objects[: at + 1]
    return objects


def response_bytes(record: dict[str, Any]) -> bytes:
    return str(record["response"]["sse"]).encode()


def events(data: bytes) -> Iterator[str]:
    """The data of each event, by the grammar's own words."""
    lines: list[str] = []
    for line in [*data.decode("utf-8", "replace").replace("\r\n", "\n").split("\n"), ""]:
        if line.startswith("data:"):
            lines.append(line[5:].removeprefix(" "))
        elif not line and lines:
            yield "\n".join(lines)
            lines = []


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_float=str)
    except ValueError:
        return None


def _cost_in(value: Any, before: list[dict[str, Any]]) -> int | None:
    """Nano-dollars of the cost that the gateway put into an event; None where the provider says one itself."""
    if not isinstance(value, dict):
        return None
    said = "cost" in json.dumps(before)
    usage = value.get("usage") or value.get("usageMetadata") or (value.get("response") or {}).get("usage")
    if said or not isinstance(usage, dict) or "cost" not in usage:
        return None
    from decimal import Decimal  # noqa: PLC0415

    return int(Decimal(str(usage["cost"])) * 10**9)
