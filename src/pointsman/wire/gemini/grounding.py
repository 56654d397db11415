"""Where an answer has something from: `groundingMetadata` and `citationMetadata` as citations, and back.

Google counts bytes of UTF-8 from the beginning of the whole text; citations count characters of their block.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from pointsman.core.chat import Citation
from pointsman.wire.parse import as_count, as_dict, as_list, as_text

_KINDS = ("web", "retrievedContext", "maps", "image")


def read_grounding(candidate: dict[str, Any], text: str) -> list[Citation]:
    """The citations of a candidate whose text, all of it, is known; counted from the beginning of that text."""
    metadata = as_dict(candidate.get("groundingMetadata"))
    chunks = [_chunk(as_dict(chunk)) for chunk in as_list(metadata.get("groundingChunks"))]
    found: list[Citation] = []
    data = text.encode("utf-8", "replace")
    for one in as_list(metadata.get("groundingSupports")):
        support = as_dict(one)
        start, end = _span(as_dict(support.get("segment")), text, data)
        places = [at for at in as_list(support.get("groundingChunkIndices")) if type(at) is int]
        found += [msgspec.structs.replace(chunks[at], start=start, end=end) for at in places if 0 <= at < len(chunks)]
    if not found:
        found = [chunk for chunk in chunks if chunk.url or chunk.title]
    attributed = as_dict(candidate.get("citationMetadata"))
    for one in as_list(attributed.get("citations") or attributed.get("citationSources")):
        source = as_dict(one)
        start, end = _span(source, text, data)
        cited = Citation(url=as_text(source.get("uri")), title=as_text(source.get("title")), start=start, end=end)
        if cited.url or cited.title:
            found.append(cited)
    return found


def _chunk(chunk: dict[str, Any]) -> Citation:
    """A source; what is quoted of it stands only with the caller's own files."""
    inner = next((as_dict(chunk[kind]) for kind in _KINDS if kind in chunk), {})
    return Citation(
        url=as_text(inner.get("uri")) or as_text(inner.get("sourceUri")),
        title=as_text(inner.get("title")) or as_text(inner.get("domain")),
        quote=as_text(inner.get("text")) if "retrievedContext" in chunk else "",
    )


def _span(segment: dict[str, Any], text: str, data: bytes) -> tuple[int, int]:
    """Characters that a segment covers; both 0 where it fits nowhere."""
    start, end, words = as_count(segment.get("startIndex")), as_count(segment.get("endIndex")), segment.get("text")
    if isinstance(words, str) and words and data[start:end] != words.encode("utf-8", "replace"):
        at = text.find(words)
        return (at, at + len(words)) if at >= 0 else (0, 0)
    if not start < end <= len(data):
        return 0, 0
    if len(data) == len(text):
        return start, end
    return len(data[:start].decode("utf-8", "ignore")), len(data[:end].decode("utf-8", "ignore"))


def write_grounding(citations: Iterable[Citation], text: str) -> dict[str, Any]:
    """`groundingMetadata` for citations counted from the beginning of a text."""
    chunks: list[dict[str, Any]] = []
    places: dict[tuple[str, str, str], int] = {}
    supports: dict[tuple[int, int], list[int]] = {}
    for one in citations:
        key = (one.url, one.title, one.quote)
        if key not in places:
            places[key] = len(chunks)
            chunks.append(_write_chunk(one))
        at = places[key]
        found = supports.setdefault((one.start, one.end), [])
        if at not in found:
            found.append(at)
    metadata: dict[str, Any] = {"groundingChunks": chunks}
    written = [_write_support(start, end, text, at) for (start, end), at in supports.items() if start < end]
    return {**metadata, "groundingSupports": written} if written else metadata


def _write_chunk(citation: Citation) -> dict[str, Any]:
    if citation.url:
        return {"web": {"uri": citation.url, "title": citation.title}}
    inner = {"title": citation.title}
    return {"retrievedContext": {**inner, "text": citation.quote} if citation.quote else inner}


def _write_support(start: int, end: int, text: str, places: list[int]) -> dict[str, Any]:
    words = text[start:end]
    before = len(text[:start].encode("utf-8", "replace"))
    segment: dict[str, Any] = {"startIndex": before} if before else {}
    segment |= {"endIndex": before + len(words.encode("utf-8", "replace")), "text": words}
    return {"segment": segment, "groundingChunkIndices": places}
