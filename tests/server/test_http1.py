"""The protocol against raw sockets: what callers send, on purpose or not."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzzing import examples
from pointsman.core.call import Arrival
from pointsman.server.app import App
from pointsman.server.cors import Cors
from pointsman.server.exchange import Exchange
from pointsman.server.guard import Guard
from pointsman.server.host import Binding, Host, bind
from pointsman.server.http1 import Limits
from pointsman.server.table import Table
from pointsman.wire.openai_chat import OpenAIChat

Handler = Callable[[Arrival, Exchange], Awaitable[None]]
SMALL = Limits(max_head=4096, max_body=10_000, head_seconds=1, body_gap_seconds=1, body_seconds=3, idle_seconds=1)


async def nothing() -> None:
    return None


async def echo(arrival: Arrival, reply: Exchange) -> None:
    await reply.whole(200, [(b"x-path", arrival.path.encode())], arrival.method.encode() + b":" + arrival.body)


@asynccontextmanager
async def serving(handler: Handler = echo, limits: Limits = SMALL, cors: tuple[str, ...] = ()) -> AsyncIterator[int]:
    methods = dict.fromkeys(("GET", "POST"), handler)
    app = App(
        table=Table({"/x": methods}, {"/v1/models/": methods}),
        dialect=lambda _: OpenAIChat(),
        limits=limits,
        guard=Guard(lambda: True, "127.0.0.1", Cors(cors)),
    )
    binding = Binding(host="127.0.0.1", port=0, drain_seconds=1)
    sock = bind(binding)
    sock.listen(100)
    host = Host(app, binding, nothing, nothing)
    task = asyncio.create_task(host.serve([sock]))
    try:
        yield sock.getsockname()[1]
    finally:
        host.should_exit = True
        await task


async def exchange(port: int, data: bytes, *, until: bytes = b"") -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        await writer.drain()
        out = b""
        async with asyncio.timeout(6):
            while not (until and until in out):
                more = await reader.read(65536)
                if not more:
                    break
                out += more
        return out
    finally:
        writer.close()


def request(body: bytes = b"", path: str = "/x", method: str = "POST", extra: bytes = b"") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n".encode() + extra + b"\r\n" + body


async def test_a_whole_answer_has_its_length_and_the_connection_stays() -> None:
    async with serving() as port:
        out = await exchange(port, request(b"one") + request(b"two"), until=b"two")
    assert out.count(b"HTTP/1.1 200 OK") == 2
    assert b"content-length: 8\r\n" in out
    assert out.index(b"POST:one") < out.index(b"POST:two")


async def test_a_chunked_request_and_http_10() -> None:
    async with serving() as port:
        chunked = b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        assert (await exchange(port, chunked, until=b"abcde")).endswith(b"POST:abcde")
        old = await exchange(port, b"GET /x HTTP/1.0\r\n\r\n")
        assert b"connection: close" in old
        assert old.endswith(b"GET:")


async def test_head_has_no_body_but_the_length() -> None:
    async with serving() as port:
        out = await exchange(port, request(method="HEAD", extra=b"connection: close\r\n"))
    assert b"content-length: 5\r\n" in out
    assert out.endswith(b"\r\n\r\n")


async def test_a_stream_is_chunked_and_ends_properly() -> None:
    async def stream(arrival: Arrival, reply: Exchange) -> None:
        await reply.start(200, [(b"content-type", b"text/event-stream")])
        await reply.write(b"hello")
        await reply.write(b"")  # must not end the body
        await reply.write(b"you")
        await reply.end()

    async with serving(stream) as port:
        out = await exchange(port, request(), until=b"0\r\n\r\n")
        assert b"transfer-encoding: chunked" in out
        assert out.endswith(b"5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n")
        old = await exchange(port, b"GET /x HTTP/1.0\r\n\r\n")
        assert old.endswith(b"helloyou")


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "invalid_request"),
        (b"GET\r\n\r\n", 400, "invalid_request"),
        (b"POST /x HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello", 400, "invalid_request"),
        (request(extra=b"content-length: 4\r\ntransfer-encoding: chunked\r\n"), 400, "invalid_request"),
        (b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 999999\r\n\r\n", 413, "body_too_large"),
        (b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" + b"1000\r\n" + b"x" * 4096 + b"\r\n"
         + (b"1000\r\n" + b"x" * 4096 + b"\r\n") * 3, 413, "body_too_large"),
        (b"GET /x HTTP/1.1\r\n" + b"".join(b"h%d: v\r\n" % i for i in range(201)) + b"\r\n", 431, "headers_too_large"),
        (b"GET /x HTTP/1.1\r\nlong: " + b"v" * 5000, 431, "headers_too_large"),
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n", 431, "headers_too_large"),
        (request(path="/nowhere"), 404, "not_found"),
        (request(method="DELETE"), 405, "method_not_allowed"),
    ],
)  # fmt: skip
async def test_what_is_wrong_gets_an_error_of_the_right_status(data: bytes, status: int, code: str) -> None:
    async with serving() as port:
        out = await exchange(port, data, until=b'"fault"')
        assert out.startswith(f"HTTP/1.1 {status} ".encode()), out[:200]
        assert f'"code":"{code}"'.encode() in out
        assert (await exchange(port, request(b"ok"), until=b"POST:ok")).endswith(b"POST:ok"), "the server lives"


async def test_the_answer_to_a_body_that_is_too_large_reaches_a_sender_that_goes_on_sending() -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 50000000\r\n\r\n")
        for _ in range(100):
            writer.write(b"x" * 65536)
            await writer.drain()
        out = await reader.readuntil(b'"fault"')
        assert b"exceeds 9.766 KiB" in out
        writer.close()
    assert out.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "head", [b"", b"POST /x HTTP/1.1\r\nhost:", b"POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc"]
)
async def test_a_slow_sender_is_told_and_closed(head: bytes) -> None:
    async with serving() as port:
        out = await exchange(port, head)
    assert not out if not head else out.startswith(b"HTTP/1.1 408 ")


async def test_an_offer_to_upgrade_is_declined_by_answering_in_http_11() -> None:
    # Java's client offers h2c with every first request; RFC 9110 lets a server ignore the offer.
    offer = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
    async with serving() as port:
        out = await exchange(port, request(b"body", extra=offer), until=b"POST:body")
    assert out.startswith(b"HTTP/1.1 200 OK")
    assert out.endswith(b"POST:body")


async def test_expect_continue_is_answered_before_the_body() -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /x HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hi")
        assert b"200 OK" in await reader.readuntil(b"POST:hi")
        writer.close()


async def test_a_caller_that_hangs_up_cancels_its_call() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def slow(arrival: Arrival, reply: Exchange) -> None:
        begun.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            ended.set()
            raise

    async with serving(slow) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request())
        await begun.wait()
        writer.close()
        async with asyncio.timeout(2):
            await ended.wait()


async def test_a_call_that_still_has_to_tidy_up_delays_the_next_one_of_its_connection_alone() -> None:
    tidy = asyncio.Event()

    async def slow_to_leave(arrival: Arrival, reply: Exchange) -> None:
        await echo(arrival, reply)
        if arrival.body == b"one":
            await tidy.wait()

    async with serving(slow_to_leave) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(b"one"))
        assert (await asyncio.wait_for(reader.readuntil(b"POST:one"), 3)).startswith(b"HTTP/1.1 200")
        writer.write(request(b"two"))
        assert b"POST:else" in await exchange(port, request(b"else"), until=b"POST:else")
        tidy.set()
        assert (await asyncio.wait_for(reader.readuntil(b"POST:two"), 3)).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_an_idle_connection_that_goes_leaves_nothing_behind() -> None:
    async with serving() as port:
        before = len(asyncio.all_tasks())
        for _ in range(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request(b"one"))
            await asyncio.wait_for(reader.readuntil(b"POST:one"), 3)
            writer.close()
            await writer.wait_closed()
        for _ in range(300):
            if len(asyncio.all_tasks()) <= before:
                break
            await asyncio.sleep(0.01)
        assert len(asyncio.all_tasks()) <= before


async def test_an_idle_connection_holds_nothing_of_the_request_before() -> None:
    size = 8_000_000

    async def count(arrival: Arrival, reply: Exchange) -> None:
        await reply.whole(200, [], b"%d bytes" % len(arrival.body))

    async with serving(count, Limits(max_body=2 * size)) as port:
        tracemalloc.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request(b"x" * size))
            await asyncio.wait_for(reader.readuntil(b"%d bytes" % size), 10)
            held = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
            writer.close()
            await writer.wait_closed()
    assert held < size / 4


async def test_a_head_is_measured_by_its_own_bytes_when_it_comes_behind_another_request() -> None:
    large = SMALL.max_head * 2
    async with serving(limits=Limits(max_head=SMALL.max_head, max_body=10 * large)) as port:
        fits = request(b"x" * large) + request(b"two")
        assert (await exchange(port, fits, until=b"POST:two")).count(b"200 OK") == 2
        floods = request(b"x") + request(extra=b"x-a: " + b"y" * large + b"\r\n")
        refused = await exchange(port, floods)
        assert refused.index(b" 200 OK") < refused.index(b" 431 ")
        assert refused.endswith(b"}")


async def test_a_caller_that_does_not_read_makes_the_writer_wait() -> None:
    written = 0

    async def flood(arrival: Arrival, reply: Exchange) -> None:
        nonlocal written
        await reply.start(200, ())
        for _ in range(10_000):
            await reply.write(b"x" * 65536)
            written += 65536
        await reply.end()

    async with serving(flood) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(request())
        await asyncio.sleep(0.5)
        before = written
        await asyncio.sleep(0.5)
        assert written == before < 64_000_000, "a reader that stops stops the writer"
        writer.transport.abort()


async def test_a_defect_in_a_handler_is_a_500_and_the_server_lives(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(arrival: Arrival, reply: Exchange) -> None:
        raise ZeroDivisionError

    async def split(arrival: Arrival, reply: Exchange) -> None:
        await reply.whole(200, [(b"a", b"b\r\nset-cookie: evil")], b"")

    async with serving(broken) as port:
        out = await exchange(port, request(), until=b'"fault"')
        assert out.startswith(b"HTTP/1.1 500 ")
        assert b"ZeroDivisionError" not in out
    assert "ZeroDivisionError" in caplog.text
    async with serving(split) as port:
        out = await exchange(port, request())
        assert b"evil" not in out


async def test_pipelined_answers_and_interim_answers_leave_in_the_order_of_their_requests() -> None:
    async def mixed(arrival: Arrival, reply: Exchange) -> None:
        if arrival.body == b"s":
            await reply.start(200, ())
            await reply.write(b"streamed")
            await reply.end()
        else:
            await reply.whole(200, (), b"whole-" + arrival.body)

    async with serving(mixed) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(20):
            writer.write(request(body=b"a") + request(body=b"s") + request(body=b"b"))
            writer.write(request(b"c", extra=b"expect: 100-continue\r\n"))
            seen = b""
            while b"whole-c" not in seen:
                seen += await asyncio.wait_for(reader.read(65536), 2)
            places = [seen.index(part) for part in (b"whole-a", b"streamed", b"0\r\n\r\n", b"whole-b", b"whole-c")]
            assert places == sorted(places)
            assert seen.find(b"100 Continue") == -1 or places[3] < seen.index(b"100 Continue") < places[4]
        writer.close()


async def test_more_pipelined_requests_than_the_queue_holds_are_answered_in_order_or_refused() -> None:
    async def slow(arrival: Arrival, reply: Exchange) -> None:
        await asyncio.sleep(0.01)
        await echo(arrival, reply)

    async with serving(slow) as port:
        out = await exchange(port, b"".join(request(b"n%d." % i) for i in range(6)), until=b"n5.")
        many = await exchange(port, b"".join(request(b"n%d." % i) for i in range(30)))
    assert [out.index(b"n%d." % i) for i in range(6)] == sorted(out.index(b"n%d." % i) for i in range(6))
    assert many.count(b" 200 OK") == 9, "the one in progress and the eight that wait"
    assert many.index(b"n8.") < many.index(b" 400 ")
    assert b"pipelined" in many


async def test_cross_origin_calls_of_an_allowed_page() -> None:
    ask = b"origin: https://app.example\r\naccess-control-request-method: POST\r\n"
    async with serving(cors=("https://app.example",)) as port:
        preflight = await exchange(port, request(method="OPTIONS", extra=ask + b"connection: close\r\n"))
        assert preflight.startswith(b"HTTP/1.1 204 ")
        assert b"access-control-allow-origin: https://app.example" in preflight
        call = await exchange(port, request(extra=b"origin: https://app.example\r\nconnection: close\r\n"))
        assert b"access-control-allow-origin: https://app.example" in call
        foreign = await exchange(port, request(extra=b"origin: https://evil.example\r\nconnection: close\r\n"))
        assert b"access-control-allow-origin" not in foreign


@settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(st.binary(max_size=600), st.binary(max_size=100).map(lambda b: request(b)[:-1] + b)))
def test_any_bytes_at_all_leave_the_server_alive(data: bytes) -> None:
    async def go() -> None:
        async with serving(limits=Limits(head_seconds=0.2, body_gap_seconds=0.2, idle_seconds=0.2)) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(data)
            writer.write_eof()
            async with asyncio.timeout(5):
                await reader.read()
            writer.close()
            assert (await exchange(port, request(b"ok"), until=b"POST:ok")).endswith(b"POST:ok")

    asyncio.run(go())


@given(cut=st.integers(1, 60), body=st.binary(max_size=40))
@settings(max_examples=examples(10), deadline=None)
def test_any_split_of_a_request_gives_the_same_answer(cut: int, body: bytes) -> None:
    async def go() -> None:
        async with serving() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            data = request(body)
            for part in (data[:cut], data[cut:]):
                writer.write(part)
                await asyncio.sleep(0.002)
            out = await reader.readuntil(b"POST:" + body)
            writer.close()
            assert out.startswith(b"HTTP/1.1 200")

    asyncio.run(go())


@pytest.mark.parametrize(
    "head",
    [
        b"GET /x HTTP/1.1\r\n",
        b"GET /x HTTP/1.1\r\nhost: a\r\nhost: a\r\n",
        b"GET /x HTTP/1.1\r\nHost: a\r\nhost: evil.test\r\n",
        b"GET /x HTTP/1.0\r\nhost: a\r\nhost: b\r\n",
        b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n",
        b"POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n",
    ],
)
async def test_a_request_without_one_host_or_in_another_encoding_is_refused(head: bytes) -> None:
    async with serving() as port:
        out = await exchange(port, head + b"\r\n0\r\n\r\n")
    assert out.startswith(b"HTTP/1.1 400 ")
    assert b"invalid_request" in out
