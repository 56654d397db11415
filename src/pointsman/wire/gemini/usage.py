"""Gemini's usage in normal form, and back.

Thoughts stand beside the candidates, what built-in tools gave the model to read beside the prompt; what came from the
cache is part of the prompt (https://ai.google.dev/api/generate-content#UsageMetadata).
"""

from __future__ import annotations

from typing import Any

from pointsman.core.usage import Usage
from pointsman.wire.counts import NoCountError, stated
from pointsman.wire.parse import as_dict, as_list
from pointsman.wire.services import service_of

_AUDIO = ("AUDIO", 4)  # numbers where the caller asked for enums as such
_IMAGE = ("IMAGE", 2)
_TRAFFIC = {"ON_DEMAND_FLEX": "flex", "ON_DEMAND_PRIORITY": "priority", "PROVISIONED_THROUGHPUT": "provisioned"}
_PROVISIONED = 2


def usage_of(raw: dict[str, Any]) -> Usage | None:
    """Normal form of `usageMetadata`; None where it states no count, or something that is none."""
    try:
        return _read(raw)
    except NoCountError:
        return None


def _read(raw: dict[str, Any]) -> Usage | None:
    get = raw.get
    prompt, said = stated(get("promptTokenCount")), stated(get("candidatesTokenCount"))
    thought, tools = stated(get("thoughtsTokenCount")) or 0, stated(get("toolUsePromptTokenCount")) or 0
    if prompt is None and said is None and not thought:
        return None
    total = stated(get("totalTokenCount")) or 0
    if prompt is None:
        prompt = max(total - tools - thought - (said or 0), 0)
    if said is None:
        said = max(total - tools - thought - prompt, 0)
    cached = min(stated(get("cachedContentTokenCount")) or 0, prompt)
    heard = seen = spoken = drawn = old = 0
    if "promptTokensDetails" in raw or "toolUsePromptTokensDetails" in raw:
        heard, old = _heard(raw, _AUDIO)
        old = min(old, cached)
        heard = min(heard, prompt + tools - cached)
        seen = min(_heard(raw, _IMAGE)[0], prompt + tools - cached - heard)
    if "candidatesTokensDetails" in raw:
        spoken = min(_count(get("candidatesTokensDetails"), _AUDIO), said)
        drawn = min(_count(get("candidatesTokensDetails"), _IMAGE), said - spoken)
    return Usage(
        input=prompt + tools,
        cache_read=cached,
        output=said + thought,
        reasoning=thought,
        input_audio=heard,
        output_audio=spoken,
        cache_audio=old,
        input_image=seen,
        output_image=drawn,
        service=_service(get("serviceTier"), get("trafficType")),
    )


def _service(tier: Any, traffic: Any) -> str:
    """How it was served: the Gemini API names a tier, Vertex a kind of traffic."""
    if traffic == _PROVISIONED:
        return "provisioned"
    return service_of(tier) or (_TRAFFIC.get(traffic, "") if isinstance(traffic, str) else "")


def _heard(raw: dict[str, Any], modality: tuple[str, int]) -> tuple[int, int]:
    """Tokens of a modality in the prompt that did not come from the cache, and those that did."""
    old = _count(raw.get("cacheTokensDetails"), modality)
    every = _count(raw.get("promptTokensDetails"), modality) + _count(raw.get("toolUsePromptTokensDetails"), modality)
    return max(every - old, 0), old


def _count(details: Any, modality: tuple[str, int]) -> int:
    """Tokens of a modality in a list of counts."""
    return sum(
        stated(as_dict(one).get("tokenCount")) or 0
        for one in as_list(details)
        if as_dict(one).get("modality") in modality
    )


def write_usage(usage: Usage) -> dict[str, Any]:
    """`usageMetadata`, by Google's arithmetic: the total is the sum of prompt, candidates and thoughts."""
    fields: dict[str, Any] = {
        "promptTokenCount": usage.input,
        "candidatesTokenCount": usage.output - usage.reasoning,
        "totalTokenCount": usage.total,
    }
    if usage.cache_read:
        fields["cachedContentTokenCount"] = usage.cache_read
    if usage.reasoning:
        fields["thoughtsTokenCount"] = usage.reasoning
    if usage.input_audio:
        fields["promptTokensDetails"] = _details(usage.input, usage.input_audio)
    if usage.output_audio:
        fields["candidatesTokensDetails"] = _details(usage.output - usage.reasoning, usage.output_audio)
    return fields


def _details(every: int, audio: int) -> list[dict[str, Any]]:
    return [{"modality": "TEXT", "tokenCount": every - audio}, {"modality": "AUDIO", "tokenCount": audio}]
