"""Callers' requests, read as far as routing and accounting need and no further.

Which model, and whether its answer is to be streamed, stands in the path: `/v1beta/models/{model}:generateContent`.
Files are searched for by the names of their parts first, and parsed only when a name is there.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from pointsman.core.errors import InvalidRequest
from pointsman.core.model import Ability
from pointsman.core.plan import Needs
from pointsman.wire.asked import refuse
from pointsman.wire.body import model_name, read_fields
from pointsman.wire.gemini.names import DIALECT, fields_of, null, objects_of, spelled
from pointsman.wire.parse import as_list
from pointsman.wire.raw import Fields, dump, object_of, text_in, value_of
from pointsman.wire.trip import Incoming, Surface

_BYTES_PER_TOKEN = 4
_TOKENS_PER_PART = 800  # an image, a sound or a document, whose size in bytes says nothing about its tokens
_MOST_CHOICES = 128
_NO_NEED = Ability(0)
_TOOLS, _VISION, _DOCUMENTS = int(Ability.TOOLS), int(Ability.VISION), int(Ability.DOCUMENTS)
_AUDIO, _JSON_SCHEMA, _JSON_MODE = int(Ability.AUDIO_INPUT), int(Ability.JSON_SCHEMA), int(Ability.JSON_MODE)
_LOGPROBS, _AUDIO_OUTPUT, _IMAGE_OUTPUT = int(Ability.LOGPROBS), int(Ability.AUDIO_OUTPUT), int(Ability.IMAGE_OUTPUT)
_MODALITIES = {"IMAGE": _IMAGE_OUTPUT, "AUDIO": _AUDIO_OUTPUT, 2: _IMAGE_OUTPUT, 3: _AUDIO_OUTPUT}
_MARKS = ("/models/", "/tunedModels/")
_BARE = "/v1beta/"
"""What a model with a slash in its name stands behind without `models/`: so Vercel's AI SDK writes it."""
_SECRET = frozenset({"key", "access_token", "oauth_token", "callback", "$.xgafv", "upload_protocol", "uploadType"})
_PLAIN = re.compile(r"[!$%'()*+,\-./0-9:;=?@A-Z_a-z~]+")
_EVENTS = frozenset({"alt=sse", "$alt=sse", "%24alt=sse"})
"""What asks for a stream of events; without it a stream is one JSON array, as it is at Google."""
_HINT = 'Send an object such as {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}.'


def read_request(body: bytes, surface: Surface, path: str, query: str) -> Incoming:
    """Read a caller's request. Raises as `port.Spoken.read_request`."""
    name, verb = _called(path)
    try:
        fields = read_fields(body)
    except InvalidRequest as error:
        raise InvalidRequest(error.message, hint=_HINT) from None
    model = model_name({"model": dump(name)}) if name else _named(fields)
    stream = surface == "gemini.generate" and verb == "streamGenerateContent"
    return Incoming(
        surface=surface,
        model=model,
        stream=stream,
        needs=_needs(fields, body, stream=stream),
        fields=fields,
        shows_usage=True,
        query=_kept(query) if query else "",
        array=stream and _EVENTS.isdisjoint(query.split("&")),
    )


def _called(path: str) -> tuple[str, str]:
    """The model that a path asks for, and what it is to do; both empty where it says neither."""
    head, colon, verb = path.rpartition(":")
    places = [at for mark in _MARKS if (at := head.find(mark)) >= 0]
    if not colon or not (places or _BARE in head) or not (verb.isascii() and verb.isalpha()):
        return "", ""
    if not places:
        return head.rpartition(_BARE)[2], verb
    return head[min(places) + 1 :].removeprefix("models/"), verb


def _named(fields: Fields) -> str:
    """The model by the body, where there is no path to say it."""
    if "model" not in fields:
        raise InvalidRequest(
            "The path has to name a model: `/v1beta/models/{model}:generateContent`.", param="model", hint=_HINT
        )
    return model_name(fields).removeprefix("models/") or model_name({"model": msgspec.Raw(b'""')})


def _kept(query: str) -> str:
    """A query without what identifies the caller, which is for us and not for providers; and without what is none."""
    return "&".join(one for one in query.split("&") if _PLAIN.fullmatch(one) and one.partition("=")[0] not in _SECRET)


class _Files(NamedTuple):
    """Parts other than text: how many images, how many others, their bytes, what they ask of a model."""

    images: int = 0
    others: int = 0
    size: int = 0
    abilities: int = 0


