"""The ledger: takes an outcome in about a microsecond, and has it on disk within a tenth of a second."""

from __future__ import annotations

import threading
from collections import deque

from msgspec.structs import replace

from pointsman.core.clock import Clock
from pointsman.core.outcome import Outcome
from pointsman.store.health_rows import Row
from pointsman.store.location import locate
from pointsman.store.settings import LedgerSettings, LedgerStats
from pointsman.store.writer import Writer

_MOST_EVENTS = 10_000


class Ledger:
    """A `Recorder` that keeps outcomes in a database, written by one thread of its own.

    `record` may be called from any thread. Until `start`, and while the database is away, outcomes wait.

    Args:
        url: `sqlite:///FILE` or `postgresql://…`.
        clock: where time comes from.
        settings: bounds and intervals.

    Raises:
        ConfigError: the URL names no store.
    """

    def __init__(self, url: str, clock: Clock, settings: LedgerSettings | None = None) -> None:
        self._settings = settings or LedgerSettings()
        self._queue: deque[Outcome] = deque()
        self._events: deque[Row] = deque()
        self._bound = self._settings.queue
        self._lock = threading.Lock()
        self._weight = 0
        self._dropped = 0
        self._contents_dropped = 0
        self._events_dropped = 0
        self._writer = Writer(locate(url), clock, self._settings, self._queue, self._unload, self._events)

    def start(self) -> None:
        """Start the writer. Returns at once: the database is opened and brought up to date by the writer's thread."""
        self._writer.start()

    def record(self, outcome: Outcome) -> None:
        """Take one outcome. Never blocks, never raises."""
        if len(self._queue) >= self._bound:
            with self._lock:
                self._dropped += 1
            return
        if outcome.request_body is not None or outcome.answer_body is not None:
            outcome = self._load(outcome)
        self._queue.append(outcome)
        writer = self._writer
        if not writer.awake:
            writer.awake = True
            writer.wake.set()

    def note(self, event: Row) -> None:
        """Take a change of health, see `health_rows`. Never blocks, never raises.

        While the database is away they wait in memory: there are few, and of more than ten thousand the oldest go.
        """
        if len(self._events) >= _MOST_EVENTS:
            self._events.popleft()
            with self._lock:
                self._events_dropped += 1
        self._events.append(event)
        writer = self._writer
        if not writer.awake:
            writer.awake = True
            writer.wake.set()

    def ready(self, timeout: float = 10.0) -> None:
        """Wait until the database is open and up to date (seconds).

        Raises:
            StoreUnavailable: it cannot be used, or not in time.
        """
        self._writer.ready(timeout)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all that was recorded so far is in the database (seconds); whether it came to that."""
        return self._writer.flush(timeout)

    def stats(self) -> LedgerStats:
        """What has become of the outcomes so far."""
        writer = self._writer
        return LedgerStats(
            written=writer.written,
            pending=len(self._queue) + writer.in_hand,
            spooled=writer.spooled,
            dropped=self._dropped + writer.dropped,
            contents_dropped=self._contents_dropped,
            events_dropped=self._events_dropped + writer.events_dropped,
            last_error=writer.last_error,
            up=writer.up,
        )

    def close(self, timeout: float = 5.0) -> bool:
        """Write what waits, to the spool if the database is away, and end the writer; whether all was kept in time."""
        return self._writer.stop(timeout) and not self._queue

    # Forks: see `library/running`

    def hold(self, timeout: float) -> bool:
        """Pause the writer between two rounds and close its database, until `release`; whether it came to that.

        A process that forks does this first (`timeout` in seconds). In a child that was forked with the database open,
        SQLite takes the parent's locks on the file for its own, whoever opens it there.
        """
        return self._writer.hold(timeout)

    def release(self) -> bool:
        """Let the writer go on; whether this thread held it. In the forked child too, where there is no writer."""
        return self._writer.release()

    def disown(self) -> None:
        """In the forked child: the spool's file, and the lock on it, are the parent's alone."""
        self._writer.disown()

    def _load(self, outcome: Outcome) -> Outcome:
        """Let an outcome's bodies wait only where they may be stored, and only as many as memory should hold."""
        settings = self._settings
        weight = len(outcome.request_body or b"") + len(outcome.answer_body or b"")
        if settings.content:
            with self._lock:
                if weight <= settings.content_limit and self._weight + weight <= settings.content_queue:
                    self._weight += weight
                    return outcome
                self._contents_dropped += 1
        return replace(outcome, request_body=None, answer_body=None)

    def _unload(self, outcomes: list[Outcome]) -> None:
        """The writer has taken these outcomes."""
        if self._weight:
            weight = sum(len(one.request_body or b"") + len(one.answer_body or b"") for one in outcomes)
            with self._lock:
                self._weight -= weight
