"""Callers' requests, read as far as routing and accounting need and no further.

One pass splits the body into raw top-level fields; only the few that routing asks for are looked at. Images and other
parts are searched for by their names first, and parsed only when the name is there.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple, NoReturn

import msgspec

from pointsman.core.errors import InvalidJson, InvalidRequest
from pointsman.core.model import Ability
from pointsman.core.plan import Needs
from pointsman.wire.trip import Incoming, Surface

DIALECT = "openai-chat"

_BYTES_PER_TOKEN = 4
_TOKENS_PER_PART = 800  # an image, a sound or a document, whose size in bytes says nothing about its tokens
_MOST_CHOICES = 128

Fields = dict[str, msgspec.Raw]


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


class _Bulk(msgspec.Struct):
    """The fields that may be large."""

    messages: msgspec.Raw = msgspec.Raw()
    prompt: msgspec.Raw = msgspec.Raw()
    tools: msgspec.Raw = msgspec.Raw()
    functions: msgspec.Raw = msgspec.Raw()
    response_format: msgspec.Raw = msgspec.Raw()
    prediction: msgspec.Raw = msgspec.Raw()
    suffix: msgspec.Raw = msgspec.Raw()
    input: msgspec.Raw = msgspec.Raw()
    instructions: msgspec.Raw = msgspec.Raw()
    text: msgspec.Raw = msgspec.Raw()
    system: msgspec.Raw = msgspec.Raw()
    output_config: msgspec.Raw = msgspec.Raw()
    contents: msgspec.Raw = msgspec.Raw()
    systemInstruction: msgspec.Raw = msgspec.Raw()  # noqa: N815 - Google's
    system_instruction: msgspec.Raw = msgspec.Raw()
    generationConfig: msgspec.Raw = msgspec.Raw()  # noqa: N815 - Google's
    generateContentRequest: msgspec.Raw = msgspec.Raw()  # noqa: N815 - Google's


_FIELDS = msgspec.json.Decoder(Fields)
_BULK = msgspec.json.Decoder(_Bulk)
_MANY_FIELDS = 1 << 20
"""Bytes of a body outside the fields that may be large, from which on it is no request but an attack: each field of its
own takes time and memory, a million of them seconds."""
_TEXT = msgspec.json.Decoder(str)
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
_LONGEST_NAME = 256  # characters of a model's name; it stands in records, metrics and headers
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_NULL = b"null"
_WORDS_OF = {
    "object": "an object",
    "array": "a list",
    "str": "a string",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
}
"""What the decoder's names of types are called by people."""


def read_request(body: bytes, surface: Surface) -> Incoming:
    """Read a caller's request. Raises as `port.Dialect.read_request`."""
    fields = read_fields(body)
    model = model_name(fields)
    stream = bool(_optional(fields, "stream", _FLAG, "true or false"))
    read = _completion_needs if surface == "completions" else _chat_needs
    options = _optional(fields, "stream_options", _STREAM_OPTIONS, "an object") if stream else None
    user = fields.get("user")
    return Incoming(
        surface=surface,
        model=model,
        stream=stream,
        needs=read(fields, body, stream),
        fields=fields,
        shows_usage=options is not None and bool(options.include_usage),
        user=_label(user) if user is not None else "",
    )


def read_fields(body: bytes) -> Fields:
    """The top-level fields of a JSON object, raw. Of duplicate names the last one counts.

    Raises:
        InvalidJson: with the place of the first error.
        InvalidRequest: JSON, but no object.
    """
    try:
        if not body.isascii():
            body.decode()
        if len(body) > _MANY_FIELDS:
            _weigh(body)
        return _FIELDS.decode(body)
    except msgspec.ValidationError:
        raise InvalidRequest(
            "The body has to be a JSON object.", hint='Send an object such as {"model": "auto", "messages": [...]}.'
        ) from None
    except UnicodeDecodeError as error:
        raise InvalidJson(f"The body is not UTF-8: byte 0x{body[error.start]:02x} at offset {error.start}.") from None
    except RecursionError:
        raise InvalidJson("The body is nested too deeply.") from None
    except msgspec.DecodeError as error:
        raise InvalidJson(_syntax(body, str(error))) from None


