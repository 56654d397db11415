"""From a URL and header lines to the bytes of a request head; what could smuggle a line break is refused here."""

from __future__ import annotations

import base64
import re
from urllib.parse import unquote, urlsplit

import msgspec

from pointsman.core.errors import ConnectFailed

_URL = re.compile(r"https?://[\x21-\x7e]+", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9._~%:-]+")  # names, IPv4, and IPv6 without its brackets
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110, 5.5
# These decide where a message ends or who reads it; a second opinion from outside would be a way to smuggle.
_OURS = frozenset((b"host", b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"te", b"trailer"))
_WITH_LENGTH = frozenset(("POST", "PUT", "PATCH"))
_PORTS = {"http": 80, "https": 443}


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A URL taken apart.

    Attributes:
        secure: https.
        host: name or IP address, without brackets.
        port: TCP port.
        target: path and query as they stand in the request line.
        authority: `host` or `host:port` as the Host header wants it.
        label: `host:port`, for people.
        extra: header lines that belong to the way there, for a proxy.
    """

    secure: bool
    host: str
    port: int
    target: bytes
    authority: bytes
    label: str
    extra: bytes = b""


def parse_url(url: str) -> Address:
    """Take an http or https URL apart.

    Raises:
        ConnectFailed: not such a URL, or one with a user name, a control character or a character beyond ASCII.
    """
    if not _URL.fullmatch(url):
        raise _bad_url(
            url, "it must start with http:// or https:// and hold no spaces, control or non-ASCII characters"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _bad_url(url, str(error)) from error
    host = parts.hostname or ""
    if parts.username is not None or not _HOST.fullmatch(host):
        raise _bad_url(url, "it needs a host and takes no user name: send credentials as a header")
    shown = f"[{host}]" if ":" in host else host
    usual = _PORTS[parts.scheme]
    port = port or usual
    return Address(
        secure=parts.scheme == "https",
        host=host,
        port=port,
        target=((parts.path or "/") + (f"?{parts.query}" if parts.query else "")).encode("ascii"),
        authority=(shown if port == usual else f"{shown}:{port}").encode("ascii"),
        label=f"{shown}:{port}",
    )


class Proxy(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP proxy: where it listens, and its `proxy-authorization` value, empty where it needs none."""

    address: Address
    authorization: bytes = b""

    @property
    def line(self) -> bytes:
        """The header line for the proxy, or nothing."""
        return b"proxy-authorization: %b\r\n" % self.authorization if self.authorization else b""


def parse_proxy(url: str) -> Proxy:
    """An `http://` proxy's URL, user name and password allowed. Raises `ConnectFailed` as `parse_url`."""
    _, _, rest = url.partition("://")
    user, _, place = rest.rpartition("@")
    address = parse_url(f"http://{place}")
    address = msgspec.structs.replace(address, label=f"the proxy {address.label}")
    if not user:
        return Proxy(address=address)
    return Proxy(address=address, authorization=b"Basic " + base64.b64encode(unquote(user).encode()))


def behind(address: Address, proxy: Proxy) -> Address:
    """The same place with the request line that a proxy wants for plain http (RFC 9112, 3.2.2)."""
    line = b"http://%b%b" % (address.authority, address.target)
    return msgspec.structs.replace(address, target=line, extra=proxy.line)


def _bad_url(url: str, why: str) -> ConnectFailed:
    # Without query and user part: either may hold a secret.
    shown = url.partition("?")[0].rpartition("@")[2][:200]
    return ConnectFailed(f"{shown!r} is no URL to send to: {why}", hint="check the provider's base_url")


def build_head(method: str, address: Address, headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """Request line and header lines, without the length of the body and the empty line.

    Raises:
        ConnectFailed: a method, name or value that HTTP does not allow, or a header that is the carrier's own.
    """
    verb = method.encode("ascii", "replace")
    if not _TOKEN.fullmatch(verb):
        raise _bad_header(address, "the method is no HTTP method")
    lines = [b"%b %b HTTP/1.1\r\nhost: %b\r\n" % (verb, address.target, address.authority), address.extra]
    for name, value in headers:
        check_header(address.label, name, value)
        lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join(lines)


def check_header(label: str, name: bytes, value: bytes) -> None:
    """Raise `ConnectFailed` for a header line that must not be sent; never shows the value, which may be a secret."""
    if not _TOKEN.fullmatch(name) or name.lower() in _OURS:
        raise ConnectFailed(f"nothing was sent to {label}: header name {name[:80]!r} is not allowed")
    if not _VALUE.fullmatch(value):
        raise ConnectFailed(f"nothing was sent to {label}: the value of {name.decode()!r} holds a control character")


def _bad_header(address: Address, why: str) -> ConnectFailed:
    return ConnectFailed(f"nothing was sent to {address.label}: {why}")


def finish_head(method: str, head: bytes, body: bytes) -> bytes:
    """`head` with the body's length and the empty line."""
    if body or method in _WITH_LENGTH:
        return b"%bcontent-length: %d\r\n\r\n" % (head, len(body))
    return head + b"\r\n"
