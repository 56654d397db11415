"""Callers' requests, read as far as routing and accounting need and no further.

Only the few fields that routing asks for are looked at. Images and other parts are searched for by their names first,
and parsed only when the name is there.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from pointsman.core.dialects import CHAT
from pointsman.core.model import Ability
from pointsman.core.plan import Needs
from pointsman.wire.asked import items, optional, refuse
from pointsman.wire.body import model_name, read_fields
from pointsman.wire.end_user import end_user
from pointsman.wire.itemised import asked_for
from pointsman.wire.parse import BAD_JSON
from pointsman.wire.raw import Fields
from pointsman.wire.trip import Incoming, Surface

DIALECT = CHAT

_BYTES_PER_TOKEN = 4
_TOKENS_PER_PART = 800  # an image, a sound or a document, whose size in bytes says nothing about its tokens
_MOST_CHOICES = 128


class _Message(msgspec.Struct):
    role: str


class _MessageContent(msgspec.Struct):
    role: str
    content: msgspec.Raw = msgspec.Raw(b"null")


class _Part(msgspec.Struct):
    type: str = ""
    image_url: msgspec.Raw = msgspec.Raw(b"")
    input_audio: msgspec.Raw = msgspec.Raw(b"")
    file: msgspec.Raw = msgspec.Raw(b"")
    video_url: msgspec.Raw = msgspec.Raw(b"")


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Format(msgspec.Struct):
    type: str | None = None


class _Parts(NamedTuple):
    """Parts other than text in the messages: how many, how many bytes they take, and what they ask of a model."""

    images: int = 0
    others: int = 0
    size: int = 0
    abilities: int = 0


_COUNT = msgspec.json.Decoder(int | None)
_FLAG = msgspec.json.Decoder(bool | None)
_MESSAGES = msgspec.json.Decoder(list[_Message])
_CONTENTS = msgspec.json.Decoder(list[_MessageContent])
_PARTS = msgspec.json.Decoder(list[_Part])
_OBJECTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]] | None)
_WORDS = msgspec.json.Decoder(list[str] | None)
_STREAM_OPTIONS = msgspec.json.Decoder(_StreamOptions | None)
_FORMAT = msgspec.json.Decoder(_Format | None)
_LOGPROBS = msgspec.json.Decoder(bool | int | None)
_PROMPT = msgspec.json.Decoder(str | list[str | int | list[int]])

# Sums of plain integers: an operation on flags costs about as much as decoding a small request.
_NO_NEED = Ability(0)
_TOOLS, _VISION, _DOCUMENTS = int(Ability.TOOLS), int(Ability.VISION), int(Ability.DOCUMENTS)
_AUDIO_INPUT, _AUDIO_OUTPUT = int(Ability.AUDIO_INPUT), int(Ability.AUDIO_OUTPUT)
_JSON_SCHEMA, _JSON_MODE, _LOGPROBS_BIT = int(Ability.JSON_SCHEMA), int(Ability.JSON_MODE), int(Ability.LOGPROBS)
_IMAGE_OUTPUT = int(Ability.IMAGE_OUTPUT)
_PART_NAMES = (b'"image_url"', b'"input_audio"', b'"file"', b'"video_url"')

_LENGTHS = ("max_completion_tokens", "max_tokens")
_TELLING = frozenset((*_LENGTHS, "tools", "functions", "response_format", "logprobs", "modalities", "n"))
"""The fields besides the messages from which a chat request's needs are read."""


def read_request(body: bytes, surface: Surface) -> Incoming:
    """Read a caller's request. Raises as `port.Dialect.read_request`."""
    fields = read_fields(body)
    details = False
    if "usage" in fields:
        fields, details = asked_for(fields)
    model = model_name(fields)
    stream = "stream" in fields and bool(optional(fields, "stream", _FLAG, "true or false"))
    typed = body.find(b'"type"') >= 0
    needs = (
        _completion_needs(fields, body, stream)
        if surface == "completions"
        else _chat_needs(fields, body, stream, typed=typed)
    )
    options = optional(fields, "stream_options", _STREAM_OPTIONS, "an object") if stream else None
    return Incoming(
        surface=surface,
        model=model,
        stream=stream,
        needs=needs,
        fields=fields,
        shows_usage=details or (options is not None and bool(options.include_usage)),
        details=details,
        typed=typed,
        user=end_user(fields, "user", "safety_identifier"),
    )


