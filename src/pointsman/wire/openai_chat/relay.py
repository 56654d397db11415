"""Streams on their way from a provider to a caller, both speaking this dialect.

Looked at are, besides the first few, the events that name an error, an end, a finish reason or usage that are not null.
"""

from __future__ import annotations

from typing import Any

from pointsman.core.model import Price
from pointsman.wire import sse
from pointsman.wire.event_relay import EventRelay
from pointsman.wire.openai_chat.answer import with_cost
from pointsman.wire.openai_chat.usage import usage_of
from pointsman.wire.parse import as_count, as_dict, as_list, as_text
from pointsman.wire.services import served, service_of
from pointsman.wire.trip import AnswerFacts, Incoming

_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")
_NO_CONTENT = frozenset({"role", "obfuscation", "token_id", "channel", "name"})
_DONE = b"[DONE]"


def _marked(events: bytes) -> bool:
    """Whether something that the gateway has to know may stand in these events."""
    find = events.find  # `in` on bytes first tries its left side as a number, and costs an exception each time
    if find(_DONE) >= 0 or find(b'"error"') >= 0 or find(b"event:") >= 0:
        return True
    count = events.count
    named = count(b'finish_reason"')
    if named and named != (nulls := count(b'finish_reason":null')) and named != nulls + count(b'finish_reason": null'):
        return True
    named = count(b'"usage"')
    return bool(named) and named != count(b'"usage":null') + count(b'"usage": null')


class ChatRelay(EventRelay):
    """`streams.Relay` for chat and text completions."""

    __slots__ = ("_all", "_choices", "_finished", "_service", "_shows_usage", "_stated")

    def __init__(self, incoming: Incoming, price: Price | None) -> None:
        super().__init__(incoming, price)
        self._shows_usage = incoming.shows_usage
        self._all = incoming.needs.choices > 1  # several answers: every event is looked at, to know each one's end
        self._stated: dict[str, Any] | None = None
        self._service = ""
        self._choices: set[int] = set()
        self._finished: set[int] = set()

    @property
    def facts(self) -> AnswerFacts:
        """What is known so far."""
        usage = served(usage_of(self._stated), self._service) if self._stated else None
        return AnswerFacts(id=self._id, model=self._model, finish=self._finish, usage=usage)

    def _marked(self, events: bytes) -> bool:
        return self._all or _marked(events)

    def _ends(self, data: bytes | None) -> bool:
        return data is not None and data.strip() == _DONE

    def _complete(self) -> bool:
        """Whether every answer has ended, by `[DONE]` or by its finish reason."""
        if self._done:
            return self._seen > 0
        return bool(self._finished) and self._finished >= self._choices

    def _take(self, name: bytes, value: dict[str, Any]) -> int:  # noqa: ARG002 - for dialects whose events have names
        self._id = self._id or as_text(value.get("id"))
        self._model = self._model or as_text(value.get("model"))
        usage = value.get("usage") or as_dict(value.get("x_groq")).get("usage")
        if isinstance(usage, dict) and usage:
            self._stated = usage
        self._service = service_of(value.get("service_tier")) or self._service
        text = 0
        for choice in as_list(value.get("choices")):
            self._choice(as_dict(choice))
            text += _characters(as_dict(choice))
        return text

    def _characters(self, value: dict[str, Any]) -> int:
        return sum(_characters(as_dict(choice)) for choice in as_list(value.get("choices")))

    def _choice(self, choice: dict[str, Any]) -> None:
        """One choice of a chunk: whether it says something, and whether it ends."""
        index = as_count(choice.get("index"))
        self._choices.add(index)
        finish = choice.get("finish_reason")
        if finish is not None and finish != "":
            self._finished.add(index)
            self._finish = self._finish or (finish if isinstance(finish, str) else str(finish))
            self._has_content = True
        if not self._has_content:
            delta = as_dict(choice.get("delta"))
            self._has_content = bool(choice.get("text")) or any(
                value for key, value in delta.items() if key not in _NO_CONTENT
            )

    def _shown(self, event: bytes, data: bytes, value: dict[str, Any]) -> bytes:
        """The event itself, nothing for usage that the caller did not ask for, or with the cost."""
        usage = value.get("usage")
        if not isinstance(usage, dict) or not usage:
            return event
        alone = value.get("choices") == []
        if alone and not self._shows_usage:
            return sse.preamble(event)
        ended = alone or (bool(self._finished) and self._finished >= self._choices)
        if self._price is None or not ended or (used := self.facts.usage) is None:
            return event
        return event.replace(data, with_cost(data, self._price.cost(used)), 1)


def _characters(choice: dict[str, Any]) -> int:
    """Characters of model text in a choice of a chunk: content, reasoning, refusal, arguments, old text."""
    delta = choice.get("delta")
    if not isinstance(delta, dict):
        return len(as_text(choice.get("text")))
    calls = [as_dict(call).get("function") for call in as_list(delta.get("tool_calls"))]
    arguments = (as_dict(call).get("arguments") for call in (*calls, delta.get("function_call")))
    texts = (*(delta.get(name) for name in _TEXTS), *arguments)
    return sum(len(text) for text in texts if isinstance(text, str))
