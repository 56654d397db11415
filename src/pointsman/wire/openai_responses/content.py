"""Content parts of messages and tool outputs as blocks, and back."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.chat import Block, Citation, Media, Opaque, Refusal, Text
from pointsman.core.dialects import RESPONSES
from pointsman.wire.data_urls import read_data_url
from pointsman.wire.extras import keep, leftover, own
from pointsman.wire.parse import as_count, as_dict, as_text
from pointsman.wire.raw import Fields, dump, list_of, object_of, rest, text_in, text_of, value_of

ANNOTATIONS = "annotations"
_TEXTS = frozenset({"input_text", "output_text", "text", "summary_text", "reasoning_text"})
_TYPES = {"pdf": "application/pdf", "txt": "text/plain", "md": "text/markdown", "html": "text/html", "csv": "text/csv"}
_ENDINGS = {media_type: ending for ending, media_type in _TYPES.items()}


def read_content(raw: msgspec.Raw | None) -> list[Block]:
    """Content: a text, or a list of parts."""
    text = text_of(raw)
    if text is not None:
        return [Text(text=text)] if text else []
    return [read_part(item) for item in list_of(raw)]


def read_part(raw: msgspec.Raw) -> Block:
    """A content part; what this module does not know stays opaque."""
    fields = object_of(raw)
    if fields is None:
        return Opaque(dialect=RESPONSES, kind="", raw=raw)
    kind = text_in(fields, "type")
    block: Block | None = None
    if kind in _TEXTS:
        block = _text(fields)
    elif kind == "refusal":
        refusal = text_of(fields.get("refusal"))
        block = None if refusal is None else Refusal(text=refusal)
    elif kind == "input_image":
        block = _image(fields)
    elif kind == "input_file":
        block = _file(fields)
    elif kind == "input_audio":
        block = _audio(fields)
    return block or Opaque(dialect=RESPONSES, kind=kind, raw=raw)


def _text(fields: Fields) -> Text | None:
    text = text_of(fields.get("text"))
    if text is None:
        return None
    if len(fields) == 2:  # the usual case
        return Text(text=text)
    citations, others = read_annotations(fields.get(ANNOTATIONS))
    extras = rest(fields, ("type", "text", "logprobs", ANNOTATIONS))
    extras |= {ANNOTATIONS: dump(others)} if others else {}
    return Text(text=text, citations=citations, extras=keep(RESPONSES, extras))


def read_annotations(raw: msgspec.Raw | None) -> tuple[tuple[Citation, ...], list[msgspec.Raw]]:
    """Citations of web pages, and every other annotation as it is written."""
    citations: list[Citation] = []
    others: list[msgspec.Raw] = []
    for item in list_of(raw):
        one = as_dict(value_of(item))
        if one.get("type") != "url_citation":
            others.append(item)
            continue
        inner = as_dict(one.get("url_citation")) or one  # some gateways write it as chat does
        citations.append(
            Citation(
                url=as_text(inner.get("url")),
                title=as_text(inner.get("title")),
                quote=as_text(inner.get("content")),
                start=as_count(inner.get("start_index")),
                end=as_count(inner.get("end_index")),
            )
        )
    return tuple(citations), others


def write_annotations(citations: tuple[Citation, ...], shift: int = 0) -> list[dict[str, Any]]:
    """Annotations for citations of web pages; `shift` is where their text begins in the part."""
    written = []
    for one in citations:
        if one.url:
            span = {"start_index": one.start + shift, "end_index": one.end + shift}
            note: dict[str, Any] = {"type": "url_citation", "url": one.url, "title": one.title, **span}
            written.append({**note, "content": one.quote} if one.quote else note)
    return written


def _image(fields: Fields) -> Media | None:
    url, file_id = text_in(fields, "image_url"), text_in(fields, "file_id")
    if not url and not file_id:
        return None
    detail = text_in(fields, "detail")
    detail = "" if detail == "auto" else detail
    extras = leftover(RESPONSES, fields, "image_url", "file_id", "detail")
    data = read_data_url(url)
    if data is not None:
        return Media(
            kind="image", media_type=data.media_type, data=data.data, file_id=file_id, detail=detail, extras=extras
        )
    return Media(kind="image", url=url, file_id=file_id, detail=detail, extras=extras)


def _file(fields: Fields) -> Media | None:
    data, url, file_id = text_in(fields, "file_data"), text_in(fields, "file_url"), text_in(fields, "file_id")
    if not data and not url and not file_id:
        return None
    name = text_in(fields, "filename")
    parts = read_data_url(data)
    return Media(
        kind="document",
        media_type=(parts.media_type if parts else "") or _TYPES.get(name.rpartition(".")[2].lower(), ""),
        data=parts.data if parts else data,
        url=url,
        file_id=file_id,
        name=name,
        extras=leftover(RESPONSES, fields, "file_data", "file_url", "file_id", "filename"),
    )


def _audio(fields: Fields) -> Media | None:
    inner = object_of(fields.get("input_audio")) or {}
    data, form = text_of(inner.get("data")), text_of(inner.get("format"))
    if data is None or form is None:
        return None
    return Media(kind="audio", media_type=f"audio/{form}", data=data)


def write_part(block: Block, *, assistant: bool = False) -> Any:
    """A block as a content part; None if there is no part for it."""
    match block:
        case Text(text=text) if assistant:
            notes = write_annotations(block.citations)
            extras = own(block.extras, RESPONSES)
            return {
                "type": "output_text",
                "text": text,
                **extras,
                ANNOTATIONS: [*notes, *list_of(extras.get(ANNOTATIONS))],
            }
        case Text(text=text):
            return {"type": "input_text", "text": text, **own(block.extras, RESPONSES)}
        case Refusal(text=text):
            return {"type": "refusal", "refusal": text}
        case Media() if not assistant:
            return _write_media(block)
        case Opaque(dialect=dialect, raw=raw) if dialect == RESPONSES:
            return raw
        case _:
            return None


def _write_media(block: Media) -> dict[str, Any] | None:
    extras = own(block.extras, RESPONSES)
    value: dict[str, Any] = {}
    if block.kind == "image":
        value |= {"image_url": data_url(block)} if block.url or block.data else {}
        value |= {"file_id": block.file_id} if block.file_id and not value else {}
        return {"type": "input_image", **value, "detail": block.detail or "auto", **extras} if value else None
    if block.kind == "audio" and block.data:
        return {"type": "input_audio", "input_audio": {"data": block.data, "format": _audio_format(block.media_type)}}
    if block.kind != "document":
        return None
    if block.data:
        value = {"filename": block.name or _file_name(block.media_type), "file_data": data_url(block)}
    elif block.url:
        value = {"file_url": block.url}
    elif block.file_id:
        value = {"file_id": block.file_id}
    return {"type": "input_file", **value, **extras} if value else None


def _audio_format(media_type: str) -> str:
    kind = media_type.removeprefix("audio/").removeprefix("x-")
    return {"mpeg": "mp3", "wave": "wav", "vnd.wave": "wav"}.get(kind, kind)


def _file_name(media_type: str) -> str:
    return "document." + _ENDINGS.get(media_type, media_type.rpartition("/")[2] or "pdf")


def data_url(block: Media) -> str:
    """A block's URL, made of its data where it has none."""
    return block.url or f"data:{block.media_type or 'application/octet-stream'};base64,{block.data}"
