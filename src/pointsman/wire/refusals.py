"""What a provider's error means, whatever shape it has.

Every dialect's providers sit behind proxies and gateways that answer in shapes of their own, so one reader serves all:
it finds the text, the code and the type, and from them and the status it derives our `kind`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape
from typing import Any, NamedTuple

from pointsman.core.errors import UpstreamRefused
from pointsman.wire.kinds import classify
from pointsman.wire.parse import BAD_JSON, as_dict, as_list, as_text, loads
from pointsman.wire.waits import wait_of

Headers = Sequence[tuple[bytes, bytes]]

_LONGEST = 2_000  # characters of a page or plain text that are kept in a message
_PAGE = 8_000  # bytes of a page that are searched for words; the expressions below are quadratic on hostile ones
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.DOTALL | re.IGNORECASE)
_SCRIPT = re.compile(r"<(script|style)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")


class Said(NamedTuple):
    """The parts of an error that providers agree on; empty where one is missing."""

    message: str = ""
    code: str = ""
    type: str = ""
    param: str = ""
    status: int = 0

    def sound(self) -> Said:
        """The same without halves of surrogate pairs, which JSON may hold and no text that we write can."""
        return self._replace(
            message=_sound(self.message), code=_sound(self.code), type=_sound(self.type), param=_sound(self.param)
        )


def _sound(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def read_error(status: int, headers: Headers, body: bytes, now: int | None = None) -> UpstreamRefused:
    """What an error answer means; never raises.

    Args:
        status: HTTP status as received.
        headers: names in lower case.
        body: as received.
        now: nanoseconds since the epoch, to read dates against where the answer has no `date` header of its own.
    """
    said, details = _read_body(body)
    said = said.sound()
    kind_header = _header(headers, b"x-amzn-errortype").split(":")[0]
    if kind_header:
        said = said._replace(type=said.type or kind_header)
    if not said.message:
        said = said._replace(message=f"The provider answered {status} and said nothing.")
    verdict = classify(status if status >= 400 else 502, said.message, said.code, said.type)
    error = UpstreamRefused(
        said.message,
        status=verdict.status,
        body=body,
        content_type=_header(headers, b"content-type").encode("latin-1", "replace") or b"application/json",
        kind=verdict.kind,
        retry_after=wait_of(verdict.status, headers, details, said.message, now),
        retryable=verdict.retryable,
    )
    error.param = said.param or None
    return error


class ReadsErrors:
    """`port.Refusing`, for dialects whose providers' errors are read as everybody's are."""

    def read_error(self, status: int, headers: Headers, body: bytes, now: int | None = None) -> UpstreamRefused:
        """See `port.Refusing.read_error`."""
        return read_error(status, headers, body, now)


def refusal_in(value: dict[str, Any], body: bytes) -> UpstreamRefused | None:
    """The error inside a 200 answer or a stream's event, or None if there is none.

    Known forms: `{"error": {...}}` and `{"error": "text"}`; the same beside `choices` or inside one (OpenRouter);
    `{"object": "error", "message": ...}` (vLLM, SGLang); `{"type": "error", ...}` (proxies in front of Anthropic).
    """
    found = value.get("error")
    if not found and (value.get("object") == "error" or value.get("type") == "error"):
        found = value
    if not found:
        errors = (as_dict(choice).get("error") for choice in as_list(value.get("choices")))
        found = next((error for error in errors if error), None)
    if not found:
        return None
    return refusal_of(found, body)


def refusal_of(error: Any, body: bytes) -> UpstreamRefused:
    """A refusal from an error object (or text) that came with status 200."""
    said, details = _read_value(error if isinstance(error, dict) else {"error": error})
    said = said.sound()
    if not said.message:
        said = said._replace(message="The provider sent an error and said nothing.")
    verdict = classify(said.status, said.message, said.code, said.type)
    return UpstreamRefused(
        said.message,
        status=verdict.status,
        body=body,
        kind=verdict.kind,
        retry_after=wait_of(verdict.status, (), details, said.message, None),
        retryable=verdict.retryable,
    )


def _header(headers: Headers, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in headers if key == name), "")


def _read_body(body: bytes) -> tuple[Said, dict[str, Any]]:
    try:
        value = loads(body)
    except BAD_JSON:
        return Said(message=_plain(body)), {}
    return _read_value(value)


def _read_value(value: Any) -> tuple[Said, dict[str, Any]]:
    """The parts of an error body in any known shape, and the object that held them."""
    if isinstance(value, list) and value:  # Google, streams without alt=sse; some proxies
        value = value[0]
    if isinstance(value, str):
        return Said(message=value[:_LONGEST]), {}
    if not isinstance(value, dict):
        return Said(), {}
    inner = value.get("error") or next(iter(as_list(value.get("errors"))), None)
    if isinstance(inner, dict):
        said = _said(inner)
        return (said if said.message else said._replace(message=_said(value).message)), inner
    said = _said(value)
    if isinstance(inner, str) and inner:  # xAI {code, error}; Ollama, Venice {error}; FastAPI proxies {error, message}
        return said._replace(message=inner if said.message in ("", inner) else f"{inner}: {said.message}"), value
    return said, value


def _said(error: dict[str, Any]) -> Said:
    code = error.get("code")
    status = next(filter(None, map(_status, (error.get("status_code"), code, error.get("status")))), 0)
    return Said(
        message=_message(error),
        code=code if isinstance(code, str) else "",
        type=as_text(error.get("type")) or as_text(error.get("status")) or as_text(error.get("__type")),
        param=as_text(error.get("param")),
        status=status,
    )


def _status(value: Any) -> int:
    """An HTTP error status where one is written in a body, as a number or its digits; 0 if it is none."""
    if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdigit():
        value = int(value)
    return value if isinstance(value, int) and 400 <= value <= 599 else 0


def _message(error: dict[str, Any]) -> str:
    for name in ("message", "Message", "detail", "details", "error_description", "msg", "error"):
        text = _flat(error.get(name))
        if text:
            raw = as_text(as_dict(error.get("metadata")).get("raw"))  # OpenRouter: what the provider behind it said
            return f"{text}: {raw[:_LONGEST]}" if raw and raw not in text else text
    return ""


def _flat(value: Any) -> str:
    """Text of a message field: a string, an object with one, or FastAPI's list of `{loc, msg}`."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, dict):
        return as_text(value.get("message")) or as_text(value.get("msg"))
    if isinstance(value, list):
        return "; ".join(_located(item) for item in value[:20] if isinstance(item, dict | str))
    return ""


def _located(item: dict[str, Any] | str) -> str:
    if isinstance(item, str):
        return item
    where = ".".join(str(part) for part in as_list(item.get("loc")))
    text = as_text(item.get("msg")) or as_text(item.get("message"))
    return f"{where}: {text}" if where else text


def _plain(body: bytes) -> str:
    """Readable text of a body that is not JSON: a page's title and words, or the text itself."""
    text = body[:_PAGE].decode("utf-8", "replace").strip()
    if "<" in text[:200] and ("<html" in text[:2000].lower() or "<!doctype" in text[:200].lower()):
        title = _TITLE.search(text)
        words = unescape(_TAG.sub(" ", _SCRIPT.sub(" ", _TITLE.sub(" ", text))))
        parts = [unescape(title[1]).strip() if title else "", " ".join(words.split())]
        text = ": ".join(part for part in parts if part)
    return text[:_LONGEST]
