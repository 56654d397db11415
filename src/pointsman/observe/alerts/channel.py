"""The port behind which every way to tell an alert stands, and what those over HTTP share."""

from __future__ import annotations

import datetime as dt
from typing import Protocol

import msgspec

from pointsman.core.errors import NoCredentials, UpstreamRefused
from pointsman.core.model import TimeLimits
from pointsman.core.ports import Carrier, Headers, UpstreamRequest
from pointsman.observe.alerts.alert import Alert

LIMITS = TimeLimits(connect=5.0, first_byte=15.0, between_bytes=15.0, total=15.0)
_MOST_ANSWER = 64 * 1024
_TRY_AGAIN = frozenset({408, 425, 429})


class Channel(Protocol):
    """Tells alerts to one place."""

    async def deliver(self, alert: Alert) -> None:
        """Tell one alert; whoever calls limits the time.

        Raises:
            PointsmanError: it was not taken. Its text may hold secrets of the channel, see `secrets`.
        """
        ...

    def secrets(self) -> tuple[str, ...]:
        """What must never be shown: keys, passwords, addresses that are keys."""
        ...


class Web(msgspec.Struct, frozen=True, kw_only=True):
    """Where a channel over HTTP posts to.

    Attributes:
        carrier: carries the requests.
        url: where; empty where `lacking` says why.
        lacking: the variable that is not set; empty if none is missing.
        ca_file, proxy: for the connection; empty means the system's.
    """

    carrier: Carrier
    url: str
    lacking: str = ""
    ca_file: str = ""
    proxy: str = ""

    def __repr__(self) -> str:
        return "Web(…)"  # the URL may be a key


def demand(lacking: str) -> None:
    """Raise for a variable that is not set."""
    if lacking:
        raise NoCredentials(f"the variable {lacking} is not set", hint=f"set {lacking} and start the gateway again")


async def post(web: Web, body: bytes, headers: Headers = ()) -> None:
    """Post JSON and see that it is taken.

    Raises:
        NoCredentials: a variable is not set; nothing was sent.
        UpstreamError: no answer, or another status than 200 to 299; `retryable` says whether trying again makes sense.
    """
    demand(web.lacking)
    response = await web.carrier.send(
        UpstreamRequest(
            url=web.url,
            headers=((b"content-type", b"application/json"), (b"user-agent", b"pointsman"), *headers),
            body=body,
            limits=LIMITS,
            ca_file=web.ca_file,
            proxy=web.proxy,
            max_answer=_MOST_ANSWER,
        )
    )
    try:
        status = response.status
        await response.read()
    finally:
        await response.aclose()
    if not 200 <= status < 300:
        again = status >= 500 or status in _TRY_AGAIN
        raise UpstreamRefused(f"it answered with status {status}", status=status, retryable=again)


def moment(nanoseconds: int) -> dt.datetime:
    """Nanoseconds since the epoch as a moment in UTC."""
    return dt.datetime.fromtimestamp(nanoseconds / 1e9, tz=dt.UTC)


def iso(nanoseconds: int) -> str:
    """Nanoseconds since the epoch as ISO 8601 in UTC, to the millisecond."""
    return moment(nanoseconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")
