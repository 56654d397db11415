"""Which carrier takes a request: ours, or behind a SOCKS or https proxy, the library that knows those."""

from __future__ import annotations

import ipaddress
from collections.abc import Coroutine, Mapping
from typing import Any

import msgspec

from pointsman.core.ports import Carrier, UpstreamRequest, UpstreamResponse
from pointsman.upstream.address import Address, parse_url
from pointsman.upstream.http1 import Http1Carrier, PoolLimits, takes_proxy

_NAMES = {True: ("https_proxy", "HTTPS_PROXY"), False: ("http_proxy", "HTTP_PROXY")}
_ALL = ("all_proxy", "ALL_PROXY")
_NONE = ("no_proxy", "NO_PROXY")
_MAX_KNOWN = 1024


class ProxyRules:
    """`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, lower case first, read once from `environment`.

    `NO_PROXY` is a list, by comma, of names (which cover what ends in them), `host:port`, IP addresses, networks
    (`10.0.0.0/8`) or `*`. Loopback never goes through a proxy of the environment: it would ask the proxy's own host.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        everything = _first(environment, _ALL)
        self._proxies = {secure: _first(environment, names) or everything for secure, names in _NAMES.items()}
        self._except = [part.strip().lower() for part in _first(environment, _NONE).split(",") if part.strip()]

    def __bool__(self) -> bool:
        """Whether any proxy is set at all."""
        return any(self._proxies.values())

    def proxy_for(self, address: Address) -> str:
        """The proxy's URL, or empty for a direct connection."""
        proxy = self._proxies[address.secure]
        if not proxy or self._is_excepted(address):
            return ""
        return proxy if "://" in proxy else f"http://{proxy}"

    def _is_excepted(self, address: Address) -> bool:
        host = address.host.lower().rstrip(".")
        number = _number(host)
        if host == "localhost" or host.endswith(".localhost") or (number is not None and number.is_loopback):
            return True
        return any(_matches(rule, host, address.port, number) for rule in self._except)


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((environment[name] for name in names if environment.get(name)), "")


def _number(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _matches(rule: str, host: str, port: int, number: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> bool:
    if rule == "*":
        return True
    if number is not None:
        try:
            return number in ipaddress.ip_network(rule.strip("[]"), strict=False)
        except ValueError:
            return rule == f"{host}:{port}"
    name, _, only = rule.partition(":")
    if only and only != str(port):
        return False
    name = name.removeprefix("*").removeprefix(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


class Carry:
    """The carrier that everybody else uses. Satisfies `core.ports.Carrier`.

    Args:
        environment: where proxies are looked up, usually `os.environ`; read now, not at each request.
        pool: bounds for direct connections.
    """

    def __init__(self, environment: Mapping[str, str], pool: PoolLimits | None = None) -> None:
        self._fast = Http1Carrier(pool)
        self._rules = ProxyRules(environment)
        self._proxied: Carrier | None = None
        self._known: dict[str, str] = {}
        self._any = bool(self._rules)

    def send(self, request: UpstreamRequest) -> Coroutine[Any, Any, UpstreamResponse]:
        """Send and wait for the head; see the port. No coroutine of its own: every call would pay for it."""
        if not self._any and not request.proxy:
            return self._fast.send(request)
        return self._choose(request)

    async def _choose(self, request: UpstreamRequest) -> UpstreamResponse:
        proxy = request.proxy or self._proxy(request.url)
        if proxy != request.proxy:
            request = msgspec.structs.replace(request, proxy=proxy)
        if takes_proxy(proxy):
            return await self._fast.send(request)
        return await self._through().send(request)

    def _proxy(self, url: str) -> str:
        proxy = self._known.get(url)
        if proxy is None:
            proxy = self._rules.proxy_for(parse_url(url))
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[url] = proxy
        return proxy

    def _through(self) -> Carrier:
        if self._proxied is None:
            # Only here: few installations have such a proxy, the others need not pay for the import.
            from pointsman.upstream.reqwest import ReqwestCarrier  # noqa: PLC0415

            self._proxied = ReqwestCarrier()
        return self._proxied

    async def aclose(self) -> None:
        """Close every connection of both carriers."""
        await self._fast.aclose()
        if self._proxied is not None:
            await self._proxied.aclose()
