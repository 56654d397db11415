"""Provider keys: looked up in the environment by name when a request needs one; never stored, never shown."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pointsman.core.errors import NoCredentials
from pointsman.core.model import Provider

_SHOWN = 4  # characters of a secret that people may see
_LONG_ENOUGH = 12  # shorter ones are not shown in part: four of few would be too many
# What examples and templates put where a key belongs.
_PLACEHOLDER = re.compile(
    r"<.*>|\$\{?\w+\}?|(sk-)?[.x*]+|change[-_ ]?me|todo|none|null|secret|.*your[-_ ].*(key|token).*",
    re.IGNORECASE,
)


class Credentials:
    """The keys of providers.

    Args:
        environment: where keys are, usually `os.environ`; read at each call, so that a rotated key counts at once.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def secret(self, provider: Provider, variable: str = "") -> str:
        """The key for `provider`, or the one in `variable` where it has several; empty where it needs none of ours.

        Raises:
            NoCredentials: the variable is not set, or holds a placeholder or a line break.
        """
        name = variable or provider.api_key_env
        if not name or provider.credentials == "caller":
            return ""
        value = self._environment.get(name, "").strip()
        fault = _fault(value)
        if fault:
            raise NoCredentials(
                f"no key for provider {provider.name!r}: ${name} {fault}",
                hint=f"set ${name} in the environment that the gateway runs in",
            )
        return value

    def has(self, provider: Provider) -> bool:
        """Whether a request to `provider` could be authorised."""
        name = provider.api_key_env
        return not name or provider.credentials == "caller" or not _fault(self._environment.get(name, "").strip())


def _fault(value: str) -> str:
    if not value:
        return "is not set"
    if _PLACEHOLDER.fullmatch(value):
        return "holds a placeholder"
    if not value.isprintable() or not value.isascii():
        return "holds a character that no key has"
    return ""


def mask(secret: str) -> str:
    """What people may see of a secret: its last four characters, or of a short one nothing."""
    if not secret:
        return ""
    return f"…{secret[-_SHOWN:]}" if len(secret) >= _LONG_ENOUGH else "…"
