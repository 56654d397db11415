"""Streams of this dialect that somebody else goes on with.

Blocks are read as the caller has them: those that a provider showed and our writer would not have shown count, too.
"""

from __future__ import annotations

from typing import Any

from pointsman.core.chat import Reasoning
from pointsman.wire import sse
from pointsman.wire.anthropic_messages.seals import signature_of
from pointsman.wire.anthropic_messages.stream_writer import STOP, MessagesWriter, signature_delta
from pointsman.wire.event_relay import read_event
from pointsman.wire.parse import as_count, as_dict, as_text
from pointsman.wire.streams import Stand
from pointsman.wire.trip import Incoming

_THOUGHTS = frozenset({"thinking", "redacted_thinking"})


def resume(told: bytes, incoming: Incoming) -> Stand:  # noqa: ARG001 - the port's
    """See `port.CallerSide.resume`."""
    told_so_far = _Told()
    for frame in sse.split(told):
        name, data = sse.fields(frame)
        if data and data.strip():
            told_so_far.take(read_event(name, data))
    return told_so_far.stand()


class _Told:
    """What a caller knows of a message."""

    def __init__(self) -> None:
        self._begun = self._said = self._ended = self._stopped = False
        self._blocks = 0
        self._open: dict[int, _Block] = {}

    def take(self, value: dict[str, Any]) -> None:
        """One event."""
        match value.get("type"):
            case "message_start":
                self._begun = True
            case "content_block_start":
                self._start(as_count(value.get("index")), as_dict(value.get("content_block")))
            case "content_block_delta":
                block = self._open.get(as_count(value.get("index")))
                if block is not None:
                    block.take(as_dict(value.get("delta")))
            case "content_block_stop":
                self._open.pop(as_count(value.get("index")), None)
            case "message_delta":
                self._ended = self._ended or isinstance(as_dict(value.get("delta")).get("stop_reason"), str)
            case "message_stop":
                self._stopped = True

    def _start(self, place: int, fields: dict[str, Any]) -> None:
        self._begun = True
        self._blocks = max(self._blocks, place + 1)
        block = self._open[place] = _Block(fields)
        self._said = self._said or block.kind not in _THOUGHTS

    def stand(self) -> Stand:
        """A writer that stands there."""
        writer = MessagesWriter()
        owed = b"" if self._stopped else STOP if self._ended else None
        if owed is not None:
            return Stand(writer, begun=True, owed=owed)
        place, block = next(iter(self._open.items()), (-1, None))
        goes_on = block is not None and block.kind == "text"
        writer.stand(self._blocks, place if goes_on else -1, begun=self._begun, said=self._said)
        return Stand(
            writer,
            begun=self._begun,
            text=place if goes_on else -1,
            length=block.length if block is not None and goes_on else 0,
            following=self._blocks,
            ending=b"" if block is None or goes_on else _ending(block, place, writer),
            unfinished=self._unfinished(),
        )

    def _unfinished(self) -> str:
        kinds = {block.kind for block in self._open.values()}
        if "tool_use" in kinds:
            return "a tool call has begun"
        if len(self._open) > 1 or kinds - _THOUGHTS - {"text"}:
            return "it holds what only its own provider can end"
        return ""


class _Block:
    """A block that has begun: its kind, characters of text, and whether its thinking has been signed."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.kind = as_text(fields.get("type"))
        self.length = len(as_text(fields.get("text")))
        self.signed = bool(as_text(fields.get("signature")))

    def take(self, delta: dict[str, Any]) -> None:
        """More of it."""
        self.length += len(as_text(delta.get("text")))
        self.signed = self.signed or bool(as_text(delta.get("signature")))


def _ending(block: _Block, place: int, writer: MessagesWriter) -> bytes:
    """The end of a block of thinking, with a sign that nobody has signed it where nobody has."""
    out: list[bytes] = []
    if block.kind == "thinking" and not block.signed:
        out.append(signature_delta(place, signature_of(Reasoning())))
    writer.finish(place, out)
    return b"".join(out)
