"""What an answer is, where it ends, and what is none."""

from __future__ import annotations

import gzip
import zlib

import pytest
from scripted_server import Peer, answers, chunked, drain, post, serving, whole

from pointsman.core.errors import PointsmanError, UpstreamCut, UpstreamError, UpstreamGarbage
from pointsman.core.ports import Carrier

TEXT = b'{"choices": [{"message": {"content": "Paris"}}]}' * 40
RAW = zlib.compressobj(wbits=-15)
RAW_DEFLATE = RAW.compress(TEXT) + RAW.flush()


async def stream(carrier: Carrier, url: str) -> bytes:
    response = await carrier.send(post(url))
    pieces = []
    while piece := await response.next_chunk():
        pieces.append(piece)
    assert await response.next_chunk() == b""
    await response.aclose()
    return b"".join(pieces)


async def read(carrier: Carrier, url: str, **changes: object) -> bytes:
    response = await carrier.send(post(url, **changes))
    try:
        return await response.read()
    finally:
        await response.aclose()


WHOLE = {
    "content-length": whole(TEXT),
    "chunked": chunked(TEXT[:7], TEXT[7:100], TEXT[100:]),
    "chunked with trailers": chunked(TEXT, trailers=b"x-checksum: abc\r\nx-more: d\r\n"),
    "after 100 and 103": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + whole(TEXT),
    "gzip": whole(gzip.compress(TEXT), extra="content-encoding: gzip\r\n"),
    "gzip in two members": whole(gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:]), extra="content-encoding: gzip\r\n"),
    "chunked x-gzip": chunked(*[bytes([b]) for b in gzip.compress(TEXT)], extra="content-encoding: x-gzip\r\n"),
    "deflate": whole(zlib.compress(TEXT), extra="content-encoding: deflate\r\n"),
    "raw deflate": chunked(RAW_DEFLATE[:1], RAW_DEFLATE[1:], extra="content-encoding: deflate\r\n"),
    "identity": whole(TEXT, extra="content-encoding: identity\r\n"),
    "HTTP/1.0 with length": b"HTTP/1.0 200 OK\r\ncontent-length: %d\r\n\r\n" % len(TEXT) + TEXT,
    "an offer of h2c": whole(TEXT, extra="upgrade: h2c\r\nconnection: upgrade, keep-alive\r\n"),
    "no reason phrase": whole(TEXT, status="200 "),
}


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("split", [0, 1, 7])
async def test_a_whole_answer_is_read_whole_in_any_split(carrier: Carrier, name: str, split: int) -> None:
    async def script(peer: Peer) -> None:
        for _ in range(2):
            await peer.request()
            await peer.send(WHOLE[name], pieces=split)

    async with serving(script) as server:
        assert await read(carrier, server.url) == TEXT
        assert await stream(carrier, server.url) == TEXT


