"""A provider's stream as events, however it is framed.

Google sends an event stream where `alt=sse` is asked for, else one JSON array.
"""

from __future__ import annotations

import re

from pointsman.core.errors import UpstreamGarbage
from pointsman.wire import sse

_BOM = b"\xef\xbb\xbf"
_OUTSIDE = re.compile(rb'["\[\]{}]')
_INSIDE = re.compile(rb'["\\]')
_LINES = bytes.maketrans(b"\r\n", b"  ")


class Framing(sse.Frames):
    """For either framing; elements of an array come out as the events of an event stream."""

    __slots__ = ("_array", "_begun")

    def __init__(self, limit: int = sse.MAX_EVENT) -> None:
        super().__init__(limit)
        self._array: _Elements | None = None
        self._begun = False

    def take(self, chunk: bytes) -> bytes:
        """Every complete event. Raises as `sse.Frames.take`."""
        if self._begun:
            return super().take(chunk) if self._array is None else self._array.take(chunk)
        start = chunk.lstrip().removeprefix(_BOM).lstrip()
        if not start:
            return b""  # before the first sign white space says nothing in either framing, however much of it comes
        self._begun = True
        if not start.startswith(b"["):
            return super().take(chunk)
        self._array = _Elements(self._limit)
        return self._array.take(start[1:])

    def rest(self) -> bytes:
        """What is left when the body has ended."""
        return super().rest() if self._array is None else self._array.rest()


class _Elements:
    """The elements of a JSON array, whose bracket has gone before."""

    __slots__ = ("_at", "_buffer", "_depth", "_limit", "_over", "_quoted", "_start")

    def __init__(self, limit: int) -> None:
        self._buffer = bytearray()
        self._limit = limit
        self._at = 0  # looked at up to here
        self._start = 0  # of the element
        self._depth = 0
        self._quoted = self._over = False

    def take(self, chunk: bytes) -> bytes:
        if self._over:
            return b""
        self._buffer += chunk
        out: list[bytes] = []
        while self._step(out):
            pass
        if len(self._buffer) - self._start > self._limit:
            raise UpstreamGarbage(f"The provider sent an event of more than {self._limit} bytes.")
        start = self._start if self._depth else self._at
        del self._buffer[:start]
        self._at -= start
        self._start = 0
        return b"".join(out)

    def _step(self, out: list[bytes]) -> bool:
        """Go to the next sign that matters; False if there is none yet, or none any more."""
        if self._over:
            return False
        found = (_INSIDE if self._quoted else _OUTSIDE).search(self._buffer, self._at)
        if found is None:
            self._at = len(self._buffer)
            return False
        if found[0] == b"\\":
            if found.end() == len(self._buffer):
                self._at = found.start()  # what is escaped has not come yet
                return False
            self._at = found.end() + 1
            return True
        self._at = found.end()
        if self._quoted:
            self._quoted = False
        else:
            self._sign(found[0], found.start(), out)
        return True

    def _sign(self, sign: bytes, at: int, out: list[bytes]) -> None:
        if sign == b'"':
            self._quoted = True
        elif sign in (b"{", b"["):
            if not self._depth:
                self._start = at
            self._depth += 1
        elif not self._depth:
            self._over = True  # the array's own bracket
        else:
            self._depth -= 1
            if not self._depth:
                out.append(event(bytes(self._buffer[self._start : self._at])))

    def rest(self) -> bytes:
        rest = bytes(self._buffer[self._start :]) if self._depth else b""
        return b"data: " + one_line(rest) if rest else b""


def event(value: bytes) -> bytes:
    """Some JSON as an event."""
    return b"data: " + one_line(value) + b"\n\n"


def one_line(value: bytes) -> bytes:
    """Some JSON without line breaks, which are but white space in it, and the end of a field in an event."""
    return value.translate(_LINES) if value.find(b"\n") >= 0 or value.find(b"\r") >= 0 else value
