"""From what a dialect wrote to what a carrier sends: URL, credentials, headers. Pure."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from pointsman import __version__
from pointsman.core.errors import Forbidden, MissingKey
from pointsman.core.model import CLOUDS, Endpoint, Model, TimeLimits
from pointsman.core.ports import Headers, UpstreamRequest
from pointsman.wire.trip import Outgoing

_MAX_KNOWN = 4096
_LONGEST_KNOWN = 256
_FIXED = (
    (b"user-agent", f"pointsman/{__version__}".encode("ascii")),
    (b"content-type", b"application/json"),
    (b"accept", b"application/json, text/event-stream"),
    (b"accept-encoding", b"identity"),
)
# What a caller may say to the provider, by the family of dialects that understands it; all else stays with us.
_FORWARDED: dict[bytes, str] = {
    b"openai-beta": "openai",
    b"openai-organization": "openai",
    b"openai-project": "openai",
    b"anthropic-beta": "anthropic",
    b"anthropic-version": "anthropic",
    b"traceparent": "",
    b"tracestate": "",
}
# Whose account pays is the operator's word where the operator has said something.
_IDENTITY = frozenset((b"openai-organization", b"openai-project"))
_CREDENTIALS = frozenset((b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key"))
FORWARDED = frozenset(_FORWARDED)
"""Headers of a caller's that may go on to a provider, its credentials aside."""
_INTERESTING = FORWARDED | _CREDENTIALS
_HOP_BY_HOP = (b"connection", b"keep-alive", b"proxy-authorization", b"proxy-connection", b"te", b"trailer", b"upgrade")
_NEVER = frozenset((*_HOP_BY_HOP, b"transfer-encoding", b"host", b"content-length", b"cookie"))

Lines = tuple[tuple[bytes, bytes], ...]


class _Constant:
    """What is the same for every request to one model with one key."""

    __slots__ = ("_joined", "base", "dialect", "headers", "model", "names", "query", "secret", "urls")

    def __init__(self, model: Model, dialect: str, secret: str) -> None:
        self.model = model
        self.secret = secret
        endpoint = model.provider.takes(dialect) or model.provider.endpoint
        self.dialect = endpoint.dialect
        self.base = endpoint.base_url.rstrip("/").replace("{model}", quote(model.upstream, safe=""))
        self.query = urlencode(model.provider.query)
        self.headers = _constant_headers(model, endpoint, secret)
        self.names = frozenset(name for name, _ in self.headers)
        self.urls: dict[str, str] = {}
        self._joined: tuple[Lines, Lines, Lines] = ((), (), ())

    def url(self, path: str) -> str:
        url = self.urls.get(path)
        if url is None:
            url = self.base + path
            if self.query:
                url += ("&" if "?" in path else "?") + self.query
            if len(path) <= _LONGEST_KNOWN:  # a caller's own, with a query of kilobytes, will not come again
                if len(self.urls) >= _MAX_KNOWN:
                    self.urls.clear()
                self.urls[path] = url
        return url

    def joined(self, headers: Lines, more: Lines) -> Lines:
        """Headers and those of a dialect that are not among them; the usual two are joined once."""
        ours, theirs, joined = self._joined
        if headers is ours and more is theirs:
            return joined
        said = {name for name, _ in headers}
        joined = (*headers, *(line for line in more if line[0] not in said))
        if headers is self.headers:
            self._joined = (headers, more, joined)
        return joined