def _weigh(body: bytes) -> None:
    """Raise for a large body whose bulk is in none of the fields that may be large."""
    bulk = _BULK.decode(body)
    rest = len(body.strip()) - sum(len(getattr(bulk, name)) for name in bulk.__struct_fields__)
    if rest > _MANY_FIELDS:
        raise InvalidRequest(
            f"The body has {rest:,} bytes outside of {', '.join(f'`{name}`' for name in bulk.__struct_fields__)}.",
            hint="Send what is large as messages or tools.",
        )


def _syntax(body: bytes, text: str) -> str:
    """A syntax error with line and column (1-based, in bytes)."""
    if not body.strip():
        return "The body is empty; a JSON object was expected."
    at = re.search(r" \(byte (\d+)\)$", text)
    if at:
        offset = int(at[1])
        line = body.count(b"\n", 0, offset) + 1
        column = offset - body.rfind(b"\n", 0, offset)
        reason = text[: at.start()].removeprefix("JSON is malformed: ")
        if "hex escape" in reason:
            reason += ", perhaps half of a surrogate pair,"
        return f"The body is not JSON: {reason} at line {line}, column {column}."
    if _SURROGATE.search(body):
        return "The body is not JSON: it ends too early, or a \\u escape holds half of a surrogate pair."
    return f"The body is not JSON: it ends too early, after {len(body)} bytes."


def _refuse(path: str, expected: str, raw: msgspec.Raw | None) -> NoReturn:
    """Raise for a field of the wrong shape, showing the start of what was sent."""
    if raw is None:
        raise InvalidRequest(f"`{path}` is missing; {expected} was expected.", param=path)
    shown = bytes(raw)[:60].decode("utf-8", "replace")
    raise InvalidRequest(f"`{path}` has to be {expected}, not {shown}.", param=path)


def _optional(fields: Fields, name: str, decoder: msgspec.json.Decoder[Any], expected: str) -> Any:
    """A field's value, None if absent or null."""
    raw = fields.get(name)
    if raw is None:
        return None
    try:
        return decoder.decode(raw)
    except (ValueError, RecursionError):
        _refuse(name, expected, raw)


def model_name(fields: Fields) -> str:
    """The name that a request asks for.

    Raises:
        InvalidRequest: there is none, or none that could be one.
    """
    raw = fields.get("model")
    if raw is not None:
        try:
            name = _TEXT.decode(raw)
        except (ValueError, RecursionError):
            _refuse("model", "a string", raw)
        if name and len(name) <= _LONGEST_NAME and (name.isprintable() or not _CONTROL.search(name)):
            return name
        if name:
            fault = (
                "holds a control character" if _CONTROL.search(name) else f"is longer than {_LONGEST_NAME} characters"
            )
            raise InvalidRequest(f"`model` {fault}; no route or model is called so.", param="model")
    _refuse("model", "the name of a route or model", raw)


def _label(raw: msgspec.Raw) -> str:
    """A caller's free label; not ours to judge, so a wrong type counts as none."""
    try:
        return _TEXT.decode(raw)
    except (ValueError, RecursionError):
        return ""


def _chat_needs(fields: Fields, body: bytes, stream: bool) -> Needs:
    raw = fields.get("messages")
    if raw is None:
        _refuse("messages", "a list of messages", None)
    count = _message_count(raw)
    text = len(memoryview(raw))
    parts = _parts(raw) if body.find(b'"type"') >= 0 else None
    tools, size = _tools(fields)
    abilities = _TOOLS if tools else 0
    if len(fields) > 2:
        abilities |= _abilities(fields)
    images = others = 0
    if parts is not None:
        images, others = parts.images, parts.others
        text -= parts.size
        abilities |= parts.abilities
    return Needs(
        dialect=DIALECT,
        abilities=Ability(abilities) if abilities else _NO_NEED,
        input_tokens=(text + size) // _BYTES_PER_TOKEN + (images + others) * _TOKENS_PER_PART,
        output_tokens=_output_tokens(fields),
        messages=count,
        tools=tools,
        images=images,
        stream=stream,
        choices=_choices(fields),
        body_bytes=len(body),
    )


