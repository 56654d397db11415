"""What a caller has been told of a stream, and where that leaves his answer.

See `continuing` for what it is good for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol

import msgspec

from pointsman.core.chat import AnswerStart, BlockEnd, BlockStart, Delta, Event, Opaque, Reasoning, Refusal, Text
from pointsman.core.chat import Media as MediaBlock
from pointsman.core.chat import ToolCall as ToolCallBlock
from pointsman.core.errors import CallerError, UpstreamError
from pointsman.core.model import Ability
from pointsman.wire.forms import judged
from pointsman.wire.port import CallerSide
from pointsman.wire.streams import Stand, StreamReader
from pointsman.wire.trip import Incoming, Outgoing

MOST = 1 << 20
"""Bytes of a stream that are remembered; a longer one is not continued."""
_BLANK = len(b"\r\n\r\n")
_KEPT = 16 * 1024
"""Bytes of one that was too much which are kept all the same, to say how much text has how many tokens."""
_CHARS_PER_TOKEN = 4
_UNTEXT = int(Ability.AUDIO_OUTPUT | Ability.IMAGE_OUTPUT)
_HALF = re.compile(rb'\\u[dD][89abAB][0-9a-fA-F]{2}"')
"""Half a character at a string's end: tokenisers cut some in two, and the other half begins the next string."""
_OTHER_HALF = re.compile(rb'"\\u[dD][c-fC-F]')


class Told:
    """What went out to a caller, remembered as long as it is not too much: `most` bytes, 0 where nobody will ask."""

    __slots__ = ("_most", "_parts", "_size", "begun", "over")

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._parts: list[bytes] = []
        self._size = 0
        self.begun = False  # something went out
        self.over = False  # it was too much

    def add(self, out: bytes) -> None:
        """More of the answer went out: whole events, as relays give them."""
        if self.over or not out:
            return
        self.begun = True
        self._size += len(out)
        if self._size > self._most:
            self.over = True
            self._parts = [self.beginning(_KEPT)]
        else:
            self._parts.append(out)

    def beginning(self, most: int) -> bytes:
        """Whole events of its beginning, in at most so many bytes; there is some also where it was too much."""
        size, found = 0, []
        for part in self._parts:
            if size + len(part) > most:
                ends = max(part.rfind(end, 0, most - size) + len(end) for end in (b"\n\n", b"\r\n\r\n"))
                found.append(part[:ends] if ends > _BLANK else b"")
                break
            size += len(part)
            found.append(part)
        return b"".join(found)

    def whole(self) -> bytes:
        """All of it; empty where it was too much."""
        return b"" if self.over else b"".join(self._parts)


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a broken stream stands.

    Attributes:
        told: what the caller has had.
        text: the answer so far.
        reasoning: thoughts that he was shown.
        json: the answer is to be JSON.
        id: the answer's, as the caller has read it.
        reason: why nobody can go on with it, for people; empty where somebody can.
        owed: the answer was told to its end, and this is all that is missing: no other model is needed. None if not.
    """

    told: bytes = b""
    text: str = ""
    reasoning: str = ""
    json: bool = False
    id: str = ""
    reason: str = ""
    owed: bytes | None = None

    @property
    def tokens(self) -> int:
        """An estimate of what the caller was told, thoughts included."""
        return (len(self.text) + len(self.reasoning)) // _CHARS_PER_TOKEN


class Speaks(CallerSide, Protocol):
    """A caller's dialect that reads its own streams."""

    def reader(self, outgoing: Outgoing) -> StreamReader:
        """See `port.ProviderSide.reader`."""
        ...


OWN = Outgoing(path="", body=b"")
"""What a dialect's reader is told of a request whose answer it has written itself: no name was changed."""


