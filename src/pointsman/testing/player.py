"""When which bytes go out, and how it ends: a timeline, and the one timer that plays it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

import msgspec

from pointsman.testing.http import Exchange

Ending = Literal["end", "fin", "rst", "hang"]
_TOGETHER = 0.0005  # seconds; what is due within it goes out in one write, so that timers are not the cost


class Timeline(msgspec.Struct, kw_only=True):
    """An answer as it will be played.

    Attributes:
        status: HTTP status; 0 sends no head at all.
        headers: of the answer.
        length: content-length; None is chunked.
        head_at: seconds until the head goes out; None sends it with the first piece.
        at: seconds at which each piece goes out, not falling.
        pieces: of the body.
        ending: how it ends after the last piece.
        end_at: seconds of that end.
    """

    status: int = 200
    headers: list[tuple[bytes, bytes]]
    length: int | None = None
    head_at: float | None = None
    at: list[float]
    pieces: list[bytes]
    ending: Ending = "end"
    end_at: float = 0.0


class Player:
    """Plays one timeline to one client.

    Attributes:
        sent: pieces sent.
        began: when the head went out, by the clock that was handed in; 0 if it did not.
        hung_up: the client closed the connection first.
    """

    __slots__ = (
        "_exchange",
        "_handle",
        "_loop",
        "_next",
        "_now",
        "_on_done",
        "_started",
        "_timeline",
        "_zero",
        "began",
        "hung_up",
        "sent",
    )

    def __init__(
        self, exchange: Exchange, timeline: Timeline, now: Callable[[], int], on_done: Callable[[Player], None]
    ) -> None:
        self._exchange = exchange
        self._timeline = timeline
        self._now = now
        self._on_done = on_done
        self._loop = asyncio.get_running_loop()
        self._zero = self._loop.time()
        self._next = 0
        self._started = False
        self._handle: asyncio.TimerHandle | None = None
        self.sent = 0
        self.began = 0
        self.hung_up = False
        exchange.on_gone = self.stop
        exchange.on_resume = self.step

    def stop(self) -> None:
        """Nobody listens any more."""
        self._cancel()
        self.hung_up = True
        self._on_done(self)

    def step(self) -> None:
        """Send what is due and sleep until the next piece is."""
        self._cancel()
        if self._exchange.done:
            return
        line, now = self._timeline, self._loop.time() - self._zero + _TOGETHER
        if not self._started and self._head_due(now):
            self._exchange.start(line.status, line.headers, line.length)
            self._started = True
            self.began = self._now()
        first = self._next
        at, last = line.at, len(line.at)
        while self._next < last and at[self._next] <= now:
            self._next += 1
        if self._next > first:
            self._exchange.send_all(line.pieces[first : self._next])
            self.sent = self._next
        if self._exchange.full:
            return  # `on_resume` comes back here
        self._finish_or_sleep(now)

    def _head_due(self, now: float) -> bool:
        line = self._timeline
        if not line.status:
            return False
        due = line.head_at if line.head_at is not None else (line.at[0] if line.at else line.end_at)
        return due <= now

    def _finish_or_sleep(self, now: float) -> None:
        line = self._timeline
        if self._next < len(line.at):
            due = line.at[self._next]
            if not self._started and line.head_at is not None:
                due = min(due, line.head_at)
            self._sleep(due)
        elif line.ending == "hang":
            if not self._started and line.status and line.head_at is not None:
                self._sleep(line.head_at)
        elif line.end_at > now:
            self._sleep(line.end_at)
        else:
            self._end()

    def _end(self) -> None:
        if self._timeline.ending == "end":
            self._exchange.end()
        else:
            self._exchange.cut(reset=self._timeline.ending == "rst")
        self._on_done(self)

    def _sleep(self, due: float) -> None:
        self._handle = self._loop.call_at(self._zero + due, self.step)

    def _cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
