"""Streams on their way from a provider to a caller, both speaking this dialect.

Usage runs along on every chunk, so chunks cannot be told by it: ordinary ones pass unread, and of the last one the
usage is read when somebody asks. What is looked at are ends, errors and blocked prompts, and all that follows an end.
"""

from __future__ import annotations

from typing import Any

from pointsman.core.errors import UpstreamGarbage, UpstreamRefused
from pointsman.core.model import Price
from pointsman.core.usage import Fees, Usage
from pointsman.wire import sse
from pointsman.wire.event_relay import EventRelay
from pointsman.wire.gemini.answer import NAME, with_cost
from pointsman.wire.gemini.ends import block_word, graver, word_of
from pointsman.wire.gemini.framing import Framing
from pointsman.wire.gemini.seals import SEAL
from pointsman.wire.gemini.usage import usage_of
from pointsman.wire.parse import BAD_JSON, as_count, as_dict, as_list, as_text, loads
from pointsman.wire.refusals import refusal_of
from pointsman.wire.services import grounding, searches_in, served
from pointsman.wire.trip import AnswerFacts, Incoming


class GeminiRelay(EventRelay):
    """`streams.Relay` for streamed contents."""

    __slots__ = ("_all", "_blocked", "_candidates", "_ended", "_searches", "_tail")

    def __init__(self, incoming: Incoming, price: Price | None) -> None:
        super().__init__(incoming, price)
        self._frames = Framing()
        self._all = incoming.needs.choices > 1  # several answers: every event is looked at, to know each one's end
        self._blocked = False
        self._candidates: set[int] = set()
        self._ended: set[int] = set()
        self._searches: dict[int, int] = {}
        self._tail = b""  # the latest events that were not looked at

    @property
    def facts(self) -> AnswerFacts:
        """What is known so far; usage is that of the latest chunk which has any."""
        if self._tail:
            self._usage = self._tail_usage() or self._usage
            self._tail = b""
        usage = served(self._usage, "", self._fees()) if self._searches else self._usage
        return AnswerFacts(id=self._id, model=self._model, finish=self._finish, usage=usage)

    def _fees(self) -> Fees:
        return grounding(sum(self._searches.values()), self._model)

    def _marked(self, events: bytes) -> bool:
        find = events.find
        if find(b'"finishReason"') >= 0 or find(b'"error"') >= 0 or find(b'"promptFeedback"') >= 0:
            return True
        if find(b'"groundingMetadata"') >= 0:
            return True
        return find(b"data:") < 0

    def _pass(self, events: bytes) -> bytes:
        self._tail = events
        return super()._pass(events)

    def _tail_usage(self) -> Usage | None:
        """The usage in the latest of the events that were not looked at."""
        for event in reversed(sse.split(self._tail)):
            if event.find(NAME) >= 0:
                data = sse.fields(event)[1]
                try:
                    value = loads(data or b"")
                except BAD_JSON:
                    continue
                usage = usage_of(as_dict(as_dict(value).get("usageMetadata")))
                if usage is not None:
                    return usage
        return None

    def _event(self, event: bytes) -> bytes:
        if event.lstrip().startswith((b"{", b"[")):
            raise plain_error(event)
        shown = super()._event(event)
        if self._ended or self._all:
            self._plain = False  # usage, and another end, may follow
        return shown

    def _take(self, name: bytes, value: dict[str, Any]) -> int:  # noqa: ARG002 - Google names no events
        self._id = self._id or as_text(value.get("responseId"))
        self._model = self._model or as_text(value.get("modelVersion"))
        usage = value.get("usageMetadata")
        if isinstance(usage, dict) and (used := usage_of(usage)) is not None:
            self._usage, self._tail = used, b""
        candidates = as_list(value.get("candidates"))
        feedback = value.get("promptFeedback")
        if feedback and not candidates and not self._candidates:
            self._blocked = self._has_content = True
            self._finish = self._finish or block_word(feedback)
        for one in candidates:
            self._candidate(as_dict(one))
        return self._characters(value)

    def _candidate(self, candidate: dict[str, Any]) -> None:
        index = as_count(candidate.get("index"))
        self._candidates.add(index)
        if "groundingMetadata" in candidate:
            self._searches[index] = max(searches_in(candidate), self._searches.get(index, 0))
        word = word_of(candidate.get("finishReason"))
        if word:
            self._ended.add(index)
            self._has_content = True
            if index == min(self._candidates):
                self._finish = graver(self._finish, word)
        if not self._has_content:
            parts = as_list(as_dict(candidate.get("content")).get("parts"))
            self._has_content = any(
                value for part in parts for name, value in as_dict(part).items() if name not in ("thought", SEAL)
            )

    def _characters(self, value: dict[str, Any]) -> int:
        return sum(
            _size(as_dict(part))
            for one in as_list(value.get("candidates"))
            for part in as_list(as_dict(as_dict(one).get("content")).get("parts"))
        )

    def _shown(self, event: bytes, data: bytes, value: dict[str, Any]) -> bytes:
        """The event itself, or with the cost where every answer has ended."""
        if self._price is None or not self._complete():
            return event
        usage = usage_of(as_dict(value.get("usageMetadata")))
        if usage is None:
            return event
        usage = served(usage, "", self._fees()) or usage
        return event.replace(data, with_cost(data, self._price.cost(usage)), 1)

    def _complete(self) -> bool:
        if self._candidates:
            return self._ended >= self._candidates
        return self._blocked


def _size(part: dict[str, Any]) -> int:
    """Characters of model text in a part: text, names and arguments of calls, code."""
    text = part.get("text")
    if isinstance(text, str):
        return len(text)
    call = part.get("functionCall") or part.get("executableCode")
    return len(str(call)) if call else 0


def plain_error(event: bytes) -> UpstreamRefused | UpstreamGarbage:
    """What a body of JSON says where events were expected: an error, or nothing that can be understood."""
    try:
        value = loads(event)
    except BAD_JSON:
        return UpstreamGarbage("The provider sent an event that is no event.")
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, dict) and value.get("error"):
        return refusal_of(value["error"], event)
    return UpstreamGarbage("The provider sent a plain JSON body where a stream was announced.")
