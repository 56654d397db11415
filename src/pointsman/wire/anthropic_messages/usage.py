"""Usage as this dialect counts it, in normal form and back.

`input_tokens` leaves the cache out, ours includes it: reading adds, writing subtracts. What was spent on compaction
stands only in `iterations`, at the same model's price, and is added; an advisor's tokens are another model's.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.usage import Usage
from pointsman.wire.counts import MOST, NoCountError, stated
from pointsman.wire.parse import as_dict, as_list, as_text
from pointsman.wire.services import fees_of, joined, served, service_of

_BESIDE = frozenset({"compaction"})
"""Kinds of `iterations` that the sums beside them leave out and that are billed as this model's."""

_USUAL = (None, "", "standard", "global", "not_available")


class _Creation(msgspec.Struct):
    ephemeral_1h_input_tokens: int | None = None


class _Output(msgspec.Struct):
    thinking_tokens: int | None = None


class _Tools(msgspec.Struct):
    web_search_requests: int | None = None
    code_execution_requests: int | None = None


class Fields(msgspec.Struct):
    """A usage object of the usual types; what is of another goes the slow way, through `usage_of`."""

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: _Creation | None = None
    output_tokens_details: _Output | None = None
    service_tier: str | None = None
    inference_geo: str | None = None
    speed: str | None = None
    server_tool_use: _Tools | None = None
    iterations: msgspec.UnsetType | Any = msgspec.UNSET
    cost: msgspec.UnsetType | Any = msgspec.UNSET


def normal_form(fields: Fields) -> Usage | None:
    """Normal form of a usage object of the usual types; None where only `usage_of` can tell."""
    created, details = fields.cache_creation, fields.output_tokens_details
    numbers = (
        fields.input_tokens,
        fields.output_tokens,
        fields.cache_read_input_tokens or 0,
        fields.cache_creation_input_tokens or 0,
        (created.ephemeral_1h_input_tokens or 0) if created is not None else 0,
        (details.thinking_tokens or 0) if details is not None else 0,
    )
    if fields.iterations or min(numbers) < 0 or max(numbers) > MOST:
        return None
    tools = fields.server_tool_use
    if tools is not None and (tools.web_search_requests or tools.code_execution_requests):
        return None
    service = _service(fields.service_tier, fields.speed, fields.inference_geo)
    return _normal(*numbers, service)


def _service(tier: Any, speed: Any, geo: Any) -> str:
    """How it was served; nearly always the usual way, which has several names."""
    if tier in _USUAL and speed in _USUAL and geo in _USUAL:
        return ""
    return joined(service_of(tier), service_of(speed), "us" if geo == "us" else "")


def usage_of(raw: dict[str, Any]) -> Usage | None:
    """Normal form of a usage object, whatever its types.

    None where it cannot be known: a stated count is none, or nothing is stated at all. Made-up tokens would be billed
    as if they were real.
    """
    try:
        return _read(raw)
    except NoCountError:
        return None


def _read(raw: dict[str, Any]) -> Usage | None:
    fresh, output = stated(raw.get("input_tokens")), stated(raw.get("output_tokens"))
    read, write = stated(raw.get("cache_read_input_tokens")), stated(raw.get("cache_creation_input_tokens"))
    long = stated(as_dict(raw.get("cache_creation")).get("ephemeral_1h_input_tokens"))
    details = as_dict(raw.get("output_tokens_details"))
    thought = stated(details.get("thinking_tokens"), details.get("reasoning_tokens"))
    if fresh is output is None:
        return None
    service = _service(*(as_text(raw.get(name)) for name in ("service_tier", "speed", "inference_geo")))
    usage = _normal(fresh or 0, output or 0, read or 0, write or 0, long or 0, thought or 0, service)
    for iteration in as_list(raw.get("iterations")):
        if isinstance(iteration, dict) and as_text(iteration.get("type")) in _BESIDE:
            more = _read({**iteration, "iterations": None})
            usage = _sum(usage, more) if more is not None else usage
    return served(usage, "", fees_of(raw.get("server_tool_use")))


def _normal(fresh: int, output: int, read: int, write: int, long: int, thought: int, service: str) -> Usage:  # noqa: PLR0913, PLR0917 - as stated
    long = min(long, write)
    return Usage(
        input=fresh + read + write,
        cache_read=read,
        cache_write=write - long,
        cache_write_1h=long,
        output=output,
        reasoning=min(thought, output),
        service=service,
    )


def _sum(one: Usage, other: Usage) -> Usage:
    names = ("input", "cache_read", "cache_write", "cache_write_1h", "output", "reasoning")
    return msgspec.structs.replace(one, **{name: getattr(one, name) + getattr(other, name) for name in names})


def later(start: dict[str, Any], update: Any) -> dict[str, Any]:
    """A stream's usage so far, brought up to date: counts are totals, never to be added (gotcha 23)."""
    if not isinstance(update, dict):
        return start
    return start | {name: value for name, value in update.items() if value is not None}


def write_usage(usage: Usage) -> dict[str, Any]:
    """Usage as this dialect writes it."""
    write = usage.cache_write + usage.cache_write_1h
    value: dict[str, Any] = {
        "input_tokens": max(usage.input - usage.cache_read - write, 0),
        "cache_creation_input_tokens": write,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output,
    }
    if write:
        value["cache_creation"] = {
            "ephemeral_5m_input_tokens": usage.cache_write,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        }
    if usage.reasoning:
        value["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return value