def standing(told: Told, dialect: Speaks, incoming: Incoming) -> Standing:
    """Where a broken stream stands; never raises.

    Args:
        told: all that the caller has had of the answer.
        dialect: the caller's.
        incoming: his request.
    """
    if told.over:
        return Standing(reason=f"more than {MOST} bytes of it have been told")
    whole = told.whole()
    try:
        events = read_told(dialect.reader(OWN), whole)
        stand = dialect.resume(whole, incoming)
    except UpstreamError as error:
        return Standing(told=whole, reason=f"what was told of it cannot be read: {error.message}")
    found = _gathered(events)
    if stand.owed is not None:
        return msgspec.structs.replace(found, told=whole, owed=stand.owed)
    why = _asked_too_much(dialect, incoming) or _unfit(events) or stand.unfinished or _half(whole)
    return msgspec.structs.replace(found, told=whole, json=judged(incoming), reason=why)


def read_told(reader: StreamReader, told: bytes) -> list[Event]:
    """The events in what a caller was told. Raises as `StreamReader.feed`, also for what stands behind content."""
    return [*reader.feed(told), *reader.feed(b"")]


def _gathered(events: Iterable[Event]) -> Standing:
    """What the events say."""
    kinds: dict[int, type] = {}
    texts: list[str] = []
    thoughts: list[str] = []
    answer_id = ""
    for event in events:
        match event:
            case AnswerStart(id=answer_id):
                pass
            case BlockStart(choice=0, index=index, block=block):
                kinds[index] = type(block)
                if isinstance(block, Text):
                    texts.append(block.text)
                elif isinstance(block, Reasoning):
                    thoughts.append(block.text)
            case Delta(choice=0, index=index, field="text", text=text):
                if kinds.get(index) is Text:
                    texts.append(text)
                elif kinds.get(index) is Reasoning:
                    thoughts.append(text)
    return Standing(text="".join(texts), reasoning="".join(thoughts), id=answer_id)


def _asked_too_much(dialect: CallerSide, incoming: Incoming) -> str:
    """Why a request is one whose answers cannot be continued."""
    if incoming.surface == "completions":
        return "old text completions are not continued"
    if incoming.needs.choices > 1:
        return "several answers were asked for"
    if int(incoming.needs.abilities) & _UNTEXT:
        return "sound or pictures were asked for"
    try:
        request = dialect.to_core(incoming)
    except CallerError as error:
        return f"its request cannot be written anew: {error.message}"
    if request.choices > 1:
        return "several answers were asked for"
    return "log probabilities were asked for" if request.logprobs is not None else ""


def _unfit(events: Iterable[Event]) -> str:
    """What of an answer nobody else can go on with; empty where there is nothing of that kind."""
    for event in events:
        if isinstance(event, BlockStart):
            match event.block:
                case ToolCallBlock():
                    return "a tool call has begun"
                case Refusal():
                    return "the model has declined"
                case Opaque():
                    return "it holds what only its own provider understands"
                case MediaBlock():
                    return "it holds more than text"
    return ""


def _half(told: bytes) -> str:
    """Whether it ends in the middle of a character."""
    halves = [found.end() for found in _HALF.finditer(told)]
    if not halves or _OTHER_HALF.search(told, halves[-1]):
        return ""
    return "it ends in the middle of a character"


def stand_of(events: Iterable[Event], stand: Stand) -> Stand:
    """A stand with what is open after some events: the text that goes on, and the next free index."""
    lengths: dict[int, int] = {}
    begun, following = stand.begun, 0
    for event in events:
        match event:
            case AnswerStart():
                begun = True
            case BlockStart(choice=0, index=index, block=block):
                following = max(following, index + 1)
                if isinstance(block, Text):
                    lengths[index] = len(block.text)
            case Delta(choice=0, index=index, text=text) if index in lengths:
                lengths[index] += len(text)
            case BlockEnd(choice=0, index=index):
                lengths.pop(index, None)
    at = max(lengths, default=-1)
    return stand._replace(begun=begun, text=at, length=lengths.get(at, 0), following=following)


def ends_of(events: list[Event], text: int) -> list[Event]:
    """The ends of blocks that are open, but for the text that goes on."""
    opened = {(event.choice, event.index) for event in events if isinstance(event, BlockStart)}
    opened -= {(event.choice, event.index) for event in events if isinstance(event, BlockEnd)}
    return [BlockEnd(choice=choice, index=index) for choice, index in sorted(opened - {(0, text)})]
