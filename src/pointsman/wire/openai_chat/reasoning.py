"""Thinking in chat messages: a dialect that has no place for it, and four fields in use.

`reasoning_content` (DeepSeek, xAI, llama.cpp and most others) and `reasoning` (Groq, Ollama, OpenRouter) are texts.
`thinking_blocks` (Anthropic's blocks behind gateways) and `reasoning_details` (OpenRouter, Vercel) also hold what makes
thinking of use when it is sent back: signatures, encrypted thoughts. We write the first and the third, and read all.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.chat import Reasoning
from pointsman.wire.raw import Fields, list_of, object_of, text_in, text_of

THINKING = "thinking_blocks"
DETAILS = "reasoning_details"
TEXTS = ("reasoning_content", "reasoning", "reasoning_text")
NAMES = frozenset({THINKING, DETAILS, *TEXTS})
_MAKER = "maker"


def read_reasoning(message: Fields) -> list[Reasoning]:
    """The thinking in a message, from the field that says most."""
    return read_thinking(message.get(THINKING)) or read_details(message.get(DETAILS)) or _plain(message)


def _plain(message: Fields) -> list[Reasoning]:
    for name in TEXTS:
        text = text_of(message.get(name))
        if text:
            return [Reasoning(text=text)]
    return []


def read_thinking(raw: msgspec.Raw | None) -> list[Reasoning]:
    """The entries of `thinking_blocks`; odd ones are left out."""
    found: list[Reasoning] = []
    for item in list_of(raw):
        fields = object_of(item) or {}
        kind, maker = text_in(fields, "type"), text_in(fields, _MAKER)
        if kind == "redacted_thinking":
            found.append(Reasoning(encrypted=text_in(fields, "data"), text=text_in(fields, "thinking"), maker=maker))
        elif kind == "thinking":
            text, signature = text_in(fields, "thinking"), text_in(fields, "signature")
            found.append(Reasoning(text=text, signature=signature, maker=maker))
    return found


def write_thinking(blocks: list[Reasoning]) -> list[dict[str, Any]]:
    """`thinking_blocks`: those that are of use only as they are, with the name of the model that made them."""
    return [thinking(block) for block in blocks if block.signature or block.encrypted]


def thinking(block: Reasoning) -> dict[str, Any]:
    """One entry of `thinking_blocks`."""
    if block.encrypted:
        value = {"type": "redacted_thinking", "data": block.encrypted}
        value |= {"thinking": block.text} if block.text else {}
    else:
        value = {"type": "thinking", "thinking": block.text, "signature": block.signature}
    return {**value, _MAKER: block.maker} if block.maker else value


def read_details(raw: msgspec.Raw | None) -> list[Reasoning]:
    """The entries of `reasoning_details`."""
    found: list[Reasoning] = []
    for item in list_of(raw):
        fields = object_of(item) or {}
        match text_in(fields, "type"):
            case "reasoning.text":
                found.append(Reasoning(text=text_in(fields, "text"), signature=text_in(fields, "signature")))
            case "reasoning.summary":
                found.append(Reasoning(text=text_in(fields, "summary"), summary=True))
            case "reasoning.encrypted":
                found.append(Reasoning(encrypted=text_in(fields, "data")))
    return found
