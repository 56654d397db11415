"""What chat cannot say about an assistant's message, carried in fields that other clients ignore and send back.

`reasoning_content` and `thinking_blocks` are names that several clients and gateways already know. What they cannot
hold (the order of text, thinking and calls; server tools; extras of other dialects) stands in `pointsman_blocks`: one
slot a block, which either refers to the next piece of a visible field or holds the block itself. A message whose
visible fields no longer fit its slots was edited by the caller; then the visible fields count.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.chat import Block, Extras, Reasoning, Text, ToolCall
from pointsman.wire.raw import list_of, object_of, text_in

BLOCKS = "pointsman_blocks"
THINKING = "thinking_blocks"


class _Slot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One block: so many characters of `content`, the next tool call, the next thinking block, or the block."""

    text: int | None = None
    call: bool = False
    thinking: bool = False
    block: Block | None = None
    extras: tuple[Extras, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether it stands for one thing, as all do that we write."""
        kinds = (self.text is not None, self.call, self.thinking, self.block is not None)
        return sum(kinds) == 1 and (self.text or 0) >= 0


_SLOTS = msgspec.json.Decoder(tuple[_Slot, ...])


def slots(blocks: tuple[Block, ...]) -> list[_Slot]:
    """The slots of a message's blocks."""
    return [_slot(block) for block in blocks]


def _slot(block: Block) -> _Slot:
    match block:
        case Text(text=text):
            return _Slot(text=len(text), extras=block.extras)
        case ToolCall():
            return _Slot(call=True, extras=block.extras)
        case Reasoning() if fits_thinking(block):
            return _Slot(thinking=True, extras=block.extras)
    return _Slot(block=block)


def fits_thinking(block: Reasoning) -> bool:
    """Whether `thinking_blocks` can hold a block: thinking with a signature, or thinking that we cannot read."""
    return not block.summary and bool(block.signature) != bool(block.encrypted) and not (block.encrypted and block.text)


def write_thinking(block: Reasoning) -> dict[str, Any]:
    """One entry of `thinking_blocks`."""
    if block.encrypted:
        return {"type": "redacted_thinking", "data": block.encrypted}
    return {"type": "thinking", "thinking": block.text, "signature": block.signature}


def read_thinking(raw: msgspec.Raw | None) -> list[Block]:
    """The entries of `thinking_blocks`; odd ones are left out."""
    found: list[Block] = []
    for item in list_of(raw):
        fields = object_of(item) or {}
        kind = text_in(fields, "type")
        if kind == "redacted_thinking":
            found.append(Reasoning(encrypted=text_in(fields, "data")))
        elif kind == "thinking":
            found.append(Reasoning(text=text_in(fields, "thinking"), signature=text_in(fields, "signature")))
    return found


def restore(raw: msgspec.Raw, content: str, calls: list[Block], thinking: list[Block]) -> tuple[Block, ...] | None:
    """The blocks of a message from its slots and visible fields; None where they do not fit each other."""
    try:
        found = _SLOTS.decode(raw)
    except (ValueError, RecursionError):
        return None
    if not all(slot.sound for slot in found) or sum(slot.text or 0 for slot in found) != len(content):
        return None
    if sum(slot.call for slot in found) != len(calls) or sum(slot.thinking for slot in found) != len(thinking):
        return None
    blocks: list[Block] = []
    at = 0
    next_call, next_thinking = iter(calls), iter(thinking)
    for slot in found:
        if slot.text is not None:
            blocks.append(Text(text=content[at : at + slot.text], extras=slot.extras))
            at += slot.text
        elif slot.call or slot.thinking:
            block = next(next_call if slot.call else next_thinking)
            blocks.append(msgspec.structs.replace(block, extras=slot.extras))
        elif slot.block is not None:
            blocks.append(slot.block)
    return tuple(blocks)
