"""Files that a caller names by URL, for providers that cannot fetch them: images, documents, sounds.

The URL is the caller's word, and the gateway stands where callers do not: so a name is resolved once, every one of its
addresses has to be public, and the connection goes to one of those very addresses (no second look-up that could say
something else). Each redirect is judged anew. Size, time and number are bounded. Nothing of ours goes along: no key, no
cookie, no header of the caller's.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable
from urllib.parse import urljoin, urlsplit

from pointsman.core.errors import InvalidRequest, UpstreamError
from pointsman.core.model import TimeLimits
from pointsman.core.ports import Carrier, Fetched, UpstreamRequest
from pointsman.upstream.http1 import Http1Carrier, PoolLimits

_MAX_BYTES = 20 * 1024 * 1024
_MAX_TOTAL = 64 * 1024 * 1024  # of one request; providers take no more than about 50 MB
_AT_ONCE = 16  # files on their way, whoever wants them
_MAX_REDIRECTS = 3
_MAX_FILES = 20
_MAX_URL = 4096
_SECONDS = 20.0
_LIMITS = TimeLimits(connect=5.0, first_byte=10.0, between_bytes=10.0, total=_SECONDS)
_PORTS = frozenset({80, 443, 8080, 8443})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = ((b"accept", b"*/*"), (b"accept-encoding", b"identity"), (b"user-agent", b"pointsman"))
# Where no file of the web lives, in our own words: what Python calls global differs between its versions, and some of
# it is not. IANA's registries of special-purpose addresses (https://www.iana.org/assignments/iana-ipv4-special-registry
# and …/iana-ipv6-special-registry) as of November 2026, whole blocks without the few anycast services in them.
_REFUSED_4 = tuple(
    ipaddress.IPv4Network(net)
    for net in (
        "0.0.0.0/8",  # this network (RFC 791)
        "10.0.0.0/8",  # private (RFC 1918)
        "100.64.0.0/10",  # shared by a carrier's customers (RFC 6598); Alibaba's metadata are at 100.100.100.200
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's WireServer: a public address that each machine there has for itself
        "169.254.0.0/16",  # link-local (RFC 3927), where most clouds' metadata are
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments (RFC 6890); Oracle's metadata are at 192.0.0.192
        "192.0.2.0/24",  # documentation (RFC 5737)
        "192.88.99.0/24",  # relays of 6to4, given up (RFC 7526)
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks (RFC 2544)
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_REFUSED_6 = tuple(
    ipaddress.IPv6Network(net)
    for net in (
        # All but 2000::/3, the only one that is given out. Below it: loopback, IPv4 in NAT64 (RFC 6052, 8215), discard
        # (RFC 6666). Above it: segment routing (5f00::/16), local (fc00::/7), link-local, site-local (fec0::/10).
        "::/3",
        "4000::/2",
        "8000::/1",
        "2001::/23",  # protocol assignments (RFC 2928), among them Teredo (RFC 4380), which holds an IPv4 address
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4 (RFC 3056), which holds an IPv4 address
        "3fff::/20",  # documentation (RFC 9637)
    )
)
_ISATAP, _ISATAP_FLAGS = 0x5EFE, 0x03000000
"""How the second half of an IPv6 address begins that is made of an IPv4 one (RFC 5214), and bits it may set."""
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet's, whatever way it is written.

    Private, loopback, link-local (where cloud metadata live), shared, reserved and multicast ones are not, nor are
    IPv6 forms that hold an IPv4 address and could lead to one of those.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in net for net in _REFUSED_4) and ip.is_global
    if ip.ipv4_mapped is not None:
        return is_public(str(ip.ipv4_mapped))
    if any(ip in net for net in _REFUSED_6):
        return False
    inner = _isatap(ip)
    return ip.is_global and (inner is None or is_public(str(inner)))


def _isatap(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address of which an IPv6 one is made by ISATAP; None if it is not."""
    start = int(ip) >> 32 & 0xFFFFFFFF
    return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if start & ~_ISATAP_FLAGS == _ISATAP else None


class _Room:
    """The bytes that the files of one request may still have."""

    def __init__(self, size: int) -> None:
        self._left = size

    def take(self, size: int) -> None:
        """Count a file. Raises `InvalidRequest` where all of them are too much."""
        self._left -= size
        if self._left < 0:
            raise InvalidRequest(
                f"The files that the request names by URL have more than {_MAX_TOTAL >> 20} MB together.",
                hint="name fewer or smaller ones",
            )


