"""When connections are opened, kept, given up; what each limit and each way to fail looks like."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable

import pytest
from conformance_tools import open_files
from scripted_server import Peer, answers, chunked, drain, post, serving, whole

from pointsman.core.errors import ConnectFailed, UpstreamCut, UpstreamTimeout
from pointsman.core.model import TimeLimits
from pointsman.core.ports import Carrier
from pointsman.upstream.reqwest import ReqwestCarrier


async def ask(carrier: Carrier, url: str, **changes: object) -> bytes:
    response = await carrier.send(post(url, **changes))
    try:
        return await response.read()
    finally:
        await response.aclose()


def limits(**changes: float) -> TimeLimits:
    return TimeLimits(**{"connect": 2, "first_byte": 5, "between_bytes": 5, "total": 10, **changes})


async def test_requests_in_turn_share_one_connection(carrier: Carrier) -> None:
    async with serving(answers(whole(b"abc"))) as server:
        for _ in range(300):
            assert await ask(carrier, server.url) == b"abc"
        assert server.peers == 1


async def test_a_stream_read_to_its_end_leaves_its_connection_for_the_next(carrier: Carrier) -> None:
    async with serving(answers(chunked(b"a", b"b"))) as server:
        for _ in range(5):
            response = await carrier.send(post(server.url))
            while await response.next_chunk():
                pass
            await response.aclose()
        assert server.peers == 1


async def test_requests_at_the_same_time_do_not_mix(carrier: Carrier) -> None:
    async def script(peer: Peer) -> None:
        while True:
            _, _, body = await peer.request()
            await asyncio.sleep(0.001)
            await peer.send(whole(body))

    async def one(number: int) -> None:
        for turn in range(10):
            sent = b"%d/%d" % (number, turn)
            assert await ask(carrier, server.url, body=sent) == sent

    async with serving(script) as server:
        await asyncio.gather(*(one(number) for number in range(64)))
        assert server.peers < 640, "no connection was used twice"


async def test_a_server_that_says_close_is_taken_at_its_word(carrier: Carrier) -> None:
    async with serving(answers(whole(b"abc", extra="connection: close\r\n"))) as server:
        for _ in range(3):
            assert await ask(carrier, server.url) == b"abc"
        assert server.peers == 3


async def test_bytes_after_an_answer_do_not_become_the_next_one(carrier: Carrier) -> None:
    async with serving(answers(whole(b"first") + whole(b"forged"), whole(b"second"))) as server:
        assert await ask(carrier, server.url) == b"first"
        assert await ask(carrier, server.url) == b"first"
        assert server.peers == 2


async def test_a_kept_connection_that_the_server_closed_is_replaced(carrier: Carrier) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(whole(b"abc"))

    async with serving(script) as server:
        for _ in range(3):
            assert await ask(carrier, server.url) == b"abc"
            await asyncio.sleep(0.02)
        assert server.peers == 3


async def test_a_server_that_never_answers_is_not_asked_again_and_again(carrier: Carrier) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()

    async with serving(script) as server:
        with pytest.raises(UpstreamCut):
            await ask(carrier, server.url)
        assert server.peers == 1


async def test_an_answer_begun_on_a_kept_connection_is_not_asked_for_twice(carrier: Carrier) -> None:
    asked = 0

    async def script(peer: Peer) -> None:
        nonlocal asked
        for reply in (whole(b"abc"), b"HTTP/1.1 200 OK\r\n"):
            await peer.request()
            asked += 1
            await peer.send(reply)

    async with serving(script) as server:
        await ask(carrier, server.url)
        with pytest.raises(UpstreamCut):
            await ask(carrier, server.url)
        assert asked == 2


async def test_refused_names_host_and_port(carrier: Carrier) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConnectFailed, match=f"127.0.0.1:{port}.*refused"):
        await ask(carrier, f"http://127.0.0.1:{port}/?key=secret")


async def test_a_name_that_does_not_resolve_says_so(carrier: Carrier) -> None:
    with pytest.raises(ConnectFailed, match=r"nowhere\.invalid") as caught:
        await ask(carrier, "http://nowhere.invalid/?key=secret")
    assert "secret" not in caught.value.message


async def test_connecting_is_bounded(carrier: Carrier) -> None:
    # A full backlog: the kernel drops what comes next, as a firewall would.
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        fillers = []
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
            fillers.append(filler)
        started = time.monotonic()
        with pytest.raises(UpstreamTimeout) as caught:
            await ask(carrier, f"http://127.0.0.1:{deaf.getsockname()[1]}/", limits=limits(connect=0.3))
        assert caught.value.phase == "connect"
        assert 0.25 < time.monotonic() - started < 2
        for filler in fillers:
            filler.close()


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_a_head_that_does_not_come_is_a_first_byte_timeout(carrier: Carrier, begun: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(begun)
        await peer.gone()

    async with serving(script) as server:
        with pytest.raises(UpstreamTimeout) as caught:
            await ask(carrier, server.url, limits=limits(first_byte=0.2, connect=0.1, between_bytes=0.2))
        assert caught.value.phase == "first_byte"
        await asyncio.wait_for(server.closed.wait(), 3)


@pytest.mark.parametrize("way", ["read", "stream"])
async def test_silence_within_an_answer_is_a_timeout_of_its_own(carrier: Carrier, way: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(chunked(b"abc")[:-5])
        await peer.gone()

    async with serving(script) as server:
        response = await carrier.send(post(server.url, limits=limits(between_bytes=0.2)))
        started = time.monotonic()
        with pytest.raises(UpstreamTimeout) as caught:
            await drain(response, way)
        assert caught.value.phase == "between_bytes"
        assert 0.15 < time.monotonic() - started < 1.5
        await response.aclose()
        await asyncio.wait_for(server.closed.wait(), 1)


@pytest.mark.parametrize("way", ["read", "stream"])
async def test_a_dribble_that_never_ends_is_stopped_by_the_total(carrier: Carrier, way: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n" + b"x" * 900, pieces=1, pause=0.02)

    async with serving(script) as server:
        started = time.monotonic()
        response = await carrier.send(post(server.url, limits=limits(total=1.6, first_byte=1.5, between_bytes=0.4)))
        with pytest.raises(UpstreamTimeout) as caught:
            await drain(response, way)
        assert caught.value.phase == "total"
        assert 1.5 < time.monotonic() - started < 3
        await response.aclose()


async def test_time_that_our_own_side_takes_is_not_the_providers_silence(carrier: Carrier) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(chunked(b"abc")[:-5])
        await asyncio.sleep(0.5)
        await peer.send(b"3\r\ndef\r\n0\r\n\r\n")

    async with serving(script) as server:
        response = await carrier.send(post(server.url, limits=limits(between_bytes=0.3)))
        assert await response.next_chunk() == b"abc"
        await asyncio.sleep(0.6)
        assert await response.next_chunk() == b"def"
        assert await response.next_chunk() == b""
        await response.aclose()


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 20", chunked(b"abc")[:-5]], ids=["nothing", "head", "body"])
async def test_cancelling_closes_the_connection_at_once(request, carrier: Carrier, begun: bytes) -> None:
    if isinstance(carrier, ReqwestCarrier) and not begun.endswith(b"\r\n"):
        request.applymarker(pytest.mark.xfail(reason="see upstream/reqwest.py: closed later", strict=True))

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(begun)
        await peer.gone()

    async with serving(script) as server:
        task = asyncio.ensure_future(ask(carrier, server.url))
        await asyncio.sleep(0.1)
        assert not task.done()
        task.cancel()
        started = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.closed.wait(), 1)
        assert time.monotonic() - started < 0.2


async def test_cancelling_while_connecting_leaves_nothing_behind(carrier: Carrier) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        url = f"https://localhost:{silent.getsockname()[1]}/"  # TCP connects, TLS never answers
        task = asyncio.ensure_future(ask(carrier, url))
        await asyncio.sleep(0.15)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_letting_go_before_the_end_closes_the_connection(carrier: Carrier) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(chunked(b"abc")[:-5])
        await peer.gone()

    async with serving(script) as server:
        response = await carrier.send(post(server.url))
        assert await response.next_chunk() == b"abc"
        await response.aclose()
        await response.aclose()
        await asyncio.wait_for(server.closed.wait(), 0.5)


async def test_after_a_failure_the_next_request_gets_its_own_answer(carrier: Carrier) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 1:
            await peer.gone()
        await peer.send(whole(b"mine"))

    async with serving(script) as server:
        with pytest.raises(UpstreamTimeout):
            await ask(carrier, server.url, limits=limits(first_byte=0.1, connect=0.1))
        assert await ask(carrier, server.url) == b"mine"


async def test_a_closed_carrier_sends_nothing(make_carrier: Callable[[], Carrier]) -> None:
    carrier = make_carrier()
    async with serving(answers(whole())) as server:
        await ask(carrier, server.url)
        await carrier.aclose()
        await asyncio.wait_for(server.closed.wait(), 1)
        with pytest.raises(ConnectFailed):
            await ask(carrier, server.url)


async def test_a_slow_reader_stops_the_sender(carrier: Carrier) -> None:
    sent = 0
    block = b"10000\r\n" + b"x" * 65536 + b"\r\n"

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(800):
            await peer.send(block)
            sent += 65536
        await peer.send(b"0\r\n\r\n")

    async with serving(script) as server:
        response = await carrier.send(post(server.url))
        first = await response.next_chunk()
        await asyncio.sleep(0.4)
        before = sent
        await asyncio.sleep(0.2)
        assert sent == before, "the sender is still being read"
        assert sent < 16 * 1024 * 1024  # socket buffers of both ends, ours on top
        total = len(first)
        while piece := await response.next_chunk():
            total += len(piece)
        assert total == 800 * 65536
        await response.aclose()


async def test_events_come_one_by_one_as_they_are_sent(carrier: Carrier) -> None:
    got = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for number in range(20):
            event = b"data: %d\n\n" % number
            await peer.send(b"%x\r\n%b\r\n" % (len(event), event))
            await asyncio.wait_for(got.wait(), 2)
            got.clear()
        await peer.send(b"0\r\n\r\n")

    async with serving(script) as server:
        response = await carrier.send(post(server.url))
        for number in range(20):
            assert await response.next_chunk() == b"data: %d\n\n" % number
            got.set()
        assert await response.next_chunk() == b""
        await response.aclose()


async def test_tls_with_a_ca_of_our_own(carrier: Carrier, certificates) -> None:
    async with serving(answers(whole(b"secret"), chunked(b"a", b"b")), tls=certificates.good) as server:
        assert await ask(carrier, server.url, ca_file=certificates.ca_file) == b"secret"
        assert await ask(carrier, server.url, ca_file=certificates.ca_file) == b"ab"
        assert server.peers == 1


@pytest.mark.parametrize("fault", ["expired", "wrong_host", "other_ca", "no_ca"])
async def test_tls_that_cannot_be_trusted_is_refused(carrier: Carrier, certificates, fault: str) -> None:
    context = {"expired": certificates.expired, "wrong_host": certificates.wrong_host}.get(fault, certificates.good)
    ca_file = {"other_ca": certificates.other_ca_file, "no_ca": ""}.get(fault, certificates.ca_file)
    async with serving(answers(whole(b"secret")), tls=context) as server:
        with pytest.raises(ConnectFailed, match=f"localhost:{server.port}") as caught:
            await ask(carrier, server.url, ca_file=ca_file)
        assert "certificate" in caught.value.message.lower()


async def test_a_ca_file_of_no_use_is_a_readable_error(carrier: Carrier, tmp_path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate here")
    for ca_file in (str(empty), str(tmp_path / "absent.pem")):
        with pytest.raises(ConnectFailed, match=ca_file):
            await ask(carrier, "https://localhost:1/", ca_file=ca_file)


async def test_tls_against_a_server_without(carrier: Carrier) -> None:
    async with serving(answers(whole())) as server:
        with pytest.raises((ConnectFailed, UpstreamTimeout)):
            await ask(carrier, server.url.replace("http:", "https:"), limits=limits(connect=0.5))


async def test_a_tls_body_without_length_that_is_cut_off_is_not_whole(carrier: Carrier, certificates) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhalf of")
        await asyncio.sleep(0.05)
        # Close TCP without TLS's own goodbye, as somebody in between could.
        with socket.socket(fileno=os.dup(peer.writer.get_extra_info("socket").fileno())) as raw:
            raw.shutdown(socket.SHUT_WR)
        await peer.gone()

    async with serving(script, tls=certificates.good) as server:
        with pytest.raises(UpstreamCut):
            await ask(carrier, server.url, ca_file=certificates.ca_file)


async def test_nothing_is_left_open(make_carrier: Callable[[], Carrier], certificates) -> None:
    async def round_trip() -> None:
        carrier = make_carrier()
        async with serving(answers(whole(b"abc"))) as good, serving(answers(b"", keep=False)) as bad:
            await asyncio.gather(*(ask(carrier, good.url) for _ in range(20)))
            for _ in range(10):
                with pytest.raises(UpstreamCut):
                    await ask(carrier, bad.url)
                response = await carrier.send(post(good.url))
                await response.aclose()
        async with serving(answers(whole(b"abc")), tls=certificates.good) as secure:
            await ask(carrier, secure.url, ca_file=certificates.ca_file)
        await carrier.aclose()
        await asyncio.sleep(0.05)

    await round_trip()
    before = open_files()
    await round_trip()
    assert open_files() <= before
