"""The most that a provider can count of a request: a token has at least a byte of what is read.

Beside the text stands what templates add. The figures are above the most that was recorded of any provider but one that
puts a prompt of its own before every request: no bound holds for those.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from pointsman.core.chat import Block, Media, Opaque, Reasoning, Request, ToolResult
from pointsman.tokens.pictures import most_of

REQUEST, MESSAGE, TOOLS, TOOL = 1_024, 128, 2_048, 128
"""Tokens added to each request, each message, a request that offers tools, and each of these."""
_BLOCK = 16
_KEPT_ELSEWHERE = frozenset(
    {
        "previous_response_id",
        "conversation",
        "prompt",
        "cachedContent",
        "cached_content",
        "container",
        "mcp_servers",
        "plugins",
        "web_search_options",
        "search_parameters",
        "enable_search",
        "data_sources",
        "context_management",
        "reasoning.mode",
        "reasoning.context",
        "venice_parameters",
    }
)
"""Fields that bring in what does not stand in the request: kept conversations, searches, instructions of a mode."""


def upper(request: Request, texts: Iterable[str], media: Sequence[Media], model: str) -> int | None:
    """Tokens at most; None where nothing of the kind can be said."""
    if any(tool.dialect for tool in request.tools):
        return None  # it runs at the provider, and the model reads what comes of it
    if any(name in _KEPT_ELSEWHERE for extras in request.extras for name in extras.fields):
        return None
    if any("audio" in extras.fields for message in request.messages for extras in message.extras):
        return None  # an earlier answer that was spoken, by its id
    pictures = [most_of(one, model) for one in media]
    if None in pictures:
        return None
    blocks = [block for message in request.messages for block in _all(message.blocks)]
    if any(isinstance(block, Opaque) for block in blocks):
        return None
    sealed = sum(map(_sealed, blocks))
    frames = REQUEST + MESSAGE * len(request.messages) + _BLOCK * len(blocks)
    if request.tools:
        frames += TOOLS + TOOL * len(request.tools)
    return sum(map(_bytes, texts)) + sealed + frames + sum(one for one in pictures if one is not None)


def _all(blocks: Iterable[Block]) -> list[Block]:
    found: list[Block] = []
    for block in blocks:
        found.append(block)
        if isinstance(block, ToolResult):
            found += _all(block.content)
    return found


def _sealed(block: Block) -> int:
    """Bytes of what only its maker can read: thoughts may lie in it."""
    own = sum(len(raw) for extras in block.extras for raw in extras.fields.values())
    return own + (len(block.signature) + len(block.encrypted) if isinstance(block, Reasoning) else 0)


def _bytes(text: str) -> int:
    """Bytes of a text, also where it is normalised before it is read, which can make it longer; one for its start."""
    if text.isascii():
        return len(text) + 1
    normal = unicodedata.normalize("NFKC", text)
    return max(len(text.encode("utf-8", "replace")), len(normal.encode("utf-8", "replace"))) + 1
