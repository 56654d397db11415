"""When which gate is to be looked at again: the earliest first, one place for each."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from pointsman.health.gate import Gate

_NEVER = 1 << 62


class Agenda:
    """Gates by time, in nanoseconds.

    Attributes:
        wake: when the first is due; never, where none is.
    """

    __slots__ = ("_count", "_queue", "wake")

    def __init__(self) -> None:
        self._queue: list[tuple[int, int, Gate]] = []
        self._count = 0
        self.wake = _NEVER

    def put(self, gate: Gate, when: int) -> None:
        """Look at a gate then. An earlier place that was taken leads to this one, and stays."""
        if gate.queued and gate.queued <= when:
            return
        gate.queued = when
        self._count += 1
        heapq.heappush(self._queue, (when, self._count, gate))
        self.wake = self._queue[0][0]

    def due(self, now: int) -> Iterator[Gate]:
        """Gates whose time has come; each has lost its place. Others may be put meanwhile."""
        queue = self._queue
        while queue and queue[0][0] <= now:
            when, _, gate = heapq.heappop(queue)
            if when == gate.queued:
                gate.queued = 0
                yield gate
        self.wake = queue[0][0] if queue else _NEVER

    def prune(self) -> None:
        """Forget gates that nobody passes any more."""
        self._queue = [each for each in self._queue if each[0] == each[2].queued and each[2].records]
        heapq.heapify(self._queue)
        self.wake = self._queue[0][0] if self._queue else _NEVER
