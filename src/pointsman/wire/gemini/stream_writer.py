"""Core events as a stream of contents.

What every chunk begins and ends with is written once; of most events the text alone is new. The ends of all candidates
wait for the end of the stream: they stand in its last chunk, with the usage, since nothing may follow them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pointsman.core.chat import (
    AnswerStart,
    BlockEnd,
    BlockStart,
    Choice,
    ChoiceEnd,
    Citation,
    Delta,
    Dropped,
    Event,
    Logprobs,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from pointsman.core.usage import Usage
from pointsman.wire.gemini.core_answers import created_at, said_end, shifted, show_call, show_part, unsaid_end
from pointsman.wire.gemini.core_parts import shown_thought
from pointsman.wire.gemini.framing import one_line
from pointsman.wire.gemini.grounding import write_grounding
from pointsman.wire.gemini.logprobs import write_logprobs
from pointsman.wire.gemini.seals import SEAL
from pointsman.wire.gemini.usage import write_usage
from pointsman.wire.itemised import opening

_encode = msgspec.json.Encoder().encode
_NOTHING = {"parts": [{"text": ""}], "role": "model"}
"""Content that says nothing, as Google ends its streams. Of a chunk without parts its library makes no history."""
ALIVE = b"\r\n"
"""A line that says nothing in an event stream and in a JSON array alike. Google's clients take comments for errors."""


class GeminiWriter:
    """`streams.StreamWriter` for streamed contents, as an event stream."""

    def __init__(self) -> None:
        self._tail = b"}\n\n"
        self._candidates: dict[int, _Candidate] = {}
        self._lost: list[Dropped] = []

    def write(self, events: Sequence[Event]) -> bytes:
        """See `streams.StreamWriter.write`."""
        out: list[bytes] = []
        for event in events:
            match event:
                case Delta():
                    self._delta(event, out)
                case BlockStart():
                    self._start(event, out)
                case BlockEnd():
                    self._stop(event, out)
                case AnswerStart():
                    self._begin(event)
                case Logprobs(choice=index, raw=raw):
                    result = write_logprobs(raw)
                    if result is not None:
                        candidate = {"content": _NOTHING, "index": index, "logprobsResult": result}
                        out.append(self._chunk([candidate]))
                case ChoiceEnd(choice=index):
                    self._of(index).end = event
                    self._lost += unsaid_end(event.stop_sequence, f"candidates[{index}]")
        return b"".join(out)

    def stand(self) -> None:
        """Everything written so far was told by somebody else."""
        self._lost.clear()

    def _begin(self, event: AnswerStart) -> None:
        """What every chunk of the stream ends with."""
        fields: dict[str, Any] = {"modelVersion": event.model}
        fields |= created_at(event.created)
        fields |= {"responseId": event.id} if event.id else {}
        self._tail = b"," + _encode(fields)[1:] + b"\n\n"

    def _of(self, index: int) -> _Candidate:
        candidate = self._candidates.get(index)
        if candidate is None:
            tail = b'}],"role":"model"},"index":%d}]' % index + self._tail
            candidate = self._candidates[index] = _Candidate(index, tail)
        return candidate

    def _start(self, event: BlockStart, out: list[bytes]) -> None:
        candidate, block = self._of(event.choice), event.block
        opened = candidate.blocks[event.index] = _Open(block, candidate.length)
        match block:
            case Text(text=text):
                candidate.said(text)
                opened.length = len(text)
                if text:
                    out.append(candidate.part({"text": text}))
            case Refusal(text=text) if text:
                candidate.refused = True
                out.append(candidate.part({"text": text}))
            case Reasoning(text=text) if text:
                out.append(candidate.part({"text": text, "thought": True}))
            case ToolCall() | Refusal() | Reasoning():
                pass
            case _:
                part = show_part(block, self._lost, "candidates", signs=False)
                if part is not None:
                    out.append(candidate.part(part))

    def _delta(self, event: Delta, out: list[bytes]) -> None:
        candidate = self._candidates[event.choice]
        opened, text = candidate.blocks[event.index], event.text
        block = opened.block
        if isinstance(block, Text):
            candidate.said(text)
            opened.length += len(text)
            out.append(_TEXT + _encode(text) + candidate.tail)
        elif isinstance(block, Reasoning):
            if event.field == "text":
                opened.length += len(text)
                out.append(_TEXT + _encode(text) + b',"thought":true' + candidate.tail)
            else:
                opened.pieces.append((event.field, text))
        elif isinstance(block, ToolCall):
            opened.pieces.append((event.field, text))
        elif text:
            candidate.refused = True  # of what is told in text nothing else is left
            out.append(_TEXT + _encode(text) + candidate.tail)

    def _stop(self, event: BlockEnd, out: list[bytes]) -> None:
        candidate = self._candidates[event.choice]
        opened = candidate.blocks.pop(event.index)
        block = opened.block
        if isinstance(block, ToolCall):
            call = msgspec.structs.replace(
                block, arguments=block.arguments + opened.grown("arguments"), extras=(*block.extras, *event.extras)
            )
            out.append(candidate.part(show_call(call, self._lost, "candidates", signs=not candidate.calls)))
            candidate.calls += 1
        elif isinstance(block, Text):
            citations = (*block.citations, *event.citations)
            candidate.citations += [shifted(one, opened.start) for one in citations]
        elif isinstance(block, Reasoning):
            self._sealed(opened, block, candidate, out)

    def _sealed(self, opened: _Open, block: Reasoning, candidate: _Candidate, out: list[bytes]) -> None:
        """What makes thinking of use when it comes back: a part of its own, behind the text that has gone out."""
        bare = msgspec.structs.replace(
            block,
            text="",
            signature=block.signature + opened.grown("signature"),
            encrypted=block.encrypted + opened.grown("encrypted"),
        )
        part = shown_thought(bare)
        if part is not None:
            thinks = opened.length or block.text
            out.append(candidate.part({"text": "", "thought": True, SEAL: part[SEAL]} if thinks else part))

    def _chunk(self, candidates: list[Any], more: dict[str, Any] | None = None, usage: bytes = b"") -> bytes:
        added = b"," + _encode(more)[1:-1] if more else b""
        return b'data: {"candidates":' + _encode(candidates) + usage + added + self._tail

    def close(self, usage: Usage | None, cost: int | None) -> bytes:
        """See `streams.StreamWriter.close`."""
        written = b""
        if usage is not None:
            counts = _encode(write_usage(usage))
            if cost is not None:
                counts = opening(cost) + counts[1:]
            written = b',"usageMetadata":' + counts
        more: dict[str, Any] = {}
        if self._lost:
            more["pointsmanMetadata"] = {"dropped": list(dict.fromkeys(one.reason for one in self._lost))}
        ends = [candidate.ended() for candidate in self._candidates.values()]
        if not ends:
            more["promptFeedback"] = {"blockReason": "OTHER"}
        return self._chunk(ends, more, written)


