"""From changes of health to incidents, and from incidents to uptime. Pure; all times are nanoseconds since the epoch.

An incident is an outage (`core.outage`) from its beginning to its end. Several processes see the same provider: it is
down while any of them says so. A process that dies says nothing of its end, so silence ends what it had open.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pointsman.core.failure import State, Target
from pointsman.core.health import Cause
from pointsman.core.outage import is_down

SILENCE_NS = 900_000_000_000
"""A process says every five minutes what is still open; after three times as long it is gone."""


class Event(NamedTuple):
    """One change, as the store keeps it."""

    at: int
    node: str
    target: Target
    after: State
    cause: Cause = ""


class Incident(NamedTuple):
    """A stretch of time; `end` is None while it lasts."""

    start: int
    end: int | None

    def until(self, now: int) -> int:
        """Its end, or now."""
        return now if self.end is None else self.end


def incidents(events: Iterable[Event], now: int) -> dict[Target, list[Incident]]:
    """Each target's incidents, oldest first; `events` in order of time."""
    opened: dict[tuple[str, Target], tuple[int, int]] = {}  # since when, and the last word
    found: dict[Target, list[Incident]] = {}
    for event in events:
        who = (event.node, event.target)
        known = opened.get(who)
        if is_down(event.after, event.cause, was=known is not None):
            opened[who] = (event.at if known is None else known[0], event.at)
        elif known is not None:
            del opened[who]
            found.setdefault(event.target, []).append(Incident(known[0], max(event.at, known[0])))
    for (_, target), (since, last) in opened.items():
        gone = now - last > SILENCE_NS
        found.setdefault(target, []).append(Incident(since, last if gone else None))
    return {target: _joined(each) for target, each in found.items()}


def _joined(each: list[Incident]) -> list[Incident]:
    """Those that overlap as one, which lasts as long as any of them."""
    joined: list[Incident] = []
    for one in sorted(each, key=lambda incident: incident.start):
        last = joined[-1] if joined else None
        if last is not None and (last.end is None or one.start <= last.end):
            end = None if last.end is None or one.end is None else max(last.end, one.end)
            joined[-1] = Incident(last.start, end)
        else:
            joined.append(one)
    return joined


def downtime(each: Sequence[Incident], start: int, end: int) -> int:
    """Nanoseconds of incidents within a span; one that lasts counts up to the span's end."""
    return sum(max(0, min(one.until(end), end) - max(one.start, start)) for one in each)


def begun_in(each: Sequence[Incident], start: int, end: int, *, first: bool) -> list[Incident]:
    """Incidents that began in a span, so that each counts in one; in the `first` span, also those that it found."""
    return [
        one
        for one in each
        if start <= one.start < end or (first and one.start < start and (one.end is None or one.end > start))
    ]


def mean_length(each: Sequence[Incident], now: int) -> int | None:
    """Mean time to recovery; one that lasts counts up to now. None where there were none."""
    return sum(one.until(now) - one.start for one in each) // len(each) if each else None
