"""The tries of `check_dialect` with errors, silence, cut streams and garbage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pointsman.core.chat import (
    Alive,
    Answer,
    AnswerStart,
    BlockEnd,
    BlockStart,
    ChoiceEnd,
    Delta,
    Event,
    Text,
)
from pointsman.core.errors import (
    CallerError,
    ConnectFailed,
    InvalidRequest,
    Overloaded,
    PointsmanError,
    UpstreamCut,
    UpstreamError,
    UpstreamRefused,
)
from pointsman.testing.dialect_probes import SENT, SIZES, Notes, Subject, tried
from pointsman.testing.golden import ANSWERS, REQUESTS
from pointsman.testing.meaning import of_answer
from pointsman.testing.probes import Found
from pointsman.wire.events import Assembly, events_of

_ID = "req_1"
_PLACES = 200  # where a stream is cut, and once more as many at its end
_WRONG: tuple[Any, ...] = (None, -1, "x", [None], {"type": 7})
_GARBAGE = (
    b"",
    b" ",
    b"\x00\xff\xfe",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b"7",
    b"{}",
    b'{"type":',
    b"<html><title>502</title></html>",
    b"data: {}\n\n",
    b"data: [1]\n\n",
    b"data: nothing\n\n",
    b"event: error\ndata: nothing\n\n",
    b"data:\xff\xff\n\n",
    b"event: message\n\n",
    b"[" * 5_000,
    b'{"a":' * 5_000,
)
_ERRORS: tuple[PointsmanError, ...] = (
    InvalidRequest("`x` has to be a number.", param="x"),
    Overloaded("The queue is full."),
    ConnectFailed("Nobody answers."),
    UpstreamRefused("Slow down.", status=429, kind="rate_limit_exceeded", retry_after=2.0),
    UpstreamRefused("Höher, 潮", status=400, kind="context_length_exceeded"),
)


def error(subject: Subject) -> Found:
    """Our errors are JSON objects that say what happened, and can be read again; anything can be read as an error."""
    notes = Notes()
    for one in _ERRORS:
        notes.count += 1
        body, problem = tried(subject.dialect.write_error, one, _ID)
        if body is None or _object(body) is None:
            notes.broken.append(f"{one.code}: {problem or 'no JSON object'}")
            continue
        read, problem = tried(subject.dialect.read_error, one.status, (), body)
        if read is None or read.status != one.status or one.message not in read.message:
            notes.broken.append(f"{one.code}: {problem or 'read as another error'}")
    for body in _GARBAGE:
        notes.count += 1
        _, problem = tried(subject.dialect.read_error, 500, (), body)
        notes.broken += [f"an error of {body[:20]!r} {problem}"] if problem else []
    return notes.verdict()


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def stream_error(subject: Subject) -> Found:
    """An error in the middle of a stream ends it, and says what happened."""
    notes = Notes()
    head = subject.dialect.writer(subject.asked_stream).write(events_of(ANSWERS["many words"])[:3])
    for one in _ERRORS:
        told = subject.dialect.write_stream_error(one, _ID)
        for size in SIZES:
            notes.count += 1
            back, problem = tried(subject.heard, head + told, size)
            if back is not None or "UpstreamRefused" not in problem or one.message not in problem:
                notes.broken.append(f"{one.code} in pieces of {size}: {problem or 'the stream ends well'}")
    return notes.verdict()


def keep_alive(subject: Subject) -> Found:
    """A sign of life changes nothing, wherever it stands, and says nothing."""
    notes = Notes()
    alive = subject.dialect.keep_alive()
    for name, answer in ANSWERS.items():
        parts = _events(subject.streamed(answer))
        quiet = of_answer(subject.heard(b"".join(parts)))
        for size in SIZES[:3]:
            notes.count += 1
            back, problem = tried(subject.heard, alive.join(parts) + alive, size)
            if back is None or of_answer(back) != quiet:
                notes.broken.append(f"{name}: {problem or 'another answer'}")
    said = [event for event in subject.dialect.reader(SENT).feed(alive) if not isinstance(event, Alive)]
    notes.broken += ["it says something"] if said else []
    return notes.verdict()


def _events(data: bytes) -> list[bytes]:
    return [part + b"\n\n" for part in data.split(b"\n\n") if part]


def cut(subject: Subject) -> Found:
    """A stream that stops early is never taken for whole: what is taken for whole is."""
    notes = Notes()
    for name in ("text", "calls side by side", "thinking"):
        data = subject.streamed(ANSWERS[name])
        wanted = of_answer(ANSWERS[name])["choices"]
        step = max(len(data) // _PLACES, 1)
        for at in (*range(0, len(data), step), *range(max(len(data) - _PLACES, 0), len(data))):
            notes.count += 1
            back, problem = tried(subject.heard, data[:at], may=UpstreamCut)
            if problem or (back is not None and of_answer(back)["choices"] != wanted):
                notes.broken.append(f"{name} cut at {at}: {problem or 'taken for whole'}")
    return notes.verdict()


def resumed(subject: Subject) -> Found:
    """A stream that breaks between any two of its events can be gone on with, and is the same answer in the end."""
    notes = Notes()
    for name in ("text", "other scripts", "thinking"):
        parts = _events(subject.streamed(ANSWERS[name]))
        wanted = _text_of(subject.heard(b"".join(parts)))
        for at in range(1, len(parts) + 1):
            notes.count += 1
            back, problem = tried(_gone_on, subject, b"".join(parts[:at]), wanted[1])
            if back is None or _text_of(back) != wanted:
                notes.broken.append(f"{name} behind {at} events: {problem or 'another answer'}")
    return notes.verdict()


def _gone_on(subject: Subject, told: bytes, whole: str) -> Answer:
    """What is heard of a stream that has been told so far, when its text is gone on with."""
    stand = subject.dialect.resume(told, subject.asked_stream)
    if stand.owed is not None:
        return subject.heard(told + stand.owed)
    so_far = Assembly()
    so_far.add(subject.dialect.reader(SENT).feed(told))
    rest = whole[len(_text_of(so_far.answer())[1]) :]
    index = stand.text if stand.text >= 0 else stand.following
    events: list[Event] = [] if stand.begun else [AnswerStart(id=_ID, model="golden")]
    events += [] if stand.text >= 0 else [BlockStart(index=index, block=Text(text=""))]
    events += [Delta(index=index, field="text", text=rest), BlockEnd(index=index), ChoiceEnd(finish="stop")]
    return subject.heard(told + stand.ending + stand.writer.write(events) + stand.writer.close(None, None))


def _text_of(answer: Answer) -> tuple[str, str]:
    """An answer's id and its text."""
    blocks = answer.choices[0].blocks if answer.choices else ()
    return answer.id, "".join(block.text for block in blocks if isinstance(block, Text))


