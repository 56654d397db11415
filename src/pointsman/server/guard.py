"""Who may call while no key is demanded: programs on this machine, and no web page that happens to be open on it.

Every page in a browser can send requests to a loopback address; nothing but the browser's own headers tells them from
a program's. `Origin` and `Sec-Fetch-Site` (https://www.w3.org/TR/fetch-metadata/) name pages of other sites. A page
whose name was pointed at this machine (DNS rebinding) is of the same origin, but its `Host` is that name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from pointsman.core.call import Arrival
from pointsman.core.errors import Forbidden
from pointsman.server.cors import Cors
from pointsman.server.table import normal

_OPEN = frozenset({"/", "/health", "/ready"})
_OPEN_BELOW = "/static/"
_MAX_HOSTS = 256
_SHOWN = 100
_FOREIGN_SITES = frozenset({b"cross-site", b"same-site"})


class Guard:
    """Refuses what no program on this machine sent.

    Args:
        demanded: whether callers need a key at this moment; then the key decides, and nothing is looked at here.
        host: the configured address, which is as good as a loopback name.
        secure: whether this server speaks TLS itself.
        cors: origins that may call.
    """

    def __init__(self, demanded: Callable[[], bool], host: str, cors: Cors, *, secure: bool = False) -> None:
        self._demanded = demanded
        self._own = host.strip("[]").lower()
        self.cors = cors
        self._scheme = b"https://" if secure else b"http://"
        self._hosts: dict[bytes, bool] = {}

    def check(self, arrival: Arrival) -> None:
        """Let a request pass.

        Raises:
            Forbidden: a web page sent it, or may have.
        """
        lookup = arrival.lookup
        host = lookup.get(b"host", b"")
        near = self._hosts.get(host)
        if near is None:
            near = self._judge(host)
        if near and b"origin" not in lookup and b"sec-fetch-site" not in lookup:
            return
        if not self._demanded() and not _is_open(arrival.path):
            self._look_closely(arrival, host, near=near)

    def _look_closely(self, arrival: Arrival, host: bytes, *, near: bool) -> None:
        if not near:
            raise Forbidden(
                f"Without keys this gateway answers to this machine alone, and not by the name {_shown(host)}",
                hint="call it by 127.0.0.1 or localhost, or create a key with `pointsman keys create NAME`",
            )
        origin = arrival.lookup.get(b"origin")
        if origin is None:
            if arrival.lookup.get(b"sec-fetch-site", b"").lower() in _FOREIGN_SITES:
                raise _page("of another site")
        elif origin.lower() != self._scheme + host.lower() and not self.cors.allows(origin):
            raise _page(f"of the origin {_shown(origin)}")

    def _judge(self, host: bytes) -> bool:
        if len(self._hosts) >= _MAX_HOSTS:
            self._hosts.clear()
        near = self._hosts[host] = not host or self._is_near(host.decode("latin-1"))
        return near

    def _is_near(self, host: str) -> bool:
        """Whether a `Host` header names this machine; one without a header is from no browser."""
        name = _without_port(host).lower().removesuffix(".")
        if name == "localhost" or name.endswith(".localhost") or name == self._own:
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_open(path: str) -> bool:
    """Whether a path tells nothing and costs nothing: probes, and the page itself, to which links may lead."""
    plain = normal(path)
    return plain in _OPEN or plain.startswith(_OPEN_BELOW)


def _page(of: str) -> Forbidden:
    return Forbidden(
        f"Without keys this gateway answers no web page {of}",
        hint="create a key with `pointsman keys create NAME`, or list the page's origin in `server.cors`",
    )


def _shown(value: bytes) -> str:
    return repr(value[:_SHOWN].decode("ascii", "replace"))
