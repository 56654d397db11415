"""What is being written of a streamed response: a message and its parts, thinking, a call."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.chat import Extras, Reasoning, ToolCall
from pointsman.wire.openai_responses.response_object import message_item, refusal_part, text_part
from pointsman.wire.openai_responses.tools import Kind

_encode = msgspec.json.Encoder().encode
NO_LOGPROBS = b',"logprobs":[]}\n\n'
TAIL = b"}\n\n"


class Message:
    """A message that is being written."""

    __slots__ = ("id", "index", "parts")

    def __init__(self, item_id: str, index: int) -> None:
        self.id = item_id
        self.index = index
        self.parts: list[Part] = []

    @property
    def grows(self) -> bool:
        """Whether any of it is still being written."""
        return any(part.writers for part in self.parts)

    def item(self, status: str) -> dict[str, Any]:
        """The message as far as it has been told."""
        return message_item(self.id, [part.done() for part in self.parts], status)


def _beginning(kind: str, where: dict[str, Any]) -> tuple[bytes, bytes]:
    """What every delta begins with: before and behind its number."""
    name = kind.encode()
    return (
        b"".join((b"event: ", name, b'\ndata: {"type":"', name, b'","sequence_number":')),
        b"," + _encode(where)[1:-1] + b',"delta":',
    )


class Part:
    """A part of a message: neighbouring texts, or a refusal.

    Attributes:
        item: the index of the message that it is a part of; with the message itself, the two would hold each other.
        writers: blocks that are still growing in it.
        start: characters before the block that grows.
        told: how much of its end has been told: nothing, its text's (1), all of it (2).
    """

    __slots__ = (
        "_length",
        "_texts",
        "head",
        "is_text",
        "item",
        "kind",
        "logprobs",
        "notes",
        "start",
        "tail",
        "told",
        "where",
        "writers",
    )

    def __init__(self, message: Message, place: int, *, is_text: bool) -> None:
        self.item = message.index
        self.where = {"item_id": message.id, "output_index": message.index, "content_index": place}
        self.is_text = is_text
        name = "response.output_text.delta" if is_text else "response.refusal.delta"
        self.kind, self.head = _beginning(name, self.where)
        self.tail = NO_LOGPROBS if is_text else TAIL
        self.notes: list[Any] = []
        self.logprobs: list[msgspec.Raw] = []
        self._texts: list[str] = []
        self._length = self.start = self.writers = self.told = 0

    @property
    def length(self) -> int:
        """Characters of its text."""
        return self._length

    def resume(self) -> None:
        """Another block goes on here."""
        self.writers += 1
        self.start = self._length

    def take(self, text: str) -> None:
        """More of it."""
        self._texts.append(text)
        self._length += len(text)

    def bare(self) -> dict[str, Any]:
        """The part at its beginning."""
        return text_part("", [], []) if self.is_text else refusal_part("")

    def done(self) -> dict[str, Any]:
        """The part at its end."""
        text = "".join(self._texts)
        return text_part(text, self.notes, self.logprobs) if self.is_text else refusal_part(text)


class Thought:
    """Thinking that is going on. It becomes an item when there is something to tell."""

    __slots__ = ("_block", "_seals", "head", "id", "index", "kind", "texts", "where")

    def __init__(self, block: Reasoning) -> None:
        self._block = block
        self._seals: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.id, self.index = "", 0
        self.kind = self.head = b""
        self.where: dict[str, Any] = {}

    def place(self, item_id: str, index: int) -> None:
        """It is an item, and this one."""
        self.id, self.index = item_id, index
        self.where = {"item_id": item_id, "output_index": index, "summary_index": 0}
        self.kind, self.head = _beginning("response.reasoning_summary_text.delta", self.where)

    def sealed(self, field: str, text: str) -> None:
        """More of what only its maker understands."""
        self._seals.append((field, text))

    def whole(self) -> Reasoning:
        """All of it."""
        block = self._block
        grown = {
            name: getattr(block, name) + "".join(text for field, text in self._seals if field == name)
            for name in ("signature", "encrypted")
        }
        return msgspec.structs.replace(block, text="".join(self.texts), **grown)


class Call:
    """A call that is being written. What is no function is told at its end, since it is written in another form."""

    __slots__ = ("_block", "head", "id", "index", "kind", "streams", "texts", "type")

    def __init__(self, block: ToolCall, kind: Kind | None, item_id: str, index: int) -> None:
        self._block = block
        self.kind = kind
        self.id, self.index = item_id, index
        self.streams = kind is None or kind.item == "function_call"
        where = {"item_id": item_id, "output_index": index}
        self.type, self.head = _beginning("response.function_call_arguments.delta", where)
        self.texts: list[str] = []

    def told(self) -> ToolCall:
        """What has been told of it."""
        return msgspec.structs.replace(self._block, arguments="".join(self.texts))

    def whole(self, extras: tuple[Extras, ...]) -> ToolCall:
        """All of it."""
        arguments = "".join(self.texts) or "{}"
        return msgspec.structs.replace(self._block, arguments=arguments, extras=(*self._block.extras, *extras))
