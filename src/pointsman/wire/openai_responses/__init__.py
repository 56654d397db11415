"""Dialect `openai-responses`: OpenAI's Responses API, which Codex and others speak."""

from pointsman.wire.openai_responses.dialect import OpenAIResponses
from pointsman.wire.openai_responses.history import answer_items, with_history

__all__ = ["OpenAIResponses", "answer_items", "with_history"]
