"""JSON that was asked for and came wrapped, taken out of the fence of code around it.

Asked for JSON, some models answer with it, others with a Markdown fence around it and a sentence before or behind.
Where a model's template says so, fence and sentences are left out, so that what parses one model's answer parses every
other's. A text that is not one fenced object or array with a few words around it stays as it is.
"""

from __future__ import annotations

import re

import msgspec

from pointsman.core.chat import Answer, Block, BlockEnd, BlockStart, Choice, Citation, Delta, Event, Text
from pointsman.wire.forms import is_json
from pointsman.wire.raw import dump, text_of
from pointsman.wire.streams import StreamReader

_BEFORE = 512  # characters, in which a fence has to begin
_INFO = 64  # from its beginning to the JSON's
_BEHIND = 4096  # from the JSON's end to that of the text
_FENCE = "```"
_OPENING = re.compile(r"(`{3,})[^\S\n]*[\w.+-]*\s*(?=[{\[])")
_MAY_OPEN = re.compile(r"`{3,}[^\S\n]*[\w.+-]*\s*\Z")
_CLOSING = re.compile(r"\s*(`*)")
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_MARKS = re.compile(r'\\[\s\S]|\\\Z|["{}\[\]]')


class _Json:
    """Finds the end of an object or array that comes in pieces."""

    __slots__ = ("_depth", "_escaped", "_quoted")

    def __init__(self) -> None:
        self._depth = 0
        self._quoted = self._escaped = False

    def end(self, text: str) -> int:
        """Where it ends in this piece, -1 if it goes on."""
        start, self._escaped = int(self._escaped and bool(text)), self._escaped and not text
        for found in _MARKS.finditer(text, start):
            mark = found[0]
            if mark == '"':
                self._quoted = not self._quoted
            elif mark[0] == "\\":
                self._escaped = len(mark) == 1
            elif self._quoted:
                continue
            elif mark in "{[":
                self._depth += 1
            else:
                self._depth -= 1
                if self._depth <= 0:
                    return found.end()
        return -1


class Peeler:
    """One text that comes in pieces, without the fence around it. Any split gives the same text.

    Attributes:
        plain: from here on everything passes.
        cut: characters left out before the JSON.
    """

    __slots__ = ("_held", "_json", "_ticks", "cut", "plain")

    def __init__(self) -> None:
        self.plain = False
        self.cut = 0
        self._held = ""  # what may still have to be left out
        self._ticks = 0  # of the fence that was opened
        self._json: _Json | None = None  # as long as we are inside

    def feed(self, text: str) -> str:
        """Take a piece, return what is sure to stay."""
        if self.plain:
            return text
        if not self._ticks:
            self._held += text
            opened = self._opens()
            if not opened:
                return self._pass() if opened is False else ""
            text, self._held = self._held, ""
        if self._json is None:
            return self._wait(text)
        end = self._json.end(text)
        if end < 0:
            return text
        self._json = None
        return text[:end] + self._wait(text[end:])

    def close(self) -> str:
        """The text is over: what had been held and stays."""
        held, self._held = self._held, ""
        closed = _CLOSING.match(held)
        # A fence that a stop string cut off is missing; one that was closed goes, and so does what is behind it.
        return "" if self._ticks and closed is not None and len(closed[1]) >= self._ticks else held

    def _pass(self) -> str:
        self.plain = True
        held, self._held = self._held, ""
        return held

    def _opens(self) -> bool | None:
        """Whether what is held leads into a fenced object or array; None where that cannot be said yet."""
        held = self._held
        if held.lstrip()[:1] in ("{", "["):
            return False
        begin = held.find(_FENCE)
        if begin < 0 or begin > _BEFORE:
            return None if len(held) <= _BEFORE + 2 else False  # one that began in time would be seen
        found = _OPENING.match(held, begin)
        if found is None:
            return None if len(held) - begin <= _INFO and _MAY_OPEN.match(held, begin) else False
        if found.end() - begin > _INFO:
            return False
        self._ticks, self._json, self.cut = len(found[1]), _Json(), found.end()
        self._held = held[found.end() :]
        return True

    def _wait(self, text: str) -> str:
        """Behind the JSON: hold what belongs to the fence; what does not belong there is the model's answer."""
        held = self._held = self._held + text
        closed = _CLOSING.match(held)
        assert closed is not None  # noqa: S101 - it matches nothing, too
        ticks, behind = len(closed[1]), held[closed.end() :]
        second = behind.find(_FENCE) >= 0  # which of the two is meant is not ours to say
        if len(held) > _BEHIND or second or (behind and ticks < self._ticks):
            return self._pass()
        return ""


