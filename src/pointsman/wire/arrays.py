"""Streams as one JSON array, for callers who ask for that instead of events (`trip.Incoming.array`)."""

from __future__ import annotations

from pointsman.wire import sse


class ArrayForm:
    """Events as the elements of one JSON array."""

    __slots__ = ("_begun",)

    def __init__(self) -> None:
        self._begun = False

    def write(self, events: bytes) -> bytes:
        """The elements for some events."""
        out: list[bytes] = []
        for one in sse.split(events):
            data = sse.fields(one)[1]
            if data and data.strip():
                out += (b",\r\n" if self._begun else b"[", data)
                self._begun = True
        return b"".join(out)

    def end(self) -> bytes:
        """The array's end."""
        return b"]" if self._begun else b"[]"


def last_element(value: bytes, *, begun: bool) -> bytes:
    """Some JSON as the last element, and the array's end. `begun`: there are elements before it."""
    return (b",\r\n" if begun else b"[") + value + b"]"
