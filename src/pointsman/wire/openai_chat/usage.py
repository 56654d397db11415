"""Chat usage in normal form, whatever the provider's arithmetic."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import astuple

from pointsman.core.usage import Fees, Usage
from pointsman.wire.counts import MOST, NoCountError, stated
from pointsman.wire.parse import as_dict
from pointsman.wire.services import fees_of, sound


class _Input(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_creation_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _Output(msgspec.Struct):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


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
    num_cached_tokens: msgspec.UnsetType | Any = msgspec.UNSET
    cache_read_input_tokens: msgspec.UnsetType | Any = msgspec.UNSET
    cache_creation_input_tokens: msgspec.UnsetType | Any = msgspec.UNSET
    cache_creation: msgspec.UnsetType | Any = msgspec.UNSET
    server_tool_use: msgspec.UnsetType | Any = msgspec.UNSET
    server_tool_use_details: msgspec.UnsetType | Any = msgspec.UNSET
    server_side_tool_usage_details: msgspec.UnsetType | Any = msgspec.UNSET
    num_search_queries: msgspec.UnsetType | Any = msgspec.UNSET
    prompt_audio_seconds: msgspec.UnsetType | Any = msgspec.UNSET
    cost: msgspec.UnsetType | Any = msgspec.UNSET


_USUAL = 5
"""So many fields come first that most answers have; the rarer ones stand between them and the cost."""
_ALL_UNSET = (msgspec.UNSET,) * (len(Fields.__struct_fields__) - _USUAL - 1)


def normal_form(fields: Fields) -> Usage | None:
    """Normal form of a usage object of the usual types; None where only `usage_of` can tell."""
    seen, said = fields.prompt_tokens_details, fields.completion_tokens_details
    prompt, output, total = fields.prompt_tokens, fields.completion_tokens, fields.total_tokens or 0
    read = write = heard = reasoning = spoken = 0
    if seen is not None:
        read, heard = seen.cached_tokens or 0, seen.audio_tokens or 0
        write = seen.cache_write_tokens or seen.cache_creation_tokens or 0
    if said is not None:
        reasoning, spoken = said.reasoning_tokens or 0, said.audio_tokens or 0
    if (seen is not None and seen.image_tokens) or (said is not None and said.image_tokens):
        return None
    if astuple(fields)[_USUAL:-1] != _ALL_UNSET:
        return None
    if not (read or write or heard or reasoning or spoken):
        sound = 0 <= prompt <= MOST and 0 <= output <= MOST
        if sound and (not total or total == prompt + output):
            return Usage(input=prompt, output=output)
    numbers = (prompt, output, total, read, write, reasoning, heard, spoken)
    if min(numbers) < 0 or max(numbers) > MOST:
        return None
    return _normal(prompt, output, total, (read, write, 0), (reasoning, heard, spoken))


def usage_of(raw: dict[str, Any]) -> Usage | None:
    """Normal form of a chat usage object, whatever its types and names.

    None where it cannot be known: a stated count is none (text, negative, absurdly large), the total shows that tokens
    are missing, or nothing is stated at all. Made-up tokens would be billed as if they were real.
    """
    try:
        return _read(raw)
    except NoCountError:
        return None


def _read(raw: dict[str, Any]) -> Usage | None:
    prompt = stated(raw.get("prompt_tokens"), raw.get("input_tokens"))
    output = stated(raw.get("completion_tokens"), raw.get("output_tokens"))
    read_part = as_dict(raw.get("prompt_tokens_details") or raw.get("input_tokens_details"))
    write_part = as_dict(raw.get("completion_tokens_details") or raw.get("output_tokens_details"))
    reasoning = stated(write_part.get("reasoning_tokens"), raw.get("reasoning_tokens")) or 0
    heard, spoken = stated(read_part.get("audio_tokens")) or 0, stated(write_part.get("audio_tokens")) or 0
    seen, drawn = stated(read_part.get("image_tokens")) or 0, stated(write_part.get("image_tokens")) or 0
    total = stated(raw.get("total_tokens")) or 0
    cache = _cache(raw, read_part)
    if prompt is None or output is None:
        known = (prompt or 0) + (output or 0)
        if prompt is output or total > known:
            return None
    usage = _normal(prompt or 0, output or 0, total, cache, (reasoning, heard, spoken))
    return _with_more(usage, seen, drawn, _fees(raw))


def _with_more(usage: Usage, seen: int, drawn: int, fees: Fees) -> Usage:
    """Usage with what is rare: images seen and drawn, and what was done besides."""
    if not (seen or drawn or fees):
        return usage
    text = usage.input - usage.cache_read - usage.cache_write - usage.cache_write_1h - usage.input_audio
    written = usage.output - usage.reasoning - usage.output_audio
    return msgspec.structs.replace(
        usage, input_image=max(min(seen, text), 0), output_image=max(min(drawn, written), 0), fees=fees
    )


def _fees(raw: dict[str, Any]) -> Fees:
    """Searches and other tools, under the names that gateways, xAI and Perplexity give them; Mistral's sound."""
    found = fees_of(
        raw.get("server_tool_use"),
        raw.get("server_tool_use_details"),
        raw.get("server_side_tool_usage_details"),
        {"web_search_requests": raw.get("num_search_queries")},
    )
    return (*found, *sound(raw.get("prompt_audio_seconds")))


def _normal(prompt: int, output: int, total: int, cache: tuple[int, int, int], parts: tuple[int, int, int]) -> Usage:
    """Whatever the provider's arithmetic, ours.

    Providers differ in whether reasoning is part of `completion_tokens` (xAI, Google: beside it), whether cached
    tokens are part of `prompt_tokens` (gateways in front of Anthropic: sometimes beside it), and whether sound is
    (Mistral: beside it). `total_tokens` decides the first and the last; a cached part larger than its whole decides
    the second. The same tokens can be read and written at once (Google's models behind OpenRouter) and are billed as
    both: they count twice then.

    `prompt`, `output` and `total` are as stated; `cache` is read, written for a short time, written for a long one;
    `parts` is reasoning, audio heard, audio spoken.
    """
    read, write, write_1h = cache
    reasoning, heard, spoken = parts
    cached = read + write + write_1h
    beside = total - prompt - output
    if cached > prompt:
        both = beside < cached and read <= prompt and write + write_1h <= prompt
        prompt += min(read, write + write_1h) if both else cached
        beside = total - prompt - output
    if beside > 0 and beside == heard:
        prompt += heard
    elif beside > 0:
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
    read = stated(
        part.get("cached_tokens"),
        raw.get("prompt_cache_hit_tokens"),  # DeepSeek
        raw.get("cached_tokens"),  # Moonshot
        raw.get("num_cached_tokens"),  # Mistral, once
        raw.get("cache_read_input_tokens"),  # gateways in front of Anthropic
    )
    write = stated(
        part.get("cache_write_tokens"),  # OpenRouter
        part.get("cache_creation_tokens"),
        raw.get("cache_creation_input_tokens"),
    )
    long = stated(as_dict(raw.get("cache_creation")).get("ephemeral_1h_input_tokens"))
    long = min(long or 0, write or 0)
    return read or 0, (write or 0) - long, long
