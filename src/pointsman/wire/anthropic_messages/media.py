"""Images and documents as this dialect takes them: by data, by URL, by the id of a file of its own provider's."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from pointsman.core.chat import Media
from pointsman.core.dialects import MESSAGES
from pointsman.wire.extras import own

FILES_BETA = b"files-api-2025-04-14"
_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_STARTS = (  # how data of a kind begin in base64: what is declared is often wrong, and refused then
    ("/9j/", "image/jpeg"),
    ("iVBORw0KGgo", "image/png"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
    ("JVBERi0", "application/pdf"),
)
_PDF = "application/pdf"
_TEXTS = frozenset({"application/json", "application/xml", "application/yaml", "application/x-yaml"})
_FILE = "file_"  # how ids of files begin at Anthropic


def write_media(block: Media) -> dict[str, Any] | str:
    """An image or document; a text says why there is no place for it."""
    if block.kind not in ("image", "document"):
        return f"messages have no place for {block.kind}"
    source = _source(block)
    if isinstance(source, str):
        return source
    value: dict[str, Any] = {"type": block.kind, "source": source}
    value |= {"title": block.name} if block.name and block.kind == "document" else {}
    return value | own(block.extras, MESSAGES) if block.extras else value


def uses_files(block: Media) -> bool:
    """Whether it is written by its file's id, which needs a beta header."""
    return block.kind in ("image", "document") and not block.data and not block.url and block.file_id.startswith(_FILE)


def _source(block: Media) -> dict[str, Any] | str:
    if block.data:
        return _image(block) if block.kind == "image" else _document(block)
    if block.url:
        return {"type": "url", "url": block.url}
    if block.file_id.startswith(_FILE):
        return {"type": "file", "file_id": block.file_id}
    return "the file lies at another provider" if block.file_id else f"the {block.kind} is empty"


def _sniffed(data: str) -> str:
    return next((kind for start, kind in _STARTS if data.startswith(start)), "")


def _image(block: Media) -> dict[str, Any] | str:
    kind = _sniffed(block.data) or block.media_type.lower().replace("image/jpg", "image/jpeg")
    if kind not in _IMAGES:
        return f"images of type `{kind or 'unknown'}` are not taken"
    return {"type": "base64", "media_type": kind, "data": block.data}


def _document(block: Media) -> dict[str, Any] | str:
    kind = block.media_type.lower().partition(";")[0].strip()
    if kind == _PDF or _sniffed(block.data) == _PDF:
        return {"type": "base64", "media_type": _PDF, "data": block.data}
    if not kind.startswith("text/") and kind not in _TEXTS:
        return f"documents of type `{kind or 'unknown'}` are not taken"
    try:
        text = base64.b64decode(block.data).decode()
    except (ValueError, binascii.Error):
        return "the document is no text"
    return {"type": "text", "media_type": "text/plain", "data": text}