class Fetcher:
    """Fetches; satisfies `core.ports.Fetcher`.

    Args:
        carrier: instead of one that connects to public addresses alone; for tests.
    """

    def __init__(self, carrier: Carrier | None = None) -> None:
        self._carrier = carrier or Http1Carrier(PoolLimits(max_idle=0), allowed=is_public)
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def fetch(self, urls: Iterable[str]) -> dict[str, Fetched]:
        """The files behind some URLs.

        Raises:
            InvalidRequest: one of them cannot be had; it says which and why.
        """
        wanted = list(dict.fromkeys(urls))
        if len(wanted) > _MAX_FILES:
            raise InvalidRequest(f"The request names {len(wanted)} files by URL; at most {_MAX_FILES} are fetched.")
        room = _Room(_MAX_TOTAL)
        tasks = [asyncio.ensure_future(self._one(url, room)) for url in wanted]
        try:
            async with asyncio.timeout(_SECONDS):
                return dict(zip(wanted, await asyncio.gather(*tasks), strict=True))
        except TimeoutError:
            raise InvalidRequest(f"The files of the request did not arrive within {_SECONDS:g} s.") from None
        finally:
            for task in tasks:  # where one cannot be had, nobody wants the others
                task.cancel()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._carrier.aclose()

    async def _one(self, url: str, room: _Room) -> Fetched:
        async with self._slots:
            found = await self._follow(url)
        room.take(len(found.data))
        return found

    async def _follow(self, url: str) -> Fetched:
        shown = _shown(url)
        where = url
        for _ in range(_MAX_REDIRECTS + 1):
            _judge(where, shown)
            request = UpstreamRequest(method="GET", url=where, headers=_HEADERS, limits=_LIMITS, max_answer=_MAX_BYTES)
            try:
                found = await self._get(request, shown)
            except UpstreamError as error:
                raise _cannot(shown, error.message) from None
            if isinstance(found, Fetched):
                return found
            where = _joined(where, found, shown)
        raise _cannot(shown, f"it redirects more than {_MAX_REDIRECTS} times")

    async def _get(self, request: UpstreamRequest, shown: str) -> Fetched | str:
        """The file, or where it is said to be."""
        response = await self._carrier.send(request)
        try:
            if response.status in _REDIRECTS:
                return response.header(b"location").decode("latin-1")
            if response.status != 200:
                raise _cannot(shown, f"the server answered {response.status}")
            body = await response.read()
        finally:
            await response.aclose()
        kind = response.header(b"content-type").decode("latin-1").partition(";")[0].strip().lower()
        return Fetched(media_type=sniffed(body) or kind or "application/octet-stream", data=body)


def sniffed(body: bytes) -> str:
    """The media type that a file's first bytes show; empty where they show none that is asked for here."""
    if body[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(body[8:12], "")
    return next((kind for magic, kind in _MAGIC if body.startswith(magic)), "")


def _shown(url: str) -> str:
    """A URL for people: without query, fragment and user, any of which may hold a secret.

    Of others than the web's only the scheme: they hold who knows what.
    """
    scheme, colon, rest = url.partition("?")[0].partition("#")[0].partition(":")
    if scheme.lower() not in ("http", "https") or not rest.startswith("//"):
        return f"{scheme[:20]}:…" if colon and scheme[:20].isalnum() else "what is no URL"
    host, slash, path = rest[2:].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"[:200]


def _joined(where: str, found: str, shown: str) -> str:
    """Where a redirect leads."""
    try:
        return urljoin(where, found)
    except ValueError:
        raise _cannot(shown, "it redirects to what is no URL") from None


def _judge(url: str, shown: str) -> None:
    """Raise for what is no URL of a file on the web."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise _cannot(shown, "it is no URL") from None
    if len(url) > _MAX_URL:
        raise _cannot(shown, "it is too long")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _cannot(shown, _OTHERS.get(parts.scheme, "only http and https URLs are fetched"))
    if parts.username is not None or parts.password is not None:
        raise _cannot(shown, "it holds credentials")
    if port not in _PORTS:
        raise _cannot(shown, f"port {port} is none of a web server's")


_OTHERS = {"data": "a data URL is a media type, a comma and the data: `data:image/png;base64,…`"}
"""What is wrong with URLs of other schemes, where there is more to say than that they are others."""


def _cannot(shown: str, why: str) -> InvalidRequest:
    return InvalidRequest(
        f"The file at {shown} cannot be fetched: {why}", hint="send it as base64 data, or as a file that can be had"
    )
