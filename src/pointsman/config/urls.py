"""What a pattern cannot say of a URL: whether it leads to a host and a port, and whether its path is too long."""

from __future__ import annotations

from urllib.parse import urlsplit

_PORTS = range(1, 65_536)
_ENDPOINTS = ("/chat/completions", "/completions", "/embeddings", "/responses", "/messages", "/models")


def trouble(url: str) -> str:
    """Why nothing can be asked at a URL; empty where it can."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an IPv6 address stands in brackets, as in http://[::1]:8000/v1"
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port is not None and port not in _PORTS:
        return "the port is not a number from 1 to 65535"
    return "" if parts.hostname else "there is no host"


def without_endpoint(base_url: str) -> str:
    """A base URL less the path of an endpoint that was written with it; empty where there is none."""
    for end in _ENDPOINTS:
        if base_url.rstrip("/").endswith(end):
            return base_url.rstrip("/").removesuffix(end)
    return ""


def without_usual_port(origin: str) -> str:
    """An origin without the port that browsers leave out, or empty where it has none such."""
    scheme, _, rest = origin.partition("://")
    usual = {"http": ":80", "https": ":443"}.get(scheme, "")
    return origin.removesuffix(usual) if usual and rest.endswith(usual) else ""


def in_url(host: str) -> str:
    """A host as it stands in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
