"""What only our own carrier promises: its pool, its bounds, its addresses."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_server import Peer, answers, drain, post, serving, whole

from pointsman.core.errors import ConnectFailed, UpstreamTimeout
from pointsman.core.model import TimeLimits
from pointsman.upstream.address import build_head, parse_url
from pointsman.upstream.http1 import Http1Carrier, PoolLimits


@pytest_asyncio.fixture
async def carrier() -> AsyncIterator[Http1Carrier]:
    carrier = Http1Carrier()
    yield carrier
    await carrier.aclose()


async def ask(carrier: Http1Carrier, url: str, **changes: object) -> bytes:
    return await drain(await carrier.send(post(url, **changes)), "read")


async def echo(peer: Peer) -> None:
    while True:
        _, _, body = await peer.request()
        await asyncio.sleep(0.002)
        await peer.send(whole(body))


async def test_two_thousand_requests_in_turn_use_one_connection(carrier: Http1Carrier) -> None:
    async with serving(answers(whole(b"abc"))) as server:
        for _ in range(2000):
            assert await ask(carrier, server.url) == b"abc"
        assert server.peers == 1


async def test_sixty_four_at_once_need_sixty_four_connections_and_no_more(carrier: Http1Carrier) -> None:
    async def many(number: int) -> None:
        for turn in range(20):
            body = b"%d.%d" % (number, turn)
            assert await ask(carrier, server.url, body=body) == body

    async with serving(echo) as server:
        await asyncio.gather(*(many(number) for number in range(64)))
        assert server.peers == 64


async def test_the_number_of_connections_can_be_bounded() -> None:
    carrier = Http1Carrier(PoolLimits(max_open=3))
    async with serving(echo) as server:
        sent = [b"%d" % number for number in range(30)]
        assert await asyncio.gather(*(ask(carrier, server.url, body=body) for body in sent)) == sent
        assert server.peers == 3
    await carrier.aclose()


async def test_who_finds_no_free_connection_waits_no_longer_than_connect_allows() -> None:
    carrier = Http1Carrier(PoolLimits(max_open=1))

    async def silent(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    async with serving(silent) as server:
        first = asyncio.ensure_future(ask(carrier, server.url))
        await asyncio.sleep(0.05)
        with pytest.raises(UpstreamTimeout) as caught:
            await ask(carrier, server.url, limits=TimeLimits(connect=0.1))
        assert caught.value.phase == "connect"
        # A place that is given up is free for the next one.
        second = asyncio.ensure_future(ask(carrier, server.url))
        await asyncio.sleep(0.05)
        first.cancel()
        await asyncio.sleep(0.05)
        assert server.peers == 2
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)
    await carrier.aclose()


async def test_idle_connections_are_few_and_not_kept_for_ever() -> None:
    carrier = Http1Carrier(PoolLimits(max_idle=2, idle_seconds=0.2))
    async with serving(echo) as server:
        await asyncio.gather(*(ask(carrier, server.url) for _ in range(6)))
        (pool,) = carrier._pools.values()
        assert len(pool.connections) == 2
        await asyncio.sleep(0.4)
        assert len(pool.connections) == 0
    await carrier.aclose()


async def test_what_a_server_says_unasked_ends_the_idle_connection(carrier: Http1Carrier) -> None:
    ended = asyncio.Semaphore(0)

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(whole(b"abc"))
        await asyncio.sleep(0.02)
        await peer.send(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
        await peer.gone()
        ended.release()

    async with serving(script) as server:
        for _ in range(2):
            assert await ask(carrier, server.url) == b"abc"
            await asyncio.wait_for(ended.acquire(), 5)
        assert server.peers == 2


async def test_the_connection_is_free_as_soon_as_the_answer_has_arrived(carrier: Http1Carrier) -> None:
    async with serving(answers(whole(b"abc"))) as server:
        first = await carrier.send(post(server.url))  # not read, not closed
        assert await ask(carrier, server.url) == b"abc"
        assert await first.read() == b"abc"
        assert server.peers == 1


async def test_a_large_request_that_moves_is_not_called_silent(carrier: Http1Carrier) -> None:
    async def script(peer: Peer) -> None:
        sock = peer.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # else the kernel takes most of it at once
        await peer.reader.readuntil(b"\r\n\r\n")
        for _ in range(24):
            await peer.reader.readexactly(1024 * 1024)
            await asyncio.sleep(0.06)
        await peer.send(whole(b"abc"))

    async with serving(script) as server:
        body = b"x" * (24 * 1024 * 1024)
        assert await ask(carrier, server.url, body=body, limits=TimeLimits(first_byte=0.8)) == b"abc"


async def test_an_address_that_does_not_answer_does_not_hold_up_the_next(
    carrier: Http1Carrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A full backlog stands for a network that drops packets, as broken IPv6 does.
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.2", 0))
        deaf.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
        async with serving(answers(whole(b"abc"))) as server:
            loop = asyncio.get_running_loop()
            refused = ("127.0.0.1", 1)

            genuine = loop.getaddrinfo

            async def addresses(host: str, *rest: object, **more: object) -> list[tuple[object, ...]]:
                if host != "lab.example":
                    return await genuine(host, *rest, **more)
                places = [refused, deaf.getsockname(), ("127.0.0.1", server.port)]
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]

            monkeypatch.setattr(loop, "getaddrinfo", addresses)
            started = time.monotonic()
            assert await ask(carrier, f"http://lab.example:{server.port}/") == b"abc"
            assert time.monotonic() - started < 1
        for filler in fillers:
            filler.close()


URLS = {
    "http://a.example": (False, "a.example", 80, b"/", b"a.example"),
    "HTTPS://A.Example/v1?x=1#part": (True, "a.example", 443, b"/v1?x=1", b"a.example"),
    "https://a.example:8443/v1/": (True, "a.example", 8443, b"/v1/", b"a.example:8443"),
    "http://[::1]:9/x": (False, "::1", 9, b"/x", b"[::1]:9"),
    "https://a.example:443/": (True, "a.example", 443, b"/", b"a.example"),
    "http://a?b=c": (False, "a", 80, b"/?b=c", b"a"),
}


@pytest.mark.parametrize("url", URLS)
def test_a_url_is_taken_apart(url: str) -> None:
    address = parse_url(url)
    parts = (address.secure, address.host, address.port, address.target, address.authority)
    assert parts == URLS[url]


@settings(deadline=None)
@given(st.text(max_size=40))
def test_no_text_makes_a_head_of_more_than_its_lines(text: str) -> None:
    for url in (text, f"http://{text}", f"http://a.example/{text}", f"http://a.example:{text}/"):
        try:
            head = build_head("POST", parse_url(url), ())
        except ConnectFailed:
            continue
        assert head.count(b"\r\n") == 2
        assert head.count(b"\n") == 2
        assert head.split(b"\r\n")[0].count(b" ") == 2


@settings(deadline=None)
@given(st.binary(max_size=20), st.binary(max_size=20))
def test_no_header_makes_more_than_one_line(name: bytes, value: bytes) -> None:
    address = parse_url("http://a.example/")
    try:
        head = build_head("POST", address, ((name, value),))
    except ConnectFailed:
        return
    assert head.count(b"\n") == head.count(b"\r") == 3
    assert b"\r\n" + name + b": " + value + b"\r\n" in head


async def test_it_says_how_long_a_new_connection_took_and_of_a_kept_one_nothing(carrier: Http1Carrier) -> None:
    async with serving(answers(whole(b"abc"))) as server:
        told = []
        for _ in range(2):
            response = await carrier.send(post(server.url))
            told.append(response.connected)
            await drain(response, "read")
        first, second = told
        assert first is not None
        assert 0 < first < 5
        assert second is None
