"""The server's own certificate: dates are said, a replaced one is taken over, a handshake may not last."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme
import yaml
from cryptography.hazmat.primitives import serialization

from pointsman.compose.certificates import dated
from pointsman.compose.renewal import Renewal
from pointsman.config.schema import Tls
from pointsman.core.clock import SystemClock
from pointsman.core.errors import ConfigError

NOW = dt.datetime.now(tz=dt.UTC)
DAY = dt.timedelta(days=1)


class Pair(NamedTuple):
    """A server's files, and who signs them."""

    folder: Path
    authority: trustme.CA

    @property
    def tls(self) -> Tls:
        return Tls(cert=str(self.folder / "cert.pem"), key=str(self.folder / "key.pem"))

    def issue(self, *, since: dt.timedelta = -DAY, until: dt.timedelta = 90 * DAY) -> trustme.LeafCert:
        """Put a new pair in the place of the old."""
        leaf = self.authority.issue_cert("127.0.0.1", not_before=NOW + since, not_after=NOW + until)
        leaf.private_key_pem.write_to_path(self.folder / "key.pem")
        leaf.cert_chain_pems[0].write_to_path(self.folder / "cert.pem")
        return leaf


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    made = Pair(tmp_path, trustme.CA())
    made.issue()
    return made


def configured(pair: Pair, **server: Any) -> Path:
    path = pair.folder / "pointsman.yaml"
    said = {"discover": False, "local": False, "store": f"sqlite:///{pair.folder / 'ledger.db'}"}
    tls = {"cert": pair.tls.cert, "key": pair.tls.key}
    path.write_text(yaml.safe_dump({**said, "server": {"port": 0, "tls": tls, **server}}))
    return path


class Served(NamedTuple):
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def says(self, text: str, seconds: float = 15.0) -> None:
        eventually(lambda: text in self.log.read_text(), seconds)


@contextlib.contextmanager
def served(pair: Pair, **server: Any) -> Iterator[Served]:
    command = [sys.executable, "-m", "pointsman", "serve", "--config", str(configured(pair, **server))]
    log = pair.folder / "log.txt"
    with log.open("wb") as out, subprocess.Popen(command, stderr=out, cwd=pair.folder) as process:
        try:
            eventually(lambda: "  ledger" in log.read_text() or process.poll() is not None)
            port = int(log.read_text().split("https://127.0.0.1:")[1].split()[0])
            shown(port)
            time.sleep(0.5 * (server.get("workers", 1) - 1))  # until the others take connections too
            yield Served(port, process, log)
        finally:
            process.terminate()
            process.wait(20)


def eventually(holds: Callable[[], Any], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


def shown(port: int) -> bytes:
    """The certificate that a new connection gets."""
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port), timeout=10))


