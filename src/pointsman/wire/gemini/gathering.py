"""Answers of Gemini as core events: chunk by chunk, a whole answer being a stream of one chunk.

So both ways agree: text that follows text is one block, thoughts likewise; a signature closes the block that it signs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
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
    Extras,
    Logprobs,
    Reasoning,
    Text,
    ToolCall,
    UsageReport,
)
from pointsman.core.errors import UpstreamGarbage
from pointsman.wire.gemini.core_parts import read_part, sealing
from pointsman.wire.gemini.ends import block_word, graver, meaning, word_of
from pointsman.wire.gemini.grounding import read_grounding
from pointsman.wire.gemini.logprobs import read_logprobs
from pointsman.wire.gemini.names import fields_of
from pointsman.wire.gemini.partial_calls import PartialCall
from pointsman.wire.gemini.seals import SEAL, maker_of
from pointsman.wire.gemini.usage import usage_of
from pointsman.wire.parse import as_count, as_dict, as_list, as_text
from pointsman.wire.raw import dump
from pointsman.wire.services import grounding, searches_in, served
from pointsman.wire.tool_names import made_id


class Gathering:
    """Reads the chunks of one answer.

    Args:
        names: a tool's name as sent, to its name at the caller.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._candidates: dict[int, _Candidate] = {}
        self._head: AnswerStart | None = None
        self._blocked = ""
        self._searches: dict[int, int] = {}

    @property
    def complete(self) -> bool:
        """Whether every candidate has said how it ended, or the prompt was blocked."""
        if self._candidates:
            return all(candidate.finish for candidate in self._candidates.values())
        return bool(self._blocked)

    @property
    def calling(self) -> bool:
        """Whether a call is coming in pieces."""
        return any(candidate.calling for candidate in self._candidates.values())

    def take(self, chunk: dict[str, Any], events: list[Event]) -> None:
        """Read a chunk."""
        candidates = chunk.get("candidates")
        feedback = chunk.get("promptFeedback")
        if self._head is None and (candidates or feedback):
            self._start(chunk, events)
        if candidates:
            for value in as_list(candidates):
                fields = as_dict(value)
                index = as_count(fields.get("index"))
                candidate = self._candidates.get(index)
                if candidate is None:
                    head = self._head or AnswerStart(id="", model="")
                    candidate = self._candidates[index] = _Candidate(index, self._names, head)
                candidate.take(fields, events)
                if "groundingMetadata" in fields:
                    self._searches[index] = max(searches_in(fields), self._searches.get(index, 0))
        elif feedback and not self._candidates:
            self._blocked = self._blocked or block_word(feedback)
        usage = chunk.get("usageMetadata")
        if isinstance(usage, dict) and (used := usage_of(usage)) is not None:
            fees = grounding(sum(self._searches.values()), self._head.model if self._head is not None else "")
            events.append(UsageReport(usage=served(used, "", fees) or used))

    def _start(self, chunk: dict[str, Any], events: list[Event]) -> None:
        self._head = AnswerStart(
            id=as_text(chunk.get("responseId")),
            model=as_text(chunk.get("modelVersion")),
            created=_seconds(chunk.get("createTime")),
        )
        events.append(self._head)

    def end(self, events: list[Event]) -> None:
        """All chunks have come.

        Raises:
            UpstreamGarbage: and none of them had a candidate, or said why there is none.
        """
        if not self._candidates and not self._blocked:
            raise UpstreamGarbage("The provider's answer has no `candidates`.")
        if self._head is None:
            self._head = AnswerStart(id="", model="")
            events.insert(0, self._head)
        for candidate in self._candidates.values():
            candidate.end(events)
        if not self._candidates:
            events.append(ChoiceEnd(finish="content_filter", finish_raw=self._blocked))


def _seconds(value: Any) -> int:
    """Seconds since the epoch of a moment as Google writes it; 0 where there is none."""
    try:
        return max(int(datetime.fromisoformat(value).timestamp()), 0) if isinstance(value, str) else 0
    except (ValueError, OverflowError, OSError):
        return 0


