"""TLS as a client: verification always on, one context for each set of trusted certificates."""

from __future__ import annotations

import asyncio
import ssl

from pointsman.core.errors import ConnectFailed


class TlsContexts:
    """Contexts by CA file; empty means the system's trust store (`SSL_CERT_FILE` and `SSL_CERT_DIR` count)."""

    def __init__(self) -> None:
        self._contexts: dict[str, ssl.SSLContext] = {}

    async def get(self, ca_file: str) -> ssl.SSLContext:
        """The context that trusts `ca_file` alone, or the system's store.

        Raises:
            ConnectFailed: the file cannot be read or holds no certificate.
        """
        context = self._contexts.get(ca_file)
        if context is None:
            # In a thread: reading the system's store takes tens of milliseconds.
            context = await asyncio.get_running_loop().run_in_executor(None, make_context, ca_file)
            self._contexts[ca_file] = context
        return context


def make_context(ca_file: str) -> ssl.SSLContext:
    """A verifying client context that speaks HTTP/1.1. Raises `ConnectFailed` for a file of no use."""
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        why = getattr(error, "strerror", None) or str(error)
        raise ConnectFailed(f"the CA file {ca_file!r} cannot be used: {why}", hint="check `ca_file`") from error
    context.set_alpn_protocols(["http/1.1"])
    return context
