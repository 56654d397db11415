"""A provider's chat stream as core events.

Everybody's streams are read here, so what servers are known to get wrong is mended here: calls without index or id or
with one index for several, calls that come whole, content as a list of parts, usage at any place and more than once,
ends that are said twice or with the last content, chunks without choices or delta.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from pointsman.core.chat import (
    AnswerStart,
    Block,
    BlockEnd,
    BlockStart,
    ChoiceEnd,
    Citation,
    Delta,
    Event,
    Logprobs,
    Media,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    UsageReport,
)
from pointsman.wire.event_reader import EventReader
from pointsman.wire.event_relay import read_event
from pointsman.wire.openai_chat.core_answers import meaning
from pointsman.wire.openai_chat.core_parts import list_citations, read_citations, read_part, seal_of, with_listed
from pointsman.wire.openai_chat.reasoning import DETAILS, TEXTS, THINKING, read_details, read_thinking
from pointsman.wire.openai_chat.request import DIALECT
from pointsman.wire.openai_chat.usage import usage_of
from pointsman.wire.parse import as_count, as_dict, as_list, as_text
from pointsman.wire.raw import dump
from pointsman.wire.services import served, service_of
from pointsman.wire.tool_names import made_id
from pointsman.wire.trip import Outgoing


class ChatReader(EventReader):
    """`streams.StreamReader` for chat completions."""

    mark = b"[DONE]"

    def __init__(self, outgoing: Outgoing) -> None:
        super().__init__()
        self._names = outgoing.tool_names
        self._choices: dict[int, _Choice] = {}
        self._head: AnswerStart | None = None
        self.counted = False  # the usage came by itself, as it does behind an answer's end
        self._listed: tuple[Citation, ...] = ()  # pages that Perplexity and xAI name beside the choices

    def _complete(self) -> bool:
        """Whether every answer has ended, by `[DONE]` or by its finish reason."""
        return bool(self._choices) and (self._done or all(choice.finish for choice in self._choices.values()))

    @property
    def choices(self) -> Collection[int]:
        """The answers that have begun, if only with their role."""
        return self._choices.keys()

    @property
    def unfinished(self) -> str:
        """What has begun and can be told in the end only, for people."""
        if any(choice.calling for choice in self._choices.values()):
            return "a tool call has begun"
        return "it is spoken" if any(choice.sounds for choice in self._choices.values()) else ""

    def _owed(self, events: list[Event]) -> None:
        for choice in self._choices.values():
            choice.end(events)

    def _event(self, name: bytes, data: bytes, events: list[Event]) -> None:
        self._chunk(read_event(name, data), events)

    def _chunk(self, chunk: dict[str, Any], events: list[Event]) -> None:
        choices = as_list(chunk.get("choices"))
        if self._head is None and choices:
            # Azure's first chunk has neither choices nor an id.
            self._head = AnswerStart(
                id=as_text(chunk.get("id")),
                model=as_text(chunk.get("model")),
                created=as_count(chunk.get("created")),
            )
            events.append(self._head)
        if chunk.get("citations"):
            self._listed = list_citations(chunk["citations"])
        for value in choices:
            fields = as_dict(value)
            index = as_count(fields.get("index"))
            choice = self._choices.get(index)
            if choice is None:
                choice = self._choices[index] = _Choice(index, self._names)
            choice.listed = self._listed
            choice.take(fields, events)
        usage = chunk.get("usage") or as_dict(chunk.get("x_groq")).get("usage")
        if isinstance(usage, dict) and usage and (used := usage_of(usage)) is not None:
            self.counted = self._head is not None and not choices
            events.append(UsageReport(usage=served(used, service_of(chunk.get("service_tier"))) or used))


class _Choice:
    """One answer on its way. Blocks get their index in the order in which they begin."""

    def __init__(self, index: int, names: Mapping[str, str]) -> None:
        self.index = index
        self.finish = ""
        self._ended = False
        self._stopped_by = ""
        self._names = names
        self._count = 0
        self._open: tuple[type[Block], int] | None = None  # text, refusal or thinking that grows
        self._calls: list[_Call] = []
        self._by_place: dict[int, _Call] = {}
        self._last: _Call | None = None
        self._citations: list[Citation] = []
        self.listed: tuple[Citation, ...] = ()
        self.sounds = False

    @property
    def calling(self) -> bool:
        """Whether a call has begun, with a name or still without."""
        return bool(self._calls)

    def take(self, fields: dict[str, Any], events: list[Event]) -> None:
        delta = fields.get("delta")
        if not isinstance(delta, dict):
            delta = as_dict(fields.get("message"))
        if delta and not self._ended:
            self._delta(delta, events)
        text = fields.get("text")
        if isinstance(text, str) and text and "delta" not in fields:  # Together says it twice
            self._grow(Text, text, events)
        logprobs = fields.get("logprobs")
        if isinstance(logprobs, dict) and logprobs.get("content"):
            events.append(Logprobs(choice=self.index, raw=dump(logprobs)))
        finish = fields.get("finish_reason")
        if finish is not None and finish != "" and not self.finish:
            self.finish = finish if isinstance(finish, str) else str(finish)
            self._stopped_by = as_text(fields.get("stop_reason")) or as_text(fields.get("matched_stop"))

    def _delta(self, delta: dict[str, Any], events: list[Event]) -> None:
        thought = next((text for name in TEXTS if isinstance(text := delta.get(name), str) and text), "")
        if thought:
            self._grow(Reasoning, thought, events)
        if THINKING in delta or DETAILS in delta:
            self._sealed(delta, events, told=bool(thought))
        content = delta.get("content")
        if content and isinstance(content, str):
            self._grow(Text, content, events)
        else:
            self._parts(as_list(content), events)
        if refusal := as_text(delta.get("refusal")):
            self._grow(Refusal, refusal, events)
        for value in as_list(delta.get("tool_calls")):
            self._call(as_dict(value), events)
        old = delta.get("function_call")
        if isinstance(old, dict) and (old.get("name") or old.get("arguments")):
            self._call({"index": 0, "id": as_text(old.get("name")) or None, "function": old}, events)
        if delta.get("annotations"):
            self._citations += read_citations([dump(value) for value in as_list(delta["annotations"])])
        if "audio" in delta:
            self._spoken(as_dict(delta["audio"]), events, told=bool(content))
        for image in as_list(delta.get("images")):
            block = read_part(dump(image))
            if isinstance(block, Media):
                self._whole(block, events)

    def _spoken(self, audio: dict[str, Any], events: list[Event], *, told: bool) -> None:
        """The words of a spoken answer; of the sound only that there was some."""
        words = as_text(audio.get("transcript"))
        if words and not told:
            self._grow(Text, words, events)
        self.sounds = self.sounds or bool(audio.get("data"))

    def _sealed(self, delta: dict[str, Any], events: list[Event], *, told: bool) -> None:
        """Thinking with what makes it of use to its maker; the text may have come under a plain name too."""
        for block in read_thinking(dump(delta.get(THINKING))) or read_details(dump(delta.get(DETAILS))):
            if block.encrypted:
                self._whole(block, events)
                continue
            if block.text and not told and not (block.signature and self._open and self._open[0] is Reasoning):
                self._grow(Reasoning, block.text, events)
            if block.signature:
                index = self._start(Reasoning, events)
                events.append(Delta(choice=self.index, index=index, field="signature", text=block.signature))

    def _parts(self, parts: list[Any], events: list[Event]) -> None:
        """Content as a list: Mistral's thinking and references."""
        for part in parts:
            block = read_part(dump(part))
            match block:
                case Text(text=text):
                    self._grow(Text, text, events)
                case Reasoning(text=text):
                    self._grow(Reasoning, text, events)
                case Opaque(kind=""):
                    continue
                case _:
                    self._whole(block, events)

    def _grow(self, kind: type[Block], text: str, events: list[Event]) -> None:
        index = self._start(kind, events)
        events.append(Delta(choice=self.index, index=index, field="text", text=text))

    def _start(self, kind: type[Block], events: list[Event]) -> int:
        """The index of the open block of a kind; a block of another kind ends."""
        if self._open is not None and self._open[0] is kind:
            return self._open[1]
        self._stop(events)
        index = self._next()
        self._open = (kind, index)
        block: Block = Reasoning() if kind is Reasoning else kind(text="")  # type: ignore[call-arg]  # text or refusal
        events.append(BlockStart(choice=self.index, index=index, block=block))
        return index

    def _whole(self, block: Block, events: list[Event]) -> None:
        """A block that comes whole."""
        self._stop(events)
        index = self._next()
        events.append(BlockStart(choice=self.index, index=index, block=block))
        events.append(BlockEnd(choice=self.index, index=index))

    def _stop(self, events: list[Event]) -> None:
        if self._open is not None:
            kind, index = self._open
            self._open = None
            citations: tuple[Citation, ...] = ()
            if kind is Text and (self._citations or self.listed):
                citations = with_listed(tuple(self._citations), self.listed)
                self._citations, self.listed = [], ()
            events.append(BlockEnd(choice=self.index, index=index, citations=citations))

    def _next(self) -> int:
        self._count += 1
        return self._count - 1

    def _call(self, value: dict[str, Any], events: list[Event]) -> None:
        """A piece of a call, or a whole one.

        A new id is a new call, whatever its index says; without an id the index decides, and without either a name
        begins a new call and anything else belongs to the last.
        """
        function = as_dict(value.get("function"))
        name, call_id = as_text(function.get("name")), as_text(value.get("id"))
        place = value.get("index")
        known = self._by_place.get(place) if type(place) is int else (None if name else self._last)
        if known is not None and call_id and known.id and known.id != call_id and (name or known.named):
            known = None
        if known is None:
            self._stop(events)
            known = _Call(self._next(), call_id)
            self._calls.append(known)
            if type(place) is int:
                self._by_place[place] = known
        self._last = known
        known.id = known.id or call_id
        arguments = function.get("arguments")
        piece = arguments if isinstance(arguments, str) else (dump_text(arguments) if arguments else "")
        if not known.named and name:
            known.named = True
            called = self._names.get(name, name)
            block = ToolCall(
                id=known.id or made_id(name + piece, known.index),
                name=called,
                arguments="",
                extras=seal_of(dump(value.get("extra_content"))),
            )
            events.append(BlockStart(choice=self.index, index=known.index, block=block))
            piece, known.early = known.early + piece, ""
        if not known.named:
            known.early += piece  # arguments before the name
        elif piece:
            known.some = known.some or bool(piece.strip())
            events.append(Delta(choice=self.index, index=known.index, field="arguments", text=piece))

    def end(self, events: list[Event]) -> None:
        """All of it has come."""
        if self._ended:
            return
        self._ended = True
        self._stop(events)
        if self.sounds:
            self._whole(Opaque(dialect=DIALECT, kind="audio", raw=dump(None)), events)
        if any(call.id and not call.named for call in self._calls):  # of a custom tool, to be lost by name
            self._whole(Opaque(dialect=DIALECT, kind="tool_call", raw=dump(None)), events)
        calls = [call for call in self._calls if call.named]
        for call in calls:
            if not call.some:
                events.append(Delta(choice=self.index, index=call.index, field="arguments", text="{}"))
            events.append(BlockEnd(choice=self.index, index=call.index))
        word = self.finish
        events.append(
            ChoiceEnd(
                choice=self.index,
                finish=meaning(word, calls=bool(calls)),
                finish_raw=word,
                stop_sequence=self._stopped_by,
            )
        )


class _Call:
    """One call on its way."""

    __slots__ = ("early", "id", "index", "named", "some")

    def __init__(self, index: int, call_id: str) -> None:
        self.index = index
        self.id = call_id
        self.named = self.some = False
        self.early = ""


def dump_text(value: Any) -> str:
    """A value as JSON text."""
    return msgspec.json.encode(value).decode()
