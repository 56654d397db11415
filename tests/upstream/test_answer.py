"""Reading one answer from bytes: any split gives the same, garbage gives errors of the tree only."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzzing import examples
from pointsman.core.errors import UpstreamCut, UpstreamError, UpstreamGarbage
from pointsman.upstream.answer import MAX_HEAD, AnswerReader
from pointsman.upstream.decoding import DecodingError, Inflater

BODIES = st.binary(max_size=300)
LIMIT = 10_000


def as_chunks(body: bytes, sizes: list[int]) -> bytes:
    out, rest = b"", body
    for size in sizes:
        if rest:
            out += b"%x;ext=1\r\n%b\r\n" % (len(rest[:size]), rest[:size])
            rest = rest[size:]
    if rest:
        out += b"%X\r\n%b\r\n" % (len(rest), rest)
    return out + b"0\r\nx-trailer: 1\r\n\r\n"


@st.composite
def valid_answers(draw: st.DrawFn) -> tuple[bytes, bytes]:
    body = draw(BODIES)
    encoding = draw(st.sampled_from(["", "gzip", "deflate"]))
    sent = {"": body, "gzip": gzip.compress(body), "deflate": zlib.compress(body)}[encoding]
    head = b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n" if draw(st.booleans()) else b""
    head += b"HTTP/1.1 200 OK\r\nX-One: 1\r\n" + (f"content-encoding: {encoding}\r\n".encode() if encoding else b"")
    if draw(st.booleans()):
        return head + b"content-length: %d\r\n\r\n" % len(sent) + sent, body
    sizes = draw(st.lists(st.integers(1, 50), max_size=8))
    return head + b"transfer-encoding: chunked\r\n\r\n" + as_chunks(sent, sizes), body


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True) if a < b]


def fed(pieces: list[bytes], limit: int = LIMIT) -> tuple[AnswerReader, bytes]:
    reader, body = AnswerReader("lab:80", limit), b""
    for piece in pieces:
        reader.feed(piece)
        body += reader.take()
    return reader, body


@settings(max_examples=examples(200), deadline=None)
@given(valid_answers(), st.lists(st.integers(0, 2000), max_size=12))
def test_any_split_gives_the_same_answer(answer: tuple[bytes, bytes], cuts: list[int]) -> None:
    wire, body = answer
    reader, got = fed(split(wire, cuts))
    assert reader.error is None
    assert (reader.complete, reader.reusable, reader.status, got) == (True, True, 200, body)
    assert reader.header(b"x-one") == b"1"


@settings(max_examples=examples(200), deadline=None)
@given(valid_answers(), st.integers(0, 2000), st.booleans())
def test_a_cut_anywhere_is_never_whole(answer: tuple[bytes, bytes], cut: int, dropped: bool) -> None:
    wire, body = answer
    reader, got = fed([wire[: cut % len(wire)]])
    assert not reader.complete
    reader.feed_eof("reset" if dropped else "")
    assert isinstance(reader.error, UpstreamError)
    assert body.startswith(got)
    assert not reader.reusable


@settings(max_examples=examples(200), deadline=None)
@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=5))
def test_garbage_gives_errors_of_the_tree_only(data: bytes, cuts: list[int]) -> None:
    for start in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"):
        reader, _ = fed(split(start + data, cuts))
        reader.feed_eof()
        assert reader.complete or isinstance(reader.error, UpstreamCut | UpstreamGarbage)


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"gzip", b"deflate"]))
def test_what_does_not_decompress_is_one_error(data: bytes, encoding: bytes) -> None:
    inflater = Inflater(encoding, 1000)
    try:
        for number in range(len(data)):
            inflater.feed(data[number : number + 1])
        inflater.finish()
    except DecodingError:
        pass


def test_decompression_is_bounded() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    inflater = Inflater(b"gzip", 100_000)
    with pytest.raises(DecodingError, match="larger"):
        inflater.feed(bomb)


@pytest.mark.parametrize(
    "endless",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
        b"HTTP/1.1 200 OK\r\nx-a: " + b"y" * 1000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-a: " + b"y" * 1000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;" + b"y" * 1000,
    ],
)
def test_framing_without_end_is_stopped(endless: bytes) -> None:
    reader, fed_bytes = AnswerReader("lab:80", LIMIT), 0
    more = endless if endless.endswith(b"\n") else b"y" * 1000
    reader.feed(endless)
    while reader.error is None:
        reader.feed(more)
        fed_bytes += len(more)
        assert fed_bytes < 3 * MAX_HEAD
    assert isinstance(reader.error, UpstreamGarbage)


def test_bytes_after_the_end_spoil_the_connection_and_not_the_answer() -> None:
    wire = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    for surplus in (b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged", b"garbage"):
        reader, got = fed([wire + surplus])
        assert (reader.complete, reader.error, got, reader.reusable) == (True, None, b"ok", False)
        reader, got = fed([wire, surplus])
        assert (reader.complete, reader.error, got, reader.reusable) == (True, None, b"ok", False)
