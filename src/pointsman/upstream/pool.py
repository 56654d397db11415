"""The connections to one origin: idle ones kept for the next request, the newest first."""

from __future__ import annotations

import asyncio
from collections import deque

from pointsman.upstream.connection import Connection


class Pool:
    """Connections to one origin.

    Attributes:
        label: `host:port`.
        connections: every open connection, idle or not.
    """

    def __init__(self, label: str, *, max_idle: int, idle_seconds: float, max_open: int) -> None:
        self.label = label
        self.connections: set[Connection] = set()
        self._idle: list[Connection] = []
        self._idle_seconds = idle_seconds
        self._max_idle = max_idle
        self._max_open = max_open
        self._opening = 0
        self._queue: deque[asyncio.Future[Connection | None]] = deque()

    @property
    def busy(self) -> bool:
        """Whether it holds or awaits a connection."""
        return bool(self.connections or self._opening)

    def take(self) -> Connection | None:
        """An idle connection, the one used last (it is the least likely to be stale), or None."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        return None

    async def reserve(self) -> Connection | None:
        """Room for one more connection: None when there is (it counts from now), else one that became free."""
        if self._max_open <= 0 or len(self.connections) + self._opening < self._max_open:
            self._opening += 1
            return None
        place: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._give_back(place.result())
            raise

    def _give_back(self, granted: Connection | None) -> None:
        if granted is None:
            self.opened(None)
        else:
            self.release(granted)

    def opened(self, connection: Connection | None) -> None:
        """What became of a reserved place: a connection, or none."""
        self._opening -= 1
        if connection is None or connection.closed:
            self._grant()
        else:
            self.connections.add(connection)

    def release(self, connection: Connection) -> None:
        """An answer has ended and its connection is clean."""
        if connection.closed:
            return
        if self._hand_over(connection):
            return
        if len(self._idle) >= self._max_idle:
            connection.abort()
            return
        self._idle.append(connection)
        connection.rest(self._idle_seconds)

    def lost(self, connection: Connection) -> None:
        """A connection is closed."""
        if connection not in self.connections:
            return  # it never got as far as being counted; `opened` sees to its place
        self.connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._grant()

    def _hand_over(self, connection: Connection) -> bool:
        while self._queue:
            place = self._queue.popleft()
            if not place.done():
                place.set_result(connection)
                return True
        return False

    def _grant(self) -> None:
        """A place is free: who waits may open a connection of its own."""
        while self._queue:
            place = self._queue.popleft()
            if not place.done():
                self._opening += 1
                place.set_result(None)
                return

    def close(self) -> None:
        """Close every connection, idle or not."""
        for connection in tuple(self.connections):
            connection.abort()