@pytest.mark.parametrize("head", [b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"])
async def test_a_body_without_length_ends_with_the_connection(carrier: Carrier, head: bytes) -> None:
    async with serving(answers(head + TEXT, keep=False)) as server:
        assert await read(carrier, server.url) == TEXT
        assert await stream(carrier, server.url) == TEXT
        assert server.peers == 2


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
async def test_204_and_304_have_no_body(carrier: Carrier, status: str) -> None:
    async with serving(answers(f"HTTP/1.1 {status}\r\nx-a: b\r\n\r\n".encode())) as server:
        response = await carrier.send(post(server.url))
        assert response.status == int(status[:3])
        assert await response.read() == b""
        await response.aclose()


async def test_an_answer_to_head_has_no_body(carrier: Carrier) -> None:
    async with serving(answers(b"HTTP/1.1 200 OK\r\ncontent-length: 512\r\n\r\n")) as server:
        response = await carrier.send(post(server.url, method="HEAD", body=b""))
        assert response.header(b"content-length") == b"512"
        assert await response.read() == b""
        await response.aclose()


async def test_status_and_headers_come_as_sent_with_lower_case_names(carrier: Carrier) -> None:
    reply = whole(b"slow down", status="429 Too Many", extra="Retry-After: 7\r\nX-Two: a\r\nX-Two: b\r\n")
    async with serving(answers(reply)) as server:
        response = await carrier.send(post(server.url))
        assert (response.status, response.header(b"retry-after"), response.header(b"x-none")) == (429, b"7", b"")
        assert response.header(b"x-two") == b"a"
        assert [value for name, value in response.headers if name == b"x-two"] == [b"a", b"b"]
        assert await response.read() == b"slow down"
        await response.aclose()


async def test_what_was_decompressed_is_not_announced_as_compressed(carrier: Carrier) -> None:
    async with serving(answers(WHOLE["gzip"])) as server:
        response = await carrier.send(post(server.url))
        assert not {b"content-encoding", b"content-length"} & {name for name, _ in response.headers}
        assert response.header(b"content-encoding") == b""
        assert await response.read() == TEXT


async def test_redirects_are_answers_like_any_other(carrier: Carrier) -> None:
    async with serving(answers(whole(b"", status="307 T", extra="location: http://127.0.0.1:1/\r\n"))) as server:
        response = await carrier.send(post(server.url))
        assert response.status == 307
        await response.aclose()


CUT = {
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\ncontent-le",
    "only a 100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "less than the length": b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello",
    "no last chunk": chunked(TEXT)[:-5],
    "half a chunk": chunked(TEXT)[:-30],
    "half a last chunk": chunked(TEXT)[:-2],
}


@pytest.mark.parametrize("name", CUT)
@pytest.mark.parametrize("way", ["read", "stream"])
async def test_an_answer_that_stops_early_is_never_whole(carrier: Carrier, name: str, way: str) -> None:
    async with serving(answers(CUT[name], keep=False)) as server:
        with pytest.raises(UpstreamCut) as caught:
            await (read if way == "read" else stream)(carrier, server.url)
        assert f"127.0.0.1:{server.port}" in caught.value.message


GARBAGE = {
    "not HTTP": b"220 mail.example ESMTP\r\n\r\n",
    "a status of letters": b"HTTP/1.1 abc OK\r\n\r\n",
    "a negative length": b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    "a chunk size of letters": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    "an endless head": b"HTTP/1.1 200 OK\r\n" + b"".join(b"x-%d: %b\r\n" % (i, b"y" * 1000) for i in range(1000)),
    "one endless header": b"HTTP/1.1 200 OK\r\nx-a: " + b"y" * 1_000_000,
    "brotli": whole(b"\x1b\x00", extra="content-encoding: br\r\n"),
    "gzip that is none": whole(b"hello", extra="content-encoding: gzip\r\n"),
    "half a gzip": whole(gzip.compress(TEXT)[:30], extra="content-encoding: gzip\r\n"),
    "more than allowed": whole(b"x" * 300_000),
    "more than allowed, in chunks": chunked(*[b"x" * 60_000] * 5),
    "more than allowed once inflated": whole(gzip.compress(b"x" * 9_000_000), extra="content-encoding: gzip\r\n"),
}


@pytest.mark.parametrize("name", GARBAGE)
@pytest.mark.parametrize("way", ["read", "stream"])
async def test_what_is_no_answer_is_called_garbage(carrier: Carrier, name: str, way: str) -> None:
    async with serving(answers(GARBAGE[name], keep=False)) as server:
        with pytest.raises(UpstreamGarbage) as caught:
            await drain(await carrier.send(post(server.url, max_answer=200_000)), way)
        assert f"127.0.0.1:{server.port}" in caught.value.message


async def test_a_switch_of_protocol_that_nobody_asked_for_is_an_error(carrier: Carrier) -> None:
    reply = b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nabc"
    async with serving(answers(reply, keep=False)) as server:
        with pytest.raises(UpstreamError):
            await read(carrier, server.url)


async def test_a_stream_that_is_cut_delivers_what_came_then_says_so(carrier: Carrier) -> None:
    async with serving(answers(chunked(b"data: 1\n\n")[:-5], keep=False)) as server:
        response = await carrier.send(post(server.url))
        assert await response.next_chunk() == b"data: 1\n\n"
        for _ in range(2):
            with pytest.raises(UpstreamCut):
                await response.next_chunk()
        await response.aclose()


SMUGGLED = [
    {"headers": ((b"x-a", b"b\r\nx-evil: 1"),)},
    {"headers": ((b"x-a", b"b\nx-evil: 1"),)},
    {"headers": ((b"x-a", b"b\x00"),)},
    {"headers": ((b"x-a: b\r\nx-evil", b"1"),)},
    {"headers": ((b"", b"1"),)},
    {"headers": ((b"Content-Length", b"0"),)},
    {"headers": ((b"transfer-encoding", b"chunked"),)},
    {"headers": ((b"host", b"elsewhere"),)},
    {"method": "POST / HTTP/1.1\r\nx-evil: 1\r\n\r\n"},
]


@pytest.mark.parametrize("changes", SMUGGLED)
async def test_nothing_that_would_break_out_of_a_head_is_sent(carrier: Carrier, changes: dict[str, object]) -> None:
    async with serving(answers(whole())) as server:
        with pytest.raises(PointsmanError):
            await carrier.send(post(server.url, **changes))
        assert server.peers == 0


@pytest.mark.parametrize("tail", [" HTTP/1.1\r\nx-evil: 1\r\n", "\r\nx-evil: 1", "\n", "\t", "\u2028", "é"])
async def test_nothing_that_would_break_out_of_a_request_line_is_sent(carrier: Carrier, tail: str) -> None:
    async with serving(answers(whole())) as server:
        with pytest.raises(PointsmanError):
            await carrier.send(post(server.url + tail))
        assert server.peers == 0


@pytest.mark.parametrize(
    "url", ["", "ftp://a/", "http://", "http://u:secret@a/", "http://a:99999/", "//a", "http://[::1"]
)
async def test_what_is_no_url_is_a_readable_error_without_the_secret(carrier: Carrier, url: str) -> None:
    with pytest.raises(PointsmanError) as caught:
        await carrier.send(post(url))
    assert "secret" not in caught.value.message


async def test_the_request_arrives_as_it_was_given(carrier: Carrier) -> None:
    seen = []

    async def script(peer: Peer) -> None:
        for _ in range(2):
            seen.append(await peer.request())
            await peer.send(whole())

    body = b"\x00\xff" * 700_000
    async with serving(script) as server:
        headers = ((b"x-a", b"1"), (b"authorization", b"Bearer k"), (b"accept-encoding", b"identity"))
        for sent in (b"{}", body):
            await read(carrier, server.url + "?a=b%20c", headers=headers, body=sent)
    for (line, got, got_body), sent in zip(seen, (b"{}", body), strict=True):
        assert line == "POST /v1/chat/completions?a=b%20c HTTP/1.1"
        assert got["host"] == f"127.0.0.1:{server.port}"
        assert (got["x-a"], got["authorization"], got["accept-encoding"]) == ("1", "Bearer k", "identity")
        assert got["content-length"] == str(len(sent))
        assert got_body == sent
