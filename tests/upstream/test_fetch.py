"""Files that callers name by URL: what is fetched, and everything that must not be."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.errors import InvalidRequest
from pointsman.upstream import fetch as module
from pointsman.upstream.fetch import Fetcher, is_public, sniffed
from pointsman.upstream.http1 import Http1Carrier, PoolLimits

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 100


@asynccontextmanager
async def web(pages: dict[str, bytes]) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server with these whole answers by path; keeps the heads of its requests."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        heads.append(head)
        writer.write(pages.get(head.split(b" ")[1].decode(), b"HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n"))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heads


def page(body: bytes, kind: str = "image/png") -> bytes:
    return f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def moved(to: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n".encode()


@pytest.fixture
def near(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A fetcher for which this machine's loopback address is the public internet, on any port."""

    class AnyPort(frozenset[int]):
        def __contains__(self, _: object) -> bool:
            return True

    monkeypatch.setattr(module, "_PORTS", AnyPort())
    return Fetcher(Http1Carrier(PoolLimits(max_idle=0), allowed=lambda ip: ip == "127.0.0.1"))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "192.0.0.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0",
        "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "no address", "",
        "fec0::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "network",
    [
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.0.192/32", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "::/128", "::1/128",
        "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/32", "2001:2::/48", "2001:db8::/32",
        "2001:10::/28", "2001:20::/28", "2001:30::/28", "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10",
        "fec0::/10", "ff00::/8",
    ],
)  # fmt: skip
def test_special_networks_are_refused_whatever_this_python_knows(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole registries: the tables behind `is_global` are another one's in every version of Python."""
    monkeypatch.setattr(ipaddress.IPv4Address, "is_global", True)
    monkeypatch.setattr(ipaddress.IPv6Address, "is_global", True)
    found = ipaddress.ip_network(network)
    for address in (found[0], found[-1]):
        assert not is_public(str(address))
        if address.version == 4:
            assert not is_public(f"::ffff:{address}")


@pytest.mark.parametrize("start", ["0", "200", "100", "300"])
@pytest.mark.parametrize(("inside", "public"), [("10.0.0.1", False), ("169.254.169.254", False), ("8.8.8.8", True)])
def test_an_address_made_of_another_is_as_public_as_that(start: str, inside: str, public: bool) -> None:
    assert is_public(f"2600:1234:5678:9abc:{start}:5efe:{inside}") is public


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_addresses_that_are(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_no_form_of_a_private_address_is_public(address: ipaddress.IPv4Address) -> None:
    mapped = f"::ffff:{address}"
    assert is_public(mapped) == is_public(str(address))
    assert not is_public(f"64:ff9b::{address}")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x", "http://localhost/x", "http://[::1]/x", "http://2130706433/x", "http://0x7f.1/x",
        "http://127.1/x", "http://[::ffff:127.0.0.1]/x", "http://169.254.169.254/latest/meta-data", "http://0/x",
    ],
)  # fmt: skip
async def test_this_machine_and_its_network_are_never_asked(url: str) -> None:
    fetcher = Fetcher()
    with pytest.raises(InvalidRequest) as refused:
        await fetcher.fetch([url])
    assert "cannot be fetched" in refused.value.message
    await fetcher.aclose()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:///etc/passwd", "only http and https"),
        ("gopher://example.com/x", "only http and https"),
        ("http://", "only http and https"),
        ("data:secret", "The file at data:… cannot be fetched: a data URL is a media type, a comma and the data"),
        ("//127.0.0.1/x", "The file at what is no URL cannot be fetched: only http and https"),
        ("hello", "The file at what is no URL cannot be fetched: only http and https"),
        ("http://user:secret@example.com/x", "holds credentials"),
        ("http://example.com:22/x", "port 22"),
        ("http://example.com:99999/x", "no URL"),
        ("http://[::1/x", "no URL"),
        ("http://example.com/" + "x" * 5000, "too long"),
    ],
)
async def test_what_is_no_url_of_a_file_is_refused_before_anything_is_asked(url: str, why: str) -> None:
    fetcher = Fetcher()
    with pytest.raises(InvalidRequest) as refused:
        await fetcher.fetch([url])
    assert why in refused.value.message
    assert "secret" not in refused.value.message
    await fetcher.aclose()


@given(st.text(max_size=60))
def test_any_text_is_refused_in_words(text: str) -> None:
    async def run() -> None:
        fetcher = Fetcher()
        with pytest.raises(InvalidRequest):
            await fetcher.fetch(["ftp://" + text])
        await fetcher.aclose()

    asyncio.run(run())


