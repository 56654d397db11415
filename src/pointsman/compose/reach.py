"""Who can reach this server, and what follows: beyond this machine nobody calls without a key."""

from __future__ import annotations

import ipaddress
import re

from pointsman.config.schema import Config
from pointsman.core.errors import ConfigError

_NEEDS_A_RESTART = ("server", "store", "store_env", "discover", "local", "prices", "log")
"""Sections that are read once, at the start."""
_NUMBER = re.compile(r"(?:0x[0-9a-f]*|\d+)(?:\.(?:0x[0-9a-f]*|\d+))*\.?", re.IGNORECASE)
"""What the system takes for an IPv4 address in one of its old spellings: `0`, `127.1`, `0x7f000001`."""


def plain_host(host: str, where: str = "") -> str:
    """An address to bind as the system takes it: IPv6 without brackets.

    Raises:
        ConfigError: it is empty, or a number that the system would take for an address of its own choice.
    """
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        hint = "127.0.0.1 is this machine alone, 0.0.0.0 every address that it has"
        if not bare.strip():
            raise ConfigError("the address to bind is empty", where=where, hint=hint) from None
        if _NUMBER.fullmatch(bare):
            raise ConfigError(f"`{host}` is no address written in full", where=where, hint=hint) from None
    return bare


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def keys_required(config: Config, host: str) -> bool:
    """Whether callers need a key even while there is none; `host` is the address that is bound."""
    return config.keys.demand == "required" or not is_loopback(host)


def needs_restart(at_start: Config, now: Config) -> tuple[str, ...]:
    """The changed sections that are in force only after a restart."""
    return tuple([name for name in _NEEDS_A_RESTART if getattr(at_start, name) != getattr(now, name)])
