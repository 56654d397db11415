"""Callers' requests, read as far as routing and accounting need and no further.

One pass splits the body into raw top-level fields, a second one the input into raw items. What is inside an item is
looked at only where something may stand in it whose bytes say nothing about its tokens.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple, NoReturn

import msgspec

from pointsman.core.dialects import RESPONSES
from pointsman.core.errors import InvalidRequest
from pointsman.core.model import Ability
from pointsman.core.plan import Needs
from pointsman.wire.body import model_name, read_fields
from pointsman.wire.end_user import end_user
from pointsman.wire.itemised import asked_for
from pointsman.wire.parse import BAD_JSON
from pointsman.wire.raw import Fields
from pointsman.wire.trip import COUNTING, Incoming, Surface

LOGPROBS = "message.output_text.logprobs"
"""What `include` asks for where log probabilities are wanted."""
_BYTES_PER_TOKEN = 4
_TOKENS_PER_PART = 800  # an image, a sound or a document, whose size in bytes says nothing about its tokens
_BULKY = (b'"image_url"', b'"file_', b'"input_audio"', b'"result"')
_ELSEWHERE = ("previous_response_id", "conversation", "prompt")
"""Fields in whose place the input may stand."""


class _Item(msgspec.Struct):
    """An item of the input: of any kind, since the kinds are not ours to judge."""

    content: msgspec.Raw = msgspec.Raw(b"")
    output: msgspec.Raw = msgspec.Raw(b"")
    result: msgspec.Raw = msgspec.Raw(b"")


class _Part(msgspec.Struct):
    type: str = ""
    image_url: msgspec.Raw = msgspec.Raw(b"")
    file_data: msgspec.Raw = msgspec.Raw(b"")
    input_audio: msgspec.Raw = msgspec.Raw(b"")


class _Format(msgspec.Struct):
    type: str | None = None


class _Text(msgspec.Struct):
    format: _Format | None = None


class _Input(NamedTuple):
    """What the input holds: how many items, images and other parts, bytes of text, what it asks of a model."""

    items: int = 0
    images: int = 0
    others: int = 0
    text: int = 0
    abilities: int = 0


_FLAG = msgspec.json.Decoder(bool | None)
_COUNT = msgspec.json.Decoder(int | None)
_ITEMS = msgspec.json.Decoder(list[_Item])
_PARTS = msgspec.json.Decoder(list[_Part])
_PART = msgspec.json.Decoder(_Part)
_OBJECTS = msgspec.json.Decoder(list[Fields] | None)
_TEXT = msgspec.json.Decoder(_Text | None)
_PLACE = re.compile(r" - at `\$((?:\[\d+\])?)")
_NO_NEED = Ability(0)
_TOOLS, _VISION, _DOCUMENTS = int(Ability.TOOLS), int(Ability.VISION), int(Ability.DOCUMENTS)
_AUDIO, _JSON_SCHEMA, _JSON_MODE = int(Ability.AUDIO_INPUT), int(Ability.JSON_SCHEMA), int(Ability.JSON_MODE)
_LOGPROBS = int(Ability.LOGPROBS)


def read_request(body: bytes, surface: Surface) -> Incoming:
    """Read a caller's request. Raises as `port.Spoken.read_request`."""
    fields = read_fields(body)
    details = False
    if "usage" in fields:
        fields, details = asked_for(fields)
    counting = surface in COUNTING
    stream = not counting and bool(_optional(fields, "stream", _FLAG, "true or false"))
    return Incoming(
        surface=surface,
        model=model_name(fields),
        stream=stream,
        needs=read_needs(fields, len(body), stream=stream, counting=counting),
        fields=fields,
        shows_usage=True,
        details=details,
        user=end_user(fields, "user", "safety_identifier"),
    )


def read_needs(fields: Fields, size: int, *, stream: bool, counting: bool = False) -> Needs:
    """What a request asks of a model; `size` is its body's.

    Raises:
        InvalidRequest: a field that routing has to understand is of another shape.
    """
    found = _input(fields, counting=counting)
    tools, tool_bytes = _tools(fields)
    abilities = found.abilities | (_TOOLS if tools else 0) | _abilities(fields)
    instructions = fields.get("instructions")
    text = found.text + tool_bytes + (len(memoryview(instructions)) if instructions is not None else 0)
    limit = _optional(fields, "max_output_tokens", _COUNT, "a whole number")
    return Needs(
        dialect=RESPONSES,
        abilities=Ability(abilities) if abilities else _NO_NEED,
        input_tokens=text // _BYTES_PER_TOKEN + (found.images + found.others) * _TOKENS_PER_PART,
        output_tokens=max(limit or 0, 0),
        messages=found.items,
        tools=tools,
        images=found.images,
        stream=stream,
        body_bytes=size,
    )


