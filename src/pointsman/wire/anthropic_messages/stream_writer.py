"""Core events as a stream of this dialect.

Its blocks follow each other, those of the core may overlap: what comes of a block while another is open waits. What
every delta of a block begins with is written once; of most events the text alone is new.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pointsman.core.chat import (
    Alive,
    AnswerStart,
    BlockEnd,
    BlockStart,
    ChoiceEnd,
    Citation,
    Delta,
    Dropped,
    Event,
    Logprobs,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from pointsman.core.dialects import MESSAGES
from pointsman.core.usage import Usage
from pointsman.wire.anthropic_messages.core_answers import (
    UNREAD,
    caller_id,
    is_thought,
    sealed_call,
    word_of,
    write_citations,
    write_reasoning,
)
from pointsman.wire.anthropic_messages.seals import signature_of
from pointsman.wire.anthropic_messages.unstreamed import event as frame
from pointsman.wire.anthropic_messages.usage import write_usage
from pointsman.wire.finishes import declined
from pointsman.wire.itemised import opening
from pointsman.wire.losses import dropped, name_of

_encode = msgspec.json.Encoder().encode
PING = b'event: ping\ndata: {"type":"ping"}\n\n'
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":'
_END = b"}}\n\n"
_SEALS = ("signature", "encrypted")


def signature_delta(place: int, signature: str) -> bytes:
    """The seal of some thinking."""
    return _DELTA % (place, b"signature_delta", b"signature") + _encode(signature) + _END


class MessagesWriter:
    """`streams.StreamWriter` for messages."""

    def __init__(self) -> None:
        self._begun = False
        self._written = 0  # blocks, as the caller counts them
        self._open: _Block | None = None
        self._current = -1  # the core's index of the open block
        self._waiting: dict[int, list[BlockStart | Delta | BlockEnd]] = {}  # in the order in which they began
        self._ids: set[str] = set()
        self._finish: ChoiceEnd | None = None
        self._lost: list[str] = []
        self._refused = False  # the model has declined in words
        self._said = False  # something besides thoughts has been written
        self._wordless: list[dict[str, Any]] = []  # thoughts that only their maker reads, until something follows them

    def write(self, events: Sequence[Event]) -> bytes:
        """See `streams.StreamWriter.write`."""
        out: list[bytes] = []
        for event in events:
            if isinstance(event, Delta):
                if event.index == self._current and not event.choice and self._open is not None:
                    self._open.delta(self, event, out)
                elif not event.choice:
                    self._wait(event)
                continue
            match event:
                case BlockStart(choice=0) | BlockEnd(choice=0):
                    self._block(event, out)
                case AnswerStart():
                    out.append(self._begin(event))
                case ChoiceEnd(choice=0):
                    self._finish = event
                case ChoiceEnd(choice=choice):
                    self._lost.append(f"choices[{choice}]")
                case Logprobs(choice=0):
                    self._lost.append("logprobs")
                case Alive() if self._begun:
                    out.append(PING)
        return b"".join(out)

    def stand(self, written: int, place: int, *, begun: bool, said: bool) -> None:
        """The caller has had so many blocks.

        Args:
            written: how many.
            place: of the text that goes on, which is its index for the core, too; -1 where there is none.
            begun: whether the message has begun.
            said: whether something besides thoughts was among them.
        """
        self._begun, self._written, self._said = begun, written, said
        if place >= 0:
            self._current = place
            self._open = _Block(BlockStart(index=place, block=Text(text="")))
            self._open.go_on(place)

    def _begin(self, event: AnswerStart) -> bytes:
        self._begun = True
        message: dict[str, Any] = {
            "id": event.id,
            "type": "message",
            "role": "assistant",
            "model": event.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(Usage()),  # nobody knows yet; what counts comes in the end
        }
        return frame("message_start", {"message": message})

    def _wait(self, event: BlockStart | Delta | BlockEnd) -> None:
        self._waiting.setdefault(event.index, []).append(event)

    def _block(self, event: BlockStart | BlockEnd, out: list[bytes]) -> None:
        """A block begins or ends. One that begins while another is open waits for its end."""
        if self._current >= 0 and event.index != self._current:
            self._wait(event)
            return
        self._next(event, out)
        while self._current < 0 and self._waiting:
            for waited in self._waiting.pop(next(iter(self._waiting))):
                self._next(waited, out)

    def _next(self, event: BlockStart | Delta | BlockEnd, out: list[bytes]) -> None:
        """What comes next of the one block that is open, or opens it."""
        if isinstance(event, BlockStart):
            self._current = event.index
            self._open = _Block(event)
            self._open.start(self, out)
        elif self._open is not None:
            if isinstance(event, Delta):
                self._open.delta(self, event, out)
            else:
                self._open.end(self, event, out)
                self._open, self._current = None, -1

    def begin(self, value: Any, out: list[bytes]) -> int:
        """A block that the caller sees begins; returns its place."""
        if self._wordless:
            self._think(out)
        self._said = self._said or not is_thought(value)
        place = self._written
        self._written += 1
        out.append(frame("content_block_start", {"index": place, "content_block": value}))
        return place

    def finish(self, place: int, out: list[bytes]) -> None:
        """It ends."""
        out.append(b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n' % place)

    def whole(self, value: Any, out: list[bytes]) -> None:
        """A block that comes whole."""
        self.finish(self.begin(value, out), out)

    def hold(self, thought: dict[str, Any]) -> None:
        """Thinking without a word goes out with what follows it: Claude Code takes the last block for the answer."""
        self._wordless.append(thought)

    def _think(self, out: list[bytes]) -> None:
        thoughts, self._wordless = self._wordless, []
        for thought in thoughts:
            signature = thought.get("signature")
            if signature is None:
                self.whole(thought, out)
                continue
            place = self.begin({**thought, "signature": ""}, out)
            out.append(signature_delta(place, signature))
            self.finish(place, out)

    def call_id(self, call: ToolCall, at: int) -> str:
        """A call's id for the caller."""
        return caller_id(call, self._ids, at)

    def refuse(self) -> None:
        """The model declines in words."""
        self._refused = True

    def lose(self, *names: str) -> None:
        """Something that cannot be said."""
        self._lost += names

    def close(self, usage: Usage | None, cost: int | None) -> bytes:
        """See `streams.StreamWriter.close`."""
        out: list[bytes] = []
        if self._wordless and self._said:
            self.lose(UNREAD)
        else:
            self._think(out)
        end = self._finish or ChoiceEnd(finish="stop")
        finish = declined(end.finish, refused=self._refused)
        word = word_of(finish, end.finish_raw, end.stop_sequence, calls=bool(self._ids))
        stopped = end.stop_sequence if word == "stop_sequence" else None
        written = _encode(write_usage(usage or Usage()))
        if cost is not None:
            written = opening(cost) + written[1:]
        fields: dict[str, Any] = {
            "delta": {"stop_reason": word, "stop_sequence": stopped},
            "usage": msgspec.Raw(written),
        }
        if self._lost:
            fields["pointsman_metadata"] = {"dropped": list(dict.fromkeys(self._lost))}
        return b"".join((*out, frame("message_delta", fields), STOP))


