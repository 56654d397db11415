"""Usage of this dialect in normal form, and back. Cached tokens and reasoning are parts of their wholes, as in ours."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.usage import Usage
from pointsman.wire.counts import MOST
from pointsman.wire.openai_chat.usage import usage_of

__all__ = ["Counted", "normal_form", "usage_of", "write_usage"]


class _Input(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _Output(msgspec.Struct):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class Counted(msgspec.Struct):
    """A usage object of the usual types, decoded by compiled code; others go the slow way, through `usage_of`."""

    input_tokens: int
    output_tokens: int
    total_tokens: int | None = None
    input_tokens_details: _Input | None = None
    output_tokens_details: _Output | None = None
    server_side_tool_usage_details: msgspec.UnsetType | Any = msgspec.UNSET
    server_tool_use_details: msgspec.UnsetType | Any = msgspec.UNSET
    cost: msgspec.UnsetType | Any = msgspec.UNSET


def normal_form(counted: Counted) -> Usage | None:
    """Normal form of a usual usage object; None where only `usage_of` can tell, as where the sums differ."""
    seen, said = counted.input_tokens_details, counted.output_tokens_details
    read = (seen.cached_tokens or 0) if seen is not None else 0
    write = (seen.cache_write_tokens or 0) if seen is not None else 0
    reasoning = (said.reasoning_tokens or 0) if said is not None else 0
    if (seen is not None and (seen.audio_tokens or seen.image_tokens)) or (
        said is not None and (said.audio_tokens or said.image_tokens)
    ):
        return None
    asked, output = counted.input_tokens, counted.output_tokens
    total = asked + output if counted.total_tokens is None else counted.total_tokens
    odd = min(asked, output, read, write, reasoning) < 0 or max(asked, output) > MOST
    odd = odd or counted.server_side_tool_usage_details is not counted.server_tool_use_details  # both unset, usually
    if odd or total != asked + output or read + write > asked or reasoning > output:
        return None
    return Usage(input=asked, cache_read=read, cache_write=write, output=output, reasoning=reasoning)


def write_usage(usage: Usage) -> dict[str, Any]:
    """Usage as this dialect writes it."""
    written = usage.cache_write + usage.cache_write_1h
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": written},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total,
    }