def der(leaf: trustme.LeafCert) -> bytes:
    return ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_replaced_pair_is_taken_over_by_itself_and_a_bad_one_is_not(workers: int, pair: Pair) -> None:
    with served(pair, workers=workers) as up:
        second = pair.issue()
        eventually(lambda: {shown(up.port) for _ in range(8)} == {der(second)})
        up.says("was replaced: new connections get the new one")
        pair.issue().private_key_pem.write_to_path(pair.folder / "key.pem")
        (pair.folder / "cert.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        up.says("the changed certificate is refused, the old one goes on serving")
        assert {shown(up.port) for _ in range(8)} == {der(second)}
        third = pair.issue(until=3 * DAY)
        up.process.send_signal(signal.SIGHUP)
        eventually(lambda: {shown(up.port) for _ in range(8)} == {der(third)})
        up.says("runs out on")
        assert up.process.poll() is None


def test_told_to_look_it_takes_a_good_pair_and_no_bad_one(pair: Pair) -> None:
    with served(pair, workers=2) as up:
        second = pair.issue(until=3 * DAY)
        up.process.send_signal(signal.SIGHUP)
        eventually(lambda: {shown(up.port) for _ in range(8)} == {der(second)})
        up.says("was replaced: new connections get the new one")
        up.says("runs out on")
        (pair.folder / "cert.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        up.process.send_signal(signal.SIGHUP)
        up.says("the changed certificate is refused, the old one goes on serving")
        assert {shown(up.port) for _ in range(8)} == {der(second)}
        assert up.process.poll() is None


async def test_it_looks_by_itself(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "pointsman")
    renewal = Renewal(pair.tls, SystemClock())
    watch = asyncio.create_task(renewal.watch(0.02))
    pair.issue()
    said = "was replaced: new connections get the new one"
    await asyncio.to_thread(eventually, lambda: said in caplog.text)
    watch.cancel()


def test_a_connection_goes_on_while_its_certificate_is_replaced(pair: Pair) -> None:
    trust = ssl.create_default_context()
    pair.authority.configure_trust(trust)
    with (
        served(pair) as up,
        socket.create_connection(("127.0.0.1", up.port), 10) as plain,
        trust.wrap_socket(plain, server_hostname="127.0.0.1") as line,
    ):
        pair.issue()
        up.process.send_signal(signal.SIGHUP)
        up.says("was replaced")
        line.sendall(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        assert line.recv(100).startswith(b"HTTP/1.1 200 ")


async def test_half_a_replacement_is_not_judged(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    renewal = Renewal(pair.tls, SystemClock())
    old = (pair.folder / "key.pem").read_bytes()
    await renewal.look()
    new = pair.issue()
    (pair.folder / "key.pem").write_bytes(old)
    await renewal.look()
    new.private_key_pem.write_to_path(pair.folder / "key.pem")
    await renewal.look()
    assert not caplog.records
    await renewal.look()
    assert [record.levelname for record in caplog.records] in ([], ["INFO"])
    assert "refused" not in caplog.text


@pytest.mark.parametrize(
    ("since", "until", "said"),
    [
        pytest.param(-9 * DAY, -2 * DAY, "cert.pem ran out on ", marks=pytest.mark.slow),
        pytest.param(2 * DAY, 9 * DAY, "cert.pem is not valid before ", marks=pytest.mark.slow),
        (-9 * DAY, 12 * DAY + DAY / 2, ", in 12 days"),
    ],
)
def test_dates_that_will_be_refused_are_said(since: dt.timedelta, until: dt.timedelta, said: str, pair: Pair) -> None:
    pair.issue(since=since, until=until)
    path = configured(pair)
    *shown, strict = all_at_once(pair.folder, path, ("check",), ("doctor",), ("check", "--strict"))
    for done in shown:
        assert "warn" in next(line for line in done.stdout.splitlines() if said in line)
    assert strict.returncode == 1
    with served(pair) as up:
        up.says("warning: the certificate in ")
        up.says(said)


@pytest.mark.parametrize(
    ("since", "until", "said"),
    [(-9 * DAY, -2 * DAY, "cert.pem ran out on "), (2 * DAY, 9 * DAY, "cert.pem is not valid before ")],
)
def test_dates_are_looked_at_by_whoever_asks(since: dt.timedelta, until: dt.timedelta, said: str, pair: Pair) -> None:
    pair.issue(since=since, until=until)
    assert any(said in one for one in dated(pair.tls, SystemClock().now()))


def test_a_sound_certificate_is_shown_with_its_end_and_warned_of_by_nobody(pair: Pair) -> None:
    path = configured(pair)
    assert "certificate" not in run(pair.folder, "check", "--config", str(path)).stdout
    out = run(pair.folder, "doctor", "--config", str(path)).stdout
    assert f"cert.pem, until {NOW + 90 * DAY:%Y-%m-%d}" in out


FORMS = (serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL)


@pytest.mark.parametrize("form", FORMS)
def test_a_key_with_a_passphrase_is_no_key_to_serve_with(form: serialization.PrivateFormat, pair: Pair) -> None:
    lock(pair, form)
    with pytest.raises(ConfigError, match=r"key\.pem is protected by a passphrase") as refused:
        Renewal(pair.tls, SystemClock())
    assert "openssl pkey" in refused.value.hint


def lock(pair: Pair, form: serialization.PrivateFormat) -> None:
    key = serialization.load_pem_private_key((pair.folder / "key.pem").read_bytes(), None)
    locked = key.private_bytes(serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(b"secret"))
    (pair.folder / "key.pem").write_bytes(locked)


@pytest.mark.parametrize("form", [FORMS[0], pytest.param(FORMS[1], marks=pytest.mark.slow)])
def test_a_key_with_a_passphrase_is_said_to_have_one(form: serialization.PrivateFormat, pair: Pair) -> None:
    lock(pair, form)
    said = all_at_once(pair.folder, configured(pair), ("check",), ("serve",), ("doctor",))
    for done, code in zip(said, (2, 2, 1), strict=True):
        assert done.returncode == code
        assert "key.pem is protected by a passphrase" in done.stdout + done.stderr
        assert "openssl pkey" in done.stdout + done.stderr


def all_at_once(folder: Path, path: Path, *verbs: tuple[str, ...]) -> list[subprocess.CompletedProcess[str]]:
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda verb: run(folder, *verb, "--config", str(path)), verbs))


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pointsman", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30, check=False)


def test_a_handshake_may_last_as_long_as_a_head(pair: Pair) -> None:
    with served(pair, header_timeout=0.5) as up:
        for sent in (b"", b"\x16\x03\x01\x02\x00\x01"):
            with socket.create_connection(("127.0.0.1", up.port), 10) as line:
                began = time.monotonic()
                line.sendall(sent)
                with contextlib.suppress(ConnectionResetError):
                    assert line.recv(100) == b""
                assert 0.3 < time.monotonic() - began < 4
        assert "Traceback" not in up.log.read_text()
