"""A provider's stream of contents as core events."""

from __future__ import annotations

from typing import Any

import msgspec

from pointsman.core.chat import Alive, Event
from pointsman.core.errors import UpstreamCut
from pointsman.wire import sse
from pointsman.wire.event_reader import EventReader
from pointsman.wire.event_relay import read_event
from pointsman.wire.gemini.framing import Framing
from pointsman.wire.gemini.gathering import Gathering
from pointsman.wire.gemini.relay import plain_error
from pointsman.wire.parse import BAD_JSON, loads
from pointsman.wire.trip import Outgoing

_decode = msgspec.json.Decoder().decode


class GeminiReader(EventReader):
    """`streams.StreamReader` for streamed contents, framed as events or as one JSON array."""

    def __init__(self, outgoing: Outgoing) -> None:
        super().__init__(Framing())
        self._answer = Gathering(outgoing.tool_names)

    def _complete(self) -> bool:
        """Google's streams end with their body; whether the answer has ended stands in it."""
        return self._answer.complete

    @property
    def calling(self) -> bool:
        """Whether a call is coming in pieces."""
        return self._answer.calling

    def _owed(self, events: list[Event]) -> None:
        self._answer.end(events)

    def _last(self, rest: bytes, events: list[Event]) -> None:
        """An event without its blank line, which the body's end completes if it is whole."""
        _, data = sse.fields(rest)
        if data is not None:
            try:
                loads(data)
            except BAD_JSON:
                raise UpstreamCut("The provider's stream ended in the middle of an event.") from None
        self._frame(rest, events)

    def _frame(self, frame: bytes, events: list[Event]) -> None:
        name, data = sse.fields(frame)
        if data is None and frame.lstrip().startswith((b"{", b"[")):
            raise plain_error(frame)
        if not data or not (data := data.strip()):
            events.append(Alive())
            return
        self._answer.take(chunk_of(name, data), events)


def chunk_of(name: bytes, data: bytes) -> dict[str, Any]:
    """The object in an event. Raises as `event_relay.read_event`."""
    try:
        value = _decode(data)
    except BAD_JSON:
        return read_event(name, data)
    if (
        type(value) is not dict
        or name
        or "error" in value
        or "choices" in value
        or "object" in value
        or "type" in value
    ):
        return read_event(name, data)
    return value
