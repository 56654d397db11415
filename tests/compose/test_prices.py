"""Prices refreshed in the background: judged first, in force at once, the old ones kept when the new are refused."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

import pointsman.catalog
from pointsman.catalog import load
from pointsman.compose.prices import PriceKeeper
from pointsman.config.schema import Prices
from pointsman.core.clock import SystemClock
from pointsman.core.errors import UpstreamError
from pointsman.upstream.http1 import Http1Carrier

SHIPPED = Path(pointsman.catalog.__file__).parent / "data" / "models.json.gz"


class Shelf:
    """Serves one file over HTTP."""

    def __init__(self) -> None:
        self.body = b""
        self.status = "200 OK"
        self.asked = 0
        self.url = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        head = f"HTTP/1.1 {self.status}\r\ncontent-length: {len(self.body)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + self.body)
        await writer.drain()
        writer.close()


@pytest_asyncio.fixture
async def shelf() -> AsyncIterator[Shelf]:
    made = Shelf()
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/prices.json"
    yield made
    server.close()
    await server.wait_closed()


def keeper(shelf: Shelf, folder: Path, carrier: Http1Carrier) -> PriceKeeper:
    return PriceKeeper(Prices(update="daily", url=shelf.url), carrier, folder, SystemClock())


def doubled() -> bytes:
    """The shipped list with one price changed and a later date."""
    plain = json.loads(gzip.decompress(SHIPPED.read_bytes()))
    plain["date"] = "2027-01-01"
    model = next(m for m in plain["models"]["openai"] if m["id"] == "gpt-5-mini")
    model["prices"][-1]["input"] = "0.5"
    return json.dumps(plain).encode()


async def test_a_sound_list_is_installed_and_returned(shelf: Shelf, tmp_path: Path) -> None:
    shelf.body = doubled()
    carrier = Http1Carrier()
    before = load(None).catalog
    fresh = await keeper(shelf, tmp_path, carrier).refresh(before)
    await carrier.aclose()
    assert fresh is not None
    row = fresh.model("openai", "gpt-5-mini")
    assert row is not None
    assert row.price is not None
    assert row.price.input == 500_000
    assert load(tmp_path).catalog.date == "2027-01-01", "the next start uses it too"


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b'{"format": 1}', gzip.compress(b"0" * 1000, mtime=0)])
async def test_a_broken_list_changes_nothing(
    shelf: Shelf, tmp_path: Path, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    shelf.body = body
    carrier = Http1Carrier()
    before = load(None).catalog
    with caplog.at_level(logging.WARNING):
        assert await keeper(shelf, tmp_path, carrier).refresh(before) is None
    await carrier.aclose()
    assert "refused" in caplog.text
    assert load(tmp_path).catalog.date == before.date


async def test_a_list_that_cannot_be_fetched_is_an_error(shelf: Shelf, tmp_path: Path) -> None:
    shelf.status = "404 Not Found"
    carrier = Http1Carrier()
    with pytest.raises(UpstreamError, match="404"):
        await keeper(shelf, tmp_path, carrier).refresh(load(None).catalog)
    await carrier.aclose()


async def test_nothing_is_fetched_unless_asked_for(shelf: Shelf, tmp_path: Path) -> None:
    carrier = Http1Carrier()

    async def never(_catalog: object) -> None:
        raise AssertionError

    idle = PriceKeeper(Prices(url=shelf.url), carrier, tmp_path, SystemClock())
    await asyncio.wait_for(idle.run(load(None).catalog, never), 1)
    assert shelf.asked == 0
    await carrier.aclose()
