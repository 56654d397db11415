"""Writes to sockets: of those made in one round of the event loop, the first at once, the others together at its end.

A write that wakes a sleeping reader on another core costs the kernel as much as all the rest of sending. Made one after
the other, most of them find the reader awake. `docs/decisions/0036-writes-together.md` has the figures.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

Write = Callable[[bytes], None]


class Outbox:
    """Writes of one event loop. Does no I/O of its own.

    The order of all writes is kept from the second on, and so is that of any two for one connection: a connection that
    has written in this round is not the first any more. Whoever closes a connection flushes first.
    """

    __slots__ = ("_busy", "_waiting", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._busy = False  # something was written in this round
        self._waiting: deque[tuple[Write, bytes]] = deque()

    def put(self, write: Write, data: bytes) -> None:
        """Have `write(data)` called, now or when everything that is ready has run."""
        if self._busy:
            self._waiting.append((write, data))
            return
        self._busy = True
        self.loop.call_soon(self._end)
        write(data)

    def flush(self) -> None:
        """Make all writes now. One that raises leaves the others to the loop's next round."""
        waiting = self._waiting
        try:
            while waiting:
                write, data = waiting.popleft()
                write(data)
        finally:
            if waiting:
                self._busy = True
                self.loop.call_soon(self._end)

    def _end(self) -> None:
        self._busy = False
        self.flush()