class _Candidate:
    """One answer on its way. Blocks get their index in the order in which they begin."""

    __slots__ = (
        "_calls",
        "_citations",
        "_count",
        "_head",
        "_names",
        "_open",
        "_partial",
        "_start",
        "_texts",
        "finish",
        "index",
    )

    def __init__(self, index: int, names: Mapping[str, str], head: AnswerStart) -> None:
        self.index = index
        self.finish = ""
        self._names = names
        self._head = head
        self._count = self._calls = 0
        self._open: tuple[type[Block], int] | None = None  # text or thinking that grows
        self._texts: list[str] = []  # of the whole answer
        self._start = 0  # where the open text begins in them
        self._citations: list[Citation] = []  # counted from the beginning of the whole answer
        self._partial: PartialCall | None = None

    @property
    def calling(self) -> bool:
        return self._partial is not None

    def take(self, fields: dict[str, Any], events: list[Event]) -> None:
        parts = as_list(as_dict(fields.get("content")).get("parts"))
        if fields.get("groundingMetadata") or fields.get("citationMetadata"):
            self._cite(fields, parts)
        for part in parts:
            if isinstance(part, dict):
                self._part(part, events)
        if "logprobsResult" in fields and (raw := read_logprobs(fields["logprobsResult"])) is not None:
            events.append(Logprobs(choice=self.index, raw=raw))
        if word := word_of(fields.get("finishReason")):
            self.finish = graver(self.finish, word)

    def _cite(self, fields: dict[str, Any], parts: list[Any]) -> None:
        """Citations come with the last of the text; they are known before that text's block is closed."""
        new = [text for part in parts if (text := _plain(part))]
        self._citations += read_grounding(fields, "".join((*self._texts, *new)))

    def _part(self, part: dict[str, Any], events: list[Event]) -> None:
        text = part.get("text")
        if isinstance(text, str):
            if len(part) == 1:
                if text:
                    self._grow(Text, text, events)
                return
            seal = as_text(part.get(SEAL))
            if part.get("thought") is True:
                self._thought(text, seal, events)
            else:
                self._text(text, seal, events)
        elif "functionCall" in part:
            self._call(part, events)
        elif not part.keys() - {"thought", SEAL}:
            self._thought("", as_text(part.get(SEAL)), events)
        else:
            self._whole(self._read(part), events)

    def _read(self, part: dict[str, Any]) -> Block:
        raw = dump(part)
        return read_part(fields_of(raw) or {}, raw, self._head.model)

    def _text(self, text: str, seal: str, events: list[Event]) -> None:
        if text:
            self._grow(Text, text, events)
            if seal:
                self._stop(events, sealing(seal, self._head.model))
        elif seal:
            self._sign(seal, events)

    def _thought(self, text: str, seal: str, events: list[Event]) -> None:
        if text:
            self._grow(Reasoning, text, events)
        if seal:
            self._sign(seal, events)

    def _sign(self, seal: str, events: list[Event]) -> None:
        """A signature on thoughts, or on nothing; it closes them."""
        index = self._begin(Reasoning, events)
        events.append(Delta(choice=self.index, index=index, field="signature", text=seal))
        self._stop(events)

    def _grow(self, kind: type[Block], text: str, events: list[Event]) -> None:
        open_ = self._open
        index = open_[1] if open_ is not None and open_[0] is kind else self._begin(kind, events)
        if kind is Text:
            self._texts.append(text)
        events.append(Delta(choice=self.index, index=index, field="text", text=text))

    def _begin(self, kind: type[Block], events: list[Event]) -> int:
        """The index of the open block of a kind; a block of another kind ends."""
        if self._open is not None and self._open[0] is kind:
            return self._open[1]
        self._stop(events)
        index = self._next()
        self._open = (kind, index)
        block: Block = Text(text="")
        if kind is Reasoning:
            block = Reasoning(summary=True, maker=maker_of(self._head.model))
        else:
            self._start = sum(map(len, self._texts)) if self._texts else 0
        events.append(BlockStart(choice=self.index, index=index, block=block))
        return index

    def _stop(self, events: list[Event], extras: tuple[Extras, ...] = ()) -> None:
        if self._open is not None:
            kind, index = self._open
            self._open = None
            citations = self._cited() if kind is Text and self._citations else ()
            events.append(BlockEnd(choice=self.index, index=index, citations=citations, extras=extras))

    def _cited(self) -> tuple[Citation, ...]:
        """The citations of the text that ends here, counted from its beginning; of earlier texts the source alone."""
        end = sum(map(len, self._texts))
        start, every = self._start, self._citations
        self._citations = [one for one in every if one.end and one.start >= end]
        return tuple([_moved(one, start, end) for one in every if not one.end or one.start < end])

    def _whole(self, block: Block, events: list[Event]) -> None:
        """A block that comes whole."""
        self._stop(events)
        index = self._next()
        events.append(BlockStart(choice=self.index, index=index, block=block))
        events.append(BlockEnd(choice=self.index, index=index))

    def _next(self) -> int:
        self._count += 1
        return self._count - 1

    def _call(self, part: dict[str, Any], events: list[Event]) -> None:
        call, seal = part["functionCall"], as_text(part.get(SEAL))
        if not isinstance(call, dict):
            self._whole(self._read(part), events)
            return
        name = as_text(call.get("name"))
        if self._partial is None and not (name and (call.get("willContinue") is True or "partialArgs" in call)):
            if name:
                self._called(self._read(part), events)
            elif call:
                self._whole(self._read(part), events)
            return
        if self._partial is None or (name and name != self._partial.name):
            self._settle(events)
            self._partial = PartialCall(name, as_text(call.get("id")))
        if not self._partial.take(call, seal):
            self._settle(events)

    def _settle(self, events: list[Event]) -> None:
        """A call that came in pieces is whole."""
        partial, self._partial = self._partial, None
        if partial is not None:
            arguments = bytes(dump(partial.args)).decode()
            extras = sealing(partial.seal, self._head.model)
            self._called(ToolCall(id=partial.id, name=partial.name, arguments=arguments, extras=extras), events)

    def _called(self, call: Block, events: list[Event]) -> None:
        """A whole call: its beginning, its arguments and its end. Without an id it gets one of its own."""
        if not isinstance(call, ToolCall):
            self._whole(call, events)
            return
        self._stop(events)
        place = self._calls
        self._calls += 1
        call_id = call.id or made_id(f"{self._head.id}{call.name}{call.arguments}", place)
        name = self._names.get(call.name, call.name)
        index = self._next()
        begun = msgspec.structs.replace(call, id=call_id, name=name, arguments="")
        events.append(BlockStart(choice=self.index, index=index, block=begun))
        events.append(Delta(choice=self.index, index=index, field="arguments", text=call.arguments))
        events.append(BlockEnd(choice=self.index, index=index))

    def end(self, events: list[Event]) -> None:
        """All of it has come."""
        self._settle(events)
        self._stop(events)
        if self._citations:  # of a text that had been closed before they came
            index = self._next()
            events.append(BlockStart(choice=self.index, index=index, block=Text(text="")))
            sources = tuple(msgspec.structs.replace(one, start=0, end=0) for one in self._citations)
            events.append(BlockEnd(choice=self.index, index=index, citations=sources))
        finish = meaning(self.finish, calls=self._calls > 0)
        events.append(ChoiceEnd(choice=self.index, finish=finish, finish_raw=self.finish))


def _plain(part: Any) -> str:
    """The text of a part that is no thought."""
    if not isinstance(part, dict) or part.get("thought") is True:
        return ""
    return as_text(part.get("text"))


def _moved(one: Citation, start: int, end: int) -> Citation:
    """A citation counted from `start`; without a place where it does not lie between that and `end`."""
    if not one.end:
        return one
    if one.start < start:
        return msgspec.structs.replace(one, start=0, end=0)
    return msgspec.structs.replace(one, start=one.start - start, end=min(one.end, end) - start)
