"""What arrived at the simulator, what it did about it, and whether the client waited for it."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec

from pointsman.wire.parse import BAD_JSON

_SECRET = re.compile(r"auth|api-?key|token|secret|cookie|password")
"""In names of headers whose values nobody is shown."""


class Entry(msgspec.Struct, kw_only=True):
    """One request. Times in nanoseconds on the simulator's clock; 0 is «not yet».

    Attributes:
        number: counts from 1.
        provider, model, surface: who was asked for what; empty if that never became clear.
        method, path, headers, body: as received (headers in order, names in lower case; body cut at the limit).
        received: when the request was whole.
        status: of the answer; 0 if none was sent.
        fault: name of the fault that struck.
        stream: a stream was asked for.
        sent: pieces of the body sent (events, for a stream); known at its end, as the times below are.
        answered: when the first byte of the answer went out.
        finished: when the answer ended, on purpose.
        hung_up: when the client closed the connection before that.
        input, output, cached: tokens billed.
        cost: nano-dollars billed, by the model's price.
    """

    number: int
    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    received: int
    provider: str = ""
    model: str = ""
    surface: str = ""
    status: int = 0
    fault: str = ""
    stream: bool = False
    sent: int = 0
    answered: int = 0
    finished: int = 0
    hung_up: int = 0
    input: int = 0
    output: int = 0
    cached: int = 0
    cost: int = 0

    def json(self) -> Any:
        """The body as JSON; None if it is none."""
        try:
            return msgspec.json.decode(self.body)
        except BAD_JSON:
            return None

    def header(self, name: str) -> str:
        """First value of a header (name in lower case), or empty."""
        return next((value for key, value in self.headers if key == name), "")

    def shown(self) -> dict[str, Any]:
        """As plain data; a key that was sent is not in it."""
        fields = msgspec.structs.asdict(self)
        fields["headers"] = [(name, "…" if _SECRET.search(name) else value) for name, value in self.headers]
        return {**fields, "body": self.body.decode("utf-8", "replace")}


class Journal:
    """The last requests, bounded, and totals over all of them."""

    def __init__(self, size: int, body: int) -> None:
        self._entries: deque[Entry] = deque(maxlen=size)
        self._body = body
        self.requests = 0
        self.cost = 0

    def open(self, method: str, path: str, headers: list[tuple[bytes, bytes]], body: bytes, now: int) -> Entry:
        """Write down a request."""
        self.requests += 1
        entry = Entry(
            number=self.requests,
            method=method,
            path=path,
            headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers],
            body=body[: self._body],
            received=now,
        )
        self._entries.append(entry)
        return entry

    def book(self, entry: Entry) -> None:
        """Add to the totals what an answer cost, once it has ended."""
        self.cost += entry.cost

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Entry:
        return self._entries[index]

    def clear(self) -> None:
        """Forget everything; numbers go on."""
        self._entries.clear()
        self.cost = 0

    def of(self, provider: str = "", model: str = "") -> list[Entry]:
        """Requests to one provider or model."""
        return [e for e in self if provider in {"", e.provider} and model in {"", e.model}]
