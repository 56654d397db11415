"""Chat streams that somebody else goes on with."""

from __future__ import annotations

from pointsman.wire.openai_chat.stream_reader import ChatReader
from pointsman.wire.openai_chat.stream_writer import DONE, ChatWriter
from pointsman.wire.streams import Stand
from pointsman.wire.told import OWN, ends_of, read_told, stand_of
from pointsman.wire.trip import Incoming


def resume(told: bytes, incoming: Incoming) -> Stand:
    """See `port.CallerSide.resume`. Whatever is open but text needs no end in this dialect: it is ended unheard."""
    reader, writer = ChatReader(OWN), ChatWriter(incoming)
    events = read_told(reader, told)
    stand = stand_of(events, Stand(writer))
    writer.write([*events, *ends_of(events, stand.text)])
    writer.stand(reader.choices)
    if reader.complete or reader.counted:
        return stand._replace(owed=b"" if reader.done else DONE)
    return stand._replace(unfinished=reader.unfinished)
