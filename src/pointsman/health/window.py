"""How attempts went in the last minute, counted in slots of two seconds."""

from __future__ import annotations

_SLOT = 2_000_000_000
_SLOTS = 30
_HALF = 15


class Window:
    """Attempts and failures among them, of the last 60 and 30 seconds (to within a slot). `now` in nanoseconds."""

    __slots__ = ("_all", "_failed", "_slot", "failed", "total")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._all = [0] * _SLOTS
        self._failed = [0] * _SLOTS
        self._slot = -1
        self.total = 0
        self.failed = 0

    def add(self, now: int, *, failed: bool) -> None:
        """An attempt ended."""
        slot = now // _SLOT
        if slot != self._slot:
            self._turn(slot)
        place = slot % _SLOTS
        self._all[place] += 1
        self.total += 1
        if failed:
            self._failed[place] += 1
            self.failed += 1

    def more(self, count: int) -> None:
        """So many more ended well, shortly after the last one that was added."""
        self._all[self._slot % _SLOTS] += count
        self.total += count

    def pass_to(self, now: int) -> None:
        """Drop what is older than 60 seconds."""
        slot = now // _SLOT
        if slot != self._slot:
            self._turn(slot)

    def lately(self) -> tuple[int, int]:
        """Attempts and failures of the last 30 seconds, as of the last `add`."""
        places = [(self._slot - back) % _SLOTS for back in range(_HALF)]
        return sum([self._all[place] for place in places]), sum([self._failed[place] for place in places])

    def _turn(self, slot: int) -> None:
        if slot < self._slot:
            return
        for passed in range(max(self._slot + 1, slot - _SLOTS + 1), slot + 1):
            place = passed % _SLOTS
            self.total -= self._all[place]
            self.failed -= self._failed[place]
            self._all[place] = self._failed[place] = 0
        self._slot = slot
