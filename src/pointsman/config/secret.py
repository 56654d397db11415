"""Is this text a secret? Keys belong into the environment; a file that holds one is refused before anything reads it.

What looks like a secret is never repeated in a message.
"""

from __future__ import annotations

import re

from pointsman.core.secret import PREFIXED

_LONG_TOKEN = re.compile(r"(Bearer |Basic )?[A-Za-z0-9_+/=.~-]{20,}")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_SECRET_NAME = re.compile(
    r"key|(.*[-_])?((api|secret|access|private|auth)[-_]?key|token|secret|password|passwd|authorization|cookie|bearer)",
    re.IGNORECASE,
)
_SECRET_HEADER = re.compile(r"(.*-)?(authorization|api-?key|auth|token|secret|cookie|password)", re.IGNORECASE)
_CREDENTIALS = re.compile(r"^[a-z][a-z0-9+.-]*://[^/?#\s]*@", re.IGNORECASE)
_KEY_NAMES = frozenset(
    {"api_key", "apikey", "key", "token", "api_token", "secret", "password", "bearer", "access_token", "auth_token"}
)


def names_a_key(name: str) -> bool:
    """Whether an unknown key of this name was meant to hold a secret."""
    return name.casefold().replace("-", "_") in _KEY_NAMES


def is_secret_header(name: str) -> bool:
    """Whether a header of this name carries credentials whatever its value."""
    return bool(_SECRET_HEADER.fullmatch(name))


def looks_secret(text: str, key: str = "") -> bool:
    """Whether a text is probably a secret, given the key that it stands under."""
    if PREFIXED.search(text):
        return True
    named = bool(_SECRET_NAME.fullmatch(key)) or key == "env" or key.endswith("_env")
    return named and _random_token(text)


def has_password(url: str) -> bool:
    """Whether a URL carries a user or password."""
    return bool(_CREDENTIALS.match(url))


def _random_token(text: str) -> bool:
    """Long, in one piece, with letters and digits, and not the name of a variable."""
    if _VARIABLE.fullmatch(text) or not _LONG_TOKEN.fullmatch(text):
        return False
    return any(c.isdigit() for c in text) and any(c.isalpha() for c in text)
