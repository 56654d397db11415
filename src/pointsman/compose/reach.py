"""Who can reach this server, and what follows: beyond this machine nobody calls without a key."""

from __future__ import annotations

import ipaddress

from pointsman.config.schema import Config

_NEEDS_A_RESTART = ("server", "store", "store_env", "discover", "local", "prices", "log")
"""Sections that are read once, at the start."""


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
    return config.keys == "required" or not is_loopback(host)


def needs_restart(at_start: Config, now: Config) -> tuple[str, ...]:
    """The changed sections that are in force only after a restart."""
    return tuple([name for name in _NEEDS_A_RESTART if getattr(at_start, name) != getattr(now, name)])
