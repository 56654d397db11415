"""The tries of `check_dialect` with golden conversations: what goes in has to come out, in meaning.

A dialect may do anything at all. Whatever it is, a try ends in a verdict and never in an exception of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

import msgspec

from pointsman.core.chat import Answer, Dropped, Event, Request
from pointsman.core.errors import PointsmanError
from pointsman.core.model import Model, Provider
from pointsman.testing.golden import ANSWERS, REQUESTS
from pointsman.testing.meaning import Meaning, differences, of_answer, of_request
from pointsman.testing.probes import Found
from pointsman.wire.events import Assembly, events_of
from pointsman.wire.port import Dialect
from pointsman.wire.trip import Incoming, Outgoing, Surface

T = TypeVar("T")
SIZES = (1 << 20, 1, 2, 7, 64)
"""Sizes of the pieces in which a stream is fed."""
SENT = Outgoing(path="/", body=b"")
_COST = 1_500_000  # nano-dollars
_FIELDS = {"thinks": "reasoning", "choices": "choices[", "media": "image"}  # as they are called where they are dropped


class Subject:
    """A dialect, with what its callers send and get.

    Args:
        dialect: to be checked.
        surface: what its callers call.
    """

    def __init__(self, dialect: Dialect, surface: Surface) -> None:
        self.dialect = dialect
        self.surface = surface
        provider = Provider(name="golden", dialect=dialect.name, base_url="http://127.0.0.1:9")
        self.model = Model(name="golden", provider=provider, upstream="golden-1")

    def sent(self, request: Request) -> Outgoing:
        """A request as a provider of the dialect gets it."""
        return self.dialect.from_core(request, self.model)

    def received(self, outgoing: Outgoing, body: bytes | None = None) -> Incoming:
        """The same, or another body in its place, as it comes from a caller."""
        path, _, query = outgoing.path.partition("?")
        return self.dialect.read_request(outgoing.body if body is None else body, self.surface, path, query)

    def understood(self, outgoing: Outgoing, body: bytes | None = None) -> Request:
        """The same in no dialect."""
        return self.dialect.to_core(self.received(outgoing, body))

    @cached_property
    def asked(self) -> Incoming:
        """A plain request."""
        return self.received(self.sent(REQUESTS["plain"]))

    @cached_property
    def asked_stream(self) -> Incoming:
        """The same for a stream, with usage in it."""
        request = msgspec.structs.replace(REQUESTS["plain"], stream=True, stream_usage=True)
        return self.received(self.sent(request))

    def streamed(self, answer: Answer) -> bytes:
        """An answer as the stream that a caller gets."""
        writer = self.dialect.writer(self.asked_stream)
        return writer.write(events_of(answer)) + writer.close(answer.usage, None)

    def heard(self, data: bytes, size: int = SIZES[0]) -> Answer:
        """What the dialect's own reader makes of a stream, fed in pieces."""
        reader = self.dialect.reader(SENT)
        events: list[Event] = []
        for at in range(0, len(data), size):
            events += reader.feed(data[at : at + size])
        whole = Assembly()
        whole.add([*events, *reader.close()])
        return whole.answer()

    def retold(self, answer: Answer, size: int) -> Answer:
        """An answer written as a stream and read again."""
        return self.heard(self.streamed(answer), size)

    def relayed(self, data: bytes, size: int = SIZES[0]) -> tuple[bytes, int | None]:
        """A stream passed on to a caller of the same dialect, and the tokens of output that were counted."""
        relay = self.dialect.relay(self.asked_stream, None)
        out = b"".join([relay.feed(data[at : at + size]) for at in range(0, len(data), size)]) + relay.close()
        usage = relay.facts.usage
        return out, usage.output if usage is not None else None


class Notes:
    """What one try found over several conversations."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        self.said: list[str] = []
        self.count = 0

    def compare(self, name: str, wanted: Meaning, found: Meaning, dropped: tuple[Dropped, ...] = ()) -> None:
        """Note what is not the same, and what of it the dialect says that it drops."""
        named = " ".join(f"{one.path} {one.reason}" for one in dropped)
        for field in differences(wanted, found):
            if _FIELDS.get(field, field) in named:
                self.said.append(field)
            else:
                self.broken.append(f"{name}: {field}")

    def verdict(self) -> Found:
        """All of it in a line."""
        if self.broken:
            return "odd", "; ".join(list(dict.fromkeys(self.broken))[:5])
        said = f"; drops by name: {', '.join(dict.fromkeys(self.said))}" if self.said else ""
        return "yes", f"{self.count} tries{said}"


def tried(work: Callable[..., T], *given: Any, may: type[PointsmanError] | None = None) -> tuple[T | None, str]:
    """What something gives (None: it raised what it may), and what it raised that it may not (empty: nothing)."""
    try:
        return work(*given), ""
    except Exception as error:  # noqa: BLE001 - to find those is what this is for
        if may is not None and isinstance(error, may):
            return None, ""
        return None, f"raises {type(error).__name__}: {error}"[:200]


def requests(subject: Subject) -> Found:
    """A request written for a provider and read as a caller's asks for the same."""
    notes = Notes()
    for name, request in REQUESTS.items():
        for stream in (False, True):
            notes.count += 1
            _request(subject, name, msgspec.structs.replace(request, stream=stream, stream_usage=stream), notes)
    return notes.verdict()


