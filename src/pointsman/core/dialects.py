"""The names of dialects, and which of them can be translated into each other."""

from __future__ import annotations

CHAT = "openai-chat"
RESPONSES = "openai-responses"
MESSAGES = "anthropic-messages"
GEMINI = "gemini"
MISTRAL = "mistral-chat"
EMBEDDINGS = "openai-embeddings"

TRANSLATED: frozenset[str] = frozenset({CHAT, RESPONSES, MESSAGES, GEMINI, MISTRAL})
"""Those that carry conversations both ways through the core values: a caller of one can be answered by any other."""
