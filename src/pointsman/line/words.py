"""What people are told about an answer that is none, and what they must not be told."""

from __future__ import annotations

import re

from pointsman.core.errors import PointsmanError, ProviderAccount, UpstreamError, UpstreamGarbage, UpstreamRefused
from pointsman.core.model import Model
from pointsman.core.ports import Headers, UpstreamResponse

_BRIEF = 160
_SHORTEST = 6
LONGEST_WAIT = 60
"""Seconds that clients wait for what `retry-after` says; told more, they try again soon, in vain."""
_ACCOUNT = {401: "key", 402: "account"}
_KINDS = re.compile(r"[a-z0-9.+-]+/[a-z0-9.+-]+", re.IGNORECASE)
_SPACES = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_PUBLIC = frozenset(
    (
        b"user-agent",
        b"content-type",
        b"accept",
        b"accept-encoding",
        b"traceparent",
        b"tracestate",
        b"anthropic-beta",
        b"anthropic-version",
        b"openai-beta",
    )
)
"""Headers that hold no credential; what stands in them may be what an error speaks of."""
# A bearer token; a key by its usual beginnings; any long run of letters and digits that holds both.
_KEY = re.compile(
    r"(?<=bearer )\S+|\b(?:sk|pk|rk|pm|gsk|xai|hf|nvapi|AIza|key)[-_][\w*.…-]{6,}"
    r"|\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{32,}",
    re.IGNORECASE,
)


def brief(text: str) -> str:
    """A text as part of a line: no line breaks, bounded."""
    text = _SPACES.sub(" ", text).strip()
    return text if len(text) <= _BRIEF else text[: _BRIEF - 1] + "…"


def without_secrets(text: str, sent: Headers) -> str:
    """A provider's words without the credentials that were sent to it, nor anything that looks like a key."""
    return _KEY.sub("…", _without_sent(text, sent))


def error_body(body: bytes, sent: Headers) -> bytes:
    """A provider's error as it may go on to a caller: as it is, but for the credentials that were sent to it."""
    for secret in _secrets(sent):
        body = body.replace(secret, "…".encode())
    return body


def _without_sent(text: str, sent: Headers) -> str:
    for secret in _secrets(sent):
        text = text.replace(secret.decode("latin-1"), "…")
    return text


def _secrets(sent: Headers) -> list[bytes]:
    """What may be a credential in the headers of a request, with its scheme and without; the longest first."""
    found = {one for name, value in sent if name not in _PUBLIC for one in (value, value.rpartition(b" ")[2])}
    return sorted((one for one in found if len(one) >= _SHORTEST), key=len, reverse=True)


def in_our_terms(error: UpstreamError, model: Model, asked: str, sent: Headers) -> UpstreamError:
    """A provider's no without our credentials in it; a no to the gateway itself, told as that.

    Its words about our key or account are no answer to the caller, who would take them for his own key's.

    Args:
        error: what came of an attempt.
        model: who was asked.
        asked: the name that the caller wrote.
        sent: the headers of the request, with the credentials in them.
    """
    if not isinstance(error, UpstreamRefused):
        return error
    error.body, error.message = error_body(error.body, sent), _without_sent(error.message, sent)
    provider = model.provider
    own = provider.credentials != "caller"
    if own and error.status in _ACCOUNT:
        said = brief(without_secrets(error.message, sent))
        return ProviderAccount(
            f"{provider.name} turned down this gateway's {_ACCOUNT[error.status]} ({error.status}): {said}",
            hint=f"the operator has to see to {f'${provider.api_key_env}' if provider.api_key_env else provider.name}",
        )
    by_name = asked == f"{provider.name}/{model.upstream}"
    error.ours = (own and error.kind == "not_permitted") or (error.status == 404 and not by_name)
    return error


def in_plain_words(error: UpstreamGarbage, response: UpstreamResponse, body: bytes) -> UpstreamError:
    """An answer that its dialect could not read: what it is rather than what a parser says of it."""
    status = response.status
    if not body.strip():
        return UpstreamGarbage(f"The provider answered {status} with nothing: is base_url right?")
    found = _KINDS.match(response.header(b"content-type").decode("latin-1"))
    kind = found[0][:60].lower() if found else ""
    if kind and "json" not in kind and "event-stream" not in kind:
        return UpstreamGarbage(f"The provider answered with {kind} ({status}): is base_url right?")
    if body.lstrip().startswith(b"<"):
        return UpstreamGarbage(f"The provider answered with a page, not JSON ({status}): is base_url right?")
    return error


def retry_after(error: PointsmanError) -> tuple[tuple[bytes, bytes], ...]:
    """The header that says when to try again, in whole seconds, where that is known."""
    wait = error.retry_after
    return () if wait is None else ((b"retry-after", b"%d" % max(1, -int(-wait // 1))),)
