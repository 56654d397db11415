"""Dialect `anthropic-messages`: messages, and counting their tokens."""

from pointsman.wire.anthropic_messages.dialect import AnthropicMessages

__all__ = ["AnthropicMessages"]
