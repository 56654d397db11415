"""Chat usage in normal form, whatever the provider's arithmetic."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import msgspec

from pointsman.core.usage import Usage
from pointsman.wire.parse import MOST, as_count, as_dict

_EMPTY = len(b"{}")


class _Input(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_creation_tokens: int | None = None
    audio_tokens: int | None = None


class _Output(msgspec.Struct):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class Fields(msgspec.Struct):
    """A chat usage object of the usual types: decoded by compiled code, which is most of what accounting costs.

    What is of another type, or under one of the rarer names, goes the slow way, through `usage_of`.
    """

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int | None = None
    prompt_tokens_details: _Input | None = None
    completion_tokens_details: _Output | None = None
    input_tokens: msgspec.UnsetType | Any = msgspec.UNSET
    output_tokens: msgspec.UnsetType | Any = msgspec.UNSET
    reasoning_tokens: msgspec.UnsetType | Any = msgspec.UNSET
    prompt_cache_hit_tokens: msgspec.UnsetType | Any = msgspec.UNSET
    cached_tokens: msgspec.UnsetType | Any = msgspec.UNSET
    cache_read_input_tokens: msgspec.UnsetType | Any = msgspec.UNSET
    cache_creation_input_tokens: msgspec.UnsetType | Any = msgspec.UNSET
    cache_creation: msgspec.UnsetType | Any = msgspec.UNSET


_FIELDS = msgspec.json.Decoder(Fields)
_OBJECT = msgspec.json.Decoder(dict[str, Any])
_NO_INPUT = _Input()
_NO_OUTPUT = _Output()
_RARE = attrgetter(
    "input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "prompt_cache_hit_tokens",
    "cached_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation",
)
_ALL_UNSET = (msgspec.UNSET,) * 8


def read_usage(raw: msgspec.Raw) -> Usage | None:
    """Normal form of a chat usage object as bytes; None for null, nothing or an empty object.

    Raises:
        ValueError: neither an object nor null.
    """
    if len(raw) <= _EMPTY or bytes(raw) == b"null":
        return None
    try:
        fields = _FIELDS.decode(raw)
    except msgspec.ValidationError:
        found = _OBJECT.decode(raw)
        return usage_of(found) if found else None
    seen = fields.prompt_tokens_details or _NO_INPUT
    said = fields.completion_tokens_details or _NO_OUTPUT
    numbers = (
        fields.prompt_tokens,
        fields.completion_tokens,
        fields.total_tokens or 0,
        seen.cached_tokens or 0,
        seen.cache_write_tokens or seen.cache_creation_tokens or 0,
        said.reasoning_tokens or 0,
        seen.audio_tokens or 0,
        said.audio_tokens or 0,
    )
    if _RARE(fields) != _ALL_UNSET or min(numbers) < 0 or max(numbers) >= MOST:
        return usage_of(_OBJECT.decode(raw))
    prompt, output, total, read, write, reasoning, heard, spoken = numbers
    return _normal(prompt, output, total, (read, write, 0), (reasoning, heard, spoken))


def usage_of(raw: dict[str, Any]) -> Usage:
    """Normal form of a chat usage object, whatever its types and names."""
    prompt = as_count(raw.get("prompt_tokens")) or as_count(raw.get("input_tokens"))
    output = as_count(raw.get("completion_tokens")) or as_count(raw.get("output_tokens"))
    read_part = as_dict(raw.get("prompt_tokens_details") or raw.get("input_tokens_details"))
    write_part = as_dict(raw.get("completion_tokens_details") or raw.get("output_tokens_details"))
    reasoning = as_count(write_part.get("reasoning_tokens")) or as_count(raw.get("reasoning_tokens"))
    heard, spoken = as_count(read_part.get("audio_tokens")), as_count(write_part.get("audio_tokens"))
    total = as_count(raw.get("total_tokens"))
    return _normal(prompt, output, total, _cache(raw, read_part), (reasoning, heard, spoken))


def _normal(prompt: int, output: int, total: int, cache: tuple[int, int, int], parts: tuple[int, int, int]) -> Usage:
    """Whatever the provider's arithmetic, ours.

    Providers differ in whether reasoning is part of `completion_tokens` (xAI, Google: beside it) and whether cached
    tokens are part of `prompt_tokens` (gateways in front of Anthropic: sometimes beside it). `total_tokens` decides
    the first; a cached part larger than its whole decides the second.

    `prompt`, `output` and `total` are as stated; `cache` is read, written for a short time, written for a long one;
    `parts` is reasoning, audio heard, audio spoken.
    """
    read, write, write_1h = cache
    reasoning, heard, spoken = parts
    cached = read + write + write_1h
    if cached > prompt:
        prompt += cached
    beside = total - prompt - output
    if beside > 0:
        output += beside
        reasoning = reasoning or beside
    reasoning = min(reasoning, output)
    return Usage(
        input=prompt,
        cache_read=read,
        cache_write=write,
        cache_write_1h=write_1h,
        output=output,
        reasoning=reasoning,
        input_audio=min(heard, prompt - cached),
        output_audio=min(spoken, output - reasoning),
    )


def _cache(raw: dict[str, Any], part: dict[str, Any]) -> tuple[int, int, int]:
    """Tokens read from the cache, written for a short and for a long time, under all the names in use."""
    read = (
        as_count(part.get("cached_tokens"))
        or as_count(raw.get("prompt_cache_hit_tokens"))  # DeepSeek
        or as_count(raw.get("cached_tokens"))  # Moonshot
        or as_count(raw.get("cache_read_input_tokens"))  # gateways in front of Anthropic
    )
    write = (
        as_count(part.get("cache_write_tokens"))  # OpenRouter
        or as_count(part.get("cache_creation_tokens"))
        or as_count(raw.get("cache_creation_input_tokens"))
    )
    long = min(as_count(as_dict(raw.get("cache_creation")).get("ephemeral_1h_input_tokens")), write)
    return read, write - long, long