async def test_a_file_comes_with_its_kind_and_nothing_of_ours_goes_along(near: Fetcher) -> None:
    async with web({"/cat": page(PNG, "application/octet-stream"), "/t": page(b"words", "text/plain")}) as (
        port,
        heads,
    ):
        urls = [f"http://127.0.0.1:{port}/cat", f"http://127.0.0.1:{port}/t", f"http://127.0.0.1:{port}/cat"]
        found = await near.fetch(urls)
        assert found[urls[0]].media_type == "image/png", "the bytes say it, whatever the server says"
        assert found[urls[0]].data == PNG
        assert found[urls[1]].media_type == "text/plain"
        assert len(heads) == 2, "the same file is fetched once"
        assert b"authorization" not in b"".join(heads).lower()
        await near.aclose()


async def test_each_redirect_is_judged_anew(near: Fetcher) -> None:
    pages = {
        "/a": moved("/b"), "/b": moved("/c"), "/c": page(PNG), "/loop": moved("/loop"),
        "/inward": moved("http://[::1]/x"), "/file": moved("file:///etc/passwd"), "/odd": moved("http://[::1"),
    }  # fmt: skip
    async with web(pages) as (port, _):
        base = f"http://127.0.0.1:{port}"
        assert (await near.fetch([f"{base}/a"]))[f"{base}/a"].data == PNG
        told = {"/loop": "redirects more than", "/inward": "not public", "/file": "only http", "/odd": "no URL"}
        for path, why in told.items():
            with pytest.raises(InvalidRequest) as refused:
                await near.fetch([base + path])
            assert why in refused.value.message
        await near.aclose()


async def test_a_name_is_looked_up_once_and_one_private_address_is_enough_to_refuse(
    near: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with web({"/x": page(PNG)}) as (port, heads):
        loop, asked = asyncio.get_running_loop(), []

        async def resolve(host: str, where: int, **_: Any) -> list[Any]:
            asked.append(host)
            addresses = ["127.0.0.1"] if host == "good.example" else ["127.0.0.1", "127.0.0.2"]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, where)) for ip in addresses]

        monkeypatch.setattr(loop, "getaddrinfo", resolve)
        await near.fetch([f"http://good.example:{port}/x"])
        assert asked == ["good.example"]
        with pytest.raises(InvalidRequest, match="not public"):
            await near.fetch([f"http://mixed.example:{port}/x"])
        assert len(heads) == 1
        await near.aclose()


async def test_size_number_and_status_are_bounded(near: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_BYTES", 50)
    async with web({"/big": page(PNG)}) as (port, _):
        base = f"http://127.0.0.1:{port}"
        for path, why in (("/big", "may have 50"), ("/gone", "answered 404")):
            with pytest.raises(InvalidRequest) as refused:
                await near.fetch([base + path])
            assert why in refused.value.message, refused.value.message
        with pytest.raises(InvalidRequest, match="at most 20"):
            await near.fetch([f"{base}/{n}" for n in range(21)])
        await near.aclose()


async def test_the_files_of_a_request_are_bounded_together(near: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_TOTAL", 2 * len(PNG))
    async with web({f"/{n}": page(PNG) for n in range(3)}) as (port, _):
        urls = [f"http://127.0.0.1:{port}/{n}" for n in range(3)]
        assert len(await near.fetch(urls[:2])) == 2
        with pytest.raises(InvalidRequest, match="together"):
            await near.fetch(urls)
        assert len(await near.fetch(urls[1:])) == 2, "nothing is kept of a request that was refused"
        await near.aclose()


async def test_where_one_file_cannot_be_had_the_others_are_not_waited_for(near: Fetcher) -> None:
    left = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        left.set()
        writer.close()

    server = await asyncio.start_server(slow, "127.0.0.1", 0)
    async with server, web({}) as (port, _):
        slow_port = server.sockets[0].getsockname()[1]
        with pytest.raises(InvalidRequest, match="answered 404"):
            await near.fetch([f"http://127.0.0.1:{slow_port}/x", f"http://127.0.0.1:{port}/gone"])
        async with asyncio.timeout(2):
            await left.wait()
        await near.aclose()


def test_what_may_be_secret_in_a_url_is_not_shown() -> None:
    assert module._shown("https://me:pw@a.example/b#token=1") == "https://a.example/b"


async def test_whoever_never_answers_is_left(near: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SECONDS", 0.3)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(InvalidRequest, match=r"within 0\.3 s"):
            await near.fetch([f"http://127.0.0.1:{port}/x"])
        await near.aclose()


def test_kinds_by_their_first_bytes() -> None:
    assert sniffed(b"\xff\xd8\xff\xe0") == "image/jpeg"
    assert sniffed(b"RIFF\x00\x00\x00\x00WEBPVP8 ") == "image/webp"
    assert sniffed(b"%PDF-1.7") == "application/pdf"
    assert sniffed(b"<html>") == ""
