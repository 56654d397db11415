"""What files count as, by the rules that vendors publish; read from the first bytes of a picture, never decoded."""

from __future__ import annotations

import base64
import binascii
import math
import re
from typing import NamedTuple

from pointsman.core.chat import Media

UNKNOWN = 800
"""Tokens of a file of which nothing is known: a sound, a film, a document. The dialects plan with the same figure."""
_HEAD = 4_096 * 4 // 3  # characters of base64 in which a picture's size is looked for


class _Size(NamedTuple):
    width: int
    height: int


_TYPICAL = _Size(1024, 1024)


def best_of(media: Media, model: str) -> int:
    """Tokens of a file, likely."""
    if media.kind != "image":
        return UNKNOWN
    return _rule(_size(media) or _TYPICAL, media.detail, model.lower()) or UNKNOWN


def most_of(media: Media, model: str) -> int | None:
    """Tokens of a file at most; None where no rule says so."""
    if media.kind != "image":
        return None
    size = _size(media)
    name = model.lower()
    if size is None:
        return None if media.detail == "original" else _largest(name)
    return _rule(size, media.detail, name)


def _rule(size: _Size, detail: str, model: str) -> int | None:
    if "claude" in model:
        return math.ceil(size.width * size.height / 750)
    if "gemini" in model:
        return _gemini(size, model)
    if (patches := _PATCHES.search(model)) is not None and detail != "original":
        return math.ceil(min(_tiles(size, 32), 1536) * _PATCH_FACTORS[patches[0]])
    if (tiles := _tile_cost(model)) is not None and detail != "original":
        return tiles[0] + (0 if detail == "low" else tiles[1] * _tiles(_shrunk(size), 512))
    return None


_PATCHES = re.compile(r"gpt-(?:4\.1|5)-(?:mini|nano)|o4-mini")
_PATCH_FACTORS = {"gpt-4.1-mini": 1.62, "gpt-5-mini": 1.62, "gpt-4.1-nano": 2.46, "gpt-5-nano": 2.46, "o4-mini": 1.72}
_TILE_COSTS = (
    ("gpt-4o-mini", (2_833, 5_667)),
    ("gpt-4o", (85, 170)),
    ("gpt-4.1", (85, 170)),
    ("gpt-5", (70, 140)),
    ("o1", (75, 150)),
    ("o3", (75, 150)),
)
"""Of a picture, and of each of its tiles."""


def _tile_cost(model: str) -> tuple[int, int] | None:
    return next((cost for name, cost in _TILE_COSTS if model.rpartition("/")[2].startswith(name)), None)


def _largest(model: str) -> int | None:
    """Tokens of the largest picture, where a vendor shrinks those that are larger."""
    if _PATCHES.search(model):
        return _rule(_Size(4_096, 4_096), "", model)
    return _rule(_Size(768, 2_048), "", model) if _tile_cost(model) is not None else None


def _gemini(size: _Size, model: str) -> int:
    if re.search(r"gemini-[3-9]", model):
        return 1_120  # at its usual resolution, however large it is
    return 258 if max(size) <= 384 else 258 * _tiles(size, 768)


def _shrunk(size: _Size) -> _Size:
    """Into a square of 2,048, then to 768 on its shorter side."""
    by = min(1.0, 2_048 / max(size))
    width, height = size.width * by, size.height * by
    by = min(1.0, 768 / max(min(width, height), 1))
    return _Size(max(round(width * by), 1), max(round(height * by), 1))


def _tiles(size: _Size, side: int) -> int:
    return math.ceil(size.width / side) * math.ceil(size.height / side)


def _size(media: Media) -> _Size | None:
    """Width and height as a picture's head states them."""
    data = media.data[:_HEAD]
    try:
        head = base64.b64decode(data[: len(data) // 4 * 4])
    except (binascii.Error, ValueError):
        return None
    found = _png(head) or _gif(head) or _webp(head) or _jpeg(head)
    return found if found is not None and min(found) > 0 else None


def _png(head: bytes) -> _Size | None:
    if head[:8] != b"\x89PNG\r\n\x1a\n" or len(head) < 24:
        return None
    return _Size(int.from_bytes(head[16:20]), int.from_bytes(head[20:24]))


def _gif(head: bytes) -> _Size | None:
    if head[:4] != b"GIF8" or len(head) < 10:
        return None
    return _Size(int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little"))


def _webp(head: bytes) -> _Size | None:
    if head[:4] != b"RIFF" or head[8:15] != b"WEBPVP8" or len(head) < 30:
        return None
    kind = head[15:16]
    if kind == b"X":
        return _Size(int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1)
    if kind == b"L":
        bits = int.from_bytes(head[21:25], "little")
        return _Size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    return _Size(int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF)


def _jpeg(head: bytes) -> _Size | None:
    """From the first frame header; the segments before it are stepped over."""
    if head[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        kind = head[at + 1]
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            return _Size(int.from_bytes(head[at + 7 : at + 9]), int.from_bytes(head[at + 5 : at + 7]))
        at += 2 + int.from_bytes(head[at + 2 : at + 4])
    return None
