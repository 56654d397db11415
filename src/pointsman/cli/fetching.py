"""Fetch one file over our own carrier, within limits: for what a person asked for by hand."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from urllib.parse import urlsplit

from pointsman.core.errors import ConfigError, ConnectFailed, UpstreamRefused
from pointsman.core.model import TimeLimits
from pointsman.core.ports import UpstreamRequest, UpstreamResponse

MOST_BYTES = 64 * 1024 * 1024
_LIMITS = TimeLimits(connect=10.0, first_byte=30.0, between_bytes=30.0, total=300.0)


def read(source: str, *, limits: TimeLimits = _LIMITS) -> bytes:
    """The bytes behind a URL or a file's path.

    Raises:
        ConfigError: the file cannot be read or is too large, or the URL may not be asked.
        UpstreamError: the URL did not give a whole answer of status 200.
    """
    if "://" in source:
        check(source)
        return asyncio.run(_fetch(source, limits))
    path = Path(source).expanduser()
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", where=source) from None
    if len(data) > MOST_BYTES:
        raise ConfigError(f"larger than {MOST_BYTES:,} bytes", where=source, hint="is this the right file?")
    return data


def check(url: str) -> None:
    """Refuse what could be changed on the way.

    Raises:
        ConfigError: neither https nor plain http on this machine.
    """
    from pointsman.compose.building import is_loopback

    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname and is_loopback(parts.hostname):
        return
    raise ConfigError(
        f"{url} is not fetched", hint="https, or plain http on this machine; or download it and name the file"
    )


async def _fetch(url: str, limits: TimeLimits) -> bytes:
    request = UpstreamRequest(method="GET", url=url, limits=limits, max_answer=MOST_BYTES)
    hint = "is this machine online, and does it need a proxy? A list that was downloaded elsewhere is read from a file"
    response, body = await answered(request, hint)
    if response.status == 200:
        return body
    to = response.header(b"location").decode("latin-1")
    moved = f", it points to {to}" if to else ""
    raise UpstreamRefused(f"{url} answered with status {response.status}{moved}", status=502)


async def answered(request: UpstreamRequest, hint: str) -> tuple[UpstreamResponse, bytes]:
    """An answer of any status, and its body.

    Raises:
        ConnectFailed: nobody is there; with `hint`.
        UpstreamError: the answer broke off, or took too long.
    """
    from pointsman.upstream.carry import Carry

    carrier = Carry(os.environ)
    try:
        response = await carrier.send(request)
        try:
            return response, await response.read()
        finally:
            await response.aclose()
    except ConnectFailed as error:
        raise ConnectFailed(error.message, hint=hint) from None
    finally:
        await carrier.aclose()
