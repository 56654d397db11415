"""Callers' bodies: one pass splits a JSON object into its top-level fields, raw, in whatever dialect it is written."""

from __future__ import annotations

import re

import msgspec

from pointsman.core.errors import InvalidJson, InvalidRequest
from pointsman.wire.asked import refuse
from pointsman.wire.parse import BAD_JSON
from pointsman.wire.raw import Fields


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
_NAME = "the name of a route or model"
_LONGEST_NAME = 256  # characters of a model's name; it stands in records, metrics and headers
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


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


def model_name(fields: Fields) -> str:
    """The name that a request asks for.

    Raises:
        InvalidRequest: there is none, or none that could be one.
    """
    raw = fields.get("model")
    if raw is None:
        refuse("model", _NAME, None)
    try:
        name = _TEXT.decode(raw)
    except BAD_JSON:
        refuse("model", "a string", raw)
    if name and len(name) <= _LONGEST_NAME and (name.isprintable() or not _CONTROL.search(name)):
        return name
    if not name:
        refuse("model", _NAME, raw)
    fault = "holds a control character" if _CONTROL.search(name) else f"is longer than {_LONGEST_NAME} characters"
    raise InvalidRequest(f"`model` {fault}; no route or model is called so.", param="model")