def refuse(path: str, expected: str, raw: msgspec.Raw | None) -> NoReturn:
    """Raise for a field of the wrong shape, showing the start of what was sent."""
    if raw is None:
        raise InvalidRequest(f"`{path}` is missing; {expected} was expected.", param=path)
    shown = bytes(raw)[:60].decode("utf-8", "replace")
    raise InvalidRequest(f"`{path}` has to be {expected}, not {shown}.", param=path)


def said(fields: Fields, name: str) -> bool:
    """Whether a field is there and not null."""
    raw = fields.get(name)
    return raw is not None and bytes(raw) != b"null"


def _optional(fields: Fields, name: str, decoder: msgspec.json.Decoder[Any], expected: str) -> Any:
    """A field's value, None if absent or null."""
    raw = fields.get(name)
    if raw is None:
        return None
    try:
        return decoder.decode(raw)
    except BAD_JSON:
        refuse(name, expected, raw)


def _input(fields: Fields, *, counting: bool) -> _Input:
    raw = fields.get("input")
    if raw is None or bytes(raw) == b"null":
        if counting or any(said(fields, name) for name in _ELSEWHERE):
            return _Input()
        refuse("input", "a string or a list of items", None)
    size = len(memoryview(raw))
    if bytes(memoryview(raw)[:1]) == b'"':
        return _Input(items=1, text=size)
    try:
        items = _ITEMS.decode(raw)
    except BAD_JSON as error:
        place = _PLACE.search(str(error))
        if place is not None and place[1]:
            path = f"input{place[1]}"
            raise InvalidRequest(f"`{path}` has to be an object.", param=path) from None
        refuse("input", "a string or a list of items", raw)
    find = bytes(raw).find
    if not any(find(name) >= 0 for name in _BULKY):
        return _Input(items=len(items), text=size)
    return _parts(items, size)


def _parts(items: list[_Item], size: int) -> _Input:
    """Images, sounds and documents among the items; their bytes are not those of text."""
    images = others = abilities = 0
    for item in items:
        if len(memoryview(item.result)) > len(b"null"):
            images += 1  # made by a tool of the provider's
            size -= len(memoryview(item.result))
        for part in (*_parts_of(item.content), *_parts_of(item.output)):
            if part.type in ("input_image", "computer_screenshot"):
                images += 1
                abilities |= _VISION
            elif part.type == "input_file":
                others += 1
                abilities |= _DOCUMENTS
            elif part.type == "input_audio":
                others += 1
                abilities |= _AUDIO
            size -= (
                len(memoryview(part.image_url)) + len(memoryview(part.file_data)) + len(memoryview(part.input_audio))
            )
    return _Input(items=len(items), images=images, others=others, text=max(size, 0), abilities=abilities)


def _parts_of(raw: msgspec.Raw) -> list[_Part]:
    """Parts of a message or of a tool's output; none where it is a text, or of a shape that the provider may judge."""
    first = bytes(memoryview(raw)[:1])
    try:
        if first == b"[":
            return _PARTS.decode(raw)
        return [_PART.decode(raw)] if first == b"{" else []
    except BAD_JSON:
        return []


def _tools(fields: Fields) -> tuple[int, int]:
    """Number of tools offered and their size in bytes."""
    raw = fields.get("tools")
    found = _optional(fields, "tools", _OBJECTS, "a list of objects")
    return (len(found), len(memoryview(raw))) if found and raw is not None else (0, 0)


def _abilities(fields: Fields) -> int:
    """What fields other than input and tools ask of a model, as bits of `Ability`."""
    abilities = 0
    if "text" in fields:
        text = _optional(fields, "text", _TEXT, "an object with a `format`")
        kind = text.format.type if text is not None and text.format is not None else None
        abilities |= _JSON_SCHEMA if kind == "json_schema" else 0
        abilities |= _JSON_MODE if kind == "json_object" else 0
    include = fields.get("include")
    if include is not None and bytes(include).find(LOGPROBS.encode()) >= 0:
        abilities |= _LOGPROBS
    return abilities
