"""Files of certificates that cannot be used: named before anything is served, with the reason."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from pointsman.compose import build, check_certificates
from pointsman.core.errors import ConfigError, MissingExtra

RUNS_OUT = 30.0


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A good pair, a key of another, and what is no certificate at all."""
    authority = trustme.CA()
    for name in ("good", "other"):
        leaf = authority.issue_cert("127.0.0.1")
        leaf.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        leaf.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.crt")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "junk").write_text("nothing")
    (tmp_path / "bad").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    return tmp_path


def written(folder: Path, **said: Any) -> Path:
    """A configuration file."""
    path = folder / "pointsman.yaml"
    more = {"store": f"sqlite:///{folder / 'ledger.db'}", "discover": False, "local": False}
    path.write_text(yaml.safe_dump({**said, **more}, sort_keys=False))
    return path


@pytest.mark.parametrize(
    ("cert", "key", "message"),
    [
        ("gone.crt", "good.key", "gone.crt cannot be read: No such file"),
        ("good.crt", "gone.key", "gone.key cannot be read: No such file"),
        (".", "good.key", "cannot be read: Is a directory"),
        ("junk", "good.key", "junk holds no certificate"),
        ("good.crt", "good.crt", "good.crt holds no private key"),
        ("good.crt", "other.key", "the key is not the certificate's"),
        ("bad", "good.key", "cannot be used together"),
    ],
)
def test_a_certificate_of_no_use_is_named(cert: str, key: str, message: str, files: Path) -> None:
    tls = {"cert": str(files / cert), "key": str(files / key)}
    loaded = build(written(files, server={"tls": tls}), env={}).loaded
    with pytest.raises(ConfigError, match=message) as caught:
        check_certificates(loaded)
    assert caught.value.where.startswith(f"{files / 'pointsman.yaml'}:"), "line and column are said"


def test_a_good_pair_and_a_good_authority_pass(files: Path) -> None:
    tls = {"cert": str(files / "good.crt"), "key": str(files / "good.key")}
    provider = {"dialect": "openai-chat", "base_url": "https://127.0.0.1:1/v1", "ca_file": str(files / "ca.pem")}
    check_certificates(build(written(files, server={"tls": tls}, providers={"one": provider}), env={}).loaded)


@pytest.mark.parametrize("verb", ["check", "serve"])
def test_both_verbs_say_which_file_and_why(verb: str, files: Path) -> None:
    provider = {"dialect": "openai-chat", "base_url": "https://127.0.0.1:1/v1", "ca_file": str(files / "gone.pem")}
    tls = {"cert": str(files / "gone.crt"), "key": str(files / "good.key")}
    path = written(files, server={"port": 0, "tls": tls}, providers={"one": provider})
    command = [sys.executable, "-m", "pointsman", verb, "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUNS_OUT, check=False, cwd=files)
    said = done.stdout + done.stderr
    assert done.returncode == 2, said
    assert "gone.crt cannot be read: No such file" in said
    assert "provider `one`" in said
    assert "gone.pem" in said
    assert "Traceback" not in said


async def test_a_reload_with_a_bad_authority_is_refused(files: Path, serving: Any) -> None:
    async with serving({}) as served:
        provider = {"dialect": "openai-chat", "base_url": "https://127.0.0.1:1/v1", "ca_file": str(files / "junk")}
        changed = build(written(files, providers={"one": provider}), env={}).loaded
        with pytest.raises(ConfigError, match="junk"):
            await served.house.apply(changed)
        assert "one" not in served.house.loaded.config.providers


def test_a_postgresql_store_without_its_driver_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "psycopg" else find(name))
    with pytest.raises(MissingExtra, match="psycopg") as caught:
        build({"store": "postgresql://127.0.0.1/none"}, env={})
    assert "pointsman[postgres]" in caught.value.hint