def unfenced(text: str) -> tuple[str, int]:
    """A whole text, and how many characters before it were left out; as it was unless valid JSON is left."""
    if text.find(_FENCE) < 0:
        return text, 0
    peeler = Peeler()
    bare = peeler.feed(text) + peeler.close()
    return (bare, peeler.cut) if is_json(bare) else (text, 0)


def unfenced_body(body: bytes, answer: Answer, bare: Answer) -> bytes | None:
    """An answer's body with its fenced texts bare and every other byte as it was.

    None where a text is in no one string of the body, so that the answer has to be written anew.

    Args:
        body: as the provider sent it.
        answer: what was read from it.
        bare: what `unfence` made of that.
    """
    texts = {
        old.text: new.text
        for before, after in zip(answer.choices, bare.choices, strict=True)
        for old, new in zip(before.blocks, after.blocks, strict=True)
        if old is not new and isinstance(old, Text) and isinstance(new, Text)
    }
    out: list[bytes] = []
    at, left = 0, set(texts)
    for found in _STRINGS.finditer(body):
        text = text_of(msgspec.Raw(found[0])) if len(found[0]) > len(_FENCE) else None
        if text is not None and text in texts:
            out += (body[at : found.start()], bytes(dump(texts[text])))
            at = found.end()
            left.discard(text)
    return None if left else b"".join((*out, body[at:]))


def unfence(answer: Answer) -> Answer:
    """A whole answer without fences; the same value where there are none."""
    choices = tuple([_unfence(choice) for choice in answer.choices])
    if all(new is old for new, old in zip(choices, answer.choices, strict=True)):
        return answer
    return msgspec.structs.replace(answer, choices=choices)


def _unfence(choice: Choice) -> Choice:
    blocks: list[Block] = []
    changed = False
    for block in choice.blocks:
        if isinstance(block, Text):
            text, cut = unfenced(block.text)
            if text is not block.text:
                changed = True
                blocks.append(msgspec.structs.replace(block, text=text, citations=_moved(block.citations, cut)))
                continue
        blocks.append(block)
    return msgspec.structs.replace(choice, blocks=tuple(blocks)) if changed else choice


def _moved(citations: tuple[Citation, ...], cut: int) -> tuple[Citation, ...]:
    """Citations of a text that lost its beginning."""
    return tuple(
        [
            msgspec.structs.replace(one, start=max(one.start - cut, 0), end=max(one.end - cut, 0)) if one.end else one
            for one in citations
        ]
    )


class Unfenced:
    """`streams.StreamReader` without fences. Texts alone are looked at; thoughts and calls pass."""

    def __init__(self, reader: StreamReader) -> None:
        self._reader = reader
        self._peelers: dict[tuple[int, int], Peeler] = {}

    @property
    def done(self) -> bool:
        """Whether the provider has said that the stream is over."""
        return self._reader.done

    def feed(self, chunk: bytes) -> list[Event]:
        """See `streams.StreamReader.feed`."""
        return self._peeled(self._reader.feed(chunk))

    def close(self) -> list[Event]:
        """See `streams.StreamReader.close`."""
        return self._peeled(self._reader.close())

    def _peeled(self, events: list[Event]) -> list[Event]:
        out: list[Event] = []
        for event in events:
            match event:
                case Delta(field="text"):
                    self._grow(event, out)
                case BlockStart(block=Text() as block):
                    peeler = self._peelers[event.choice, event.index] = Peeler()
                    block = msgspec.structs.replace(block, text=peeler.feed(block.text)) if block.text else block
                    out.append(msgspec.structs.replace(event, block=block))
                case BlockEnd():
                    self._end(event, out)
                case _:
                    out.append(event)
        return out

    def _grow(self, event: Delta, out: list[Event]) -> None:
        peeler = self._peelers.get((event.choice, event.index))
        if peeler is None or peeler.plain:
            out.append(event)
        elif text := peeler.feed(event.text):
            out.append(msgspec.structs.replace(event, text=text))

    def _end(self, event: BlockEnd, out: list[Event]) -> None:
        peeler = self._peelers.pop((event.choice, event.index), None)
        if peeler is not None:
            if text := peeler.close():
                out.append(Delta(choice=event.choice, index=event.index, field="text", text=text))
            if peeler.cut and event.citations:
                event = msgspec.structs.replace(event, citations=_moved(event.citations, peeler.cut))
        out.append(event)
