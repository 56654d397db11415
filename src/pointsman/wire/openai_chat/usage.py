"""Chat usage in normal form, whatever the provider's arithmetic."""

from __future__ import annotations

from typing import Any

from pointsman.core.usage import Usage
from pointsman.wire.parse import as_count, as_dict


def usage_of(raw: dict[str, Any]) -> Usage:
    """Normal form of a chat usage object.

    Providers differ in whether reasoning is part of `completion_tokens` (xAI, Google: beside it) and whether cached
    tokens are part of `prompt_tokens` (gateways in front of Anthropic: sometimes beside it). `total_tokens` decides
    the first; a cached part larger than its whole decides the second.
    """
    prompt = as_count(raw.get("prompt_tokens")) or as_count(raw.get("input_tokens"))
    output = as_count(raw.get("completion_tokens")) or as_count(raw.get("output_tokens"))
    read_part = as_dict(raw.get("prompt_tokens_details") or raw.get("input_tokens_details"))
    write_part = as_dict(raw.get("completion_tokens_details") or raw.get("output_tokens_details"))
    reasoning = as_count(write_part.get("reasoning_tokens")) or as_count(raw.get("reasoning_tokens"))
    read, write, write_1h = _cache(raw, read_part)
    if read + write + write_1h > prompt:
        prompt += read + write + write_1h
    beside = as_count(raw.get("total_tokens")) - prompt - output
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
        input_audio=min(as_count(read_part.get("audio_tokens")), prompt - read - write - write_1h),
        output_audio=min(as_count(write_part.get("audio_tokens")), output - reasoning),
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
