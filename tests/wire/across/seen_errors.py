"""Error bodies as a strict client of each dialect reads them."""

from __future__ import annotations

import re
from typing import Any

from wire.across.breaches import Breaches
from wire.across.facts import Failure
from wire.across.frames import Sse, events, fields, json_of, text

_OPENAI = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_ANTHROPIC = {  # https://docs.anthropic.com/en/api/errors
    400: {"invalid_request_error"},
    401: {"authentication_error"},
    402: {"billing_error"},
    403: {"permission_error"},
    404: {"not_found_error"},
    413: {"request_too_large"},
    429: {"rate_limit_error"},
    503: {"overloaded_error"},
    504: {"timeout_error", "api_error"},
}
_GOOGLE = {  # https://cloud.google.com/apis/design/errors
    400: {"INVALID_ARGUMENT", "FAILED_PRECONDITION"},
    401: {"UNAUTHENTICATED"},
    403: {"PERMISSION_DENIED"},
    404: {"NOT_FOUND"},
    429: {"RESOURCE_EXHAUSTED"},
    499: {"CANCELLED"},
    503: {"UNAVAILABLE"},
    504: {"DEADLINE_EXCEEDED"},
}
_SPACE = re.compile(r"\s+")


def whole(dialect: str, body: bytes, status: int, expected: Failure) -> Breaches:
    """What is wrong with an error body."""
    breaches = Breaches()
    value = json_of(body.decode())
    breaches.check(isinstance(value, dict), "the error is no JSON object")
    _read(dialect, fields(value), status, expected, breaches)
    return breaches


def in_stream(dialect: str, data: bytes, status: int, expected: Failure) -> Breaches:
    """What is wrong with the error that ends a stream."""
    breaches = Breaches()
    found = events(data.decode())
    breaches.check(data.endswith(b"\n\n"), "the error is not whole")
    if dialect == "openai-responses":
        _responses(found, expected, breaches)
        return breaches
    breaches.check(len(found) == 1, "the error is not one event")
    event = found[0] if found else None
    value = fields(event.value) if event else {}
    if dialect == "anthropic-messages":
        breaches.check(event and event.name == "error", "the event has another name")
    _read(dialect, value, status, expected, breaches)
    return breaches


def _responses(found: list[Sse], expected: Failure, breaches: Breaches) -> None:
    """`error`, on which OpenAI's library raises, and `response.failed`, which Codex understands; or one of them."""
    kinds = [fields(event.value).get("type") for event in found]
    breaches.check(kinds in (["error"], ["response.failed"], ["error", "response.failed"]), "no error event")
    for event in found:
        value = fields(event.value)
        breaches.check(event.name == value.get("type"), "the event has another name")
        inner = fields(fields(value.get("response")).get("error")) or value
        breaches.types(inner, message=str)
        _says(text(inner.get("message")), expected, breaches)


def _read(dialect: str, value: dict[str, Any], status: int, expected: Failure, breaches: Breaches) -> None:
    error = fields(value.get("error"))
    breaches.types(error, message=str)
    match dialect:
        case "anthropic-messages":
            breaches.check(value.get("type") == "error", "no error by its type")
            allowed = _ANTHROPIC.get(status, {"api_error"} if status >= 500 else {"invalid_request_error"})
            breaches.check(error.get("type") in allowed, f"type {error.get('type')} with status {status}")
        case "gemini":
            breaches.check(error.get("code") == status, f"code {error.get('code')} with status {status}")
            allowed = _GOOGLE.get(status, {"INTERNAL", "UNAVAILABLE"} if status >= 500 else {"INVALID_ARGUMENT"})
            breaches.check(error.get("status") in allowed, f"status {error.get('status')} with {status}")
        case _:
            breaches.check({"message", "type", "param", "code"} <= set(error), "a field of the error is missing")
            wanted = _OPENAI.get(status, "server_error" if status >= 500 else "invalid_request_error")
            breaches.check(error.get("type") == wanted, f"type {error.get('type')} with status {status}")
    _says(text(error.get("message")), expected, breaches)


def _says(message: str, expected: Failure, breaches: Breaches) -> None:
    held = _SPACE.sub(" ", expected.text).strip() in _SPACE.sub(" ", message)
    breaches.check(held and message, "the provider's text is lost")