class _Block:
    """The open block. It is shown from its first content on: clients know no empty text.

    Its writer is handed to it each time: if it held it, the two would hold each other after a stream that broke.
    """

    __slots__ = ("_at", "_block", "_encrypted", "_head", "_id", "_place", "_signature")

    def __init__(self, event: BlockStart) -> None:
        self._block = event.block
        self._at = event.index
        self._place = -1
        self._head = b""
        self._id = ""
        self._signature = self._encrypted = ""

    def start(self, writer: MessagesWriter, out: list[bytes]) -> None:
        block = self._block
        match block:
            case Text(text=text) | Refusal(text=text):
                if text:
                    self._text(writer, text, out)
            case Reasoning(text=text):
                self._signature, self._encrypted = block.signature, block.encrypted
                if text:
                    self._text(writer, text, out)
            case ToolCall():
                self._id = writer.call_id(block, self._at)
                for sealed in sealed_call(block, self._id):
                    writer.whole(sealed, out)
                value = {"type": "tool_use", "id": self._id, "name": block.name, "input": {}}
                self._show(writer, value, b"input_json_delta", b"partial_json", out)
                if block.arguments:
                    out.append(self._head + _encode(block.arguments) + _END)
            case Opaque(dialect=dialect, raw=raw) if dialect == MESSAGES:
                writer.whole(raw, out)
            case _:
                writer.lose(name_of(block))

    def go_on(self, place: int) -> None:
        """The caller has had the beginning of this text."""
        self._place = place
        self._head = _DELTA % (place, b"text_delta", b"text")

    def _show(self, writer: MessagesWriter, value: Any, kind: bytes, field: bytes, out: list[bytes]) -> None:
        self._place = writer.begin(value, out)
        self._head = _DELTA % (self._place, kind, field)

    def _text(self, writer: MessagesWriter, text: str, out: list[bytes]) -> None:
        if not self._head:
            if isinstance(self._block, Reasoning):
                value = {"type": "thinking", "thinking": "", "signature": ""}
                self._show(writer, value, b"thinking_delta", b"thinking", out)
            else:
                self._show(writer, {"type": "text", "text": ""}, b"text_delta", b"text", out)
                if isinstance(self._block, Refusal):
                    writer.refuse()
        out.append(self._head + _encode(text) + _END)

    def delta(self, writer: MessagesWriter, event: Delta, out: list[bytes]) -> None:
        text = event.text
        if event.field not in _SEALS:
            if self._head:
                out.append(self._head + _encode(text) + _END)
            elif text and isinstance(self._block, Text | Refusal | Reasoning):
                self._text(writer, text, out)
        elif event.field == "signature":
            self._signature += text
        else:
            self._encrypted += text

    def end(self, writer: MessagesWriter, event: BlockEnd, out: list[bytes]) -> None:
        block = self._block
        if isinstance(block, Reasoning):
            self._end_reasoning(writer, block, out)
        elif isinstance(block, Text):
            self._cite(writer, (*block.citations, *event.citations), out)
            lost = dropped((*block.extras, *event.extras), MESSAGES, f"content[{self._at}]")
            writer.lose(*(loss.path for loss in lost))
        if self._place >= 0:
            writer.finish(self._place, out)
        if isinstance(block, ToolCall) and event.extras:
            for sealed in sealed_call(msgspec.structs.replace(block, extras=event.extras), self._id):
                writer.whole(sealed, out)

    def _end_reasoning(self, writer: MessagesWriter, block: Reasoning, out: list[bytes]) -> None:
        """The seal; thinking without a word that could be shown waits for what it led to."""
        shown = self._place >= 0
        whole = msgspec.structs.replace(block, text="", signature=self._signature, encrypted=self._encrypted)
        if shown:
            out.append(signature_delta(self._place, signature_of(whole)))
        elif (value := write_reasoning(whole)) is not None:
            writer.hold(value)

    def _cite(self, writer: MessagesWriter, citations: tuple[Citation, ...], out: list[bytes]) -> None:
        if not citations or self._place < 0:
            return
        lost: list[Dropped] = []
        head = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":' % self._place
        written = write_citations(citations, lost, self._place)
        out += [head + _encode({"type": "citations_delta", "citation": one}) + b"}\n\n" for one in written]
        writer.lose(*(loss.path for loss in lost))
