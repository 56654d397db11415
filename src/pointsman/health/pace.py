"""How soon a target begins to answer: usually, lately, and for a balancer."""

from __future__ import annotations

import math

from pointsman.health.samples import Samples

LEAST_STREAM = 2.0
LEAST_WHOLE = 20.0
_BLOCK = 16
_FADES = 30e9
_HABIT = 600e9
_LONGEST_STEP = 60e9
_SLOW = 3.0
_NO_LONGER_SLOW = 2.0


class Pace:
    """Times until the first token, of streams or of whole answers. Seconds; `now` in nanoseconds.

    Whole answers take as long as they are long: after a hundred short ones the first long one must not be impossible.
    So their limit has a higher floor, goes by the longest of the last 128, and follows those that were late at once.

    `slow` compares the median of each block of 16 with what has been usual for ten minutes or so. What is usual follows
    with time, not with the number of calls: a busy model that turns slow is slow for minutes, not for seconds, and one
    that stays slow becomes the usual.

    Attributes:
        first: samples, and the limit learned.
        slow: the last block took more than three times what is usual, and none since less than twice.
        last: when the last sample came.
    """

    __slots__ = ("_blocked", "_peak", "_usual", "first", "last", "slow")

    def __init__(self, *, stream: bool) -> None:
        self.first = Samples(LEAST_STREAM) if stream else Samples(LEAST_WHOLE, tail=1.0, stretch=4.0)
        self.slow = False
        self.last = 0
        self._peak = 0.0
        self._usual = 0.0
        self._blocked = 0

    def add(self, seconds: float, now: int, *, late: bool = False, overtaken: bool = False) -> bool:
        """Take a sample; whether `slow` has changed."""
        peak = self._peak
        if seconds >= peak:
            self._peak = seconds
        else:
            weight = math.exp((self.last - now) / _FADES) if now > self.last else 1.0
            self._peak = peak * weight + seconds * (1.0 - weight)
        self.last = now
        return self.first.add(seconds, late=late, overtaken=overtaken) and self._block(now)

    def peak(self, now: int) -> float:
        """The mean that goes up at once and comes down with time, also while nobody asks."""
        return self._peak * math.exp(min(self.last - now, 0) / _FADES)

    def forget_slow(self) -> None:
        """Nobody has asked for a while: the next block tells anew."""
        self.slow = False

    def _block(self, now: int) -> bool:
        recent = max(self.first.median_of_last(_BLOCK), 1e-6)
        if not self._usual:
            if self.first.count >= 2 * _BLOCK:
                self._usual = max(self.first.median_of_last(2 * _BLOCK), 1e-6)
                self._blocked = now
            return False
        ratio = recent / self._usual
        before, self.slow = self.slow, ratio > (_NO_LONGER_SLOW if self.slow else _SLOW)
        step = min(now - self._blocked, _LONGEST_STEP)
        self._usual *= ratio ** (1.0 - math.exp(-step / _HABIT))
        self._blocked = now
        return before != self.slow
