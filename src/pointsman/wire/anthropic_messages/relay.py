"""Streams on their way from a provider to a caller, both speaking this dialect.

After the first few events with text only those are looked at that may be a message's own (its start, its sums, its
end) or an error; deltas of blocks, which are nearly all of a stream, pass unread.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.model import Price
from pointsman.core.usage import Usage
from pointsman.wire.anthropic_messages.answer import with_cost
from pointsman.wire.anthropic_messages.usage import later, usage_of
from pointsman.wire.event_relay import EventRelay
from pointsman.wire.parse import as_dict, as_text
from pointsman.wire.trip import AnswerFacts, Incoming

_TEXTS = ("text", "thinking", "partial_json", "content")
_CHARS_PER_TOKEN = 4


class MessagesRelay(EventRelay):
    """`streams.Relay` for messages."""

    __slots__ = ("_final", "_sums")

    def __init__(self, incoming: Incoming, price: Price | None) -> None:
        super().__init__(incoming, price)
        self._sums: dict[str, Any] = {}
        self._final = False  # the sums are those of the whole answer

    @property
    def facts(self) -> AnswerFacts:
        """What is known so far; before the end the input is known, and the output estimated."""
        usage = self._usage
        if usage is not None and not self._final:
            output = max(usage.output, self.written // _CHARS_PER_TOKEN)
            usage = msgspec.structs.replace(usage, output=output, estimated=True)
        return AnswerFacts(id=self._id, model=self._model, finish=self._finish, usage=usage)

    def _marked(self, events: bytes) -> bool:
        find = events.find
        return find(b'"message_') >= 0 or find(b'"error"') >= 0

    def _take(self, name: bytes, value: dict[str, Any]) -> int:  # noqa: ARG002 - the base's
        match value.get("type"):
            case "content_block_delta":
                text = self._characters(value)
                self._has_content = self._has_content or text > 0
                return text
            case "content_block_start":
                block = as_dict(value.get("content_block"))
                text = _written(block)
                says = text > 0 or block.get("type") not in ("text", "thinking")
                self._has_content = self._has_content or says
                return text
            case "message_start":
                message = as_dict(value.get("message"))
                self._id = self._id or as_text(message.get("id"))
                self._model = self._model or as_text(message.get("model"))
                self._count(message.get("usage"))
            case "message_delta":
                word = as_dict(value.get("delta")).get("stop_reason")
                self._count(value.get("usage"))
                if isinstance(word, str):
                    self._finish = word
                    self._has_content = self._final = True
            case "message_stop":
                self._done = self._final = True
        return 0

    def _characters(self, value: dict[str, Any]) -> int:
        return _written(as_dict(value.get("delta")))

    def _count(self, update: Any) -> None:
        self._sums = later(self._sums, update)
        self._usage = usage_of(self._sums) if self._sums else None

    def _shown(self, event: bytes, data: bytes, value: dict[str, Any]) -> bytes:
        if not self._final or value.get("type") != "message_delta":
            return event
        cost = _cost(self._price, self._usage)
        return event if cost is None else event.replace(data, with_cost(data, cost), 1)


def _cost(price: Price | None, usage: Usage | None) -> int | None:
    return price.cost(usage) if price is not None and usage is not None else None


def _written(fields: dict[str, Any]) -> int:
    """Characters of model text in a delta or at a block's beginning."""
    return sum(len(text) for name in _TEXTS if isinstance(text := fields.get(name), str))
