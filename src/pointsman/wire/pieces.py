"""What answers that pass unread say of their use: pages, seconds of sound, and tokens of pictures and transcriptions.

Only of paths whose answers are known to state it, and beside the bytes, which pass as they come. Sources: OpenAI's
OpenAPI document 2.3.0 (transcriptions, images), Mistral's 1.0.0 (`/ocr`, transcriptions), and recordings of both.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from pointsman.core.usage import Usage
from pointsman.wire.counts import NoCountError, stated
from pointsman.wire.openai_chat.usage import usage_of
from pointsman.wire.parse import BAD_JSON
from pointsman.wire.services import served, service_of, sound

MOST_BYTES = 4 * 1024 * 1024
"""Longest answer that is kept beside to be read at its end; what is longer passes without being billed."""
_OCR = "/ocr"
_METERED = (
    _OCR,
    "/audio/transcriptions",
    "/audio/translations",
    "/images/generations",
    "/images/edits",
    "/images/variations",
)
_PART = b'name="model"'
_BLANK, _END = b"\r\n\r\n", b"\r\n"
_LONGEST_NAME = 200


class Asked(NamedTuple):
    """Of whom something is asked: the model by its provider's name, and whether pages are to be annotated."""

    model: str
    annotated: bool = False


class _Request(msgspec.Struct):
    model: str
    document_annotation_format: Any = None
    bbox_annotation_format: Any = None


class _Pages(msgspec.Struct):
    pages_processed: int | None = None


class _Answer(msgspec.Struct):
    usage: dict[str, Any] | None = None
    usage_info: _Pages | None = None
    service_tier: str | None = None


_REQUEST = msgspec.json.Decoder(_Request)
_ANSWER = msgspec.json.Decoder(_Answer)


def asked(method: str, path: str, body: bytes) -> Asked | None:
    """Of whom a request asks what is billed by its answer; None where nothing of it can be known."""
    if method != "POST" or not path.partition("?")[0].endswith(_METERED):
        return None
    try:
        said = _REQUEST.decode(body)
    except BAD_JSON:
        name = _model_of_form(body)
        return Asked(name) if name else None
    notes = said.document_annotation_format is not None or said.bbox_annotation_format is not None
    return Asked(said.model, annotated=notes)


def used(asked_for: Asked, body: bytes) -> Usage | None:
    """What an answer says that was used; None where it says nothing that is known here."""
    try:
        answer = _ANSWER.decode(body)
        if answer.usage_info is not None:
            pages = stated(answer.usage_info.pages_processed)
            return Usage(fees=(("annotated_page" if asked_for.annotated else "page", pages),)) if pages else None
        usage = answer.usage
        if usage is None:
            return None
        if usage.get("type") == "duration":
            heard = sound(usage.get("seconds"))
            return Usage(fees=heard) if heard else None
    except (*BAD_JSON, NoCountError):
        return None
    tokens = usage_of({**usage, "input_tokens_details": _details(usage)})
    return served(tokens, service_of(answer.service_tier))


def _details(usage: dict[str, Any]) -> Any:
    """Transcriptions have another name for what their input is made of."""
    return usage.get("input_tokens_details") or usage.get("input_token_details")


def _model_of_form(body: bytes) -> str:
    """The field `model` of a form with files; empty where there is none."""
    _, found, behind = body.partition(_PART)
    if not found:
        return ""
    name = behind[: _LONGEST_NAME + len(_BLANK)].partition(_BLANK)[2].partition(_END)[0]
    return name.decode("utf-8", "replace").strip()
