"""Content blocks of this dialect, of requests and answers, as core blocks."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import msgspec

from pointsman.core.chat import Block, Citation, Media, Opaque, Reasoning, Text, ToolCall, ToolResult
from pointsman.core.dialects import MESSAGES
from pointsman.wire.anthropic_messages.seals import opened
from pointsman.wire.cache_marks import NAME as MARK
from pointsman.wire.cache_marks import read_mark
from pointsman.wire.extras import keep, leftover
from pointsman.wire.parse import as_text
from pointsman.wire.raw import Fields, items_of, list_of, object_of, rest, text_in, text_of, value_of

SEARCH_RESULT = "search_result"
SOURCE = "source"
_DIRECT = b'{"type":"direct"}'
_DEEPEST = 3  # blocks in blocks; a message, a tool's result and a document in it


def read_blocks(raw: msgspec.Raw | None, maker: str = "", depth: int = 0) -> list[Block]:
    """`content`: a text, or a list of blocks. `maker` is the model that wrote it, where that is known."""
    text = text_of(raw)
    if text is not None:
        return [Text(text=text)] if text else []
    items = items_of(raw)
    if items is None and raw is not None and bytes(raw) != b"null":
        return [Opaque(dialect=MESSAGES, kind="content", raw=raw)]  # of no shape that is known
    return [read_block(item, maker, depth) for item in items or ()]


def read_block(raw: msgspec.Raw, maker: str = "", depth: int = 0) -> Block:
    """A content block; what this module does not know stays opaque."""
    fields = object_of(raw)
    if fields is None:
        return Opaque(dialect=MESSAGES, kind="", raw=raw)
    kind = text_in(fields, "type")
    block: Block | None = None
    if kind == "text":
        block = _text(fields, maker)
    elif kind == "tool_use":
        block = _call(fields)
    elif kind == "tool_result" and depth < _DEEPEST:
        block = _result(fields, depth)
    elif kind in _OTHERS:
        block = _OTHERS[kind](fields)
        # A seal that we have not marked is of this dialect, whoever brings it.
        if isinstance(block, Reasoning) and not block.maker and (maker or block.signature or block.encrypted):
            block = msgspec.structs.replace(block, maker=maker or MESSAGES)
    return block or Opaque(dialect=MESSAGES, kind=kind, raw=raw, cache=read_mark(fields.get(MARK)))


def _text(fields: Fields, maker: str) -> Text | None:
    text = text_of(fields.get("text"))
    if text is None:
        return None
    if len(fields) == 2:  # the usual case
        return Text(text=text)
    cited = list_of(fields.get("citations"))
    # In a turn that is sent back they are of use only as they are.
    known = () if cited and not maker else ("citations",)
    return Text(
        text=text,
        cache=read_mark(fields.get(MARK)),
        citations=read_citations([value_of(raw) for raw in cited], len(text)) if cited else (),
        extras=leftover(MESSAGES, fields, "text", MARK, *known),
    )


def read_citations(values: list[Any], length: int) -> tuple[Citation, ...]:
    """Citations of a text of so many characters: of pages, search results and documents of the request.

    What is cited here is a block of its own, so all of it rests on them.
    """
    return tuple([msgspec.structs.replace(_citation(one), end=length) for one in values if isinstance(one, dict)])


def _citation(value: dict[str, Any]) -> Citation:
    """Where a text has something from."""
    return Citation(
        url=as_text(value.get("url")) or (source if (source := as_text(value.get(SOURCE))).startswith("http") else ""),
        title=as_text(value.get("title")) or as_text(value.get("document_title")),
        quote=as_text(value.get("cited_text")),
    )


def _call(fields: Fields) -> ToolCall | None:
    name = text_of(fields.get("name"))
    if name is None:
        return None
    call = ToolCall(id=text_in(fields, "id"), name=name, arguments=arguments_of(fields.get("input")))
    if len(fields) <= 4:  # the usual case
        return call
    more = rest(fields, ("type", "id", "name", "input", MARK))
    if "caller" in more and bytes(more["caller"]).replace(b" ", b"") == _DIRECT:
        del more["caller"]  # what every call is unless it says otherwise
    return msgspec.structs.replace(call, cache=read_mark(fields.get(MARK)), extras=keep(MESSAGES, more))


def arguments_of(raw: msgspec.Raw | None) -> str:
    """A call's input as JSON text; none is an empty object."""
    text = bytes(raw).decode() if raw is not None else ""
    return "{}" if text in ("", "null", '""') else text


