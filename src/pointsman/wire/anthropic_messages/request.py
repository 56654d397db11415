"""Callers' requests, read as far as routing and accounting need and no further.

One pass splits the body into raw top-level fields, a second one the messages. What is inside a message is looked at
only where something may stand in it whose bytes say nothing about its tokens: images and documents.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from pointsman.core.dialects import MESSAGES
from pointsman.core.model import Ability
from pointsman.core.plan import Needs
from pointsman.wire.asked import items, optional
from pointsman.wire.body import model_name, read_fields
from pointsman.wire.end_user import end_user
from pointsman.wire.parse import BAD_JSON
from pointsman.wire.raw import Fields, object_of
from pointsman.wire.trip import COUNTING, Incoming, Surface

_BYTES_PER_TOKEN = 4
_TOKENS_PER_PART = 800  # an image or a document, whose size in bytes says nothing about its tokens
_DEEPEST = 2  # parts in a tool's result in a message
_SOURCE = b'"source"'
_BETA = "beta=true"  # what Anthropic's own clients put into the request line; whatever else stands there is not theirs


class _Message(msgspec.Struct):
    role: str
    content: msgspec.Raw = msgspec.Raw(b"")


class _Part(msgspec.Struct):
    type: str = ""
    source: msgspec.Raw = msgspec.Raw(b"")
    content: msgspec.Raw = msgspec.Raw(b"")


class _Source(msgspec.Struct):
    type: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


class _Format(msgspec.Struct):
    type: str | None = None


class _Output(msgspec.Struct):
    format: _Format | None = None


class _Parts(NamedTuple):
    """Parts other than text: how many images and documents, and how many bytes of data."""

    images: int = 0
    documents: int = 0
    size: int = 0


_FLAG = msgspec.json.Decoder(bool | None)
_COUNT = msgspec.json.Decoder(int | None)
_MESSAGES = msgspec.json.Decoder(list[_Message])
_PARTS = msgspec.json.Decoder(list[_Part])
_PART_SOURCE = msgspec.json.Decoder(_Source)
_OBJECTS = msgspec.json.Decoder(list[Fields] | None)
_OUTPUT = msgspec.json.Decoder(_Output | None)
_FORMAT = msgspec.json.Decoder(_Format | None)
_NO_NEED = Ability(0)
# Sums of plain integers: an operation on flags costs about as much as decoding a small request.
_TOOLS, _VISION, _DOCUMENTS = int(Ability.TOOLS), int(Ability.VISION), int(Ability.DOCUMENTS)
_JSON_SCHEMA = int(Ability.JSON_SCHEMA)


def read_request(body: bytes, surface: Surface, query: str = "") -> Incoming:
    """Read a caller's request. Raises as `port.Spoken.read_request`."""
    fields = read_fields(body)
    counting = surface in COUNTING
    model = model_name(fields)
    stream = not counting and bool(optional(fields, "stream", _FLAG, "true or false"))
    return Incoming(
        surface=surface,
        model=model,
        stream=stream,
        needs=_needs(fields, len(body), stream=stream, counting=counting),
        fields=fields,
        shows_usage=True,
        user=_user(fields.get("metadata")),
        query=_BETA if _BETA in query.split("&") else "",
    )


def _user(raw: msgspec.Raw | None) -> str:
    """`metadata.user_id`."""
    return end_user(object_of(raw) or {}, "user_id", path="metadata.") if raw is not None else ""


def _needs(fields: Fields, size: int, *, stream: bool, counting: bool) -> Needs:
    messages: list[_Message] = items(fields, "messages", _MESSAGES, "a list of messages")
    raw = fields["messages"]
    text = len(memoryview(raw))
    parts = _parts(messages) if bytes(raw).find(_SOURCE) >= 0 else _Parts()
    offered: list[Fields] | None = optional(fields, "tools", _OBJECTS, "a list of objects")
    tools = len(offered) if offered else 0
    if tools:
        text += len(memoryview(fields["tools"]))
    if "system" in fields:
        text += len(memoryview(fields["system"]))
    abilities = (_TOOLS if tools else 0) | (_VISION if parts.images else 0) | (_DOCUMENTS if parts.documents else 0)
    return Needs(
        dialect=MESSAGES,
        abilities=Ability(abilities | _format(fields)) if abilities or len(fields) > 3 else _NO_NEED,
        input_tokens=max(text - parts.size, 0) // _BYTES_PER_TOKEN
        + (parts.images + parts.documents) * _TOKENS_PER_PART,
        output_tokens=0 if counting else _limit(fields),
        messages=len(messages),
        tools=tools,
        images=parts.images,
        stream=stream,
        body_bytes=size,
    )


def _limit(fields: Fields) -> int:
    wanted = optional(fields, "max_tokens", _COUNT, "a whole number")
    return 0 if wanted is None else max(int(wanted), 0)


def _format(fields: Fields) -> int:
    """Whether an answer of a schema is asked for, as a bit of `Ability`."""
    wanted: Any = None
    if "output_config" in fields:
        output = optional(fields, "output_config", _OUTPUT, "an object")
        wanted = output.format if output is not None else None
    if wanted is None and "output_format" in fields:  # its name while it was new
        wanted = optional(fields, "output_format", _FORMAT, "an object with a `type`")
    return _JSON_SCHEMA if wanted is not None and wanted.type == "json_schema" else 0


def _parts(messages: list[_Message]) -> _Parts:
    """Images and documents in the messages, also in tools' results."""
    found = [0, 0, 0]
    for message in messages:
        _count(message.content, found, 0)
    return _Parts(*found)


def _count(raw: msgspec.Raw, found: list[int], depth: int) -> None:
    if depth > _DEEPEST or bytes(memoryview(raw)[:1]) != b"[":
        return  # plain text, or of a shape that the provider may judge
    try:
        parts = _PARTS.decode(raw)
    except BAD_JSON:
        return
    for part in parts:
        if part.type in ("image", "document"):
            found[part.type == "document"] += 1
            found[2] += _data(part.source)
        elif memoryview(part.content):
            _count(part.content, found, depth + 1)


def _data(raw: msgspec.Raw) -> int:
    """Bytes of data in a source, plain text not counted."""
    try:
        source = _PART_SOURCE.decode(raw)
    except BAD_JSON:
        return 0
    return len(memoryview(source.data)) if source.type == "base64" else 0
