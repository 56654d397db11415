"""The ledger's one writer thread: from the queue into the database, or into the spool while there is none."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from pointsman.core.clock import Clock
from pointsman.core.errors import InternalError, StoreUnavailable
from pointsman.core.outcome import Outcome
from pointsman.store import health_rows
from pointsman.store.connection import FIRST_RETRY_NS, Connection, Replaced
from pointsman.store.decisions import Decisions
from pointsman.store.inserts import Inserts
from pointsman.store.location import Location
from pointsman.store.rows import Batch, flatten
from pointsman.store.settings import LedgerSettings
from pointsman.store.spool import Spool, SpoolFull
from pointsman.store.telling import Telling

_EVENTS = 64
_HOUSEKEEPING_NS = 60_000_000_000
_IDLE_SECONDS = 0.5  # how often an idle writer looks whether the database is back


class Writer:
    """Drains the queue until it is stopped.

    Attributes:
        wake, awake: how the recording side rouses an idle writer: `awake` first, the event only if it was not.
        written, dropped, events_dropped, spooled, in_hand, last_error, up: see `LedgerStats`.
    """

    def __init__(
        self,
        location: Location,
        clock: Clock,
        settings: LedgerSettings,
        queue: deque[Outcome],
        taken: Callable[[list[Outcome]], None],
        events: deque[health_rows.Row],
    ) -> None:
        self.wake = threading.Event()
        self.awake = False
        self.written = self.dropped = self.in_hand = self.events_dropped = 0
        self.last_error = ""
        self.up = False
        self._clock = clock
        self._settings = settings
        self._queue = queue
        self._taken = taken
        self._events = events
        self._events_in_hand = 0
        self._decisions = Decisions()
        self._spool = Spool(_spool_folder(location, settings), settings.spool_bytes)
        self._telling = Telling(clock, location.shown)
        self._connection = Connection(location, clock, settings.page_limit)
        self._ttl_ns = int(settings.content_ttl * 1e9) if settings.content else 0
        self._housekeeping_at = self._spool_retry_at = 0
        self._stopping = threading.Event()
        self._progress = threading.Condition()
        self._rounds = threading.RLock()
        self._thread = threading.Thread(target=self._run, name="pointsman-ledger", daemon=True)

    @property
    def spooled(self) -> int:
        """Calls in this process's spool."""
        return self._spool.calls

    def start(self) -> None:
        """Start the thread; once."""
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """End the thread after a last flush; whether it ended within `timeout` seconds."""
        if not self._thread.is_alive():
            return self._thread.ident is not None
        self._stopping.set()
        self.wake.set()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def ready(self, timeout: float) -> None:
        """Wait for the first opening of the database (seconds); raises what it raised."""
        with self._progress:
            self._progress.wait_for(lambda: self.up or self.last_error, timeout)
        if not self.up:
            raise self._connection.error or StoreUnavailable(self.last_error or "the store is not open yet")

    def flush(self, timeout: float) -> bool:
        """Wait until nothing waits any more (seconds)."""
        self.wake.set()
        with self._progress:
            return self._progress.wait_for(
                lambda: (
                    not (self._queue or self.in_hand or self._spool.calls)
                    and not (self._events or self._events_in_hand)
                    and self.up
                ),
                timeout,
            )

    def hold(self, timeout: float) -> bool:
        """See `Ledger.hold`."""
        if not self._rounds.acquire(timeout=timeout):
            return False
        self._connection.close()  # the next round opens it again
        return True

    def release(self) -> bool:
        """See `Ledger.release`."""
        try:
            self._rounds.release()
        except RuntimeError:  # it is another's, or nobody's
            return False
        return True

    def disown(self) -> None:
        """See `Ledger.disown`."""
        self._spool.close()

    def _run(self) -> None:
        self._work()
        while not self._stopping.is_set():
            self.awake = False  # before looking, so that whoever appends after the look rouses us
            if not (self._queue or (self._events and self.up)):
                self.wake.wait(_IDLE_SECONDS)
            self.wake.clear()
            self.awake = True
            self._stopping.wait(self._settings.interval)
            self._work()
        self._work()
        with self._rounds:
            self.dropped += len(self._queue)
            self.events_dropped += len(self._events)
            self._connection.close()
            self._telling.left_behind(self.spooled, self.dropped)
            self._spool.close()

    def _work(self) -> None:
        with self._rounds:
            self._one()

    def _one(self) -> None:
        """One round: database if it is there, else spool. After a file that is gone, at once another with a new one."""
        try:
            try:
                self._round()
            except Replaced:
                self._connection.close()
                self._telling.replaced()
                self._round()
        except StoreUnavailable as error:
            self._connection.failed(error)
            self._telling.away(error, self.written)
            self._decisions.forget()
            self._drain_to_spool()
            self.last_error = f"{error.message} ({error.hint})" if error.hint else error.message
        except Exception as error:  # noqa: BLE001 - the thread's edge: whatever goes wrong, the next round is tried
            self._defect(error)
        finally:
            self.up = self._connection.is_open
            with self._progress:
                self._progress.notify_all()

    def _round(self) -> None:
        inserts = self._connection.inserts()
        if inserts is None:
            self._drain_to_spool()
            return
        self._catch_up(inserts)
        self._drain(inserts)
        self._drain_events()
        self._telling.back(self.written)
        self._keep_house()

    def _each_batch(self, keep: Callable[[list[Outcome]], None]) -> None:
        """Hand the queue over, batch by batch. What `keep` refuses with an error goes back to the queue's head."""
        queue = self._queue
        while queue:
            outcomes = [queue.popleft() for _ in range(min(len(queue), self._settings.batch))]
            self.in_hand = len(outcomes)
            try:
                keep(outcomes)
            except (StoreUnavailable, SpoolFull, Replaced):
                queue.extendleft(reversed(outcomes))
                raise
            except Exception as error:  # noqa: BLE001 - the thread's edge: a defect costs a batch, never the ledger
                self.dropped += len(outcomes)
                self._defect(error)
                self._taken(outcomes)
            else:
                self._taken(outcomes)
            finally:
                self.in_hand = 0

    def _defect(self, error: Exception) -> None:
        self.last_error = f"{type(error).__name__}: {error}"
        self._telling.trouble("a defect in the ledger's writer", self.last_error)

    def _drain(self, inserts: Inserts) -> None:
        self._each_batch(lambda outcomes: self._write(inserts, outcomes))

    def _write(self, inserts: Inserts, outcomes: list[Outcome]) -> None:
        """One transaction, flattened slice by slice between its statements.

        Each statement lets other threads run, so that an event loop waits for one slice, not for the whole batch.
        """
        width = inserts.width(len(outcomes))
        digests: list[str] = []

        def slices() -> Iterator[Batch]:
            for start in range(0, len(outcomes), width):
                batch = self._flatten(outcomes[start : start + width])
                digests.extend([row[0] for row in (*batch.plans, *batch.prices)])
                yield batch

        try:
            inserts.write(slices())
        except InternalError as error:
            self.last_error = error.message
            self._write_carefully(inserts, self._flatten(outcomes).scrubbed())
            return
        self._connection.demand_place()
        self.written += len(outcomes)
        self._decisions.stored(digests)

    def _drain_events(self) -> None:
        """Changes of health, few at a time; what the store does not take now goes back to the queue's head."""
        events = self._events
        while events:
            self._events_in_hand = min(len(events), _EVENTS)
            rows = [events.popleft() for _ in range(self._events_in_hand)]
            try:
                lost = self._connection.write_events(rows)
                self._connection.demand_place()
            except (StoreUnavailable, Replaced):
                events.extendleft(reversed(rows))
                raise
            finally:
                self._events_in_hand = 0
            for error in lost:
                self.last_error = error.message
                self.events_dropped += 1
                self._telling.trouble("a change of health is lost", error.message)

    def _flatten(self, outcomes: list[Outcome]) -> Batch:
        return flatten(outcomes, self._decisions, self._ttl_ns)

    def _catch_up(self, inserts: Inserts) -> None:
        """Write what the spool holds, ours and that of processes that are gone, before anything newer."""

        def write(batch: Batch) -> None:
            self._write_spooled(inserts, batch)
            self._drain_to_spool()  # what comes meanwhile queues up behind, safe from a crash

        if self._connection.is_new:
            self._decisions.forget()  # it may be another database than before
            self._spool.adopt(lambda batch: self._write_spooled(inserts, batch))
            self._connection.is_new = False
        self._spool.replay(write)

    def _write_spooled(self, inserts: Inserts, batch: Batch) -> None:
        try:
            inserts.write([batch])
        except InternalError as error:
            self.last_error = error.message
            self._write_carefully(inserts, batch.scrubbed())
            return
        self._connection.demand_place()
        self.written += len(batch.calls)

    def _write_carefully(self, inserts: Inserts, batch: Batch) -> None:
        """One by one, so that a row that cannot be stored takes no other with it."""
        for single in batch.singles():
            try:
                inserts.write([single])
                self.written += len(single.calls)
            except InternalError as error:
                self.last_error = error.message
                self.dropped += len(single.calls)
                self._telling.trouble("a row of the ledger is lost", error.message)

    def _drain_to_spool(self) -> None:
        """Onto the disk; while that refuses too, outcomes wait in memory up to the queue's bound."""
        now = self._clock.monotonic()
        if now < self._spool_retry_at and not self._stopping.is_set():
            return
        try:
            self._each_batch(self._keep)
        except SpoolFull as error:
            self._spool_retry_at = now + FIRST_RETRY_NS
            self.last_error = str(error)
            self._telling.trouble("rows wait in memory and are lost when that is full", str(error))

    def _keep(self, outcomes: list[Outcome]) -> None:
        batch = self._flatten(outcomes)
        try:
            self._spool.append(batch)
        except UnicodeEncodeError:
            self._spool.append(batch.scrubbed())

    def _keep_house(self) -> None:
        now = self._clock.monotonic()
        if now < self._housekeeping_at:
            return
        self._housekeeping_at = now + _HOUSEKEEPING_NS
        self._connection.purge(self._clock.now())


def _spool_folder(location: Location, settings: LedgerSettings) -> Path:
    if settings.spool:
        return Path(settings.spool).expanduser().absolute()
    return Path(f"{location.path}.spool") if location.path else Path("pointsman.spool").absolute()
