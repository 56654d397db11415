"""Content parts and tool calls of chat messages as blocks, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from pointsman.core.chat import Block, Citation, Extras, Media, Opaque, Reasoning, Refusal, Text, ToolCall
from pointsman.wire.cache_marks import NAME as MARK
from pointsman.wire.cache_marks import read_mark, write_mark
from pointsman.wire.data_urls import read_data_url
from pointsman.wire.extras import keep, leftover, of_dialect
from pointsman.wire.openai_chat.request import DIALECT
from pointsman.wire.parse import as_count, as_list, as_text
from pointsman.wire.raw import Fields, dump, object_of, rest, text_in, text_of, value_of
from pointsman.wire.tool_names import Grammar, fitted_id

GEMINI = "gemini"
SEAL = "thoughtSignature"


def read_part(raw: msgspec.Raw) -> Block:
    """A content part; what this module does not know stays opaque."""
    fields = object_of(raw)
    if fields is None:
        return Opaque(dialect=DIALECT, kind="", raw=raw)
    kind = text_in(fields, "type")
    mark = read_mark(fields.get(MARK))
    block: Block | None = None
    if kind == "text":
        text = text_of(fields.get("text"))
        block = None if text is None else Text(text=text, cache=mark, extras=leftover(DIALECT, fields, "text", MARK))
    elif kind == "refusal":
        text = text_of(fields.get("refusal"))
        block = None if text is None else Refusal(text=text, extras=leftover(DIALECT, fields, "refusal"))
    elif kind == "thinking":
        block = _thinking(fields)
    elif kind in _MEDIA:
        block = _media(kind, fields)
        block = msgspec.structs.replace(block, cache=mark) if block is not None and mark else block
    return block or Opaque(dialect=DIALECT, kind=kind, raw=raw)


def _thinking(fields: Fields) -> Reasoning | None:
    """Mistral's thinking part: a list of text parts, or a text."""
    value = value_of(fields.get("thinking"))
    if isinstance(value, str):
        return Reasoning(text=value, signature=text_in(fields, "signature"))
    if not isinstance(value, list):
        return None
    return Reasoning(text="".join(str(part.get("text", "")) for part in value if isinstance(part, dict)))


def write_part(block: Block, *, marks: bool = False) -> Any:
    """A block as a content part; None if chat has no part for it. `marks`: the provider takes cache marks."""
    match block:
        case Text(text=text):
            value = {"type": "text", "text": text}
        case Refusal(text=text):
            value = {"type": "refusal", "refusal": text}
        case Media():
            return _write_media(block, marks=marks)
        case Opaque(dialect=dialect, raw=raw) if dialect == DIALECT:
            return raw
        case _:
            return None
    return {**value, **write_mark(block.cache)} if marks and block.cache else value


def _media(kind: str, fields: Fields) -> Media | None:
    """An image, video, sound or document part; its object's other fields stay under the part's name."""
    raw = fields.get(kind)
    # Mistral's clients write the address alone.
    inner = {"url": raw} if raw is not None and text_of(raw) is not None and kind in _PLACES else object_of(raw)
    if inner is None:
        return None
    known, make = _MEDIA[kind]
    block = make({name: text for name in known if (text := text_of(inner.get(name))) is not None})
    if block is None:
        return None
    extras = rest(fields, ("type", kind, MARK))
    if left := rest(inner, known):
        extras[kind] = dump(left)
    return msgspec.structs.replace(block, extras=keep(DIALECT, extras)) if extras else block


_PLACES = frozenset({"image_url", "video_url"})


def _image(texts: dict[str, str]) -> Media | None:
    return _located("image", texts)


def _video(texts: dict[str, str]) -> Media | None:
    return _located("video", texts)


def _located(kind: Literal["image", "video"], texts: dict[str, str]) -> Media | None:
    if "url" not in texts:
        return None
    detail = texts.get("detail", "")
    detail = "" if detail == "auto" else detail
    data = read_data_url(texts["url"])
    if data:
        return Media(kind=kind, media_type=data.media_type, data=data.data, detail=detail)
    return Media(kind=kind, url=texts["url"], detail=detail)


def _audio(texts: dict[str, str]) -> Media | None:
    if len(texts) < 2:
        return None
    return Media(kind="audio", media_type=f"audio/{texts['format']}", data=texts["data"])


def _file(texts: dict[str, str]) -> Media | None:
    data = texts.get("file_data", "")
    url = data if data.startswith(("http://", "https://")) else ""  # OpenRouter takes a URL in this place
    parts = read_data_url(data)
    return Media(
        kind="document",
        file_id=texts.get("file_id", ""),
        name=texts.get("filename", ""),
        media_type=parts.media_type if parts else "",
        data="" if url else (parts.data if parts else data),
        url=url,
    )


_MEDIA: dict[str, tuple[tuple[str, ...], Callable[[dict[str, str]], Media | None]]] = {
    "image_url": (("url", "detail"), _image),
    "video_url": (("url",), _video),
    "input_audio": (("data", "format"), _audio),
    "file": (("file_data", "file_id", "filename"), _file),
}


