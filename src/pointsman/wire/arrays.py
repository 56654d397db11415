"""Streams as one JSON array, for callers who ask for that instead of events (`trip.Incoming.array`)."""

from __future__ import annotations

from collections.abc import Sequence

from pointsman.core.chat import Event
from pointsman.core.usage import Usage
from pointsman.wire import sse
from pointsman.wire.streams import Around, Relay, StreamWriter


class ArrayForm:
    """Events as the elements of one JSON array."""

    __slots__ = ("_begun",)

    def __init__(self, *, begun: bool = False) -> None:
        self._begun = begun

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


class ArrayRelay(Around):
    """`streams.Relay` whose events go out as one JSON array."""

    def __init__(self, relay: Relay) -> None:
        super().__init__(relay)
        self._form = ArrayForm()

    def feed(self, chunk: bytes) -> bytes:
        """Take bytes, return complete elements. Raises as `streams.Relay.feed`."""
        return self._form.write(self._relay.feed(chunk))

    def close(self) -> bytes:
        """End of the body. Raises as `streams.Relay.close`."""
        return self._form.write(self._relay.close()) + self._form.end()


class ArrayWriter:
    """`streams.StreamWriter` whose events go out as one JSON array; `begun`: some of its elements are out already."""

    def __init__(self, writer: StreamWriter, *, begun: bool = False) -> None:
        self._writer = writer
        self._form = ArrayForm(begun=begun)

    def write(self, events: Sequence[Event]) -> bytes:
        """See `streams.StreamWriter.write`."""
        return self._form.write(self._writer.write(events))

    def close(self, usage: Usage | None, cost: int | None) -> bytes:
        """See `streams.StreamWriter.close`."""
        return self._form.write(self._writer.close(usage, cost)) + self._form.end()


def last_element(value: bytes, *, begun: bool) -> bytes:
    """Some JSON as the last element, and the array's end. `begun`: there are elements before it."""
    return (b",\r\n" if begun else b"[") + value + b"]"
