"""Gemini's generateContent as a strict client reads it: https://ai.google.dev/api/generate-content."""

from __future__ import annotations

from typing import Any

from wire.across.breaches import Breaches
from wire.across.frames import Sse, fields, items

_REASONS = frozenset(
    {
        "STOP",
        "MAX_TOKENS",
        "SAFETY",
        "RECITATION",
        "LANGUAGE",
        "OTHER",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "MALFORMED_FUNCTION_CALL",
        "IMAGE_SAFETY",
        "UNEXPECTED_TOOL_CALL",
        "NO_IMAGE",
    }
)
_KINDS = ("text", "inlineData", "functionCall", "fileData", "executableCode", "codeExecutionResult")


def whole(body: dict[str, Any], breaches: Breaches) -> None:
    """Check a whole answer."""
    _chunk(body, breaches)
    for one in items(body.get("candidates")):
        reason = fields(one).get("finishReason")
        breaches.check(reason in _REASONS, f"finishReason {reason!r}")
    if "usageMetadata" in body:
        _usage(fields(body["usageMetadata"]), breaches)


def _chunk(chunk: dict[str, Any], breaches: Breaches) -> None:
    breaches.check(chunk.get("candidates") or chunk.get("promptFeedback"), "neither candidates nor promptFeedback")
    for at, one in enumerate(items(chunk.get("candidates"))):
        candidate = fields(one)
        breaches.check(candidate.get("index", at) is not None, "a candidate without its place")
        content = fields(candidate.get("content"))
        breaches.check("parts" not in content or content.get("role") == "model", "content of another role")
        for part in items(content.get("parts")):
            _part(fields(part), breaches)


def _part(part: dict[str, Any], breaches: Breaches) -> None:
    kinds = [kind for kind in _KINDS if kind in part]
    breaches.check(len(kinds) == 1, f"a part with {len(kinds)} kinds of content")
    if "text" in part:
        breaches.types(part, text=str)
    if "functionCall" in part:
        call = fields(part["functionCall"])
        breaches.types(call, name=str)
        breaches.check(isinstance(call.get("args", {}), dict), "arguments that are no object")
        breaches.check(not part.get("thought"), "a call that is marked as a thought")


def _usage(usage: dict[str, Any], breaches: Breaches) -> None:
    breaches.types(usage, promptTokenCount=int, totalTokenCount=int)
    names = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "toolUsePromptTokenCount")
    breaches.check(usage.get("totalTokenCount") == sum(usage.get(name) or 0 for name in names), "total is not the sum")


def gathered(events: list[Sse], breaches: Breaches, cut: bool) -> dict[str, Any]:
    """A stream as the answer that it stands for."""
    answer: dict[str, Any] = {}
    candidates: dict[int, dict[str, Any]] = {}
    breaches.check(not any(event.name for event in events), "an event with a name")
    for event in events:
        breaches.check(isinstance(event.value, dict), "an event that is no JSON object")
        chunk = fields(event.value)
        _chunk(chunk, breaches)
        for name in ("responseId", "modelVersion"):
            breaches.check(answer.setdefault(name, chunk.get(name)) == chunk.get(name), f"`{name}` changes")
        answer |= {name: chunk[name] for name in ("usageMetadata", "promptFeedback") if name in chunk}
        for one in items(chunk.get("candidates")):
            _grow(fields(one), candidates, breaches)
    ended = all("finishReason" in candidate for candidate in candidates.values())
    breaches.check(cut or (ended and (candidates or "promptFeedback" in answer)), "a stream without an end")
    breaches.check(cut or not events or "usageMetadata" in fields(events[-1].value) or "usageMetadata" not in answer,
                   "usage does not come with the last chunk")  # fmt: skip
    return {**answer, "candidates": [candidates[at] for at in sorted(candidates)]}


def _grow(piece: dict[str, Any], candidates: dict[int, dict[str, Any]], breaches: Breaches) -> None:
    index = piece.get("index", 0)
    known = candidates.setdefault(index, {"index": index, "content": {"role": "model", "parts": []}})
    breaches.check("finishReason" not in known, "something after the end of a candidate")
    known["content"]["parts"] += items(fields(piece.get("content")).get("parts"))
    for name in ("finishReason", "groundingMetadata", "citationMetadata"):
        if name in piece:
            known[name] = piece[name]
