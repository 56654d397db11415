"""Certificates that the configuration names: looked at before anything is served, so that the wrong file is named."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Callable
from pathlib import Path

from pointsman.compose.validity import validities
from pointsman.config.load import Loaded
from pointsman.config.problems import ConfigErrors
from pointsman.config.schema import Tls
from pointsman.core.errors import ConfigError, ConnectFailed
from pointsman.upstream.tls import make_context

_PARTS = (("cert", b"CERTIFICATE-----", "certificate"), ("key", b"PRIVATE KEY-----", "private key"))
_PROTECTED = (b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED")
Where = Callable[..., str]
"""Says where a key stands in the configuration, as `Loaded.where`."""


def check_certificates(loaded: Loaded) -> None:
    """Read every file that `server.tls` and the providers' `ca_file` name.

    Raises:
        ConfigError: which of them cannot be used, and why.
    """
    config = loaded.config
    errors: list[ConfigError] = []
    if config.server.tls is not None:
        try:
            server_context(config.server.tls, loaded.where)
        except ConfigErrors as error:
            errors += error.errors
    for name, provider in config.providers.items():
        if provider.ca_file:
            try:
                make_context(provider.ca_file)
            except ConnectFailed as error:
                where = loaded.where("providers", name, "ca_file")
                hint = "it must be a PEM file with the certificates of the authorities to trust"
                errors.append(ConfigError(f"provider `{name}`: {error.message}", where=where, hint=hint))
    if errors:
        raise ConfigErrors(errors, str(loaded.origin or ""))


def certificate_warnings(loaded: Loaded, now: int) -> list[str]:
    """What the server's own certificates are about to be refused for, or are; `now` in nanoseconds since the epoch."""
    tls = loaded.config.server.tls
    return [] if tls is None else dated(tls, now)


def dated(tls: Tls, now: int) -> list[str]:
    """Each certificate of the server's file that is not valid, or soon will not be, with its date."""
    moment = dt.datetime.fromtimestamp(now / 1e9, tz=dt.UTC)
    try:
        found = validities(Path(tls.cert).read_bytes())
    except OSError:  # said by whoever has to use it
        return []
    whose = ["certificate", *["issuer's certificate"] * len(found)]
    said = [(name, one.wrong(moment)) for name, one in zip(whose, found, strict=False)]
    return [f"the {name} in {tls.cert} {wrong}" for name, wrong in said if wrong]


def server_context(tls: Tls, where: Where) -> ssl.SSLContext:
    """What the server presents itself with; speaks HTTP/1.1.

    Raises:
        ConfigErrors: the certificate or the key cannot be used.
    """
    errors = _unusable(tls, where)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    if not errors:
        try:
            context.load_cert_chain(tls.cert, tls.key, _no_password)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            message = f"`server.tls`: {tls.cert} and {tls.key} cannot be used together: {_why(error)}"
            errors.append(ConfigError(message, where=where("server", "tls")))
    if errors:
        raise ConfigErrors(errors, "")
    return context


def _unusable(tls: Tls, where: Where) -> list[ConfigError]:
    """What is wrong with each file by itself."""
    errors = []
    for part, mark, what in _PARTS:
        file = getattr(tls, part)
        place = where("server", "tls", part)
        try:
            data = Path(file).read_bytes()
        except OSError as error:
            message = f"`server.tls.{part}`: {file} cannot be read: {error.strerror}"
            errors.append(ConfigError(message, where=place, hint="name a PEM file that this user may read"))
            continue
        if mark not in data:
            message = f"`server.tls.{part}`: {file} holds no {what}"
            errors.append(ConfigError(message, where=place, hint="it must be a PEM file"))
        elif part == "key" and any(sign in data for sign in _PROTECTED):
            message = f"`server.tls.key`: {file} is protected by a passphrase, which a service has nobody to type"
            hint = f"`openssl pkey -in {file} -out plain.pem` writes it without one; let only this user read that file"
            errors.append(ConfigError(message, where=place, hint=hint))
    return errors


def _no_password() -> str:
    """Nobody is asked for a passphrase: a service has no terminal."""
    return ""


def _why(error: OSError | ValueError) -> str:
    reason = str(getattr(error, "reason", None) or "")
    if reason == "KEY_VALUES_MISMATCH":
        return "the key is not the certificate's"
    return reason.replace("_", " ").lower() or str(error)
