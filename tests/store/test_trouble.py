"""The store fails in every way it can; answers go on and rows arrive later."""

from __future__ import annotations

import itertools
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pointsman.core.clock import SystemClock
from pointsman.core.errors import StoreUnavailable
from pointsman.store.database import open_database
from pointsman.store.ledger import Ledger
from pointsman.store.location import locate
from pointsman.store.settings import LedgerSettings


def started(url: str, **settings) -> Ledger:
    ledger = Ledger(url, SystemClock(), LedgerSettings(**settings))
    ledger.start()
    return ledger


def ids(url: str) -> list[str]:
    database = open_database(locate(url))
    try:
        return [row[0] for row in database.rows("SELECT id FROM calls ORDER BY id")]
    finally:
        database.close()


def until(condition, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_a_missing_folder_that_appears_later_gets_every_row(tmp_path, make):
    blocker = tmp_path / "data"
    blocker.write_text("in the way")
    url = f"sqlite:///{blocker / 'ledger.db'}"
    ledger = started(url, spool=str(tmp_path / "spool"))
    calls = [make.outcome() for _ in range(50)]
    for one in calls:
        ledger.record(one)
    until(lambda: ledger.stats().spooled == 50)
    assert not ledger.stats().up
    assert "ledger.db" in ledger.stats().last_error
    blocker.unlink()
    assert ledger.flush(15)
    assert ids(url) == sorted(one.id for one in calls)
    assert ledger.stats().spooled == 0
    assert ledger.stats().dropped == 0
    assert not list(tmp_path.glob("spool/*"))
    assert ledger.close()


def test_what_one_process_spooled_the_next_one_writes(tmp_path, make):
    blocker = tmp_path / "data"
    blocker.write_text("in the way")
    url = f"sqlite:///{blocker / 'ledger.db'}"
    first = started(url, spool=str(tmp_path / "spool"), content=True)
    calls = [make.outcome(request_body=b"\xff\x00", detail="ünï"), *(make.outcome() for _ in range(9))]
    for one in calls:
        first.record(one)
    until(lambda: first.stats().spooled == 10)
    assert first.close()
    blocker.unlink()
    second = started(url, spool=str(tmp_path / "spool"))
    second.ready()
    until(lambda: not list(tmp_path.glob("spool/*")))
    assert ids(url) == sorted(one.id for one in calls)
    database = open_database(locate(url))
    assert database.rows("SELECT request FROM contents") == [(b"\xff\x00",)]
    assert database.rows("SELECT count(*) FROM plans") == [(1,)]
    database.close()
    assert second.close()


def test_a_full_database_spools_and_a_full_spool_fills_memory_and_only_then_drops(tmp_path, make):
    url = f"sqlite:///{tmp_path / 'l.db'}"
    ledger = started(url, page_limit=40, spool_bytes=60_000, queue=500, batch=50)
    ledger.ready()
    total = 0
    while not ledger.stats().dropped:
        assert total < 5_000
        for _ in range(50):
            ledger.record(make.outcome())
        total += 50
        time.sleep(0.05)

    def balanced() -> bool:
        stats = ledger.stats()
        return stats.written + stats.spooled + stats.pending + stats.dropped == total

    until(balanced)
    stats = ledger.stats()
    assert "full" in stats.last_error or "limit" in stats.last_error
    assert stats.spooled > 0
    assert stats.pending >= 450
    ledger.close()
    last = ledger.stats()
    roomy = started(url)
    roomy.ready()
    until(lambda: not list(tmp_path.glob("l.db.spool/*")))
    assert roomy.close()
    assert len(ids(url)) == total - last.dropped


def test_a_locked_file_delays_rows_and_loses_none(tmp_path, make):
    url = f"sqlite:///{tmp_path / 'l.db'}"
    ledger = started(url)
    ledger.ready()
    holder = sqlite3.connect(tmp_path / "l.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    calls = [make.outcome() for _ in range(20)]
    for one in calls:
        ledger.record(one)
    until(lambda: ledger.stats().spooled == 20)
    assert "locked" in ledger.stats().last_error
    holder.execute("COMMIT")
    holder.close()
    assert ledger.flush(15)
    assert ids(url) == sorted(one.id for one in calls)
    assert ledger.close()


def test_a_damaged_file_is_named_and_nothing_is_lost_once_it_is_moved_away(tmp_path, make):
    path = tmp_path / "l.db"
    path.write_bytes(b"this is no database" * 500)
    ledger = started(f"sqlite:///{path}")
    with pytest.raises(StoreUnavailable, match="not a database") as caught:
        ledger.ready()
    assert "move it away" in caught.value.hint
    one = make.outcome()
    ledger.record(one)
    until(lambda: ledger.stats().spooled == 1)
    path.unlink()
    assert ledger.flush(15)
    assert ids(f"sqlite:///{path}") == [one.id]
    assert ledger.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_without_write_permission_is_named(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    ledger = started(f"sqlite:///{folder / 'l.db'}")
    with pytest.raises(StoreUnavailable, match="ermission"):
        ledger.ready()
    assert ledger.close()


def test_a_file_deleted_under_a_running_gateway_is_made_anew(tmp_path, make):
    path = tmp_path / "l.db"
    ledger = started(f"sqlite:///{path}")
    ledger.record(make.outcome())
    assert ledger.flush()
    path.unlink()
    time.sleep(1.1)
    one = make.outcome()
    ledger.record(one)
    assert ledger.flush()
    assert ids(f"sqlite:///{path}") == [one.id]
    database = open_database(locate(f"sqlite:///{path}"))
    assert len(database.rows("SELECT digest FROM plans")) == 1
    database.close()
    assert ledger.close()


def test_a_postgres_that_is_not_there_delays_nothing(tmp_path, make):
    ledger = started("postgresql://me:hunter2@127.0.0.1:9/none", spool=str(tmp_path / "spool"))
    with pytest.raises(StoreUnavailable) as caught:
        ledger.ready()
    assert "hunter2" not in caught.value.message
    assert "hunter2" not in repr(locate("postgresql://me:hunter2@127.0.0.1:9/none"))
    for _ in range(10):
        ledger.record(make.outcome())
    until(lambda: ledger.stats().spooled == 10)
    assert ledger.close()


def test_a_postgres_that_drops_the_connection_is_met_again(postgres_server, make, request, tmp_path):
    import psycopg  # noqa: PLC0415

    name = f"pm_drop_{os.getpid()}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        url = postgres_server.replace("/postgres?", f"/{name}?")
        ledger = started(url, spool=str(tmp_path / "spool"))
        calls = [make.outcome() for _ in range(40)]
        ledger.ready()
        for number, one in enumerate(calls):
            if number == 20:
                assert ledger.flush()
                admin.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
            ledger.record(one)
        assert ledger.flush(15)
        assert ids(url) == sorted(one.id for one in calls)
        assert ledger.stats().written == 40
        assert ledger.close()


def test_a_damaged_spool_gives_back_what_is_whole(tmp_path, make):
    blocker = tmp_path / "data"
    blocker.write_text("in the way")
    url = f"sqlite:///{blocker / 'l.db'}"
    ledger = started(url, spool=str(tmp_path / "spool"), batch=1)
    for _ in range(3):
        ledger.record(make.outcome())
    until(lambda: ledger.stats().spooled == 3)
    assert ledger.close()
    [file] = tmp_path.glob("spool/*.jsonl")
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + b'{"damaged": tru\n' + lines[1] + lines[2][:100])
    blocker.unlink()
    second = started(url, spool=str(tmp_path / "spool"))
    second.ready()
    until(lambda: not list(tmp_path.glob("spool/*")))
    assert len(ids(url)) == 2
    assert second.close()


RECORDER = """
import sys, time
sys.path.insert(0, {tests!r})
import making
from pointsman.store.ledger import Ledger
ledger = Ledger(sys.argv[1], making.CLOCK)
ledger.start()
ledger.ready()
out = sys.stdout
while True:
    for _ in range(40):
        one = making.outcome()
        ledger.record(one)
        out.write(f"{{one.id}} {{time.monotonic_ns()}} {{ledger.stats().written}}\\n")
    out.flush()
    time.sleep(0.01)
"""


def lost_by_a_kill(url: str, printed: Path) -> float:
    """Milliseconds that a call usually waited to be told written. None that was told so may be lost by the kill."""
    code = RECORDER.format(tests=str(Path(__file__).parent))
    with printed.open("wb") as out:
        child = subprocess.Popen([sys.executable, "-c", code, url], stdout=out)
        try:
            until(lambda: printed.stat().st_size > 100_000, 20)
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
    answered = [line.split() for line in printed.read_text().rpartition("\n")[0].splitlines()]
    times = [int(at) for _, at, _ in answered]
    told = [int(written) for _, _, written in answered]
    kept = set(ids(url))
    assert told[-1] > 1_000
    assert all(name in kept for name, _, _ in answered[: told[-1]]), "what was told written is written"
    waited = [at - times[written] for at, written in zip(times, told, strict=True) if written < len(times)]
    return statistics.median(waited) / 1e6


def test_a_kill_loses_at_most_the_last_tenth_of_a_second(store_url, tmp_path):
    # A busy machine can hold up any process for that long, and the database's too: so it is not the kill's own moment
    # that is measured, but what usually is not written yet; and a defect would show every time.
    usual = 0.0
    for number in range(4):
        usual = lost_by_a_kill(store_url, tmp_path / f"answered-{number}")
        if usual <= 100:
            return
    pytest.fail(f"calls usually waited {usual:.0f} ms to be written")


def test_two_processes_write_one_file(store_url, tmp_path):
    code = RECORDER.format(tests=str(Path(__file__).parent)).replace("while True:", "for _ in range(25):")
    code += "\nassert ledger.flush(20)\nassert ledger.stats().dropped == 0\nassert ledger.close()\n"
    outputs = [tmp_path / "one", tmp_path / "two"]
    with outputs[0].open("wb") as first, outputs[1].open("wb") as second:
        children = [subprocess.Popen([sys.executable, "-c", code, store_url], stdout=out) for out in (first, second)]
        assert [child.wait(30) for child in children] == [0, 0]
    answered = itertools.chain.from_iterable(path.read_text().splitlines() for path in outputs)
    assert ids(store_url) == sorted(line.split()[0] for line in answered)


def test_rows_recorded_after_the_file_is_deleted_are_in_the_new_file(tmp_path, make, caplog):
    path = tmp_path / "l.db"
    ledger = started(f"sqlite:///{path}")
    for number in range(5):
        before = [make.outcome() for _ in range(20)]
        for one in before:
            ledger.record(one)
        assert ledger.flush()
        for suffix in ("", "-wal", "-shm") if number % 2 else ("",):
            path.with_name(f"l.db{suffix}").unlink(missing_ok=True)
        after = [make.outcome() for _ in range(20)]  # at once: nothing is lost to a file that nobody can open
        for one in after:
            ledger.record(one)
        assert ledger.flush()
        assert ids(f"sqlite:///{path}") == sorted(one.id for one in after)
    assert ledger.close()
    gone = [one.getMessage() for one in caplog.records if "deleted or replaced" in one.getMessage()]
    assert len(gone) == 5
    assert all(str(path) in one for one in gone)
    assert ledger.stats().dropped == 0


def test_a_file_that_is_deleted_while_rows_pour_in_costs_none_of_those_after(tmp_path, make):
    path = tmp_path / "l.db"
    ledger = started(f"sqlite:///{path}")
    ledger.ready()
    for _ in range(5):
        for _ in range(300):
            ledger.record(make.outcome())
        time.sleep(0.03)
        path.unlink()
        after = [make.outcome() for _ in range(300)]
        for one in after:
            ledger.record(one)
        assert ledger.flush()
        assert {one.id for one in after} <= set(ids(f"sqlite:///{path}"))
    assert ledger.close()


def test_a_store_that_goes_away_and_comes_back_is_one_line_each(tmp_path, make, caplog):
    blocker = tmp_path / "data"
    blocker.write_text("in the way")
    ledger = started(f"sqlite:///{blocker / 'l.db'}", spool=str(tmp_path / "spool"))
    for _ in range(7):
        ledger.record(make.outcome())
    until(lambda: ledger.stats().spooled == 7)
    time.sleep(1.0)  # it is tried several times meanwhile
    [away] = [one.getMessage() for one in caplog.records]
    assert "the ledger is away" in away
    assert "l.db" in away
    blocker.unlink()
    assert ledger.flush(15)
    assert ledger.close()
    back = [one.getMessage() for one in caplog.records][1:]
    assert len(back) == 1
    assert "back: 7 rows were written late" in back[0]


def test_a_full_disk_is_told_with_the_way_out(tmp_path, make, caplog):
    ledger = started(f"sqlite:///{tmp_path / 'l.db'}", page_limit=40, spool_bytes=10_000, queue=50, batch=10)
    ledger.ready()
    while not ledger.stats().dropped:
        for _ in range(20):
            ledger.record(make.outcome())
        time.sleep(0.02)
    ledger.close()
    said = [one.getMessage() for one in caplog.records]
    assert [one for one in said if "full" in one and "make room on the disk" in one]
    assert [one for one in said if "rows wait in memory" in one]
    assert [one for one in said if "are lost" in one]
    assert len(said) < 8


def test_a_mistyped_path_grows_no_folders(tmp_path):
    with pytest.raises(StoreUnavailable, match="data does not exist") as caught:
        open_database(locate(f"sqlite:///{tmp_path}/data/none/deep/x.db"))
    assert "deep" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
