"""Every dialect that can be translated into others."""

from __future__ import annotations

from pointsman.wire.anthropic_messages import AnthropicMessages
from pointsman.wire.gemini import Gemini
from pointsman.wire.openai_chat import OpenAIChat
from pointsman.wire.openai_responses import OpenAIResponses
from pointsman.wire.port import Dialect


def every() -> tuple[Dialect, ...]:
    """One of each."""
    return (OpenAIChat(), OpenAIResponses(), AnthropicMessages(), Gemini())
