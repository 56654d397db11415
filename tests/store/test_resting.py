"""SQLite's log is brought into the file while the gateway runs, so that the file alone has all but the newest rows."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pointsman.store.connection import REST_NS
from pointsman.store.ledger import Ledger

MINUTE = 60_000_000_000


class Moved:
    """The system's clock, which a test can put forward."""

    def __init__(self) -> None:
        self.ahead = 0

    def now(self) -> int:
        return time.time_ns() + self.ahead

    def monotonic(self) -> int:
        return time.monotonic_ns() + self.ahead


def in_the_file_alone(path: Path) -> int:
    """Calls that somebody finds who takes the file and leaves its log."""
    copy = path.with_name("moved.db")
    shutil.copy(path, copy)
    with contextlib.closing(sqlite3.connect(copy)) as database:
        try:
            return int(database.execute("SELECT count(*) FROM calls").fetchone()[0])
        except sqlite3.OperationalError:
            return 0  # not even the tables


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize(("ahead", "busy"), [(REST_NS, False), (MINUTE, True)])
def test_rows_come_from_the_log_into_the_file_while_the_gateway_runs(tmp_path, make, ahead, busy):
    clock, path = Moved(), tmp_path / "l.db"
    ledger = Ledger(f"sqlite:///{path}", clock)
    ledger.start()
    ledger.ready()  # with it, the first minute begins
    try:
        for _ in range(5):
            ledger.record(make.outcome())
        assert ledger.flush()
        assert in_the_file_alone(path) == 0
        clock.ahead += ahead
        if busy:
            ledger.record(make.outcome())  # no rest, and yet the minute is over
        until(lambda: in_the_file_alone(path) >= 5)
        ledger.record(make.outcome())
        assert ledger.flush()
    finally:
        ledger.close()
    assert in_the_file_alone(path) == 6 + busy


def test_a_reader_in_the_way_costs_no_row(tmp_path, make):
    clock, path = Moved(), tmp_path / "l.db"
    ledger = Ledger(f"sqlite:///{path}", clock)
    ledger.start()
    ledger.ready()  # with it, the first minute begins
    try:
        ledger.record(make.outcome())
        assert ledger.flush()
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM calls").fetchone() == (1,)
            ledger.record(make.outcome())
            assert ledger.flush()
            clock.ahead += MINUTE
            time.sleep(0.8)  # the writer looked, and was not held up
            ledger.record(make.outcome())
            assert ledger.flush(2)
            assert reader.execute("SELECT count(*) FROM calls").fetchone() == (1,)
        assert (ledger.stats().written, ledger.stats().up, ledger.stats().last_error) == (3, True, "")
    finally:
        ledger.close()