def _chat_needs(fields: Fields, body: bytes, stream: bool, *, typed: bool) -> Needs:
    count = len(items(fields, "messages", _MESSAGES, "a list of messages"))
    raw = fields["messages"]
    text = len(memoryview(raw))
    parts = _parts(raw) if typed else None
    tools = size = abilities = output = 0
    choices = 1
    if not _TELLING.isdisjoint(fields):
        tools, size = _tools(fields)
        abilities = _abilities(fields) | (_TOOLS if tools else 0)
        output, choices = _output_tokens(fields), _choices(fields)
    images = others = 0
    if parts is not None:
        images, others = parts.images, parts.others
        text -= parts.size
        abilities |= parts.abilities
    return Needs(
        dialect=DIALECT,
        abilities=Ability(abilities) if abilities else _NO_NEED,
        input_tokens=(text + size) // _BYTES_PER_TOKEN + (images + others) * _TOKENS_PER_PART,
        output_tokens=output,
        messages=count,
        tools=tools,
        images=images,
        stream=stream,
        choices=choices,
        body_bytes=len(body),
    )


def _completion_needs(fields: Fields, body: bytes, stream: bool) -> Needs:
    raw = fields.get("prompt")
    if raw is None:
        refuse("prompt", "a string or a list", None)
    prompt = optional(fields, "prompt", _PROMPT, "a string, a list of strings or a list of tokens")
    abilities = Ability.COMPLETIONS
    if fields.get("logprobs") is not None and optional(fields, "logprobs", _LOGPROBS, "a number") not in (None, False):
        abilities |= Ability.LOGPROBS
    tokens = isinstance(prompt, list) and bool(prompt) and isinstance(prompt[0], int)
    count = len(prompt) if isinstance(prompt, list) and not tokens else 1
    return Needs(
        dialect=DIALECT,
        abilities=abilities,
        input_tokens=len(prompt) if tokens else len(memoryview(raw)) // _BYTES_PER_TOKEN,
        output_tokens=_output_tokens(fields),
        messages=count,
        stream=stream,
        choices=_choices(fields) * max(count, 1),
        body_bytes=len(body),
    )


def _parts(raw: msgspec.Raw) -> _Parts | None:
    """Images, sounds and documents among the messages, where their names occur at all."""
    find = bytes(raw).find
    if not any(find(name) >= 0 for name in _PART_NAMES):
        return None
    try:
        messages = _CONTENTS.decode(raw)
    except BAD_JSON:
        return None
    images = others = size = 0
    abilities = 0
    for message in messages:
        for part in _content_parts(message.content):
            if part.type == "image_url":
                images += 1
                size += len(memoryview(part.image_url))
                abilities |= _VISION
            elif part.type == "input_audio":
                others += 1
                size += len(memoryview(part.input_audio))
                abilities |= _AUDIO_INPUT
            elif part.type in ("file", "video_url"):
                others += 1
                size += len(memoryview(part.file)) + len(memoryview(part.video_url))
                abilities |= _DOCUMENTS if part.type == "file" else _VISION  # films are seen
    return _Parts(images, others, size, abilities)


def _content_parts(raw: msgspec.Raw) -> list[_Part]:
    """A message's parts; none where the content is plain text or of a shape that the provider may judge."""
    if bytes(memoryview(raw)[:1]) != b"[":
        return []
    try:
        return _PARTS.decode(raw)
    except BAD_JSON:
        return []


def _tools(fields: Fields) -> tuple[int, int]:
    """Number of tools (or old functions) offered and their size in bytes."""
    count = size = 0
    for name in ("tools", "functions"):
        raw = fields.get(name)
        if raw is not None:
            found = optional(fields, name, _OBJECTS, "a list of objects")
            if found:
                count += len(found)
                size += len(memoryview(raw))
    return count, size


def _abilities(fields: Fields) -> int:
    """What fields other than tools and messages ask of a model, as bits of `Ability`."""
    abilities = 0
    if "response_format" in fields:
        wanted = optional(fields, "response_format", _FORMAT, "an object with a `type`")
        if wanted is not None and wanted.type == "json_schema":
            abilities |= _JSON_SCHEMA
        elif wanted is not None and wanted.type == "json_object":
            abilities |= _JSON_MODE
    if "logprobs" in fields and optional(fields, "logprobs", _LOGPROBS, "true or false"):
        abilities |= _LOGPROBS_BIT
    if "modalities" in fields:
        wanted = optional(fields, "modalities", _WORDS, "a list of strings") or ()
        abilities |= _AUDIO_OUTPUT if "audio" in wanted else 0
        abilities |= _IMAGE_OUTPUT if "image" in wanted else 0
    return abilities


def _output_tokens(fields: Fields) -> int:
    """The longest answer; of two limits the longer, since some servers know but one of them."""
    longest = 0
    for name in _LENGTHS:
        raw = fields.get(name)
        if raw is not None:
            wanted = optional(fields, name, _COUNT, "a whole number")
            if wanted is not None:
                longest = max(int(wanted), longest)  # -1 is "no limit" to several local servers
    return longest


def _choices(fields: Fields) -> int:
    raw = fields.get("n")
    if raw is None:
        return 1
    wanted = optional(fields, "n", _COUNT, "a whole number")
    if wanted is not None and not 1 <= wanted <= _MOST_CHOICES:
        refuse("n", f"a whole number from 1 to {_MOST_CHOICES}", raw)
    return 1 if wanted is None else int(wanted)
