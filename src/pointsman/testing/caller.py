"""The caller that `check_provider` plays: one request at a time over the standard library, in a thread."""

from __future__ import annotations

import asyncio
import http.client
import time
from typing import Any
from urllib.parse import urlsplit

import msgspec

from pointsman.core.errors import ConfigError

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
        return _object(self.text)

    @property
    def chunks(self) -> list[dict[str, Any]]:
        """The events of a stream, without its end mark."""
        return [_object(event) for event in self.events if event != "[DONE]"]

    @property
    def events(self) -> list[str]:
        """The data of each event."""
        lines = (line.rstrip("\r") for line in self.text.split("\n"))
        return [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]


class Caller:
    """Talks to one base URL."""

    def __init__(self, base_url: str, key: str, patience: float) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigError(f"not an HTTP address: {base_url!r}")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
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
            while piece := response.read1(65536):
                pieces.append(piece)
                arrivals.append(time.perf_counter() - began)
        except (OSError, http.client.HTTPException) as error:
            return Heard(status=0, text=f"{type(error).__name__}: {error}")
        finally:
            connection.close()
        text = b"".join(pieces).decode("utf-8", "replace")
        kind_of_body = response.headers.get("content-type", "")
        return Heard(status=response.status, content_type=kind_of_body, text=text, arrivals=tuple(arrivals))


def _object(text: str) -> dict[str, Any]:
    try:
        found = _decode(text)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}
