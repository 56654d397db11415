"""Which way a request goes: straight, through the environment's proxy, through the provider's."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
import trustme
from scripted_server import Peer, Server, answers, post, serving, whole

from pointsman.core.errors import ConnectFailed, UpstreamTimeout
from pointsman.core.model import TimeLimits
from pointsman.core.ports import Carrier
from pointsman.upstream.address import parse_url
from pointsman.upstream.carry import Carry, ProxyRules
from pointsman.upstream.http1 import Http1Carrier
from pointsman.upstream.reqwest import ReqwestCarrier


class ProxyServer:
    """A small HTTP proxy: tunnels and plain forwarding; notes what it was asked."""

    def __init__(self, refusal: bytes = b"") -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.refusal = refusal
        self.url = ""

    async def script(self, peer: Peer) -> None:
        line, headers, body = await peer.request()
        self.asked.append((line, headers))
        method, target, _ = line.split()
        if self.refusal:
            await peer.send(self.refusal)
            return
        host, _, port = (target if method == "CONNECT" else target.split("/")[2]).rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        if method == "CONNECT":
            await peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            path = "/" + target.split("/", 3)[3]
            writer.write(f"{method} {path} HTTP/1.1\r\nhost: {host}\r\n".encode())
            writer.write(b"content-length: %d\r\n\r\n" % len(body) + body)
        await asyncio.gather(_pump(reader, peer.writer), _pump(peer.reader, writer))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except ConnectionError:
        pass
    finally:
        sink.close()


@asynccontextmanager
async def proxying(refusal: bytes = b"") -> AsyncIterator[ProxyServer]:
    proxy = ProxyServer(refusal)
    async with serving(proxy.script) as server:
        proxy.url = f"http://127.0.0.1:{server.port}"
        yield proxy


@pytest_asyncio.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def ask(carrier: Carrier, server: Server, **changes: object) -> bytes:
    response = await carrier.send(post(server.url, **changes))
    try:
        return await response.read()
    finally:
        await response.aclose()


def carrying(stack: AsyncExitStack, environment: dict[str, str]) -> Carry:
    carry = Carry(environment)
    stack.push_async_callback(carry.aclose)
    return carry


@pytest.mark.parametrize("make", [Carry, lambda _: ReqwestCarrier()], ids=["carry", "reqwest"])
async def test_plain_http_through_a_providers_proxy(stack: AsyncExitStack, make: Callable[..., Carrier]) -> None:
    server = await stack.enter_async_context(serving(answers(whole(b"abc"))))
    proxy = await stack.enter_async_context(proxying())
    carrier = make({})
    stack.push_async_callback(carrier.aclose)
    with_user = proxy.url.replace("://", "://ann:p%40ss@")
    assert await ask(carrier, server, proxy=with_user) == b"abc"
    line, headers = proxy.asked[0]
    assert line == f"POST {server.url} HTTP/1.1"
    assert headers["proxy-authorization"] == "Basic YW5uOnBAc3M="


@pytest.mark.parametrize("make", [Carry, lambda _: ReqwestCarrier()], ids=["carry", "reqwest"])
async def test_https_goes_through_a_tunnel_and_the_proxy_sees_no_secret(
    stack: AsyncExitStack, tmp_path: Path, make: Callable[..., Carrier]
) -> None:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    server = await stack.enter_async_context(serving(answers(whole(b"abc")), tls=context))
    proxy = await stack.enter_async_context(proxying())
    carrier = make({})
    stack.push_async_callback(carrier.aclose)
    for _ in range(3):
        got = await ask(
            carrier,
            server,
            proxy=proxy.url,
            ca_file=str(tmp_path / "ca.pem"),
            headers=((b"authorization", b"Bearer secret"),),
        )
        assert got == b"abc"
    assert [line for line, _ in proxy.asked] == [f"CONNECT localhost:{server.port} HTTP/1.1"]
    assert "secret" not in str(proxy.asked)


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n", "407"),
        (b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 6\r\n\r\n<html>", "407"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "403"),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", "closed or garbled"),
        (b"HTTP/1.1 200", "closed or garbled"),
        (b"SSH-2.0 hello\r\n\r\n", "refused"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000, "closed or garbled"),
    ],
)
async def test_a_proxy_that_refuses_is_named(stack: AsyncExitStack, refusal: bytes, words: str) -> None:
    proxy = await stack.enter_async_context(proxying(refusal))
    carry = carrying(stack, {"HTTPS_PROXY": proxy.url.replace("://", "://u:secret@")})
    with pytest.raises(ConnectFailed, match=words) as caught:
        await carry.send(post("https://api.example/v1"))
    assert proxy.url.removeprefix("http://") in caught.value.message
    assert "api.example:443" in caught.value.message
    assert "secret" not in caught.value.message + caught.value.hint


async def test_a_name_that_does_not_resolve_says_where_it_is_written(stack: AsyncExitStack) -> None:
    name = "a" * 64  # longer than a label may be, so that nobody has to be asked
    carry = carrying(stack, {})
    with pytest.raises(ConnectFailed, match="does not resolve") as caught:
        await carry.send(post("https://api.example/v1", proxy=f"http://u:secret@{name}.invalid:3128"))
    assert "the proxy's URL" in caught.value.hint
    assert "secret" not in caught.value.message + caught.value.hint
    with pytest.raises(ConnectFailed, match="does not resolve") as caught:
        await carry.send(post(f"http://{name}.invalid/v1"))
    assert "base_url" in caught.value.hint


async def test_a_proxy_that_never_answers_is_a_connect_timeout(stack: AsyncExitStack) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    server = await stack.enter_async_context(serving(script))
    carry = carrying(stack, {"HTTPS_PROXY": f"127.0.0.1:{server.port}"})
    with pytest.raises(UpstreamTimeout) as caught:
        await carry.send(post("https://api.example/v1", limits=TimeLimits(connect=0.2)))
    assert caught.value.phase == "connect"
    await asyncio.wait_for(server.closed.wait(), 1)


async def test_the_environments_proxy_is_used_except_for_loopback(stack: AsyncExitStack) -> None:
    server = await stack.enter_async_context(serving(answers(whole(b"abc"))))
    proxy = await stack.enter_async_context(proxying(b"HTTP/1.1 502 No\r\ncontent-length: 0\r\n\r\n"))
    carry = carrying(stack, {"http_proxy": proxy.url})
    assert await ask(carry, server) == b"abc"
    assert proxy.asked == []
    response = await carry.send(post("http://lab.example:9000/v1"))
    assert response.status == 502
    assert await response.read() == b""
    assert proxy.asked[0][0] == "POST http://lab.example:9000/v1 HTTP/1.1"


async def test_a_socks_proxy_goes_to_the_library(stack: AsyncExitStack) -> None:
    carry = carrying(stack, {})
    with pytest.raises(ConnectFailed, match=r"socks5://127\.0\.0\.1:1"):
        await carry.send(post("http://127.0.0.1:2/", proxy="socks5://u:secret@127.0.0.1:1"))
    direct = Http1Carrier()
    stack.push_async_callback(direct.aclose)
    with pytest.raises(ConnectFailed, match="socks5"):
        await direct.send(post("http://127.0.0.1:2/", proxy="socks5://127.0.0.1:1"))


RULES = [
    ("https://api.openai.com/", "http://s:1"),
    ("http://api.openai.com/", "http://p:2"),
    ("http://localhost:1/", ""),
    ("http://127.9.9.9/", ""),
    ("https://[::1]/", ""),
    ("https://corp.example/", ""),
    ("https://a.corp.example/", ""),
    ("https://notcorp.example/", "http://s:1"),
    ("https://only.example:8443/", ""),
    ("https://only.example/", "http://s:1"),
    ("https://10.1.2.3/", ""),
    ("https://11.1.2.3/", "http://s:1"),
    ("https://x.star.example/", ""),
]


@pytest.mark.parametrize(("url", "proxy"), RULES)
def test_no_proxy_rules(url: str, proxy: str) -> None:
    rules = ProxyRules(
        {
            "HTTPS_PROXY": "s:1",
            "all_proxy": "http://p:2",
            "no_proxy": "corp.example, only.example:8443,10.0.0.0/8,*.star.example,,bad/cidr",
        }
    )
    assert rules
    assert rules.proxy_for(parse_url(url)) == proxy


def test_no_proxy_star_means_everything() -> None:
    assert ProxyRules({"HTTPS_PROXY": "s:1", "NO_PROXY": "*"}).proxy_for(parse_url("https://a.example/")) == ""
    assert not ProxyRules({"NO_PROXY": "*"})


def test_the_library_is_not_loaded_where_nobody_needs_it() -> None:
    code = "import sys, pointsman.upstream.carry as c; c.Carry({}); sys.exit('pyreqwest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=20).returncode == 0
