"""What a model takes of earlier turns that is not OpenAI's: its thoughts, and a Gemini's signatures on calls.

Who does not know them may refuse the request (Groq and Cerebras do) or read another model's thoughts for its own. So
they go to those alone whose makers want them back, or whose chat templates have a place for them.
"""

from __future__ import annotations

import re

from pointsman.core.dialects import CHAT
from pointsman.core.model import Model

_THINKERS = re.compile(r"deepseek|kimi|glm-|minimax|mimo|qwen|qwq|gpt-oss")
_STRICT = ("groq.com", "cerebras.ai")
"""Providers that refuse the field, whatever the model."""
_GOOGLE = "googleapis.com"


def takes_thoughts(model: Model) -> bool:
    """Whether a model wants its `reasoning_content` back."""
    url = _url(model)
    return _THINKERS.search(model.upstream.lower()) is not None and not any(host in url for host in _STRICT)


def takes_seals(model: Model) -> bool:
    """Whether there is a Gemini behind it, which wants its signatures back."""
    return "gemini" in model.upstream.lower() or _GOOGLE in _url(model)


def _url(model: Model) -> str:
    return (model.provider.takes(CHAT) or model.provider.endpoint).base_url
