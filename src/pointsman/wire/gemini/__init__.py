"""Dialect `gemini`: generateContent, streamGenerateContent and countTokens, as AI Studio and Vertex AI speak them."""

from pointsman.wire.gemini.dialect import Gemini
from pointsman.wire.gemini.media import needs_data

__all__ = ["Gemini", "needs_data"]
