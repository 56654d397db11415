"""Text put before and after a request's system text, in the bytes that are there: what the caller said keeps its own.

A text gets a blank line between itself and what is added; a list of parts gets parts of its own around it, which carry
that blank line, since providers join parts in different ways.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from pointsman.wire.raw import dump

_BLANK = "\n\n"


def joined(before: str, after: str) -> str:
    """The system text of a request that has none."""
    return f"{before}{_BLANK}{after}" if before and after else before or after


def around(raw: msgspec.Raw | None, before: str, after: str, part: Callable[[str], msgspec.Raw]) -> msgspec.Raw | None:
    """A system text, or a list of parts, with more around it; None where it is neither, nor absent.

    Args:
        raw: as the caller wrote it; None, null and an empty text are a request without.
        before: what is added before it; empty is nothing.
        after: what is added after it.
        part: a text as the dialect's part.
    """
    written = b"null" if raw is None else bytes(raw)
    if written in (b"null", b'""'):
        return dump(joined(before, after))
    if written.startswith(b'"'):
        return _text(written, before, after)
    return parts_around(written, before, after, part) if written.startswith(b"[") else None


def parts_around(written: bytes, before: str, after: str, part: Callable[[str], msgspec.Raw]) -> msgspec.Raw:
    """A list of parts with parts of ours around them."""
    inner = written[1:-1].strip()
    first = bytes(part(before + _BLANK)) if before else b""
    last = bytes(part((_BLANK if inner or before else "") + after)) if after else b""
    return msgspec.Raw(b"[" + b",".join(filter(None, (first, inner, last))) + b"]")


def _text(written: bytes, before: str, after: str) -> msgspec.Raw:
    """A JSON string with more in it, not decoded, so that it stays byte for byte."""
    head = bytes(dump(before + _BLANK))[1:-1] if before else b""
    tail = bytes(dump(_BLANK + after))[1:-1] if after else b""
    return msgspec.Raw(b'"' + head + written[1:-1] + tail + b'"')
