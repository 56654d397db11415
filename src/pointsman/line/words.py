"""What people are told about an answer that is none, and what they must not be told."""

from __future__ import annotations

import re

from pointsman.core.errors import UpstreamError, UpstreamGarbage
from pointsman.core.ports import Headers, UpstreamResponse

_BRIEF = 160
_SHORTEST = 6
_KINDS = re.compile(r"[a-z0-9.+-]+/[a-z0-9.+-]+", re.IGNORECASE)
_SPACES = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_PUBLIC = frozenset((b"user-agent", b"content-type", b"accept", b"accept-encoding", b"traceparent", b"tracestate"))
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
    for name, value in sent:
        if name not in _PUBLIC:
            for secret in {value, value.rpartition(b" ")[2]}:
                if len(secret) >= _SHORTEST:
                    text = text.replace(secret.decode("latin-1"), "…")
    return _KEY.sub("…", text)


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
