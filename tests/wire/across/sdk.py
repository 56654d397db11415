"""OpenAI's own library as a witness: what its types say of what a caller gets."""

from __future__ import annotations

from functools import cache
from typing import Any

from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter, ValidationError

_OURS = {"finish_reason": "error"}  # a word that OpenRouter uses, and we after it; OpenAI has none


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


_WHOLE = {"openai-chat": ChatCompletion, "openai-responses": Response}
_EVENT = {"openai-chat": ChatCompletionChunk, "openai-responses": ResponseStreamEvent}


def whole(dialect: str, value: dict[str, Any]) -> list[str]:
    """What is wrong with a whole answer."""
    return _problems(_WHOLE.get(dialect), value)


def event(dialect: str, value: dict[str, Any]) -> list[str]:
    """What is wrong with one event of a stream."""
    return _problems(_EVENT.get(dialect), value)


def _problems(kind: Any, value: dict[str, Any]) -> list[str]:
    if kind is None:
        return []
    try:
        _adapter(kind).validate_python(value)
    except ValidationError as error:
        return [
            f"OpenAI's library: {'.'.join(str(step) for step in one['loc'] if not isinstance(step, int))} {one['type']}"
            for one in error.errors()[:3]
            if one["input"] not in _OURS.values()
        ]
    return []
