"""The caller that `check_provider` plays: one request at a time over the standard library, in a thread."""

from __future__ import annotations

import asyncio
import http.client
import time
from typing import Any
from urllib.parse import urlsplit

import msgspec

from pointsman.core.errors import ConfigError
from pointsman.wire.parse import BAD_JSON

_MOST = 64 * 1024 * 1024  # bytes of one answer
_ENDLESS = 10  # times the patience, after which an answer that still goes on is taken for endless
_decode = msgspec.json.Decoder().decode


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What came back.

    Attributes:
        status: HTTP status; 0 if the connection failed.
        content_type: of the answer.
        text: the body, or what went wrong.
        arrivals: seconds after the request at which pieces of the body came.
    """

    status: int
    content_type: str = ""
    text: str = ""
    arrivals: tuple[float, ...] = ()

    @property
    def json(self) -> dict[str, Any]:
        """The body as an object; empty if it is none."""
        return object_in(self.text) or {}

    @property
    def chunks(self) -> list[dict[str, Any]]:
        """The events of a stream, without its end mark."""
        return [object_in(event) or {} for event in self.events if event != "[DONE]"]

    @property
    def events(self) -> list[str]:
        """The data of each event."""
        lines = (line.rstrip("\r") for line in self.text.split("\n"))
        return [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]


class Caller:
    """Talks to one base URL.

    Args:
        base_url: http or https.
        key: sent as a bearer token if not empty.
        patience: longest silence in seconds; an answer that goes on for ten times as long is given up.

    Raises:
        ConfigError: not an address, or a key that no header can carry.
    """

    def __init__(self, base_url: str, key: str, patience: float) -> None:
        bad = ConfigError(f"not an HTTP address: {base_url!r}")
        try:
            parts = urlsplit(base_url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise bad from None
        if not host or parts.scheme not in {"http", "https"}:
            raise bad
        if not (key.isascii() and key.isprintable()):
            raise ConfigError("the key holds a character that no key has")  # and is not shown
        self._secure = parts.scheme == "https"
        self._host, self._port = host, port
        self._path = parts.path.rstrip("/")
        self._key = key
        self._patience = patience

    async def get(self, path: str) -> Heard:
        """GET."""
        return await asyncio.to_thread(self._exchange, "GET", path, None)

    async def post(self, path: str, body: dict[str, Any] | bytes) -> Heard:
        """POST JSON, or bytes that claim to be JSON."""
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return await asyncio.to_thread(self._exchange, "POST", path, data)

    def _exchange(self, method: str, path: str, body: bytes | None) -> Heard:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=self._patience)
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        began = time.perf_counter()
        try:
            connection.request(method, self._path + path, body, headers)
            response = connection.getresponse()
            pieces, arrivals = [], []
            size = 0
            while piece := response.read1(65536):
                pieces.append(piece)
                arrivals.append(time.perf_counter() - began)
                size += len(piece)
                if size > _MOST or arrivals[-1] > _ENDLESS * self._patience:
                    return Heard(status=0, text=f"the answer does not end: {size} bytes in {arrivals[-1]:.1f} s")
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            return Heard(status=0, text=f"{type(error).__name__}: {error}")
        finally:
            connection.close()
        text = b"".join(pieces).decode("utf-8", "replace")
        kind_of_body = response.headers.get("content-type", "")
        return Heard(status=response.status, content_type=kind_of_body, text=text, arrivals=tuple(arrivals))


def object_in(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is; None if it is none."""
    try:
        found = _decode(text)
    except BAD_JSON:
        return None
    return found if isinstance(found, dict) else None
