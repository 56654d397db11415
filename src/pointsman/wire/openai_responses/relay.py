"""Streams on their way from a provider to a caller, both speaking this dialect."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.errors import UpstreamRefused
from pointsman.core.model import Price
from pointsman.wire.event_relay import EventRelay
from pointsman.wire.openai_responses.answer import facts_in, failure_in, response_in, with_cost_inside
from pointsman.wire.parse import as_dict, as_text
from pointsman.wire.trip import Incoming

_encode = msgspec.json.Encoder().encode
DONE = b"[DONE]"
ENDS = frozenset({"response.completed", "response.incomplete"})
FAILED = "response.failed"
_EMPTY = frozenset({"message", "reasoning"})
"""Items whose beginning says nothing yet."""


class ResponsesRelay(EventRelay):
    """`streams.Relay` for Responses.

    A named last event ends the stream. Where events have no names (OpenRouter), `[DONE]` still follows it.
    """

    __slots__ = ("_begun", "_ended", "_last_data")

    def __init__(self, incoming: Incoming, price: Price | None) -> None:
        super().__init__(incoming, price)
        self._ended = False
        self._last_data = b""
        self._begun: dict[str, Any] | None = None

    @property
    def final(self) -> bytes:
        """The response as the last event holds it, cost included; empty before that."""
        return response_in(self._last_data)

    @property
    def so_far(self) -> bytes:
        """The response as the newest event about it holds it: what has come of its items is not gathered."""
        try:
            return b"" if self._begun is None else _encode(self._begun)
        except (ValueError, OverflowError):  # half a character, a number without bounds
            return b""

    def _marked(self, events: bytes) -> bool:
        find = events.find
        # Only the events about the whole answer hold a `response`, and its first and last are among them. Text cannot
        # look like any of these: its quotation marks and line ends are escaped.
        return (
            find(b'"response"') >= 0
            or find(b'"error"') >= 0
            or find(b"error\n") >= 0
            or find(b"error\r") >= 0
            or find(DONE) >= 0
        )

    def _ends(self, data: bytes | None) -> bool:
        return data is not None and data.strip() == DONE

    def _complete(self) -> bool:
        return self._ended

    def _event(self, event: bytes) -> bytes:
        try:
            return super()._event(event)
        except UpstreamRefused as refused:
            refused.body = b""  # an event is no error body: the caller gets ours
            raise

    def _take(self, name: bytes, value: dict[str, Any]) -> int:
        kind = as_text(value.get("type")) or name.decode("latin-1")
        response = value.get("response")
        if isinstance(response, dict) and response:
            self._response(kind, response)
            self._done = self._ended and bool(name)
        elif not self._has_content:
            self._has_content = _says_something(kind, value)
        return self._characters(value)

    def _response(self, kind: str, response: dict[str, Any]) -> None:
        """An event about the whole answer."""
        if kind == FAILED:
            response = {**response, "status": "failed"}
        refused = failure_in(response)
        if refused is not None:
            raise refused
        self._begun = response
        facts = facts_in(response)
        self._id, self._model = self._id or facts.id, self._model or facts.model
        if kind in ENDS:
            self._ended = self._has_content = True
            self._finish = facts.finish or kind.rpartition(".")[2]
            self._usage = facts.usage or self._usage

    def _characters(self, value: dict[str, Any]) -> int:
        return len(as_text(value.get("delta")))

    def _shown(self, event: bytes, data: bytes, value: dict[str, Any]) -> bytes:  # noqa: ARG002 - the base's
        if not self._ended or self._last_data:
            return event
        self._last_data = data
        cost = None if self._price is None or self._usage is None else self._price.cost(self._usage)
        if cost is None:
            return event
        self._last_data = with_cost_inside(data, cost)
        return event.replace(data, self._last_data, 1)


def _says_something(kind: str, value: dict[str, Any]) -> bool:
    """Whether an event holds content: anything but the beginning of a message or of some thinking."""
    if kind == "response.output_item.added":
        item = as_dict(value.get("item"))
        return as_text(item.get("type")) not in _EMPTY or bool(item.get("content") or item.get("summary"))
    if kind in ("response.content_part.added", "response.reasoning_summary_part.added"):
        part = as_dict(value.get("part"))
        return bool(part.get("text") or part.get("refusal"))
    if kind.endswith(".delta"):
        return bool(value.get("delta"))
    return kind.startswith("response.") and not kind.endswith((".queued", ".in_progress", ".created"))
