"""The ports: what the line needs from the rest of the house, each as small as its smallest honest adapter.

`Carrier` carries an encoded request to a provider and its bytes back. `Reply` is where an answer goes. `Recorder`
takes outcomes. `Keys` says who is calling. `ResponseStore` keeps responses that callers go on from. Nothing here knows
HTTP servers, databases or dialects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from pointsman.core.kept import KeptResponse
from pointsman.core.key import Ended, Role
from pointsman.core.model import TimeLimits
from pointsman.core.outcome import Outcome
from pointsman.core.scope import Allow

STOPPING = "the gateway stops"
"""Why a call's task is cancelled at the end of the time that a stop leaves it: its caller is there, and to be told."""

_OVERSEERS: frozenset[Role] = frozenset({"admin", "viewer"})

Headers = Sequence[tuple[bytes, bytes]]
"""Header lines in order; names in lower case."""


class UpstreamRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request, ready to send. `headers` carry neither host nor content-length; the carrier adds them."""

    method: str = "POST"
    url: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    limits: TimeLimits = TimeLimits()
    ca_file: str = ""
    proxy: str = ""
    max_answer: int = 64 * 1024 * 1024


class UpstreamResponse(Protocol):
    """An answer whose head has arrived. Exactly one of `read` or repeated `next_chunk` is used, then `aclose`."""

    @property
    def status(self) -> int:
        """HTTP status."""
        ...

    @property
    def headers(self) -> Headers:
        """Header lines as received, names in lower case."""
        ...

    @property
    def connected(self) -> float | None:
        """Seconds until there was a connection, where a new one was made for it and that was measured."""
        ...

    def header(self, name: bytes) -> bytes:
        """First value of a header (name in lower case), or empty."""
        ...

    async def read(self) -> bytes:
        """The whole body.

        Raises:
            UpstreamCut: the connection ended before the body did.
            UpstreamTimeout: `between_bytes` or `total` passed.
            UpstreamGarbage: larger than `max_answer`, or not HTTP.
        """
        ...

    async def next_chunk(self) -> bytes:
        """Body bytes as soon as there are any; empty at the body's proper end. Raises as `read` does."""
        ...

    async def aclose(self) -> None:
        """Let go of the connection: kept for the next request if the body was read to its end, closed otherwise."""
        ...


class Carrier(Protocol):
    """Carries requests to providers."""

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Send and wait for the head of the answer. Cancelling closes the connection.

        Raises:
            ConnectFailed: no connection.
            UpstreamTimeout: phase `connect` or `first_byte`.
            UpstreamCut: the connection ended before a head came (a stale kept connection is retried on a new one
                by the carrier itself, once, when nothing of the answer had arrived).
            UpstreamGarbage: not HTTP.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was fetched."""

    media_type: str
    data: bytes


class Fetcher(Protocol):
    """Fetches files that a caller named by URL, for providers that cannot."""

    async def fetch(self, urls: Iterable[str]) -> Mapping[str, Fetched]:
        """The files behind some URLs.

        Raises:
            InvalidRequest: one of them cannot be had, or may not be asked for.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


class Reply(Protocol):
    """Where the answer to a call goes. `start` once, then `write` any number of times, then `end`; or `whole`."""

    @property
    def started(self) -> bool:
        """Whether the status is committed."""
        ...

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """The complete answer at once."""
        ...

    async def start(self, status: int, headers: Headers) -> None:
        """Status and headers of a streamed answer."""
        ...

    async def write(self, data: bytes) -> None:
        """Bytes of a streamed answer; waits while the caller reads too slowly."""
        ...

    async def end(self) -> None:
        """The streamed answer's proper end."""
        ...


class Recorder(Protocol):
    """Takes outcomes; never blocks, never raises, never changes anything for the call."""

    def record(self, outcome: Outcome) -> None:
        """Take one outcome."""
        ...


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who is calling: what of the key (`core.key.KeyRow`) counts for a call; all empty where no keys are demanded."""

    id: str = ""
    name: str = ""
    team: str = ""
    project: str = ""
    allow: Allow = ()
    parallel: int = 0
    role: Role = "caller"

    @property
    def sees(self) -> str:
        """The id of the key whose calls it sees; empty: everybody's, as an admin or a viewer, or without keys."""
        return "" if self.role in _OVERSEERS else self.id


NOBODY = Principal()
"""Whoever calls where no keys are demanded."""


class Keys(Protocol):
    """Says who is calling."""

    @property
    def demanded(self) -> bool:
        """Whether a key must be sent."""
        ...

    def check(self, secret: str) -> Principal | None:
        """The holder of a key that calls models; None if unknown, expired or revoked. In memory; microseconds."""
        ...

    def reader(self, secret: str) -> Principal | None:
        """Likewise the holder of a key that only reads, and may call no model."""
        ...

    def ended(self, secret: str) -> Ended | None:
        """Why a secret that neither of them knows opens nothing any more; None: it never did, as far as is known."""
        ...


class ResponseStore(Protocol):
    """Keeps responses, each for its tenant alone."""

    def keep(self, response: KeptResponse) -> None:
        """Take one; it can be found at once. Never blocks, never raises.

        One whose id another call's response has is not kept.
        """
        ...

    async def find(self, response_id: str, tenant: str) -> KeptResponse | None:
        """The tenant's response of that id, if there is one or another process is just writing it.

        Raises:
            StoreUnavailable: it cannot be known.
        """
        ...

    async def delete(self, response_id: str, tenant: str) -> bool:
        """Delete one for good; whether there was one. Raises as `find`."""
        ...