_TEXT = b'data: {"candidates":[{"content":{"parts":[{"text":'


class _Candidate:
    """One answer on its way."""

    __slots__ = ("blocks", "calls", "citations", "end", "index", "length", "refused", "tail", "texts")

    def __init__(self, index: int, tail: bytes) -> None:
        self.index = index
        self.tail = tail
        self.blocks: dict[int, _Open] = {}
        self.calls = self.length = 0
        self.refused = False
        self.texts: list[str] = []
        self.citations: list[Citation] = []
        self.end: ChoiceEnd | None = None

    def said(self, text: str) -> None:
        """Text has gone out."""
        self.texts.append(text)
        self.length += len(text)

    def part(self, part: Any) -> bytes:
        """A chunk with a part."""
        return b'data: {"candidates":[{"content":{"parts":[' + one_line(_encode(part))[:-1] + self.tail

    def ended(self) -> dict[str, Any]:
        """What the last chunk says of this answer."""
        end = self.end
        choice = Choice(finish=end.finish if end else None, finish_raw=end.finish_raw if end else "")
        said = said_end(choice, refused=self.refused)
        candidate: dict[str, Any] = {"content": _NOTHING, "finishReason": said}
        candidate["index"] = self.index
        if self.citations:
            candidate["groundingMetadata"] = write_grounding(self.citations, "".join(self.texts))
        return candidate


class _Open:
    """A block that has begun: where in the text, how long, and what of it waits for its end."""

    __slots__ = ("block", "length", "pieces", "start")

    def __init__(self, block: Any, start: int) -> None:
        self.block = block
        self.start = start
        self.length = 0
        self.pieces: list[tuple[str, str]] = []

    def grown(self, field: str) -> str:
        """A field that has come in pieces."""
        return "".join(text for name, text in self.pieces if name == field)