def _completion_needs(fields: Fields, body: bytes, stream: bool) -> Needs:
    raw = fields.get("prompt")
    if raw is None:
        _refuse("prompt", "a string or a list", None)
    prompt = _optional(fields, "prompt", _PROMPT, "a string, a list of strings or a list of tokens")
    abilities = Ability.COMPLETIONS
    if fields.get("logprobs") is not None and _optional(fields, "logprobs", _LOGPROBS, "a number") not in (None, False):
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


def _message_count(raw: msgspec.Raw) -> int:
    try:
        count = len(_MESSAGES.decode(raw))
    except (ValueError, RecursionError) as error:
        path, expected = _place(str(error))
        if path == "messages":
            _refuse(path, "a list of messages", raw)
        raise InvalidRequest(f"`{path}` {expected}.", param=path) from None
    if not count:
        raise InvalidRequest("`messages` is empty; at least one message is needed.", param="messages")
    return count


def _place(text: str) -> tuple[str, str]:
    """Field path and complaint from a decoder's message such as "Expected `str`, got `int` - at `$[0].role`"."""
    reason, _, path = text.partition(" - at `$")
    path = "messages" + path.rstrip("`")
    missing = re.search(r"missing required field `(\w+)`", reason)
    if missing:
        return f"{path}.{missing[1]}", "is missing"
    types = re.search(r"Expected `([^`]+)`, got `([^`]+)`", reason)
    if types:
        wanted = " or ".join(_WORDS_OF.get(kind, kind) for kind in types[1].split(" | "))
        return path, f"has to be {wanted}, not {_WORDS_OF.get(types[2], types[2])}"
    return path, "cannot be read"


def _parts(raw: msgspec.Raw) -> _Parts | None:
    """Images, sounds and documents among the messages, where their names occur at all."""
    find = bytes(raw).find
    if not any(find(name) >= 0 for name in _PART_NAMES):
        return None
    try:
        messages = _CONTENTS.decode(raw)
    except (ValueError, RecursionError):
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
    except (ValueError, RecursionError):
        return []


def _tools(fields: Fields) -> tuple[int, int]:
    """Number of tools (or old functions) offered and their size in bytes."""
    count = size = 0
    for name in ("tools", "functions"):
        raw = fields.get(name)
        if raw is not None:
            found = _optional(fields, name, _OBJECTS, "a list of objects")
            if found:
                count += len(found)
                size += len(memoryview(raw))
    return count, size


def _abilities(fields: Fields) -> int:
    """What fields other than tools and messages ask of a model, as bits of `Ability`."""
    abilities = 0
    if "response_format" in fields:
        wanted = _optional(fields, "response_format", _FORMAT, "an object with a `type`")
        if wanted is not None and wanted.type == "json_schema":
            abilities |= _JSON_SCHEMA
        elif wanted is not None and wanted.type == "json_object":
            abilities |= _JSON_MODE
    if "logprobs" in fields and _optional(fields, "logprobs", _LOGPROBS, "true or false"):
        abilities |= _LOGPROBS_BIT
    if "modalities" in fields:
        wanted = _optional(fields, "modalities", _WORDS, "a list of strings") or ()
        abilities |= _AUDIO_OUTPUT if "audio" in wanted else 0
        abilities |= _IMAGE_OUTPUT if "image" in wanted else 0
    return abilities


def _output_tokens(fields: Fields) -> int:
    for name in ("max_completion_tokens", "max_tokens"):
        raw = fields.get(name)
        if raw is not None:
            wanted = _optional(fields, name, _COUNT, "a whole number")
            if wanted is not None:
                return max(int(wanted), 0)  # -1 is "no limit" to several local servers
    return 0


def _choices(fields: Fields) -> int:
    raw = fields.get("n")
    if raw is None:
        return 1
    wanted = _optional(fields, "n", _COUNT, "a whole number")
    if wanted is not None and not 1 <= wanted <= _MOST_CHOICES:
        _refuse("n", f"a whole number from 1 to {_MOST_CHOICES}", raw)
    return 1 if wanted is None else int(wanted)