def _mutated(value: Any) -> Iterator[Any]:
    """A JSON value with each of its parts replaced by something else, one at a time."""
    yield from _WRONG
    parts: list[tuple[Any, Any]] = list(value.items()) if isinstance(value, dict) else []
    parts = list(enumerate(value)) if isinstance(value, list) else parts
    for key, part in parts:
        for other in _mutated(part):
            changed = dict(value) if isinstance(value, dict) else list(value)
            changed[key] = other
            yield changed
        if isinstance(value, dict):
            yield {name: one for name, one in value.items() if name != key}


def garbage(subject: Subject) -> Found:
    """Whatever a provider sends for an answer is one, or is refused as the port says."""
    notes = Notes()
    for body in (*_GARBAGE, *_broken_answers(subject)):
        for read, given in ((subject.dialect.read_whole, (body, SENT)), (subject.dialect.read_answer, (body,))):
            notes.count += 1
            _, problem = tried(read, *given, may=UpstreamError)
            notes.broken += [f"an answer {body[:60]!r} {problem}"] if problem else []
    return notes.verdict()


def _broken_answers(subject: Subject) -> Iterator[bytes]:
    for name in ("calls side by side", "thinking", "sources"):
        body = subject.dialect.write_answer(ANSWERS[name], subject.asked).body
        for value in _mutated(json.loads(body)):
            yield json.dumps(value).encode()


def stream_garbage(subject: Subject) -> Found:
    """The same for streams, read and passed on."""
    notes = Notes()
    for data, what in (*((data, data) for data in _GARBAGE), *_broken_streams(subject)):
        for read in (subject.heard, subject.relayed):
            notes.count += 1
            _, problem = tried(read, data, may=UpstreamError)
            notes.broken += [f"a stream with {what[:120]!r} {problem}"] if problem else []
    return notes.verdict()


def _broken_streams(subject: Subject) -> Iterator[tuple[bytes, bytes]]:
    """Streams with one event changed, left out or sent twice; and that event."""
    for name in ("thinking and a call", "sources"):
        parts = _events(subject.streamed(ANSWERS[name]))
        for at, part in enumerate(parts):
            before, after = b"".join(parts[:at]), b"".join(parts[at + 1 :])
            yield before + after, b"nothing"
            yield before + part + part + after, part
            head, _, data = part.rpartition(b"data: ")
            value = _object(data)
            for other in _mutated(value) if value is not None else ():
                changed = head + b"data: " + json.dumps(other).encode() + b"\n\n"
                yield before + changed + after, changed


def bad_requests(subject: Subject) -> Found:
    """Whatever a caller sends is read, or refused with a caller's error."""
    notes = Notes()
    for name in ("tools", "history", "image", "schema", "thinking"):
        outgoing = subject.sent(REQUESTS[name])
        for body in (*_GARBAGE, *(json.dumps(value).encode() for value in _mutated(json.loads(outgoing.body)))):
            notes.count += 1
            asked, problem = tried(subject.understood, outgoing, body, may=CallerError)
            if asked is not None:
                _, problem = tried(subject.sent, asked, may=CallerError)
            notes.broken += [f"a request {body[:60]!r} {problem}"] if problem else []
    _, problem = tried(subject.received, subject.sent(REQUESTS["plain"]), b"{")
    notes.broken += [] if "InvalidJson" in problem else ["what is no JSON is not refused as InvalidJson"]
    return notes.verdict()
