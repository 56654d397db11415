"""Content parts and tool calls of chat messages as blocks, and back."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from pointsman.core.chat import Block, Media, Opaque, Refusal, Text, ToolCall
from pointsman.wire.extras import keep, leftover, own, tuck, untuck
from pointsman.wire.openai_chat.request import DIALECT
from pointsman.wire.raw import Fields, object_of, rest, text_in, text_of

_DATA_URL = re.compile(r"data:([^;,]+);base64,([^,]*)")


def read_part(raw: msgspec.Raw) -> Block:
    """A content part; what this module does not know stays opaque."""
    fields = object_of(raw)
    if fields is None:
        return Opaque(dialect=DIALECT, kind="", raw=raw)
    kind = text_in(fields, "type")
    block: Block | None = None
    if kind == "text":
        text = text_of(fields.get("text"))
        block = None if text is None else Text(text=text, extras=leftover(DIALECT, fields, "text"))
    elif kind == "refusal":
        text = text_of(fields.get("refusal"))
        block = None if text is None else Refusal(text=text, extras=leftover(DIALECT, fields, "refusal"))
    elif kind in _MEDIA:
        block = _media(kind, fields)
    return block or Opaque(dialect=DIALECT, kind=kind, raw=raw)


def write_part(block: Block) -> Any:
    """A block as a content part; None if chat has no part for it."""
    match block:
        case Text(text=text):
            return {"type": "text", "text": text, **own(block.extras, DIALECT)}
        case Refusal(text=text):
            return {"type": "refusal", "refusal": text, **own(block.extras, DIALECT)}
        case Media():
            return _write_media(block)
        case Opaque(dialect=dialect, raw=raw) if dialect == DIALECT:
            return raw
    return None


def _media(kind: str, fields: Fields) -> Media | None:
    """An image, video, sound or document part; its object's other fields stay under the part's name."""
    inner = object_of(fields.get(kind))
    if inner is None:
        return None
    known, make = _MEDIA[kind]
    block = make({name: text for name in known if (text := text_of(inner.get(name))) is not None})
    if block is None:
        return None
    extras = rest(fields, ("type", kind))
    tuck(extras, kind, rest(inner, known))
    return msgspec.structs.replace(block, extras=keep(DIALECT, extras))


def _image(texts: dict[str, str]) -> Media | None:
    return _located("image", texts)


def _video(texts: dict[str, str]) -> Media | None:
    return _located("video", texts)


def _located(kind: Literal["image", "video"], texts: dict[str, str]) -> Media | None:
    if "url" not in texts:
        return None
    data = _DATA_URL.fullmatch(texts["url"])
    return Media(kind=kind, media_type=data[1], data=data[2]) if data else Media(kind=kind, url=texts["url"])


def _audio(texts: dict[str, str]) -> Media | None:
    if len(texts) < 2:
        return None
    return Media(kind="audio", media_type=f"audio/{texts['format']}", data=texts["data"])


def _file(texts: dict[str, str]) -> Media | None:
    data = texts.get("file_data", "")
    parts = _DATA_URL.fullmatch(data)
    return Media(
        kind="document",
        file_id=texts.get("file_id", ""),
        name=texts.get("filename", ""),
        media_type=parts[1] if parts else "",
        data=parts[2] if parts else data,
    )


_MEDIA: dict[str, tuple[tuple[str, ...], Callable[[dict[str, str]], Media | None]]] = {
    "image_url": (("url",), _image),
    "video_url": (("url",), _video),
    "input_audio": (("data", "format"), _audio),
    "file": (("file_data", "file_id", "filename"), _file),
}


def _write_media(block: Media) -> dict[str, Any] | None:
    extras = own(block.extras, DIALECT)
    url = block.url or f"data:{block.media_type};base64,{block.data}"
    kind, inner = "file", dict[str, Any]()
    if block.kind in ("image", "video"):
        kind = f"{block.kind}_url"
        inner = {"url": url} if block.url or block.data else {}
    elif block.kind == "audio":
        kind = "input_audio"
        inner = {"data": block.data, "format": block.media_type.removeprefix("audio/")} if block.data else {}
    elif block.data or block.file_id:
        inner |= {"file_data": url if block.media_type else block.data} if block.data else {}
        inner |= {"file_id": block.file_id} if block.file_id else {}
        inner |= {"filename": block.name} if block.name else {}
    if not inner:
        return None  # a URL of a document or sound, or another provider's file: chat cannot point at it
    left = untuck(extras, kind)
    return {"type": kind, kind: {**inner, **left}, **extras}


def read_call(raw: msgspec.Raw) -> Block:
    """A tool call; custom tools and odd shapes stay opaque."""
    fields = object_of(raw)
    function = object_of(fields.get("function")) if fields else None
    if fields is None or function is None:
        return Opaque(dialect=DIALECT, kind="tool_call", raw=raw)
    name, arguments = text_of(function.get("name")), text_of(function.get("arguments"))
    if name is None or arguments is None:
        return Opaque(dialect=DIALECT, kind="tool_call", raw=raw)
    extras = rest(fields, ("id", "type", "function"))
    tuck(extras, "function", rest(function, ("name", "arguments")))
    return ToolCall(id=text_in(fields, "id"), name=name, arguments=arguments, extras=keep(DIALECT, extras))


def write_call(call: ToolCall) -> dict[str, Any]:
    """A tool call."""
    extras = own(call.extras, DIALECT)
    function = {"name": call.name, "arguments": call.arguments, **untuck(extras, "function")}
    return {"id": call.id, "type": "function", "function": function, **extras}
