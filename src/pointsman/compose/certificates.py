"""Certificates that the configuration names: looked at before anything is served, so that the wrong file is named."""

from __future__ import annotations

import ssl
from pathlib import Path

from pointsman.config.load import Loaded
from pointsman.config.problems import ConfigErrors
from pointsman.config.schema import Tls
from pointsman.core.errors import ConfigError, ConnectFailed
from pointsman.upstream.tls import make_context

_PARTS = (("cert", b"CERTIFICATE-----", "certificate"), ("key", b"PRIVATE KEY-----", "private key"))


def check_certificates(loaded: Loaded) -> None:
    """Read every file that `server.tls` and the providers' `ca_file` name.

    Raises:
        ConfigError: which of them cannot be used, and why.
    """
    config = loaded.config
    errors = [] if config.server.tls is None else _tls(loaded, config.server.tls)
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


def _tls(loaded: Loaded, tls: Tls) -> list[ConfigError]:
    """What is wrong with the server's own certificate and key."""
    errors = []
    for part, mark, what in _PARTS:
        file = getattr(tls, part)
        where = loaded.where("server", "tls", part)
        try:
            if mark not in Path(file).read_bytes():
                message = f"`server.tls.{part}`: {file} holds no {what}"
                errors.append(ConfigError(message, where=where, hint="it must be a PEM file"))
        except OSError as error:
            message = f"`server.tls.{part}`: {file} cannot be read: {error.strerror}"
            errors.append(ConfigError(message, where=where, hint="name a PEM file that this user may read"))
    if not errors:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.cert, tls.key, _no_password)
        except (ssl.SSLError, ValueError) as error:
            message = f"`server.tls`: {tls.cert} and {tls.key} cannot be used together: {_why(error)}"
            errors.append(ConfigError(message, where=loaded.where("server", "tls")))
    return errors


def _no_password() -> str:
    """Nobody is asked for a passphrase: a service has no terminal."""
    return ""


def _why(error: ssl.SSLError | ValueError) -> str:
    reason = str(getattr(error, "reason", None) or "")
    if reason == "KEY_VALUES_MISMATCH":
        return "the key is not the certificate's"
    if "DECRYPT" in reason or "PASSWORD" in reason:
        return "the key is protected by a passphrase"
    return reason.replace("_", " ").lower() or str(error)