def _needs(fields: Fields, body: bytes, *, stream: bool) -> Needs:
    asked = spelled(fields)
    at = ""
    if "generateContentRequest" in asked:
        at = "generateContentRequest."
        inner = fields_of(asked["generateContentRequest"])
        if inner is None:
            refuse(at[:-1], "an object", asked["generateContentRequest"])
        asked = inner
    raw = asked.get("contents")
    if raw is None or null(raw):
        refuse(f"{at}contents", "a list of contents", None)
    count = _count(raw, f"{at}contents")
    tools, size = _tools(asked.get("tools"), f"{at}tools")
    abilities = _TOOLS if tools else 0
    config = asked.get("generationConfig")
    output, choices, more = _config(config, f"{at}generationConfig") if config is not None else (0, 1, 0)
    abilities |= more
    text = len(memoryview(raw)) + len(memoryview(asked.get("systemInstruction", b"")))
    files = _Files()
    find = bytes(raw).find
    if find(b'ineData"') >= 0 or find(b'ileData"') >= 0 or find(b'e_data"') >= 0:  # inline and file, in both spellings
        files = _files(raw)
        abilities |= files.abilities
    return Needs(
        dialect=DIALECT,
        abilities=Ability(abilities) if abilities else _NO_NEED,
        input_tokens=(text - files.size + size) // _BYTES_PER_TOKEN + (files.images + files.others) * _TOKENS_PER_PART,
        output_tokens=output,
        messages=count,
        tools=tools,
        images=files.images,
        stream=stream,
        choices=choices,
        body_bytes=len(body),
    )


def _count(raw: msgspec.Raw, path: str) -> int:
    """How many contents there are; one object alone is one."""
    contents = objects_of(raw)
    if not contents:
        if value_of(raw) == []:
            raise InvalidRequest(f"`{path}` is empty; at least one content is needed.", param=path)
        refuse(path, "a list of contents", raw)
    for at, one in enumerate(contents):
        if bytes(memoryview(one)[:1]) != b"{":
            refuse(f"{path}[{at}]", "an object with `role` and `parts`", one)
    return len(contents)


def _tools(raw: msgspec.Raw | None, path: str) -> tuple[int, int]:
    """Number of functions and built-in tools, and their size in bytes."""
    if raw is None or null(raw):
        return 0, 0
    count = 0
    tools = objects_of(raw)
    if not tools and value_of(raw) != []:
        refuse(path, "a list of objects", raw)
    for at, tool in enumerate(tools):
        inner = fields_of(tool)
        if inner is None:
            refuse(f"{path}[{at}]", "an object", tool)
        for name, one in inner.items():
            if name == "functionDeclarations":
                count += len(objects_of(one))
            elif not null(one):
                count += 1
    return count, len(memoryview(raw))


def _config(raw: msgspec.Raw, path: str) -> tuple[int, int, int]:
    """Longest answer, number of answers, and abilities that `generationConfig` asks for."""
    if null(raw):
        return 0, 1, 0
    fields = fields_of(raw)
    if fields is None:
        refuse(path, "an object", raw)
    if not fields:
        return 0, 1, 0
    abilities = 0
    output = _whole(fields.get("maxOutputTokens"), f"{path}.maxOutputTokens")
    choices = _whole(fields.get("candidateCount"), f"{path}.candidateCount") or 1
    if not 1 <= choices <= _MOST_CHOICES:
        refuse(f"{path}.candidateCount", f"a whole number from 1 to {_MOST_CHOICES}", fields["candidateCount"])
    if _says(fields, "responseJsonSchema") or _says(fields, "responseSchema"):
        abilities |= _JSON_SCHEMA
    elif text_in(fields, "responseMimeType") == "application/json":
        abilities |= _JSON_MODE
    if bytes(fields.get("responseLogprobs", b"")) == b"true":
        abilities |= _LOGPROBS
    for one in as_list(value_of(fields.get("responseModalities"))):
        abilities |= (
            _MODALITIES.get(one.upper() if isinstance(one, str) else one, 0) if isinstance(one, str | int) else 0
        )
    return max(output or 0, 0), choices, abilities


def _says(fields: Fields, name: str) -> bool:
    return name in fields and not null(fields[name])


def _whole(raw: msgspec.Raw | None, path: str) -> int | None:
    """A whole number, which Google also takes as a text or with a fraction of zero."""
    if raw is None or null(raw):
        return None
    value: Any = value_of(raw)
    if isinstance(value, str) and len(value) < 20 and value.removeprefix("-").isdecimal():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int:
        refuse(path, "a whole number", raw)
    return value


def _files(raw: msgspec.Raw) -> _Files:
    """Images, sounds, films and documents among the contents; shapes that are none are the provider's to judge."""
    images = others = size = abilities = 0
    parts = [part for one in objects_of(raw) for part in objects_of((fields_of(one) or {}).get("parts"))]
    for part in parts:
        fields = fields_of(part) or {}
        if "functionResponse" in fields:
            parts += objects_of((fields_of(fields["functionResponse"]) or {}).get("parts"))
        for name in ("inlineData", "fileData"):
            inner = object_of(fields.get(name))
            if inner is None:
                continue
            need = _need(text_in(spelled(inner), "mimeType"))
            images += need == _VISION
            others += need != _VISION
            size += len(memoryview(inner.get("data", b"")))
            abilities |= need
    return _Files(images, others, size, abilities)


def _need(media_type: str) -> int:
    """What a file asks of a model; films are seen."""
    start = media_type.partition("/")[0].lower()
    if start in ("image", "video"):
        return _VISION
    if start == "audio":
        return _AUDIO
    return _DOCUMENTS if media_type == "application/pdf" else 0
