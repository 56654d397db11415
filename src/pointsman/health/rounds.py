"""When the gateway itself asks a provider how it is: one check at a time for each, with jitter, never too often."""

from __future__ import annotations

from pointsman.core.clock import Draw
from pointsman.core.model import HealthCheck
from pointsman.health.gate import SECOND

LEAST = 5.0
"""Seconds between two checks of a provider, at the least."""
_FIRST = 2.0
"""Seconds after it began to rest, before jitter: the shortest rest takes four, and no caller's call need end it."""


class _Turn:
    """One provider's: when it is due, when the last one began, whether one is under way. Nanoseconds."""

    __slots__ = ("due", "last", "rested", "under_way")

    def __init__(self) -> None:
        self.due: int | None = None
        self.last: int | None = None
        self.rested = False
        self.under_way = False


class Rounds:
    """Says who is due; pure. `now` is monotonic nanoseconds.

    Args:
        draw: jitter.
    """

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._turns: dict[str, _Turn] = {}

    def due(self, provider: str, check: HealthCheck, now: int, *, rests: bool) -> bool:
        """Whether a check is to begin now; it then is under way until `over`. `rests`: something of it does."""
        turn = self._turns.get(provider)
        if turn is None:
            turn = self._turns[provider] = _Turn()
        fell, turn.rested = rests and not turn.rested, rests
        if not rests and check.when != "always":
            return False
        if fell or turn.due is None:
            first = now + _nanos((_FIRST if rests else check.interval) * self._jitter())
            turn.due = first if turn.due is None or turn.due <= now else min(turn.due, first)
        if turn.last is not None:
            turn.due = max(turn.due, turn.last + _nanos(LEAST))
        if turn.under_way or now < turn.due:
            return False
        turn.under_way = True
        turn.last = now
        turn.due = now + _nanos(check.interval * self._jitter())
        return True

    def over(self, provider: str) -> None:
        """The check that was due is done."""
        turn = self._turns.get(provider)
        if turn is not None:
            turn.under_way = False

    def _jitter(self) -> float:
        return 0.8 + 0.4 * self._draw.random()


def holds(check: HealthCheck) -> float:
    """Seconds within which the next check has been: the longest interval, and what it may take."""
    return check.interval * 1.2 + check.timeout + 1.0


def _nanos(seconds: float) -> int:
    return int(seconds * SECOND)
