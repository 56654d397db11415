"""Gemini's words for why an answer ended, and for why there is none."""

from __future__ import annotations

from typing import Any

from pointsman.core.chat import Finish
from pointsman.wire.finishes import Finishes

FINISHES = Finishes(
    meanings={
        "STOP": "stop",
        "MAX_TOKENS": "length",
        "SAFETY": "content_filter",
        "RECITATION": "content_filter",
        "LANGUAGE": "content_filter",
        "BLOCKLIST": "content_filter",
        "PROHIBITED_CONTENT": "content_filter",
        "SPII": "content_filter",
        "MODEL_ARMOR": "content_filter",
        "JAILBREAK": "content_filter",
        "IMAGE_SAFETY": "content_filter",
        "IMAGE_PROHIBITED_CONTENT": "content_filter",
        "IMAGE_RECITATION": "content_filter",
        "IMAGE_OTHER": "content_filter",
        "NO_IMAGE": "stop",
        "OTHER": "error",
        "MALFORMED_FUNCTION_CALL": "error",
        "MALFORMED_RESPONSE": "error",
        "UNEXPECTED_TOOL_CALL": "error",
        "TOO_MANY_TOOL_CALLS": "error",
        "MISSING_THOUGHT_SIGNATURE": "error",
    },
    words={
        "stop": "STOP",
        "length": "MAX_TOKENS",
        "tool_calls": "STOP",
        "content_filter": "SAFETY",
        "refusal": "SAFETY",
        "pause": "STOP",
        "error": "OTHER",
    },
)
# `$alt=json;enum-encoding=int`: the numbers of the Gemini API (Vertex AI counts otherwise from 6 on).
_NUMBERED = (
    "",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "IMAGE_SAFETY",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
)
_UNSAID = ("FINISH_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED")


def word_of(value: Any) -> str:
    """The word for an end, also where it came as a number; empty where nothing is said of an end."""
    if isinstance(value, str):
        return "" if value in _UNSAID else value
    if type(value) is int and value:
        return _NUMBERED[value] if 0 < value < len(_NUMBERED) else str(value)
    return ""


def meaning(word: str, *, calls: bool) -> Finish:
    """What an end means. Google says STOP where the model waits for the results of its calls."""
    found = FINISHES.meaning(word) or "stop"
    return "tool_calls" if calls and found == "stop" else found


def graver(known: str, new: str) -> str:
    """Of two words for one end the one that counts: the later, unless it would whitewash the earlier."""
    return known if known and FINISHES.meaning(new) == "stop" else new


def block_word(feedback: Any) -> str:
    """Why a prompt was blocked, as Google says it; `BLOCKED` where it does not."""
    reason = feedback.get("blockReason") if isinstance(feedback, dict) else None
    if isinstance(reason, str) and reason and reason not in _UNSAID:
        return reason
    return str(reason) if type(reason) is int and reason else "BLOCKED"