def _result(fields: Fields, depth: int) -> ToolResult:
    return ToolResult(
        call_id=text_in(fields, "tool_use_id"),
        content=tuple(read_blocks(fields.get("content"), depth=depth + 1)),
        is_error=value_of(fields.get("is_error")) is True,
        cache=read_mark(fields.get(MARK)),
        extras=leftover(MESSAGES, fields, "tool_use_id", "content", "is_error", MARK),
    )


def _thinking(fields: Fields) -> Reasoning | None:
    text = text_of(fields.get("thinking"))
    if text is None:
        return None
    seal = opened(text_in(fields, "signature"))
    return Reasoning(
        text=text,
        signature="" if seal.encrypted else seal.text,
        encrypted=seal.text if seal.encrypted else "",
        summary=seal.summary,
        maker=seal.maker,
        extras=leftover(MESSAGES, fields, "thinking", "signature"),
    )


def _redacted(fields: Fields) -> Reasoning | None:
    seal = opened(text_in(fields, "data"))
    if not seal.text:
        return None
    extras = leftover(MESSAGES, fields, "data")
    return Reasoning(encrypted=seal.text, summary=seal.summary, maker=seal.maker, extras=extras)


def _image(fields: Fields) -> Media | None:
    source = object_of(fields.get(SOURCE)) or {}
    kind = text_in(source, "type")
    known = _LOCATED.get(kind)
    if known is None:
        return None
    media = Media(
        kind="image",
        media_type=text_in(source, "media_type"),
        data=text_in(source, "data"),
        url=text_in(source, "url"),
        file_id=text_in(source, "file_id"),
        cache=read_mark(fields.get(MARK)),
    )
    more = rest(fields, ("type", SOURCE, MARK))
    more |= {SOURCE: fields[SOURCE]} if rest(source, known) else {}
    return msgspec.structs.replace(media, extras=keep(MESSAGES, more)) if more else media


_LOCATED = {
    "base64": ("type", "media_type", "data"),
    "url": ("type", "url"),
    "file": ("type", "file_id"),
}


def _document(fields: Fields) -> Media | None:
    source = object_of(fields.get(SOURCE)) or {}
    kind = text_in(source, "type")
    extras = rest(fields, ("type", SOURCE, "title", MARK))
    if kind == "text":
        text, media_type = text_of(source.get("data")), text_in(source, "media_type") or "text/plain"
    elif kind == "content":  # its own blocks; for others it is the text in them
        text, media_type = _plain(source.get("content")), "text/plain"
        extras = {**extras, SOURCE: fields[SOURCE]}
    else:
        image = _image(rest(fields, ("title",)))
        if image is None:
            return None
        return msgspec.structs.replace(image, kind="document", name=text_in(fields, "title"))
    if text is None:
        return None
    return Media(
        kind="document",
        media_type=media_type,
        data=base64.b64encode(text.encode("utf-8", "replace")).decode(),
        name=text_in(fields, "title"),
        cache=read_mark(fields.get(MARK)),
        extras=keep(MESSAGES, extras),
    )


def _plain(raw: msgspec.Raw | None) -> str | None:
    """The text of some content; None if there is anything else in it."""
    text = text_of(raw)
    if text is not None:
        return text
    items = items_of(raw)
    blocks = [object_of(item) or {} for item in items or ()]
    if not blocks or any(text_in(block, "type") != "text" for block in blocks):
        return None
    return "\n".join(text_in(block, "text") for block in blocks)


def _search_result(fields: Fields) -> Text | None:
    """A search result as the text that it is to any model; its own form stays beside it."""
    text = _plain(fields.get("content"))
    if text is None:
        return None
    head = [line for name in ("title", SOURCE) if (line := text_in(fields, name))]
    return Text(
        text="\n".join((*head, "", text)) if head else text,
        cache=read_mark(fields.get(MARK)),
        extras=keep(MESSAGES, {SEARCH_RESULT: msgspec.Raw(msgspec.json.encode(rest(fields, (MARK,))))}),
    )


_OTHERS: dict[str, Callable[[Fields], Block | None]] = {
    "thinking": _thinking,
    "redacted_thinking": _redacted,
    "image": _image,
    "document": _document,
    SEARCH_RESULT: _search_result,
}
