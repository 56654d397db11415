"""Access tokens of clouds that sign in instead of showing a key: Microsoft Entra for Azure, Google for Vertex.

Tokens last about an hour. One is fetched before the first request that needs it and again shortly before its end, in a
thread, by the vendor's own library; whoever comes meanwhile waits for the same one. The libraries are extras.
"""

from __future__ import annotations

import asyncio
import calendar
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pointsman.core.clock import Clock
from pointsman.core.errors import NoCredentials

_SCOPES = {
    "entra": "https://cognitiveservices.azure.com/.default",
    "google": "https://www.googleapis.com/auth/cloud-platform",
}
_EARLY_NS = 300 * 1_000_000_000
_SECONDS = 30.0
_PAUSE_NS = 10 * 1_000_000_000


class Token(NamedTuple):
    """An access token and when it ends, in nanoseconds since the epoch."""

    secret: str
    until: int


class _Failure(NamedTuple):
    """Why there was no token, and when."""

    at: int
    message: str
    hint: str


Source = Callable[[], Token]


class Tokens:
    """The tokens in force, one for each cloud.

    Args:
        clock: says when one has to be renewed.
        sources: how to get one, by cloud; they may block.
    """

    def __init__(self, clock: Clock, sources: Mapping[str, Source] | None = None) -> None:
        self._clock = clock
        self._sources = sources or {"entra": entra, "google": google}
        self._tokens: dict[str, Token] = {}
        self._failed: dict[str, _Failure] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    def current(self, cloud: str) -> str:
        """The token of a cloud; empty where there is none in force."""
        token = self._tokens.get(cloud)
        return token.secret if token is not None and token.until > self._clock.now() else ""

    def due(self, cloud: str) -> bool:
        """Whether `renew` has to be called before a request."""
        token = self._tokens.get(cloud)
        return token is None or token.until - _EARLY_NS <= self._clock.now()

    async def renew(self, cloud: str) -> None:
        """Get a token, unless somebody just did.

        Raises:
            NoCredentials: there is none to be had; while an old one is in force, nothing is raised.
        """
        lock = self._locks.setdefault(cloud, asyncio.Lock())
        async with lock:
            if not self.due(cloud):
                return
            failed = self._failed.get(cloud)
            if failed is None or self._clock.now() - failed.at >= _PAUSE_NS:
                failed = await self._ask(cloud)
            if failed is not None and not self.current(cloud):
                raise NoCredentials(failed.message, hint=failed.hint)

    async def _ask(self, cloud: str) -> _Failure | None:
        """Get a token; what went wrong, if it did. In words: an exception would hold on to the call that it ended."""
        try:
            async with asyncio.timeout(_SECONDS):
                self._tokens[cloud] = await asyncio.to_thread(self._sources[cloud])
        except NoCredentials as error:
            failed = _Failure(self._clock.now(), error.message, error.hint)
        except Exception as error:  # noqa: BLE001 - a named edge: the vendors' libraries raise kinds of their own
            why = f"no token of {cloud} could be had: {_words(error)}"
            failed = _Failure(self._clock.now(), why, "`pointsman doctor` says more")
        else:
            self._failed.pop(cloud, None)
            return None
        self._failed[cloud] = failed
        return failed


def _words(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:300]


def entra() -> Token:
    """A token of Microsoft Entra, by the usual chain: environment, workload identity, managed identity, `az login`.

    Raises:
        NoCredentials: the library is not installed.
    """
    try:
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - an extra, loaded when it is asked for
    except ImportError:
        raise NoCredentials("Entra needs the package azure-identity", hint="`pip install 'pointsman[azure]'`") from None
    with DefaultAzureCredential(exclude_interactive_browser_credential=True) as credential:
        found = credential.get_token(_SCOPES["entra"])
    return Token(found.token, int(found.expires_on) * 1_000_000_000)


def google() -> Token:
    """A token of Google, by Application Default Credentials: a key file, workload identity, the metadata server.

    Raises:
        NoCredentials: the library is not installed.
    """
    try:
        import google.auth  # noqa: PLC0415 - an extra, loaded when it is asked for
        from google.auth.transport.requests import Request  # noqa: PLC0415 - likewise
    except ImportError:
        raise NoCredentials("Vertex needs the package google-auth", hint="`pip install 'pointsman[vertex]'`") from None
    credentials: Any
    credentials, _ = google.auth.default(scopes=[_SCOPES["google"]])
    credentials.refresh(Request())
    # Its time is in UTC and does not say so.
    return Token(str(credentials.token), calendar.timegm(credentials.expiry.utctimetuple()) * 1_000_000_000)
