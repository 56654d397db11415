"""The list of models as callers of each dialect read it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from pointsman.core.dialects import CHAT, GEMINI, MESSAGES
from pointsman.wire.openai_chat.models import Listed, model_body, models_body

_encode = msgspec.json.Encoder().encode


class _Many(Protocol):
    def __call__(self, entries: Sequence[Listed], /) -> bytes: ...


class _One(Protocol):
    def __call__(self, entry: Listed, /) -> bytes: ...


class ListWriter(NamedTuple):
    """Prints many models, and one of them."""

    many: _Many
    one: _One


def _anthropic(entry: Listed) -> dict[str, Any]:
    created = dt.datetime.fromtimestamp(entry.created, tz=dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "type": "model",
        "id": entry.id,
        "display_name": entry.description or entry.id,
        "created_at": created,
    }


def _anthropic_list(entries: Sequence[Listed]) -> bytes:
    """All on one page, whatever was asked for."""
    data = [_anthropic(entry) for entry in entries]
    ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    return _encode({"data": data, "has_more": False, **ends})


def _gemini(entry: Listed) -> dict[str, Any]:
    value: dict[str, Any] = {"name": f"models/{entry.id}", "displayName": entry.id, "version": "1"}
    value |= {"description": entry.description} if entry.description else {}
    if entry.model is not None:
        value |= {"inputTokenLimit": entry.model.context} if entry.model.context else {}
        value |= {"outputTokenLimit": entry.model.max_output} if entry.model.max_output else {}
    methods = ["generateContent", "streamGenerateContent", "countTokens"]
    return {**value, "supportedGenerationMethods": methods}


def _gemini_list(entries: Sequence[Listed]) -> bytes:
    return _encode({"models": [_gemini(entry) for entry in entries]})


def list_writers() -> dict[str, ListWriter]:
    """By dialect; callers of any other read OpenAI's form."""
    return {
        CHAT: ListWriter(models_body, model_body),
        MESSAGES: ListWriter(_anthropic_list, lambda entry: _encode(_anthropic(entry))),
        GEMINI: ListWriter(_gemini_list, lambda entry: _encode(_gemini(entry))),
    }
