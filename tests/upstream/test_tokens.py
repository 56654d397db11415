"""Tokens of clouds: fetched once, renewed in time, and what happens when there is none."""

from __future__ import annotations

import asyncio
import datetime as dt
import http.server
import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from pointsman.core.errors import NoCredentials
from pointsman.core.model import Model, Provider
from pointsman.upstream.prepare import Sender
from pointsman.upstream.tokens import Token, Tokens, entra, google
from pointsman.wire.trip import Outgoing

HOUR = 3600 * 1_000_000_000


class Clock:
    def __init__(self) -> None:
        self.time = 1_000 * HOUR

    def now(self) -> int:
        return self.time

    def monotonic(self) -> int:
        return self.time


class Cloud:
    """Gives tokens, or fails."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.asked = 0
        self.fails = ""

    def __call__(self) -> Token:
        self.asked += 1
        if self.fails:
            raise RuntimeError(self.fails)
        time.sleep(0.02)
        return Token(f"t-{self.asked}", self.clock.now() + HOUR)


async def test_one_token_serves_all_until_shortly_before_its_end() -> None:
    clock = Clock()
    cloud = Cloud(clock)
    tokens = Tokens(clock, {"entra": cloud})
    assert tokens.due("entra")
    await asyncio.gather(*(tokens.renew("entra") for _ in range(20)))
    assert (tokens.current("entra"), cloud.asked) == ("t-1", 1)
    clock.time += HOUR // 2
    assert not tokens.due("entra")
    clock.time += HOUR // 2 - 60 * 1_000_000_000
    assert tokens.due("entra")
    assert tokens.current("entra") == "t-1", "still in force"
    await tokens.renew("entra")
    assert tokens.current("entra") == "t-2"


async def test_while_the_old_one_is_in_force_a_failing_cloud_is_nobodys_trouble() -> None:
    clock = Clock()
    cloud = Cloud(clock)
    tokens = Tokens(clock, {"entra": cloud})
    await tokens.renew("entra")
    clock.time += HOUR - 60 * 1_000_000_000
    cloud.fails = "the identity\nservice is away"
    for _ in range(5):
        await tokens.renew("entra")
    assert cloud.asked == 2, "not at every request"
    clock.time += HOUR
    with pytest.raises(NoCredentials, match="the identity service is away"):
        await tokens.renew("entra")
    assert tokens.current("entra") == ""
    cloud.fails = ""
    clock.time += 11 * 1_000_000_000
    await tokens.renew("entra")
    assert tokens.current("entra") == "t-4"


async def test_each_call_that_finds_no_token_gets_an_error_of_its_own() -> None:
    """One for all would hold every call's frames, and what one caller is told would change what others are."""
    clock = Clock()
    cloud = Cloud(clock)
    cloud.fails = "down"
    tokens = Tokens(clock, {"entra": cloud})
    found = []
    for _ in range(3):
        with pytest.raises(NoCredentials, match="down") as caught:
            await tokens.renew("entra")
        assert "doctor" in caught.value.hint
        found.append(caught.value)
    assert len(set(map(id, found))) == 3
    assert cloud.asked == 1


class _Cloud(http.server.BaseHTTPRequestHandler):
    """A cloud on this machine: what gives out tokens, and what was asked of it."""

    seen: list[dict[str, list[str]]]

    def do_POST(self) -> None:
        """Google's token endpoint."""
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.seen.append(parse_qs(body))
        self._answer({"access_token": "ya29.real", "expires_in": 3600, "token_type": "Bearer"})

    def do_GET(self) -> None:
        """The managed identity of a machine in Azure, as App Service offers it."""
        query = parse_qs(self.path.partition("?")[2])
        self.seen.append({**query, "secret": [self.headers["x-identity-header"]]})
        until = int(dt.datetime.now(tz=dt.UTC).timestamp()) + 3600
        self._answer({"access_token": "eyJ.real", "expires_on": str(until), "token_type": "Bearer", **query})

    def _answer(self, fields: dict[str, Any]) -> None:
        answer = json.dumps(fields).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[dict[str, list[str]]]]]:
    """Its URL, and what it is asked."""
    seen: list[dict[str, list[str]]] = []
    server = http.server.HTTPServer(("127.0.0.1", 0), type("Handler", (_Cloud,), {"seen": seen}))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_googles_own_library_signs_in_with_a_key_file(cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, seen = cloud
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    info = {
        "type": "service_account", "project_id": "p", "private_key_id": "k", "private_key": key.decode(),
        "client_email": "a@p.iam.gserviceaccount.com", "client_id": "1", "token_uri": f"{url}/token",
    }  # fmt: skip
    path = tmp_path / "key.json"
    path.write_text(json.dumps(info))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    token = google()
    assert token.secret == "ya29.real"
    left = token.until / 1e9 - dt.datetime.now(tz=dt.UTC).timestamp()
    assert 3000 < left < 3700, "its time is UTC, wherever this machine is"
    assert seen[0]["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]


def test_microsofts_own_library_signs_in_as_the_machine(cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    url, seen = cloud
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "the machine's secret")
    token = entra()
    assert token.secret == "eyJ.real"
    assert 3500 < token.until / 1e9 - dt.datetime.now(tz=dt.UTC).timestamp() < 3700
    assert seen[0]["resource"] == ["https://cognitiveservices.azure.com"]
    assert seen[0]["secret"] == ["the machine's secret"]


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    with pytest.raises(NoCredentials) as refused:
        entra()
    assert "pointsman[azure]" in refused.value.hint


def test_a_token_goes_as_bearer_whatever_header_a_key_would_take() -> None:
    provider = Provider(
        name="azure", dialect="openai-chat", credentials="entra", auth_header="api-key", auth_prefix="",
        base_url="https://res.example/openai/deployments/{model}", query=(("api-version", "2024-10-21"),),
    )  # fmt: skip
    model = Model(name="m", provider=provider, upstream="gpt mini")
    request = Sender().prepare(model, Outgoing(path="/chat/completions", body=b"{}"), secret="tok")
    assert request.url == "https://res.example/openai/deployments/gpt%20mini/chat/completions?api-version=2024-10-21"
    headers = dict(request.headers)
    assert headers[b"authorization"] == b"Bearer tok"
    assert b"api-key" not in headers
    streamed = Sender().prepare(model, Outgoing(path="/x?alt=sse", body=b"{}"), secret="tok")
    assert streamed.url.endswith("/x?alt=sse&api-version=2024-10-21")
