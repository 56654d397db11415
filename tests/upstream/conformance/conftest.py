"""One suite for every carrier, on both event loops: what `core.ports.Carrier` promises, against scripted servers."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import trustme
import uvloop

from pointsman.core.ports import Carrier
from pointsman.upstream.http1 import Http1Carrier
from pointsman.upstream.reqwest import ReqwestCarrier

sys.path.insert(0, str(Path(__file__).parent))  # for `scripted_server`, which is no test and no plugin

CARRIERS: dict[str, Callable[[], Carrier]] = {"http1": Http1Carrier, "reqwest": ReqwestCarrier}


def pytest_asyncio_loop_factories(config: Any, item: Any) -> Mapping[str, Any]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=CARRIERS)
def make_carrier(request: pytest.FixtureRequest) -> Callable[[], Carrier]:
    return CARRIERS[request.param]


@pytest_asyncio.fixture
async def carrier(make_carrier: Callable[[], Carrier]) -> AsyncIterator[Carrier]:
    carrier = make_carrier()
    yield carrier
    await carrier.aclose()


class Certificates:
    """A CA of our own and server contexts: good, expired, for another host."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.ca_file = str(folder / "ca.pem")
        self.ca.cert_pem.write_to_path(self.ca_file)
        self.other_ca_file = str(folder / "other.pem")
        trustme.CA().cert_pem.write_to_path(self.other_ca_file)

    def _context(self, name: str, **dates: Any) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(name, **dates).configure_cert(context)
        return context

    @property
    def good(self) -> ssl.SSLContext:
        return self._context("localhost")

    @property
    def wrong_host(self) -> ssl.SSLContext:
        return self._context("elsewhere.example")

    @property
    def expired(self) -> ssl.SSLContext:
        past = datetime.now(UTC) - timedelta(days=10)
        return self._context("localhost", not_before=past - timedelta(days=10), not_after=past)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"))
