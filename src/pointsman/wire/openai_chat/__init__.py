"""Dialect `openai-chat`: chat completions, and the old text completions as a surface of it."""

from pointsman.wire.openai_chat.dialect import OpenAIChat

__all__ = ["OpenAIChat"]
