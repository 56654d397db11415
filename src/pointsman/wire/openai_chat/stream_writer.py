"""Core events as a chat stream.

What every chunk of a stream begins with is written once; of most events the text alone is new.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from pointsman.core.chat import (
    Alive,
    AnswerStart,
    Block,
    BlockEnd,
    BlockStart,
    ChoiceEnd,
    Delta,
    Event,
    Logprobs,
    Media,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from pointsman.core.usage import Usage
from pointsman.wire.itemised import opening
from pointsman.wire.losses import name_of
from pointsman.wire.openai_chat import custom
from pointsman.wire.openai_chat.core_answers import FINISHES, ONE_CALL, knows_one_call, unsaid, write_usage
from pointsman.wire.openai_chat.core_parts import data_url, write_call, write_citations
from pointsman.wire.openai_chat.reasoning import THINKING, thinking
from pointsman.wire.trip import Incoming

_encode = msgspec.json.Encoder().encode
_END = b',"logprobs":null,"finish_reason":null}]}\n\n'
DONE = b"data: [DONE]\n\n"
ALIVE = b": keep-alive\n\n"


class ChatWriter:
    """`streams.StreamWriter` for chat completions."""

    def __init__(self, incoming: Incoming) -> None:
        self._shows_usage = incoming.shows_usage
        self._one_call = knows_one_call(incoming)
        self._customs = custom.names_of(incoming.fields)
        self._head = b""
        self._choices: dict[int, _Choice] = {}
        self._lost: list[str] = []

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
                case Logprobs(choice=choice, raw=raw):
                    self._of(choice, out)
                    out.append(self._chunk({"index": choice, "delta": {}, "logprobs": raw, "finish_reason": None}))
                case ChoiceEnd():
                    self._finish(event, out)
                case Alive() if self._head:
                    out.append(ALIVE)
        return b"".join(out)

    def stand(self, choices: Collection[int]) -> None:
        """Everything written so far was told by somebody else, who has begun these choices."""
        for index in choices:
            self._of(index, [])
        self._lost.clear()

    def _begin(self, event: AnswerStart) -> None:
        head = {
            "id": event.id,
            "object": "chat.completion.chunk",
            "created": event.created,
            "model": event.model,
        }
        self._head = b"data: " + _encode(head)[:-1] + b',"choices":'

    def _of(self, index: int, out: list[bytes]) -> _Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice(self._head + b'[{"index":%d,"delta":' % index)
            out.append(choice.head + b'{"role":"assistant","content":""}' + _END)
        return choice

    def _start(self, event: BlockStart, out: list[bytes]) -> None:
        choice, block = self._of(event.choice, out), event.block
        choice.blocks[event.index] = _Open(block)
        match block:
            case ToolCall(name=name):
                choice.calls[event.index] = len(choice.calls)
                if name in self._customs:  # its input can be told from the whole of its arguments only
                    choice.blocks[event.index] = _Custom(block)
                    return
                self._call(choice, event.index, write_call(block), out)
            case Text(text=text) if text:
                choice.length += len(text)
                out.append(choice.delta({"content": text}))
            case Refusal(text=text) if text:
                out.append(choice.delta({"refusal": text}))
            case Reasoning(text=text) if text:
                out.append(choice.delta({"reasoning_content": text}))
            case Media(kind="image") if block.url or block.data:
                image = {"type": "image_url", "image_url": {"url": data_url(block)}}
                out.append(choice.delta({"images": [image]}))
            case Text() | Refusal() | Reasoning():
                pass
            case _:
                self._lost.append(name_of(block))

    def _delta(self, event: Delta, out: list[bytes]) -> None:
        choice = self._choices[event.choice]
        opened = choice.blocks[event.index]
        block, text = opened.block, event.text
        if isinstance(block, Text):
            choice.length += len(text)
            opened.length += len(text)
            out.append(choice.head + b'{"content":' + _encode(text) + b"}" + _END)
        elif isinstance(opened, _Custom):
            opened.pieces.append(text)
        elif isinstance(block, ToolCall):
            opened.length += len(text)
            if self._one_call:
                self._call(choice, event.index, {"function": {"arguments": text}}, out)
                return
            out.append(
                choice.head
                + b'{"tool_calls":[{"index":%d,"function":{"arguments":' % choice.calls[event.index]
                + _encode(text)
                + b"}}]}"
                + _END
            )
        elif isinstance(block, Refusal):
            out.append(choice.delta({"refusal": text}))
        elif isinstance(block, Reasoning):
            opened.add(event.field, text)
            if event.field == "text":
                out.append(choice.delta({"reasoning_content": text}))

    def _call(self, choice: _Choice, index: int, call: dict[str, Any], out: list[bytes]) -> None:
        """More of a call, in the form that the caller reads."""
        place = choice.calls[index]
        if not self._one_call:
            out.append(choice.delta({"tool_calls": [{"index": place, **call}]}))
        elif not place:
            out.append(choice.delta({"function_call": call["function"]}))
        else:
            self._lost.append(ONE_CALL)

    def _stop(self, event: BlockEnd, out: list[bytes]) -> None:
        choice = self._choices[event.choice]
        opened = choice.blocks.pop(event.index)
        block = opened.block
        if extras := (*block.extras, *event.extras):
            self._lost += [one.path for one in unsaid(block, extras)]
        if isinstance(opened, _Custom):
            self._call(choice, event.index, custom.write_call(opened.call()), out)
        elif isinstance(block, ToolCall):
            if not opened.length and not block.arguments:
                self._call(choice, event.index, {"function": {"arguments": "{}"}}, out)
        elif isinstance(block, Text):
            citations = (*block.citations, *event.citations)
            if citations:
                length = opened.length + len(block.text)
                written = write_citations(citations, choice.length - length, length)
                out.append(choice.delta({"annotations": written}))
        elif isinstance(block, Reasoning):
            whole = opened.reasoning()
            if whole.signature or whole.encrypted:
                out.append(choice.delta({THINKING: [thinking(whole)]}))

    def _finish(self, event: ChoiceEnd, out: list[bytes]) -> None:
        self._of(event.choice, out)
        value: dict[str, Any] = {"index": event.choice, "delta": {}, "logprobs": None}
        word = FINISHES.words[event.finish]
        value["finish_reason"] = "function_call" if self._one_call and word == "tool_calls" else word
        value |= {"stop_reason": event.stop_sequence} if event.stop_sequence else {}
        more = {}
        if self._lost:
            more = {"pointsman_metadata": {"dropped": list(dict.fromkeys(self._lost))}}
            self._lost = []
        out.append(self._chunk(value, more))

    def _chunk(self, choice: dict[str, Any], more: dict[str, Any] | None = None) -> bytes:
        tail = b"," + _encode(more)[1:] if more else b"}"
        return self._head + b"[" + _encode(choice) + b"]" + tail + b"\n\n"

    def close(self, usage: Usage | None, cost: int | None) -> bytes:
        """See `streams.StreamWriter.close`."""
        if usage is None or not self._shows_usage:
            return DONE
        written = _encode(write_usage(usage))
        if cost is not None:
            written = opening(cost) + written[1:]
        return self._head + b'[],"usage":' + written + b"}\n\n" + DONE


class _Choice:
    """One answer on its way: what its chunks begin with, open blocks, places of calls, characters of text."""

    __slots__ = ("blocks", "calls", "head", "length")

    def __init__(self, head: bytes) -> None:
        self.head = head
        self.blocks: dict[int, _Open] = {}
        self.calls: dict[int, int] = {}
        self.length = 0

    def delta(self, value: dict[str, Any]) -> bytes:
        """A chunk with a delta."""
        return self.head + _encode(value) + _END


class _Open:
    """A block that has begun, with what must be repeated at its end."""

    __slots__ = ("block", "length", "parts")

    def __init__(self, block: Block) -> None:
        self.block = block
        self.length = 0
        self.parts: list[tuple[str, str]] = []

    def add(self, field: str, text: str) -> None:
        """More of a block of thinking."""
        self.parts.append((field, text))

    def reasoning(self) -> Reasoning:
        """The thinking, whole."""
        block = self.block
        assert isinstance(block, Reasoning)  # noqa: S101 - only asked of those
        grown = {
            name: getattr(block, name) + "".join(text for field, text in self.parts if field == name)
            for name in ("text", "signature", "encrypted")
        }
        return msgspec.structs.replace(block, **grown)


class _Custom(_Open):
    """A call of a custom tool, which goes out whole."""

    __slots__ = ("pieces",)

    def __init__(self, block: ToolCall) -> None:
        super().__init__(block)
        self.pieces = [block.arguments]

    def call(self) -> ToolCall:
        """The call with all of its arguments."""
        block = self.block
        assert isinstance(block, ToolCall)  # noqa: S101 - as it began
        return msgspec.structs.replace(block, arguments="".join(self.pieces))
