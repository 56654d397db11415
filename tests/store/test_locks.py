"""A reader from outside must never disturb a gateway that is writing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

from pointsman.core.clock import SystemClock
from pointsman.store.keys import SqlKeyStore
from pointsman.store.ledger import Ledger

COUNT = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM calls').fetchone()[0])"


def count(path: Path) -> int:
    done = subprocess.run([sys.executable, "-c", COUNT, str(path)], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_a_reader_from_outside_leaves_the_write_ahead_log_alone(tmp_path: Path, make: ModuleType) -> None:
    path = tmp_path / "ledger.db"
    clock = SystemClock()
    ledger = Ledger(f"sqlite:///{path}", clock)
    ledger.start()
    ledger.ready()
    keys = SqlKeyStore(f"sqlite:///{path}", clock)  # a second connection of the same process, as a gateway has
    keys.load()
    try:
        for number in range(1, 4):
            ledger.record(make.outcome(id=f"call-{number}"))
            assert ledger.flush()
            assert count(path) == number
            assert path.with_name("ledger.db-wal").exists(), "the reader has taken the log for an abandoned one"
    finally:
        keys.close()
        ledger.close()
    assert count(path) == 3