def _write_media(block: Media, *, marks: bool) -> dict[str, Any] | None:
    kind, inner = "file", dict[str, Any]()
    if block.kind in ("image", "video"):
        kind = f"{block.kind}_url"
        inner = {"url": data_url(block)} if block.url or block.data else {}
        inner |= {"detail": block.detail} if inner and block.detail else {}
    elif block.kind == "audio":
        kind = "input_audio"
        inner = {"data": block.data, "format": _audio_format(block.media_type)} if block.data else {}
    elif block.data or block.file_id:
        inner |= {"file_data": data_url(block) if block.media_type else block.data} if block.data else {}
        inner |= {"file_id": block.file_id} if block.file_id else {}
        inner |= {"filename": block.name or _file_name(block.media_type)} if block.name or block.data else {}
    if not inner:
        return None  # a URL of a document or sound, or another provider's file: chat cannot point at it
    for fields in of_dialect(block.extras, DIALECT):
        inner |= object_of(fields.get(kind)) or {}
    return {"type": kind, kind: inner, **(write_mark(block.cache) if marks else {})}


def _audio_format(media_type: str) -> str:
    kind = media_type.removeprefix("audio/").removeprefix("x-")
    return {"mpeg": "mp3", "wave": "wav", "vnd.wave": "wav"}.get(kind, kind)


def _file_name(media_type: str) -> str:
    return "document." + {"application/pdf": "pdf", "text/plain": "txt"}.get(media_type, media_type.rpartition("/")[2])


def data_url(block: Media) -> str:
    """A block's URL, made of its data where it has none."""
    return block.url or f"data:{block.media_type or 'application/octet-stream'};base64,{block.data}"


def read_call(raw: msgspec.Raw) -> Block:
    """A tool call; custom tools and odd shapes stay opaque."""
    fields = object_of(raw)
    function = object_of(fields.get("function")) if fields else None
    if fields is None or function is None:
        return Opaque(dialect=DIALECT, kind="tool_call", raw=raw)
    name = text_of(function.get("name"))
    if name is None:
        return Opaque(dialect=DIALECT, kind="tool_call", raw=raw)
    extras = seal_of(fields.get("extra_content"))
    return ToolCall(id=text_in(fields, "id"), name=name, arguments=_arguments(function), extras=extras)


def _arguments(function: Fields) -> str:
    """Arguments as JSON text; some servers send the object itself, some nothing for none."""
    raw = function.get("arguments")
    text = text_of(raw)
    if text is None:
        return bytes(raw).decode() if raw is not None and object_of(raw) is not None else "{}"
    return text if text.strip() else "{}"


def write_call(call: ToolCall, ids: Grammar | None = None, *, name: str = "", seals: bool = True) -> dict[str, Any]:
    """A tool call. `ids`: what a provider takes for one; `name` in the place of its own; `seals`: with a Gemini's."""
    call_id = call.id if ids is None else fitted_id(call.id, ids)
    function = {"name": name or call.name, "arguments": call.arguments}
    value: dict[str, Any] = {"id": call_id, "type": "function", "function": function}
    for fields in of_dialect(call.extras, GEMINI):
        if seals and SEAL in fields:  # the name under which Google's own chat endpoint carries it
            value["extra_content"] = {"google": {"thought_signature": fields[SEAL]}}
    return value


def seal_of(raw: msgspec.Raw | None) -> tuple[Extras, ...]:
    """Gemini's signature on a call, as its chat endpoint and ours carry it."""
    google = object_of((object_of(raw) or {}).get("google")) or {}
    seal = google.get("thought_signature")
    return (Extras(dialect=GEMINI, fields={SEAL: seal}),) if seal is not None else ()


def read_citations(raws: list[msgspec.Raw]) -> tuple[Citation, ...]:
    """`annotations` of kind `url_citation`."""
    found = []
    for raw in raws:
        value = value_of(raw)
        inner = value.get("url_citation") if isinstance(value, dict) else None
        if isinstance(inner, dict):
            found.append(_citation(inner))
    return tuple(found)


def list_citations(urls: Any) -> tuple[Citation, ...]:
    """Addresses of pages that stand beside the choices (Perplexity, xAI), for numbers in the text."""
    return tuple([Citation(url=url) for url in as_list(urls) if isinstance(url, str) and url])


def with_listed(citations: tuple[Citation, ...], listed: tuple[Citation, ...]) -> tuple[Citation, ...]:
    """Citations with those of a list that are not among them."""
    known = {citation.url for citation in citations}
    return (*citations, *(citation for citation in listed if citation.url not in known))


def _citation(inner: dict[str, Any]) -> Citation:
    return Citation(
        url=as_text(inner.get("url")),
        title=as_text(inner.get("title")),
        quote=as_text(inner.get("content")),
        start=as_count(inner.get("start_index")),
        end=as_count(inner.get("end_index")),
    )


def write_citations(citations: tuple[Citation, ...], shift: int, length: int) -> list[Any]:
    """`annotations` for citations of web pages.

    `shift` is where their text begins in the message, `length` how long it is: what says no place rests on all of it.
    """
    written = []
    for one in citations:
        if one.url:
            end = one.end or length
            inner = {"url": one.url, "title": one.title, "start_index": one.start + shift, "end_index": end + shift}
            inner |= {"content": one.quote} if one.quote else {}
            written.append({"type": "url_citation", "url_citation": inner})
    return written
