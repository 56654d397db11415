"""Images, documents, sounds and films: `inlineData` with data, `fileData` with an address."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from pointsman.core.chat import Dropped, Media
from pointsman.wire.extras import keep
from pointsman.wire.gemini.names import DIALECT, fields_of
from pointsman.wire.raw import rest, text_in, text_of

Kind = Literal["image", "document", "audio", "video"]
_WEB = ("http://", "https://")
_FILES = "https://generativelanguage.googleapis.com/"
_NAMED = re.compile(r"files/[a-zA-Z0-9_-]+")
_FOLLOWED = re.compile(
    r"gs://.|https://generativelanguage\.googleapis\.com/.*/files/"
    r"|https?://(?:www\.|m\.|music\.)?(?:youtube\.com/|youtube-nocookie\.com/|youtu\.be/)",
    re.IGNORECASE,
)
"""Addresses that Gemini follows itself: Cloud Storage, its own files, YouTube."""
_STARTS = (
    ("iVBORw0KGgo", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
    ("JVBERi", "application/pdf"),
    ("SUQz", "audio/mp3"),
    ("T2dnUw", "audio/ogg"),
    ("ZkxhQ", "audio/flac"),
)
_ENDINGS = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "heic": "image/heic",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "html": "text/html",
    "csv": "text/csv",
    "mp3": "audio/mp3",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "m4a": "audio/mp4",
    "mp4": "video/mp4",
    "mov": "video/mov",
    "webm": "video/webm",
}
_USUAL = {"image": "image/png", "document": "application/pdf", "audio": "audio/wav", "video": "video/mp4"}


def kind_of(media_type: str) -> Kind:
    """What a media type is a type of."""
    start = media_type.partition("/")[0].lower()
    if start == "image":
        return "image"
    if start == "audio":
        return "audio"
    return "video" if start == "video" else "document"


def read_media(name: str, raw: msgspec.Raw) -> Media | None:
    """`inlineData` or `fileData`; None where neither data nor an address is in it."""
    fields = fields_of(raw) or {}
    media_type = text_in(fields, "mimeType")
    label = text_in(fields, "displayName")
    source = text_of(fields.get("data" if name == "inlineData" else "fileUri"))
    if source is None:
        return None
    left = rest(fields, ("mimeType", "displayName", "data", "fileUri"))
    extras = keep(DIALECT, {f"{name}.{key}": one for key, one in left.items()})
    if name == "inlineData":
        return Media(kind=kind_of(media_type), media_type=media_type, data=source, name=label, extras=extras)
    media_type = media_type or _by_ending(source)
    kind: Kind = kind_of(media_type) if media_type else ("video" if _FOLLOWED.match(source) else "document")
    url = source if source.startswith((*_WEB, "gs://")) else ""
    return Media(kind=kind, media_type=media_type, url=url, file_id="" if url else source, name=label, extras=extras)


def needs_data(media: Media) -> bool:
    """Whether the file behind a URL has to be fetched for Gemini, which follows only few."""
    return bool(media.url) and not media.data and not _FOLLOWED.match(media.url)


def write_media(media: Media, lost: list[Dropped], path: str) -> dict[str, Any] | None:
    """A file as a part; None, and noted, where Gemini cannot get at it."""
    if media.data:
        return {"inlineData": {"mimeType": media.media_type or _sniffed(media), "data": media.data}}
    address = _address(media)
    if not address:
        what = "URL" if media.url else "file of another provider"
        lost.append(Dropped(path=path, reason=f"Gemini cannot follow a {what} ({media.kind})"))
        return None
    media_type = media.media_type or _by_ending(address)
    inner = {"mimeType": media_type} if media_type else {}
    return {"fileData": {**inner, "fileUri": address}}


def shown_media(media: Media) -> dict[str, Any] | None:
    """A file of an answer as a part, whatever its address."""
    if media.data:
        return {"inlineData": {"mimeType": media.media_type or _sniffed(media), "data": media.data}}
    address = media.url or media.file_id
    if not address:
        return None
    return {"fileData": {"mimeType": media.media_type or _by_ending(address) or _USUAL[media.kind], "fileUri": address}}


def _address(media: Media) -> str:
    """Where Gemini finds a file; empty where it cannot."""
    if media.url:
        return media.url if _FOLLOWED.match(media.url) else ""
    if _FOLLOWED.match(media.file_id):
        return media.file_id
    return f"{_FILES}v1beta/{media.file_id}" if _NAMED.fullmatch(media.file_id) else ""


def _sniffed(media: Media) -> str:
    return next((kind for start, kind in _STARTS if media.data.startswith(start)), _USUAL[media.kind])


def _by_ending(address: str) -> str:
    """A media type by the end of an address's path."""
    return _ENDINGS.get(re.split(r"[?#]", address, maxsplit=1)[0].rpartition(".")[2].lower(), "")
