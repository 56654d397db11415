"""What a phase of an attempt usually takes, and the time limit that follows from it."""

from __future__ import annotations

import math
from array import array

KEPT = 128
LEAST = 20
_EVERY = 16
_PATIENT = 6
_WIDER = 2.0


class Samples:
    """The last 128 times that a phase took, in seconds, and a limit learned from them.

    The limit is the larger of 10 x the median and 2 x the tail (the 99th percentile) of what was answered. Attempts
    that ran into their limit are samples too, at that limit, or a model that has become slow would fail for ever. They
    alone would drive the limit up without end while a provider hangs (twice the limit, and twice that), so:

    - of what was answered the limit is made, and those that were late raise it to its double (`stretch`) at most, to
      twice that after six of them in a row;
    - beyond that only the median does, which moves once more than half of the samples are late.

    `usually` is for those who look for another when one takes longer than it usually does. Probes that were `overtaken`
    then are late too, but count there, up to twice what was usual of those that were answered: a model that has
    come back slower is given more time bit by bit, or it would never be found to be back.

    What was late before a rest of its target hung, if after it the target answers as ever: then those samples count no
    longer, and the next outage is not met with the double limit.

    A model that now takes up to four times its limit is thus learned within a few attempts, any other within 64; and
    what a provider that hangs costs each of its probes stays within four times the usual limit for the first 64.

    Args:
        least: no limit is smaller.
        tail: which share of the samples is the tail's.
        stretch: see above.

    Attributes:
        limit: seconds; 0.0 until there are 20 samples.
        count: how many there were.
    """

    __slots__ = (
        "_alert",
        "_late",
        "_lates",
        "_least",
        "_returned",
        "_ring",
        "_row",
        "_stretch",
        "_tail",
        "_usual",
        "count",
        "limit",
    )

    def __init__(self, least: float, tail: float = 0.99, stretch: float = 2.0) -> None:
        self._least = least
        self._tail = tail
        self._stretch = stretch
        self._ring = array("d")
        self._late = bytearray()
        self._lates = 0
        self._row = 0
        self._returned = False
        self._alert = False
        self._usual = 0.0
        self.count = 0
        self.limit = 0.0

    def add(self, seconds: float, *, late: bool = False, overtaken: bool = False) -> bool:
        """Take a sample; `late` where it ran into its limit, or was `overtaken`. Whether a block of 16 is full."""
        count = self.count
        if count < KEPT:
            self._ring.append(seconds)
            self._late.append(late + overtaken)
        else:
            place = count % KEPT
            self._lates -= self._late[place] > 0
            self._ring[place] = seconds
            self._late[place] = late + overtaken
        self.count = count = count + 1
        if late:
            self._lates += 1
            self._row += 1
            self._returned = False
            self._alert = True
            self._learn()
        elif self._alert:
            self._in_time(seconds)
        elif count == LEAST:
            self._learn()
        if count % _EVERY:
            return False
        self._learn()
        return True

    @property
    def usual(self) -> float:
        """The limit of what was answered alone, for a probe: who hangs may not make the next one wait longer."""
        return min(self._usual, self.limit) if self._usual else self.limit

    def returned(self) -> None:
        """The target is back from a rest: what was late hung, if its next answer takes no longer than was usual."""
        self._returned = self._lates > 0
        self._alert = self._returned or self._row > 0

    def median_of_last(self, number: int) -> float:
        """The median of so many newest samples."""
        ring, count = self._ring, self.count
        last = [ring[(count - 1 - back) % KEPT] for back in range(min(number, len(ring)))]
        return sorted(last)[len(last) // 2]

    def percentile(self, share: float) -> float | None:
        """The smallest sample that so large a share does not exceed; None where there is none."""
        return _at(sorted(self._ring), share) if self._ring else None

    def usually(self, share: float) -> float | None:
        """As `percentile`, of those that were answered in time and, within bounds, those that were overtaken."""
        answered = self._answered()
        if not self._lates or not answered:
            return self.percentile(share)
        known = sorted([value for value, late in zip(self._ring, self._late, strict=True) if late != 1])
        return min(_at(known, share), _WIDER * _at(answered, share))

    def _answered(self) -> list[float]:
        return sorted([value for value, late in zip(self._ring, self._late, strict=True) if not late])

    def _in_time(self, seconds: float) -> None:
        """An answer after some that were late."""
        if self._returned:
            self._back(seconds)
        if seconds <= self._usual:  # else it is as slow as those that were late, and only had more time
            self._row = 0
        self._returned = False
        self._alert = self._row > 0
        self._learn()

    def _back(self, seconds: float) -> None:
        """The first answer after a rest: where it is as those before it, those that were late become so too."""
        answered = self._answered()
        answered.remove(seconds)
        if not answered:
            return
        middle = answered[len(answered) // 2]
        if seconds > max(10 * middle, 2 * _at(answered, self._tail), self._least):
            return
        for place, late in enumerate(self._late):
            if late:
                self._ring[place], self._late[place] = middle, 0
        self._lates = 0

    def _learn(self) -> None:
        if self.count < LEAST:
            return
        values = sorted(self._ring)
        usual = 10 * values[len(values) // 2]
        if not self._lates:
            self.limit = self._usual = max(usual, 2 * _at(values, self._tail), self._least)
            return
        answered = self._answered()
        if answered:
            usual = max(usual, 2 * _at(answered, self._tail))
        self._usual = usual = max(usual, self._least)
        most = usual * self._stretch * (2 if self._row >= _PATIENT else 1)
        self.limit = max(usual, min(2 * _at(values, self._tail), most))


def _at(values: list[float], share: float) -> float:
    return values[max(math.ceil(share * len(values)) - 1, 0)]
