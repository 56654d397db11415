"""Core answers as whole answers of this dialect."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.chat import (
    Answer,
    Block,
    Choice,
    Dropped,
    Encoded,
    Media,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from pointsman.core.dialects import RESPONSES
from pointsman.wire.extras import own
from pointsman.wire.losses import dropped, name_of, only_choice
from pointsman.wire.openai_responses.answer import NAME
from pointsman.wire.openai_responses.content import ANNOTATIONS, write_annotations
from pointsman.wire.openai_responses.response_object import (
    COMPLETED,
    End,
    Ids,
    call_item,
    ended,
    image_item,
    message_item,
    refusal_part,
    response,
    seal_item,
    text_part,
    thought_item,
)
from pointsman.wire.openai_responses.seals import seals_of_call
from pointsman.wire.openai_responses.tools import kinds_of
from pointsman.wire.raw import list_of, object_of
from pointsman.wire.trip import Incoming


def write_answer(answer: Answer, incoming: Incoming) -> Encoded:
    """An answer for a caller, and what this dialect cannot say of it."""
    choice, lost = only_choice(answer, RESPONSES)
    ids = Ids.of(answer.id, answer.created, answer.model, incoming)
    end = End.of(choice, refused=any(isinstance(one, Refusal) and one.text for one in choice.blocks))
    output = _Output(ids, incoming, lost)
    for block in choice.blocks:
        output.add(block)
    output.end(end.of_last)
    output.weigh(_logprobs(choice))
    begun = response(ids, answer.created, answer.model, incoming.fields)
    body = msgspec.json.encode(ended(begun, end, output.items, answer.usage, None))
    return Encoded(body=body, dropped=tuple(lost), mark=NAME if answer.usage is not None else b"")


def _logprobs(choice: Choice) -> list[msgspec.Raw]:
    return list_of((object_of(choice.logprobs) or {}).get("content")) if choice.logprobs is not None else []


class _Output:
    """The items of a response. Neighbouring texts are one part of one message, as they are read by people."""

    def __init__(self, ids: Ids, incoming: Incoming, lost: list[Dropped]) -> None:
        self.items: list[Any] = []
        self._ids = ids
        self._kinds = kinds_of(incoming.fields)
        self._lost = lost
        self._parts: list[Any] = []
        self._spoken: dict[str, Any] | None = None
        self._called: dict[str, Any] | None = None  # the call that nothing has followed

    def add(self, block: Block) -> None:
        """The next block."""
        self._called = None
        if isinstance(block, Text | Refusal):
            self._say(block)
            return
        self.flush(COMPLETED)
        at = len(self.items)
        match block:
            case Reasoning():
                if block.text or block.encrypted or block.signature:
                    self.items.append(thought_item(self._ids.item("rs", at), block))
            case ToolCall():
                kind = self._kinds.get(block.name)
                self._called = call_item(self._ids.call(kind, at), block, kind, COMPLETED)
                self.items.append(self._called)
                for seal in seals_of_call(block):
                    self.items.append(seal_item(self._ids.item("rs", len(self.items)), seal))
            case Media(kind="image") if block.data:
                self.items.append(image_item(self._ids.item("ig", at), block))
            case Opaque(dialect=dialect, raw=raw) if dialect == RESPONSES:
                self.items.append(raw)
            case _:
                self._lost.append(Dropped(path=f"output[{at}]", reason=f"Responses has no item for `{name_of(block)}`"))

    def _say(self, block: Text | Refusal) -> None:
        self._lost += dropped(block.extras, RESPONSES, f"output[{len(self.items)}]") if block.extras else ()
        if isinstance(block, Refusal):
            self._parts.append(refusal_part(block.text))
            return
        if not self._parts or "text" not in self._parts[-1]:
            self._parts.append(text_part("", [], []))
        part = self._spoken = self._parts[-1]
        if block.citations:
            part[ANNOTATIONS] += write_annotations(block.citations, len(part["text"]))
            if not all(one.url for one in block.citations):
                reason = "Responses cites web pages only"
                self._lost.append(Dropped(path=f"output[{len(self.items)}].annotations", reason=reason))
        part[ANNOTATIONS] += list_of(own(block.extras, RESPONSES).get(ANNOTATIONS))
        part["text"] += block.text

    def end(self, status: str) -> None:
        """Nothing follows. What was being written last has this status: a limit may have cut it."""
        self.flush(status)
        if self._called is not None:
            self._called["status"] = status

    def flush(self, status: str) -> None:
        """The message that was being written, if any, is an item."""
        if self._parts:
            self.items.append(message_item(self._ids.item("msg", len(self.items)), self._parts, status))
            self._parts = []

    def weigh(self, logprobs: list[msgspec.Raw]) -> None:
        """Log probabilities belong to the text that was said last; nothing tells those of several apart."""
        if not logprobs:
            return
        if self._spoken is None:
            self._lost.append(Dropped(path="logprobs", reason="there is no text that they belong to"))
        else:
            self._spoken["logprobs"] = logprobs
