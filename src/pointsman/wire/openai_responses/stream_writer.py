"""Core events as a stream of this dialect.

Every item is announced, grows and ends, with one id throughout; the last event holds the whole response. What every
delta of a part begins with is written once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pointsman.core.chat import (
    AnswerStart,
    Block,
    BlockEnd,
    BlockStart,
    Choice,
    ChoiceEnd,
    Delta,
    Event,
    Extras,
    Logprobs,
    Media,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from pointsman.core.dialects import RESPONSES
from pointsman.core.usage import Usage
from pointsman.wire.extras import own
from pointsman.wire.losses import dropped, name_of
from pointsman.wire.openai_responses.content import ANNOTATIONS, write_annotations
from pointsman.wire.openai_responses.frames import frame
from pointsman.wire.openai_responses.response_object import (
    COMPLETED,
    IN_PROGRESS,
    INCOMPLETE,
    End,
    Ids,
    call_item,
    ended,
    image_item,
    message_item,
    response,
    seal_item,
    thought_item,
)
from pointsman.wire.openai_responses.seals import seals_of_call
from pointsman.wire.openai_responses.tools import kinds_of
from pointsman.wire.openai_responses.writing import NO_LOGPROBS, TAIL, Call, Message, Part, Thought
from pointsman.wire.raw import list_of, object_of
from pointsman.wire.trip import Incoming

_encode = msgspec.json.Encoder().encode
_UNCITED = Text(text="")


class ResponsesWriter:
    """`streams.StreamWriter` for Responses."""

    def __init__(self, incoming: Incoming) -> None:
        self._incoming = incoming
        self._kinds = kinds_of(incoming.fields)
        self._number = 0
        self._ids = Ids("", "")
        self._begun: dict[str, Any] = {}
        self._output: list[Any] = []  # finished items, in the order in which they began
        self._message: Message | None = None
        self._messages: dict[int, Message] = {}  # by their indexes
        self._open: dict[int, Part | Thought | Call] = {}
        self._held: tuple[Call, tuple[Extras, ...]] | None = None  # a call that is over, until it is known how it ended
        self._cited: dict[int, Text] = {}  # texts that came with citations
        self._end = End(COMPLETED)
        self._refused = False  # the model has declined in words
        self._lost: list[str] = []
        self._final = b""

    @property
    def final(self) -> bytes:
        """The whole response, cost included; empty before `close`."""
        return self._final

    @property
    def so_far(self) -> bytes:
        """The response as far as it has been told, what is being written of it included; empty before its beginning."""
        if not self._begun:
            return b""
        output = list(self._output)
        opened = [*self._open.values(), *([] if self._held is None else [self._held[0]])]
        messages = [self._messages[part.item] for part in opened if isinstance(part, Part)]
        for message in (*messages, *([] if self._message is None else [self._message])):
            output[message.index] = message.item(INCOMPLETE)
        for one in opened:
            if isinstance(one, Thought) and one.texts:
                output[one.index] = thought_item(one.id, one.whole())
            elif isinstance(one, Call):
                output[one.index] = call_item(one.id, one.told(), one.kind, INCOMPLETE)
        return _encode({**self._begun, "output": output})

    def write(self, events: Sequence[Event]) -> bytes:
        """See `streams.StreamWriter.write`."""
        out: list[bytes] = []
        for event in events:
            if self._held is not None and isinstance(event, BlockStart | Delta | BlockEnd):
                self._release(COMPLETED, out)
            match event:
                case Delta(choice=0):
                    self._delta(event, out)
                case BlockStart(choice=0):
                    self._start(event, out)
                case BlockEnd(choice=0):
                    self._stop(event, out)
                case AnswerStart():
                    self._begin(event, out)
                case Logprobs(choice=0):
                    self._weigh(event, out)
                case ChoiceEnd(choice=0):
                    self._end = End.of(Choice(finish=event.finish, finish_raw=event.finish_raw), refused=self._refused)
                    self._release(self._end.of_last, out)
                    self._flush(out, self._end.of_last)
                case ChoiceEnd():
                    self._lost.append(f"choices[{event.choice}]")
        return b"".join(out)

    def close(self, usage: Usage | None, cost: int | None) -> bytes:
        """See `streams.StreamWriter.close`."""
        out: list[bytes] = []
        self._release(COMPLETED, out)
        self._flush(out, COMPLETED)
        whole = ended(self._begun, self._end, self._output, usage, cost)
        if self._lost:
            whole["pointsman_metadata"] = {"dropped": list(dict.fromkeys(self._lost))}
        self._final = _encode(whole)
        self._emit(out, self._end.event, {"response": msgspec.Raw(self._final)})
        return b"".join(out)

    def stand(self, ids: Ids, begun: dict[str, Any], output: list[Any], message: Message | None, number: int) -> None:
        """The caller has had this much of the response.

        Args:
            ids: for the items to come, and the response's own.
            begun: the response as it began.
            output: its items.
            message: the one that is open; its last text, where that has not ended, goes on as the core's block 0.
            number: of the next event.
        """
        self._ids, self._begun, self._output, self._message, self._number = ids, begun, output, message, number
        if message is None:
            return
        self._messages[message.index] = message
        last = message.parts[-1] if message.parts else None
        if last is not None and last.is_text and not last.told:
            last.writers = 1
            self._open[0] = last

    def _emit(self, out: list[bytes], kind: str, fields: dict[str, Any]) -> None:
        out.append(frame(kind, self._number, fields))
        self._number += 1

    def _begin(self, event: AnswerStart, out: list[bytes]) -> None:
        self._ids = Ids.of(event.id, event.created, event.model, self._incoming)
        self._begun = response(self._ids, event.created, event.model, self._incoming.fields)
        told = {"response": msgspec.Raw(_encode(self._begun))}
        self._emit(out, "response.created", told)
        self._emit(out, "response.in_progress", told)

    def _add(self, out: list[bytes], item: dict[str, Any]) -> int:
        """Announce an item; returns its place."""
        index = len(self._output)
        self._output.append(item)
        self._emit(out, "response.output_item.added", {"output_index": index, "item": item})
        return index

    def _finish(self, out: list[bytes], index: int, item: Any) -> None:
        """An item is complete."""
        self._output[index] = item
        self._emit(out, "response.output_item.done", {"output_index": index, "item": item})

    def _whole(self, out: list[bytes], added: Any, done: Any) -> None:
        """An item that does not grow."""
        self._finish(out, self._add(out, added), done)

    def _start(self, event: BlockStart, out: list[bytes]) -> None:
        block = event.block
        if isinstance(block, Text | Refusal):
            self._open[event.index] = self._say(block, out)
            if isinstance(block, Text) and (block.citations or block.extras):
                self._cited[event.index] = block
            if block.text:
                self._grow(self._open[event.index], block.text, out)
            return
        self._interrupt(out)
        at = len(self._output)
        match block:
            case Reasoning():
                thought = self._open[event.index] = Thought(block)
                if block.text:
                    self._think(thought, block.text, out)
            case ToolCall():
                kind = self._kinds.get(block.name)
                item_id = self._ids.call(kind, at)
                bare = msgspec.structs.replace(block, arguments="")
                self._add(out, call_item(item_id, bare, kind, IN_PROGRESS))
                call = self._open[event.index] = Call(block, kind, item_id, at)
                if block.arguments:
                    self._argue(call, block.arguments, out)
            case Media(kind="image") if block.data:
                item = image_item(self._ids.item("ig", at), block)
                self._whole(out, {**item, "status": IN_PROGRESS, "result": None}, item)
            case Opaque(dialect=dialect, raw=raw) if dialect == RESPONSES:
                self._whole(out, raw, raw)
            case _:
                self._lose(block, at)

    def _lose(self, block: Block, at: int) -> None:
        self._lost.append(f"output[{at}].{name_of(block)}")

    def _say(self, block: Text | Refusal, out: list[bytes]) -> Part:
        """The part of a message in which a text goes on: the last one, unless that is still being written."""
        message = self._message
        if message is None:
            at = len(self._output)
            message = self._message = self._messages[at] = Message(self._ids.item("msg", at), at)
            self._add(out, message_item(message.id, [], IN_PROGRESS))
        last = message.parts[-1] if message.parts else None
        if last is not None and last.is_text and isinstance(block, Text) and not last.writers and not last.told:
            last.resume()
            return last
        part = Part(message, len(message.parts), is_text=isinstance(block, Text))
        message.parts.append(part)
        self._emit(out, "response.content_part.added", {**part.where, "part": part.bare()})
        part.resume()
        return part

    def _delta(self, event: Delta, out: list[bytes]) -> None:
        opened = self._open.get(event.index)
        if opened is None:
            return  # a block that could not be told
        if event.field not in ("text", "arguments"):
            if isinstance(opened, Thought):
                opened.sealed(event.field, event.text)
        elif event.text:
            self._grow(opened, event.text, out)

    def _grow(self, opened: Part | Thought | Call, text: str, out: list[bytes]) -> None:
        if isinstance(opened, Part):
            opened.take(text)
            self._refused = self._refused or not opened.is_text
            out.append(b"%b%d%b%b%b" % (opened.kind, self._number, opened.head, _encode(text), opened.tail))
            self._number += 1
        elif isinstance(opened, Thought):
            self._think(opened, text, out)
        else:
            self._argue(opened, text, out)

    def _think(self, thought: Thought, text: str, out: list[bytes]) -> None:
        if not thought.texts:
            self._announce(thought, out)
            part = {"type": "summary_text", "text": ""}
            self._emit(out, "response.reasoning_summary_part.added", {**thought.where, "part": part})
        thought.texts.append(text)
        out.append(b"%b%d%b%b%b" % (thought.kind, self._number, thought.head, _encode(text), TAIL))
        self._number += 1

    def _announce(self, thought: Thought, out: list[bytes]) -> None:
        """The item of some thinking is begun when there is some."""
        at = len(self._output)
        thought.place(self._ids.item("rs", at), at)
        self._add(out, {"id": thought.id, "type": "reasoning", "summary": []})

    def _argue(self, call: Call, text: str, out: list[bytes]) -> None:
        call.texts.append(text)
        if call.streams:
            out.append(b"%b%d%b%b%b" % (call.type, self._number, call.head, _encode(text), TAIL))
            self._number += 1

    def _weigh(self, event: Logprobs, out: list[bytes]) -> None:
        """Log probabilities of what was just said belong into its delta, if that has not left yet."""
        found = list_of((object_of(event.raw) or {}).get("content"))
        parts = self._message.parts if self._message is not None else []
        part = next((part for part in reversed(parts) if part.is_text), None)
        if part is None:
            self._lost += ["logprobs"] if found else []
            return
        part.logprobs += found
        if out and out[-1].startswith(part.kind) and out[-1].endswith(NO_LOGPROBS):
            out[-1] = out[-1][: -len(NO_LOGPROBS)] + b',"logprobs":' + _encode(found) + TAIL

    def _stop(self, event: BlockEnd, out: list[bytes]) -> None:
        opened = self._open.pop(event.index, None)
        if isinstance(opened, Part):
            self._cite(opened, event, out)
            message = self._messages[opened.item]
            if message is not self._message and not message.grows:
                self._end_message(message, COMPLETED, out)
        elif isinstance(opened, Thought):
            self._stop_thought(opened, out)
        elif isinstance(opened, Call):
            self._held = opened, event.extras

    def _cite(self, part: Part, event: BlockEnd, out: list[bytes]) -> None:
        part.writers -= 1
        given = self._cited.pop(event.index, _UNCITED) if self._cited else _UNCITED
        citations, extras = (*given.citations, *event.citations), (*given.extras, *event.extras)
        if not citations and not extras:
            return
        at = len(self._output) - 1
        notes: list[Any] = write_annotations(citations, part.start)
        if len(notes) < len(citations):
            self._lost.append(f"output[{at}].annotations")
        notes += list_of(own(extras, RESPONSES).get(ANNOTATIONS))
        self._lost += [one.path for one in dropped(extras, RESPONSES, f"output[{at}]")]
        for note in notes:
            told = {**part.where, "annotation_index": len(part.notes), "annotation": note}
            self._emit(out, "response.output_text.annotation.added", told)
            part.notes.append(note)

    def _stop_thought(self, thought: Thought, out: list[bytes]) -> None:
        block = thought.whole()
        if not (block.text or block.encrypted or block.signature):
            return
        if thought.texts:
            where, text = thought.where, block.text
            self._emit(out, "response.reasoning_summary_text.done", {**where, "text": text})
            part = {"type": "summary_text", "text": text}
            self._emit(out, "response.reasoning_summary_part.done", {**where, "part": part})
        else:
            self._announce(thought, out)
        self._finish(out, thought.index, thought_item(thought.id, block))

    def _release(self, status: str, out: list[bytes]) -> None:
        """The call that waited ends: with this status if it is the last item, whose end the answer's may have cut."""
        if self._held is None:
            return
        (call, extras), self._held = self._held, None
        self._stop_call(call, extras, status if call.index == len(self._output) - 1 else COMPLETED, out)

    def _stop_call(self, call: Call, extras: tuple[Extras, ...], status: str, out: list[bytes]) -> None:
        whole = call.whole(extras)
        if not call.texts:
            self._argue(call, whole.arguments, out)
        item = call_item(call.id, whole, call.kind, status)
        where = {"item_id": call.id, "output_index": call.index}
        if call.streams:
            self._emit(out, "response.function_call_arguments.done", {**where, "arguments": whole.arguments})
        elif "input" in item:
            self._emit(out, "response.custom_tool_call_input.delta", {**where, "delta": item["input"]})
            self._emit(out, "response.custom_tool_call_input.done", {**where, "input": item["input"]})
        self._finish(out, call.index, item)
        for seal in seals_of_call(whole):
            told = seal_item(self._ids.item("rs", len(self._output)), seal)
            self._whole(out, told, told)

    def _interrupt(self, out: list[bytes]) -> None:
        """Another item begins: the message before it ends, unless its text goes on beside that."""
        if self._message is not None and self._message.grows:
            self._message = None
        else:
            self._flush(out, COMPLETED)

    def _flush(self, out: list[bytes], status: str) -> None:
        """The message that was being written ends."""
        message, self._message = self._message, None
        if message is not None:
            self._end_message(message, status, out)

    def _end_message(self, message: Message, status: str, out: list[bytes]) -> None:
        for part in message.parts:
            done = part.done()
            if part.told:  # by somebody else, before this one went on with it
                pass
            elif part.is_text:
                told = {"text": done["text"], "logprobs": done["logprobs"]}
                self._emit(out, "response.output_text.done", {**part.where, **told})
            else:
                self._emit(out, "response.refusal.done", {**part.where, "refusal": done["refusal"]})
            if part.told < 2:
                self._emit(out, "response.content_part.done", {**part.where, "part": done})
        self._finish(out, message.index, message.item(status))