def _request(subject: Subject, name: str, request: Request, notes: Notes) -> None:
    outgoing, problem = tried(subject.sent, request)
    back, problem = tried(subject.understood, outgoing) if outgoing is not None else (None, problem)
    if outgoing is None or back is None:
        notes.broken.append(f"{name}: {problem}")
        return
    wanted = of_request(request)
    if outgoing.answer_tool:  # structured output by way of a tool: the schema is there
        wanted |= {"response_format": None, "tools": None, "tool_choice": None}
    asked = {field: value for field, value in wanted.items() if value is not None}
    notes.compare(name, asked, of_request(back), outgoing.dropped)


def whole(subject: Subject) -> Found:
    """A whole answer written for a caller and read as a provider's means the same."""
    notes = Notes()
    for name, answer in ANSWERS.items():
        notes.count += 1
        encoded, problem = tried(subject.dialect.write_answer, answer, subject.asked)
        if encoded is None:
            notes.broken.append(f"{name}: {problem}")
            continue
        back, problem = tried(subject.dialect.read_whole, encoded.body, SENT)
        if back is None:
            notes.broken.append(f"{name}: its own answer is not read: {problem}")
        else:
            notes.compare(name, of_answer(answer), of_answer(back), encoded.dropped)
    return notes.verdict()


def stream(subject: Subject) -> Found:
    """The same for streams, in any split."""
    notes = Notes()
    for name, answer in ANSWERS.items():
        for size in SIZES:
            notes.count += 1
            back, problem = tried(subject.retold, answer, size)
            if back is None:
                notes.broken.append(f"{name} in pieces of {size}: {problem}")
                continue
            one = len(back.choices) == 1  # a dialect with one choice says nothing of others in a stream
            wanted = msgspec.structs.replace(answer, choices=answer.choices[:1]) if one else answer
            notes.compare(f"{name} in pieces of {size}", of_answer(wanted), of_answer(back))
    return notes.verdict()


def together(subject: Subject) -> Found:
    """A whole answer, made a stream for whoever asked for one, means what it meant."""
    notes = Notes()
    for name, answer in ANSWERS.items():
        notes.count += 1
        body = subject.dialect.write_answer(answer, subject.asked).body
        made, problem = tried(subject.dialect.as_stream, body, subject.asked_stream)
        back, problem = tried(subject.heard, made) if made is not None else (None, problem)
        if back is None:
            notes.broken.append(f"{name}: {problem}")
        else:
            notes.compare(name, of_answer(subject.dialect.read_whole(body, SENT)), of_answer(back))
    return notes.verdict()


def straight(subject: Subject) -> Found:
    """A stream for a caller of the same dialect passes byte for byte, and its tokens are counted."""
    notes = Notes()
    for name, answer in ANSWERS.items():
        data = subject.streamed(answer)
        for size in SIZES:
            notes.count += 1
            found, problem = tried(subject.relayed, data, size)
            out, counted = found or (b"", None)
            if out != data:
                notes.broken.append(f"{name} in pieces of {size}: {problem or 'other bytes'}")
            elif answer.usage is not None and counted != answer.usage.output:
                notes.broken.append(f"{name}: tokens are not counted")
    return notes.verdict()


def cost(subject: Subject) -> Found:
    """An answer with its cost is an answer, and the same one."""
    notes = Notes()
    for name, answer in ANSWERS.items():
        notes.count += 1
        body = subject.dialect.write_answer(answer, subject.asked).body
        priced, problem = tried(subject.dialect.annotate, body, _COST)
        back, problem = tried(subject.dialect.read_whole, priced, SENT) if priced is not None else (None, problem)
        if back is None:
            notes.broken.append(f"{name}: {problem}")
        else:
            notes.compare(name, of_answer(subject.dialect.read_whole(body, SENT)), of_answer(back))
    return notes.verdict()