class Sender:
    """Prepares requests; remembers, within bounds, what does not change from one to the next.

    Args:
        own_prefix: how keys of ours begin. A caller's header that carries one is never forwarded.
    """

    def __init__(self, own_prefix: str = "pm-") -> None:
        self._known: dict[tuple[int, str], _Constant] = {}
        self._own = own_prefix.encode("ascii")

    def prepare(
        self,
        model: Model,
        outgoing: Outgoing,
        *,
        secret: str,
        caller_headers: Headers = (),
        private_only: bool = False,
        limits: TimeLimits | None = None,
    ) -> UpstreamRequest:
        """The request as it goes to `model`'s provider.

        Args:
            model: who is to answer.
            outgoing: what its dialect wrote.
            secret: the provider's key; empty where it needs none or the caller brings its own.
            caller_headers: as received, names in lower case; only what the provider understands goes on.
            private_only: the call is confined to private providers. The filters should have seen to it; this is the
                last gate before the wire, and it fails closed.
            limits: instead of the provider's.

        Raises:
            Forbidden: `private_only`, and the provider is not private.
            MissingKey: the provider wants the caller's own credentials, and there are none.
        """
        provider = model.provider
        if private_only and not provider.private:
            raise Forbidden(
                f"this call is confined to private providers and {provider.name!r} is not one: nothing was sent",
                hint="mark the provider `private: true` if its data stay on your premises",
            )
        constant = self._known.get((id(model), outgoing.dialect))
        if constant is None or constant.model is not model or constant.secret != secret:
            constant = self._learn(model, outgoing.dialect, secret)
        headers = constant.headers
        if caller_headers:
            headers = self._with_callers(constant, caller_headers)
        if outgoing.headers:
            headers = constant.joined(headers, outgoing.headers)
        if provider.credentials == "caller" and not any(name in _CREDENTIALS for name, _ in headers):
            raise MissingKey(
                f"provider {provider.name!r} takes the caller's own credentials and the request brought none",
                hint="send the provider's key as `authorization` or `x-api-key`, and a key of this gateway's, where it "
                "demands one, as `x-pointsman-key`",
            )
        return UpstreamRequest(
            url=constant.url(outgoing.path),
            headers=headers,
            body=outgoing.body,
            limits=limits or provider.limits,
            ca_file=provider.ca_file,
            proxy=provider.proxy,
        )

    def _learn(self, model: Model, dialect: str, secret: str) -> _Constant:
        # By identity: models are large values, made anew when the configuration changes. The entry holds its model,
        # so an id cannot come to mean another one while it is known.
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        constant = self._known[id(model), dialect] = _Constant(model, dialect, secret)
        return constant

    def _with_callers(self, constant: _Constant, caller_headers: Headers) -> tuple[tuple[bytes, bytes], ...]:
        provider = constant.model.provider
        forwarded = [
            (name, value)
            for name, value in caller_headers
            if name in _INTERESTING and self._goes_on(name, value, constant)
        ]
        if not forwarded:
            return constant.headers
        replaced = {name for name, _ in forwarded}
        if provider.credentials == "caller" and replaced & _CREDENTIALS:
            replaced |= _CREDENTIALS
        return (*(line for line in constant.headers if line[0] not in replaced), *forwarded)

    def _goes_on(self, name: bytes, value: bytes, constant: _Constant) -> bool:
        provider = constant.model.provider
        if name in _CREDENTIALS:
            return provider.credentials == "caller" and not _bare(value).startswith(self._own)
        if name in _IDENTITY and name in constant.names:
            return False
        return constant.dialect.startswith(_FORWARDED[name])


def _bare(value: bytes) -> bytes:
    """A credential without its scheme (`Bearer `)."""
    return value.strip().rpartition(b" ")[2]


def _constant_headers(model: Model, endpoint: Endpoint, secret: str) -> tuple[tuple[bytes, bytes], ...]:
    """The fixed ones, the endpoint's, the model's, the key; of the same name the later wins."""
    lines = dict(_FIXED)
    for name, value in (*endpoint.headers, *model.extra_headers):
        key = name.strip().lower().encode()
        if key not in _NEVER:
            lines[key] = value.encode()
    if secret and model.provider.credentials in CLOUDS:
        lines[b"authorization"] = f"Bearer {secret}".encode()
    elif secret and model.provider.credentials == "own":
        lines[endpoint.auth_header.lower().encode()] = f"{endpoint.auth_prefix}{secret}".encode()
    return tuple(lines.items())
