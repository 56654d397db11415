"""JSON from providers: fast where it is JSON, tolerant where providers are known not to write it."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from pointsman.core.errors import UpstreamGarbage

MOST = 1 << 53
_ANY = msgspec.json.Decoder()
BAD_JSON = (ValueError, RecursionError)
"""What the decoders raise: syntax and validation (`msgspec.DecodeError`), encoding (`UnicodeDecodeError`), depth."""


def loads(data: bytes) -> Any:
    """The value of some JSON.

    `NaN` and integers of any size are let through, and so is half of a surrogate pair (a character cut by a tokeniser),
    as a question mark, for no text that we write can hold one. An answer should not be lost for any of them.

    Raises:
        ValueError, RecursionError: not JSON, or nested too deeply.
    """
    try:
        return _ANY.decode(data)
    except ValueError:
        odd = json.loads(data)
    return json.loads(json.dumps(odd, ensure_ascii=False).encode("utf-8", "replace"))


def loads_object(data: bytes, what: str) -> dict[str, Any]:
    """A JSON object from a provider; `what` names it in the error.

    Raises:
        UpstreamGarbage: anything else.
    """
    try:
        value = loads(data)
    except BAD_JSON as error:
        raise UpstreamGarbage(f"The provider's {what} is not JSON{_why(data, error)}") from None
    if not isinstance(value, dict):
        raise UpstreamGarbage(f"The provider's {what} is not a JSON object.")
    return value


def _why(data: bytes, error: Exception) -> str:
    """What is wrong with something that is not JSON, for people."""
    if not data.strip():
        return ": it is empty."
    if not data.lstrip().startswith((b"{", b"[")):
        return "."
    return f": {error}"


def as_dict(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """The value if it is an array, else an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str:
    """The value if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def as_count(value: Any) -> int:
    """A number of tokens: integers (also written as a float) from 0 up; anything else is 0."""
    if type(value) is int:  # the usual case, and no bool
        return value if 0 < value < MOST else 0
    if isinstance(value, float) and value.is_integer() and 0 < value < MOST:
        return int(value)
    return 0
