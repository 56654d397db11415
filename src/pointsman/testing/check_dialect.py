"""`check_dialect`: plays conversations through a dialect, in both directions, and reports what comes back.

It is for a dialect that somebody wants to add, and for ours. It knows nothing of the dialect's JSON: what goes in are
core values, what comes out has to be the same in meaning, whole and streamed, in any split of the bytes; whatever else
goes in has to be refused in one of the ways that `wire.port` names. A check says `yes` (with what the dialect says by
name that it drops: limits, no faults) or `odd` (it does something that the port does not allow).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

from pointsman.core.errors import ConfigError
from pointsman.testing import dialect_probes as golden
from pointsman.testing import dialect_trouble as trouble
from pointsman.testing.conformance import Check, Report
from pointsman.testing.probes import Found
from pointsman.wire.port import Dialect
from pointsman.wire.trip import Surface

_PROBES: Mapping[str, Callable[[golden.Subject], Found]] = MappingProxyType(
    {
        "requests": golden.requests,
        "whole": golden.whole,
        "stream": golden.stream,
        "together": golden.together,
        "straight": golden.straight,
        "cost": golden.cost,
        "error": trouble.error,
        "stream_error": trouble.stream_error,
        "keep_alive": trouble.keep_alive,
        "cut": trouble.cut,
        "resumed": trouble.resumed,
        "garbage": trouble.garbage,
        "stream_garbage": trouble.stream_garbage,
        "bad_requests": trouble.bad_requests,
    }
)

_SURFACES: dict[str, Surface] = {
    "openai-chat": "chat.completions",
    "openai-responses": "responses",
    "anthropic-messages": "messages",
    "gemini": "gemini.generate",
}


def check_dialect(dialect: Dialect, surface: Surface | None = None, *, only: Collection[str] = ()) -> Report:
    """Play the golden conversations through a dialect.

    Args:
        dialect: anything that satisfies the port.
        surface: what its callers call; known for the dialects that come with this package.
        only: names of checks; all of them if empty.

    Raises:
        ConfigError: another dialect, and no surface; or a check that there is not.
    """
    surface = surface or _SURFACES.get(dialect.name)
    if surface is None:
        raise ConfigError(
            f"no surface is known for the dialect {dialect.name!r}", hint="say which one its callers call"
        )
    if unknown := set(only).difference(_PROBES):
        raise ConfigError(f"no check is called {min(unknown)!r}", hint=f"there are: {', '.join(_PROBES)}")
    subject = golden.Subject(dialect, surface)
    checks = []
    for name in only or _PROBES:
        verdict, detail = _PROBES[name](subject)
        checks.append(Check(name=name, verdict=verdict, detail=detail))
    return Report(base_url="", dialect=dialect.name, model="", checks=tuple(checks))
