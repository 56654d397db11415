"""How the providers are, as `/api/status` and whoever reads it tell: each with those of its targets that count.

A provider's own state is made of theirs: `open` where nobody there may be asked, `half_open` where one call at a time
finds out, `degraded` where not all are well, else `closed`; none where nothing was asked yet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from pointsman.compose.checks import Checks
from pointsman.core.failure import State
from pointsman.core.health import Standing
from pointsman.core.model import Provider
from pointsman.health.book import Book

_MOST = 200
"""Targets told that are not listed; callers can make any number of names behind `provider/`."""
_DIGITS = 6


def standings(book: Book, now: int, listed: Collection[tuple[str, str]]) -> dict[str, list[Standing]]:
    """Targets by provider: models that are listed, by provider and name there, and others that are not well."""
    found: dict[str, list[Standing]] = {}
    unwell = frozenset(islice(book.states(now), _MOST))
    for one in book.status(now, lambda target: target[:2] in listed or target in unwell):
        found.setdefault(one.target.provider, []).append(one)
    return found


def providers_told(
    providers: Mapping[str, Provider],
    unavailable: Mapping[str, str],
    known: Mapping[str, Sequence[Standing]],
    checks: Checks,
) -> list[dict[str, Any]]:
    """Every provider as plain data, with its health."""
    return [
        {
            "name": name,
            "ready": name not in unavailable,
            "lacks": unavailable.get(name, ""),
            **_whole(known.get(name, ())),
            "health_check": _check(name, checks),
            "targets": [_target(one) for one in known.get(name, ())],
        }
        for name in providers
    ]


def _whole(known: Sequence[Standing]) -> dict[str, Any]:
    state = state_of(one.state for one in known)
    told = [one for one in known if one.state != "closed"] or known
    last = max(told, key=lambda one: one.since, default=None)
    attempts = sum(one.attempts for one in known)
    failed = sum(one.attempts * one.error_share for one in known)
    return {
        "state": state,
        "since": None if last is None else last.since,
        "why": "" if last is None or state == "closed" else f"{last.target.upstream}: {last.why}",
        "attempts": attempts,
        "error_share": round(failed / attempts, _DIGITS) if attempts else 0.0,
    }


def state_of(states: Iterable[State]) -> State | None:
    """A provider's state from those of its targets."""
    found = set(states)
    if not found:
        return None
    if found == {"open"}:
        return "open"
    if found <= {"open", "half_open"}:
        return "half_open"
    return "closed" if found == {"closed"} else "degraded"


def _check(name: str, checks: Checks) -> dict[str, Any] | None:
    check = checks.of(name)
    if check is None:
        return None
    last = checks.last.get(name)
    return {
        "when": check.when,
        "kind": check.kind,
        "interval": check.interval,
        "last": None if last is None else last._asdict(),
    }


def _target(one: Standing) -> dict[str, Any]:
    return {
        "model": one.target.upstream,
        "key": one.target.key,
        "state": one.state,
        "cause": one.cause,
        "why": one.why,
        "since": one.since,
        "next_probe": _short(one.next_probe),
        "in_flight": one.in_flight,
        "attempts": one.attempts,
        "error_share": round(one.error_share, _DIGITS),
        "first_token": {"p50": _short(one.first_token_p50), "p95": _short(one.first_token_p95)},
        "learned": {name: _short(value) for name, value in msgspec.structs.asdict(one.learned).items()},
        "headroom": [{**msgspec.structs.asdict(budget), "reset": _short(budget.reset)} for budget in one.headroom],
    }


def _short(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, _DIGITS)
