"""Every dialect that can be translated into others."""

from __future__ import annotations

import importlib

from pointsman.wire.port import Dialect

_NAMES = {
    "openai_chat": "OpenAIChat",
    "openai_responses": "OpenAIResponses",
    "anthropic_messages": "AnthropicMessages",
    "gemini": "Gemini",
}


def every() -> tuple[Dialect, ...]:
    """One of each that exists."""
    found = []
    for module, name in _NAMES.items():
        try:
            found.append(getattr(importlib.import_module(f"pointsman.wire.{module}"), name)())
        except (ImportError, AttributeError):
            continue
    return tuple(found)
