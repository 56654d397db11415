"""Streams on their way from a provider to a caller, both speaking this dialect.

Bytes are forwarded as they come. An event is parsed only where something may stand in it that the gateway has to know:
the first few, and those that name an error, an end, a finish reason or usage that are not null. The test is a handful
of searches over the whole chunk; a false alarm costs one parse and never changes a byte.
"""

from __future__ import annotations

from typing import Any

from pointsman.core.errors import UpstreamCut, UpstreamGarbage, UpstreamRefused
from pointsman.core.model import Price
from pointsman.wire import sse
from pointsman.wire.openai_chat.answer import with_cost
from pointsman.wire.openai_chat.usage import usage_of
from pointsman.wire.parse import BAD_JSON, as_count, as_dict, as_list, as_text, loads, loads_object
from pointsman.wire.port import AnswerFacts, Incoming
from pointsman.wire.refusals import refusal_in, refusal_of

_SAMPLES = 4  # events with text that are parsed before the stream is taken for an ordinary one
_SAMPLE_EVERY = 16  # feeds, of which one is sampled to estimate the text in those that are not looked at
_SAMPLE_STEP = 4096  # bytes of one feed, for each of which one event is sampled
_FRAME = len(b"data: \n\n")
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


class ChatRelay:
    """`port.Relay` for chat and text completions."""

    __slots__ = (
        "_all",
        "_bytes",
        "_choices",
        "_done",
        "_failure",
        "_finish",
        "_finished",
        "_frames",
        "_has_content",
        "_id",
        "_model",
        "_plain",
        "_price",
        "_sampled",
        "_sampled_text",
        "_seen",
        "_shows_usage",
        "_text",
        "_until",
        "_usage",
        "_warm",
    )

    def __init__(self, incoming: Incoming, price: Price | None) -> None:
        self._frames = sse.Frames()
        self._price = price
        self._shows_usage = incoming.shows_usage
        self._all = incoming.needs.choices > 1  # several answers: every event is looked at, to know each one's end
        self._plain = False  # from here on only marked events are looked at
        self._has_content = self._done = False
        self._failure: UpstreamRefused | UpstreamGarbage | None = None
        self._id = self._model = self._finish = ""
        self._usage: dict[str, Any] | None = None
        self._choices: set[int] = set()
        self._finished: set[int] = set()
        self._warm = _SAMPLES
        self._seen = 0  # events parsed
        self._text = 0  # characters of text in them
        self._bytes = 0  # size of the events that were not looked at
        self._until = 1  # feeds until one of them is sampled
        self._sampled = self._sampled_text = 0  # size of the sampled events and characters of text in them

    @property
    def facts(self) -> AnswerFacts:
        """What is known so far."""
        return AnswerFacts(
            id=self._id,
            model=self._model,
            finish=self._finish,
            usage=usage_of(self._usage) if self._usage else None,
        )

    @property
    def has_content(self) -> bool:
        """Whether an event with content has been returned."""
        return self._has_content

    @property
    def done(self) -> bool:
        """Whether `[DONE]` has come; what comes after it is not passed on."""
        return self._done

    @property
    def written(self) -> int:
        """Characters of model text: exact for events that were looked at, by their share in samples for the others."""
        return self._text + (self._bytes * self._sampled_text // self._sampled if self._sampled else 0)

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes, return complete events. Raises as `port.Relay.feed`."""
        if self._failure is not None:
            raise self._failure
        if self._done:
            return b""
        events = self._frames.take(chunk)
        if not events:
            return events
        if self._plain and not _marked(events):
            return self._pass(events)
        return self._look(events)

    def close(self) -> bytes:
        """End of the body. Raises as `port.Relay.close`."""
        if self._failure is not None:
            raise self._failure
        rest = self._frames.rest()
        if self._done:
            rest = b""
        owed = self._last(rest) if rest.strip() else rest
        if not self._complete():
            raise UpstreamCut("The provider's stream ended before the answer did.")
        return owed

    def _complete(self) -> bool:
        """Whether every answer has ended, by `[DONE]` or by its finish reason."""
        if self._done:
            return self._seen > 0
        return bool(self._finished) and self._finished >= self._choices

    def _pass(self, events: bytes) -> bytes:
        """Events that are not looked at."""
        self._bytes += len(events)
        self._until -= 1
        if self._until <= 0 or len(events) > _SAMPLE_STEP:
            self._sample(events)
        return events

    def _look(self, events: bytes) -> bytes:
        """Go through the events one by one."""
        committed = self._has_content
        out: list[bytes] = []
        for event in sse.split(events):
            if self._plain and not _marked(event):
                out.append(self._pass(event))
                continue
            try:
                out.append(self._event(event))
            except (UpstreamRefused, UpstreamGarbage) as failure:
                if not committed:
                    raise  # nothing with content has left: another provider may still answer
                self._failure = failure  # what came before the error is the caller's; it is raised next time
                break
            if self._done:
                break
        return b"".join(out)

    def _last(self, rest: bytes) -> bytes:
        """An event without its blank line, which the body's end completes if it is whole."""
        _, data = sse.fields(rest)
        if data is None and rest.lstrip().startswith(b":"):
            return rest
        if data is None and rest.lstrip().startswith(b"{"):
            refused = refusal_in(loads_object(rest, "stream"), rest)  # an error as a plain body
            raise refused or UpstreamGarbage("The provider sent a plain JSON body where a stream was announced.")
        if data is None or data.strip() != _DONE:
            try:
                loads(data or b"")
            except BAD_JSON:
                raise UpstreamCut("The provider's stream ended in the middle of an event.") from None
        return self._event(rest)

    def _event(self, event: bytes) -> bytes:
        """One event, looked at; returns what the caller gets of it."""
        name, data = sse.fields(event)
        if not data or not (data := data.strip()):
            return event
        if data == _DONE:
            self._done = True
            return event
        try:
            chunk = loads(data)
        except BAD_JSON as error:
            if name == b"error":
                raise refusal_of(data.decode("utf-8", "replace"), data) from None
            raise UpstreamGarbage(f"The provider sent an event that is not JSON: {error}") from None
        if not isinstance(chunk, dict):
            raise UpstreamGarbage("The provider sent an event that is not a JSON object.")
        refused = refusal_in(chunk, data)
        if refused is None and name == b"error":
            refused = refusal_of(chunk, data)
        if refused is not None:
            raise refused
        self._seen += 1
        self._note(chunk, len(data) + _FRAME)
        return self._shown(event, data, chunk)

    def _sample(self, events: bytes) -> None:
        """Measure one of some events that are not looked at, every few kilobytes; odd ones are left out."""
        self._until = _SAMPLE_EVERY
        for at in range(0, len(events), _SAMPLE_STEP):
            start = events.find(b"\n\n", at) + 2 if at else 0
            _, data = sse.fields(events[start : events.find(b"\n\n", start) + 2])
            try:
                chunk = loads(data) if data else None
            except BAD_JSON:
                continue
            if isinstance(chunk, dict) and data:
                text = sum(_characters(as_dict(choice)) for choice in as_list(chunk.get("choices")))
                self._measure(len(data) + _FRAME, text)

    def _note(self, chunk: dict[str, Any], size: int) -> None:
        """Remember what accounting needs."""
        self._id = self._id or as_text(chunk.get("id"))
        self._model = self._model or as_text(chunk.get("model"))
        usage = chunk.get("usage") or as_dict(chunk.get("x_groq")).get("usage")
        if isinstance(usage, dict) and usage:
            self._usage = usage
        text = 0
        for choice in as_list(chunk.get("choices")):
            self._choice(as_dict(choice))
            text += _characters(as_dict(choice))
        self._text += text
        if text and not self._plain:
            self._measure(size, text)
            self._warm -= 1
            self._plain = self._warm <= 0 and not self._all

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

    def _measure(self, size: int, text: int) -> None:
        """Take an event as a sample of how much of its bytes is text."""
        self._sampled += size
        self._sampled_text += text

    def _shown(self, event: bytes, data: bytes, chunk: dict[str, Any]) -> bytes:
        """What the caller gets: the event itself, nothing for usage that it did not ask for, or with the cost."""
        usage = chunk.get("usage")
        if not isinstance(usage, dict) or not usage:
            return event
        alone = chunk.get("choices") == []
        if alone and not self._shows_usage:
            return sse.preamble(event)
        ended = alone or (bool(self._finished) and self._finished >= self._choices)
        if self._price is None or not ended or (used := usage_of(usage)) is None:
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
