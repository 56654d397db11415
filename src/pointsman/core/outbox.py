"""Writes to sockets, gathered and made together when the event loop has run everything that was ready.

A write that wakes a sleeping reader on another core costs the kernel as much as all the rest of sending. Made one after
the other, most of them find the reader awake. `docs/decisions/0036-writes-together.md` has the figures.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

Write = Callable[[bytes], None]


class Outbox:
    """Writes of one event loop that wait for the end of its round, in their order. Does no I/O of its own.

    The delay is one round of the loop, which does not sleep in between. Whoever closes a connection flushes first.
    """

    __slots__ = ("_waiting", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._waiting: deque[tuple[Write, bytes]] = deque()

    def put(self, write: Write, data: bytes) -> None:
        """Have `write(data)` called soon."""
        waiting = self._waiting
        if not waiting:
            self.loop.call_soon(self.flush)
        waiting.append((write, data))

    def flush(self) -> None:
        """Make all writes now. One that raises leaves the others to the loop's next round."""
        waiting = self._waiting
        try:
            while waiting:
                write, data = waiting.popleft()
                write(data)
        finally:
            if waiting:
                self.loop.call_soon(self.flush)
