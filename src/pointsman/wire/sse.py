"""Server-sent events, framed without being rewritten.

Source: the WHATWG event stream grammar (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream).
Lines end with LF, CRLF or CR; an event ends with a blank line. Bytes come in any split and go out unchanged, cut only
after blank lines. The work is done by `find` and `rfind` on whole chunks, never byte by byte.
"""

from __future__ import annotations

import re

from pointsman.core.errors import UpstreamGarbage

MAX_EVENT = 16 * 1024 * 1024
"""Largest event that is waited for, in bytes."""

_BOM = b"\xef\xbb\xbf"
# A line end and a blank line after it. LF + CR is one only when no LF follows, else the CRLF belongs together.
_BLANK = re.compile(rb"\n\n|\r\r\n?|\n\r\n|\n\r(?=[^\n])")
_PREAMBLE = re.compile(rb"(?:[\r\n]|:[^\r\n]*[\r\n]+)*")
_OVERLAP = 3  # a blank line is at most four bytes, so a new chunk can complete one that began three bytes before it


class Frames:
    """Collects bytes and gives back whole events, joined and unchanged."""

    __slots__ = ("_buffer", "_limit")

    def __init__(self, limit: int = MAX_EVENT) -> None:
        self._buffer = bytearray()
        self._limit = limit

    def take(self, chunk: bytes) -> bytes:
        """Everything up to the last complete event; also comment lines before the next one, so that pings live.

        Raises:
            UpstreamGarbage: an event larger than the limit.
        """
        buffer = self._buffer
        if not buffer and chunk.endswith(b"\n\n"):
            return chunk
        start = max(len(buffer) - _OVERLAP, 0)
        buffer += chunk
        end = _last_blank(buffer, start)
        if end < len(buffer) and buffer.startswith(b":", end):
            end = _after_comments(buffer, end)
        if len(buffer) - end > self._limit:
            raise UpstreamGarbage(f"The provider sent an event of more than {self._limit} bytes.")
        if not end:
            return b""
        complete = bytes(buffer[:end])
        del buffer[:end]
        return complete

    def rest(self) -> bytes:
        """What is left when the body has ended: an event without its blank line, or a part of one."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest


def _last_blank(buffer: bytearray, start: int) -> int:
    """Index after the last blank line at or after `start`; 0 if there is none."""
    end = buffer.rfind(b"\n\n", start) + 2
    if end < 2:
        end = 0
    if buffer.find(b"\r", max(start, end - 1)) < 0:
        return end
    crlf = buffer.rfind(b"\n\r\n", start) + 3
    if crlf >= 3:
        end = max(end, crlf)
    for match in _BLANK.finditer(buffer, max(start, end)):
        end = match.end()
    return end


def _after_comments(buffer: bytearray, start: int) -> int:
    """Index after the complete comment lines that begin at `start`. A CR at the very end waits for its LF."""
    while buffer.startswith(b":", start):
        feed = buffer.find(b"\n", start)
        if feed < 0:
            break
        start = feed + 1
    return start


def split(complete: bytes) -> list[bytes]:
    """Single events of what `Frames.take` gave, each with its blank line; joined they are the input."""
    if b"\r" not in complete:
        events = [part + b"\n\n" for part in complete.split(b"\n\n")]
        last = events.pop()[:-2]
        return [*events, last] if last else events
    events, start = [], 0
    for match in _BLANK.finditer(complete):
        events.append(complete[start : match.end()])
        start = match.end()
    return [*events, complete[start:]] if start < len(complete) else events


def fields(event: bytes) -> tuple[bytes, bytes | None]:
    """An event's name (empty if none) and its data; None if it has no data line (a comment, a lone `id:`)."""
    if event.startswith(b"data: ") and event.find(b"\n") == len(event) - 2 and event.find(b"\r") < 0:
        return b"", event[6:-2]
    if event.startswith(b"event: ") and event.endswith(b"\n\n") and event.find(b"\r") < 0:
        end = event.find(b"\n")
        if event.startswith(b"data: ", end + 1) and event.find(b"\n", end + 1) == len(event) - 2:
            return event[7:end], event[end + 7 : -2]
    name, data = b"", None
    for line in event.removeprefix(_BOM).splitlines():
        field, _, value = line.partition(b":")
        if field == b"data":
            value = value.removeprefix(b" ")
            data = value if data is None else data + b"\n" + value
        elif field == b"event":
            name = value.removeprefix(b" ")
    return name, data


def preamble(event: bytes) -> bytes:
    """Blank lines and comments before an event's first field: the end of a ping, which outlives a hidden event."""
    found = _PREAMBLE.match(event)
    return found[0] if found else b""
