"""A call as it arrives: one HTTP request, whole, before anybody has looked into it."""

from __future__ import annotations

import msgspec


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """One request from a caller.

    Attributes:
        method, path, query: the request line; `path` is decoded and without the configured root path.
        headers: header lines in order, names in lower case.
        lookup: the same by name; of a repeated header the last.
        body: whole.
        client: address of the peer.
        received: monotonic nanoseconds when its first byte came.
    """

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    lookup: dict[bytes, bytes]
    body: bytes = b""
    client: str = ""
    received: int = 0

    def text(self, name: bytes) -> str:
        """A header's value as text, empty if absent."""
        return self.lookup.get(name, b"").decode("latin-1")
