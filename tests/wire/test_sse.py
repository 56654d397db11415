from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pointsman.core.errors import UpstreamGarbage
from pointsman.wire import sse


def taken(data: bytes, size: int) -> tuple[bytes, bytes]:
    frames = sse.Frames()
    out = b"".join(frames.take(data[at : at + size]) for at in range(0, len(data), size))
    return out, frames.rest()


def events(data: bytes, size: int) -> list[tuple[bytes, bytes | None]]:
    out, rest = taken(data, size)
    found = [sse.fields(event) for event in sse.split(out)]
    found.append(sse.fields(rest))
    return [event for event in found if event[1] is not None]


MANNERS = {
    "lf": b"data: one\n\ndata: two\n\n",
    "crlf": b"data: one\r\n\r\ndata: two\r\n\r\n",
    "cr": b"data: one\r\rdata: two\r\r",
    "mixed ends": b"data: one\r\n\ndata: two\n\r\n",
    "lf then cr": b"data: one\n\rdata: two\n\n",
    "no space": b"data:one\n\ndata:two\n\n",
    "byte order mark": b"\xef\xbb\xbfdata: one\n\ndata: two\n\n",
    "comments": b": hello\n\ndata: one\n\n: ping\n:\n\ndata: two\n\n",
    "comment inside": b": hello\ndata: one\n: ping\n\ndata: two\n\n",
    "other fields": b"id: 1\nretry: 10\ndata: one\n\nid\ndata: two\nid: 2\n\n",
    "extra blank lines": b"\n\ndata: one\n\n\n\n\ndata: two\n\n\n",
    "last one open": b"data: one\n\ndata: two",
}


@pytest.mark.parametrize("data", MANNERS.values(), ids=MANNERS.keys())
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_every_manner_of_writing_gives_the_same_events_and_bytes(data: bytes, size: int) -> None:
    assert events(data, size) == [(b"", b"one"), (b"", b"two")]
    out, rest = taken(data, size)
    assert out + rest == data


def test_names_and_several_data_lines() -> None:
    event = b"event: error\ndata: {\ndata:  1}\ndata\n\n"
    assert sse.fields(event) == (b"error", b"{\n 1}\n")


def test_a_comment_is_forwarded_as_soon_as_its_line_is_complete() -> None:
    frames = sse.Frames()
    assert frames.take(b": PROCESSING\n") == b": PROCESSING\n"
    assert frames.take(b"\ndata: o") == b""
    assert frames.take(b"ne\n\n") == b"\ndata: one\n\n"


def test_an_event_waits_for_its_blank_line_and_not_longer() -> None:
    frames = sse.Frames()
    assert frames.take(b"data: one\n") == b""
    assert frames.take(b"\n") == b"data: one\n\n"
    assert frames.take(b"data: two\r\n\r") == b""
    assert frames.take(b"\n") == b"data: two\r\n\r\n"


def test_an_endless_event_is_refused() -> None:
    frames = sse.Frames(limit=1_000)
    for _ in range(9):
        assert frames.take(b"data: " + b"x" * 100) == b""
    with pytest.raises(UpstreamGarbage, match="1000 bytes"):
        frames.take(b"x" * 100)


def test_a_large_event_in_small_pieces_takes_linear_time() -> None:
    frames = sse.Frames()
    piece = b"x" * 1_000
    for _ in range(8_000):
        assert frames.take(piece) == b""
    assert len(frames.take(b"\n\n")) == 8_000_002


@given(st.binary(max_size=200), st.integers(1, 30))
@example(b"\n\r\n\r", 1)
@example(b"\r\r\n", 2)
def test_no_byte_is_lost_or_moved(data: bytes, size: int) -> None:
    out, rest = taken(data, size)
    assert out + rest == data
    assert b"".join(sse.split(out)) == out


@given(st.text(alphabet="ab:\n\r ", max_size=60), st.integers(1, 9))
def test_any_split_gives_the_same_data(text: str, size: int) -> None:
    data = b"data: x\n\n" + text.encode() + b"\n\ndata: y\n\n"
    assert events(data, size) == events(data, len(data))
