"""Streams of contents that somebody else goes on with."""

from __future__ import annotations

from pointsman.wire.arrays import ArrayWriter
from pointsman.wire.gemini.stream_reader import GeminiReader
from pointsman.wire.gemini.stream_writer import GeminiWriter
from pointsman.wire.streams import Stand
from pointsman.wire.told import OWN, ends_of, read_told, stand_of
from pointsman.wire.trip import Incoming


def resume(told: bytes, incoming: Incoming) -> Stand:
    """See `port.CallerSide.resume`. Chunks say nothing of beginnings and ends, so what is open needs none."""
    reader, writer = GeminiReader(OWN), GeminiWriter()
    events = read_told(reader, told)
    writer.write(events)
    stand = stand_of(events, Stand(writer))
    writer.write(ends_of(events, stand.text))
    writer.stand()
    said = told.strip()
    if incoming.array:
        stand = stand._replace(writer=ArrayWriter(writer, begun=bool(said)))
    if reader.complete:
        return stand._replace(owed=b"]" if incoming.array and not _closed(said) else b"")
    return stand._replace(unfinished="a tool call has begun" if reader.calling else "")


def _closed(array: bytes) -> bool:
    """Whether an array of objects has ended; inside of them no bracket is the last sign."""
    return array.endswith(b"]")
