from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pointsman.core.clock import SystemClock
from pointsman.core.errors import ConfigError, StoreUnavailable
from pointsman.store.database import open_database
from pointsman.store.ledger import Ledger
from pointsman.store.location import locate
from pointsman.store.settings import LedgerSettings


def rows(url: str, query: str) -> list[tuple]:
    database = open_database(locate(url))
    try:
        return database.rows(query)
    finally:
        database.close()


def started(url: str, **settings) -> Ledger:
    ledger = Ledger(url, SystemClock(), LedgerSettings(**settings))
    ledger.start()
    return ledger


def test_a_recorded_call_is_in_the_store_within_a_tenth_of_a_second(store_url, make):
    ledger = started(store_url)
    ledger.ready()
    ledger.record(make.outcome())
    assert ledger.flush()
    one = make.outcome(id="01probe", cost=987_654_321_012_345)
    ledger.record(one)
    time.sleep(0.1)
    found = rows(store_url, "SELECT status, cost_nanousd, model, attempts, draw FROM calls WHERE id = '01probe'")
    assert found == [("ok", 987_654_321_012_345, "small", 1, 0.25)]
    assert ledger.close()


def test_attempts_have_rows_of_their_own(store_url, make):
    ledger = started(store_url)
    attempts = (make.attempt(1, error="upstream_timeout", usage=None, cost=None), make.attempt(2))
    ledger.record(make.outcome(id="a", attempts=attempts))
    assert ledger.flush()
    assert rows(store_url, "SELECT number, error, input_tokens FROM attempts ORDER BY number") == [
        (1, "upstream_timeout", None),
        (2, "", 100),
    ]
    assert ledger.close()


def test_a_decision_is_stored_once_however_many_calls_it_made(store_url, make):
    ledger = started(store_url)
    for _ in range(700):
        ledger.record(make.outcome())
    assert ledger.flush()
    assert rows(store_url, "SELECT count(*), count(DISTINCT plan_digest) FROM calls") == [(700, 1)]
    assert len(rows(store_url, "SELECT digest FROM plans")) == 1
    assert ledger.close()


def test_a_call_refused_before_any_plan_is_kept_too(store_url, make):
    ledger = started(store_url)
    ledger.record(
        make.outcome(
            status="refused", http_status=400, error="invalid_json", plan=None, needs=None, attempts=(), usage=None,
            cost=None, draw=None, first_byte=None, answer_id="",
        )
    )  # fmt: skip
    assert ledger.flush()
    assert rows(store_url, "SELECT status, plan_digest, need_choices, input_tokens, route FROM calls") == [
        ("refused", None, None, None, "")
    ]
    assert ledger.close()


@pytest.mark.parametrize(
    "text", ["naïve ☃ 漢字 🎉", "nul\0inside", "half \ud800 pair", "line\nbreak", "'; DROP TABLE calls; --"]
)
def test_any_text_is_kept(store_url, make, text):
    ledger = started(store_url)
    ledger.record(make.outcome(id="t", detail=text, user=text))
    assert ledger.flush()
    found = rows(store_url, "SELECT detail, end_user FROM calls")
    expected = text.replace("\0", "\N{REPLACEMENT CHARACTER}").replace("\ud800", "?")
    assert found == [(expected, expected)]
    assert ledger.close()


def test_long_texts_are_cut_and_say_so(store_url, make):
    ledger = started(store_url)
    ledger.record(make.outcome(detail="d" * 100_000, asked="m" * 5_000, attempts=(make.attempt(detail="x" * 9_000),)))
    assert ledger.flush()
    [(detail, asked)] = rows(store_url, "SELECT detail, asked FROM calls")
    assert (len(detail), detail[-1], len(asked), asked[-1]) == (2_000, "…", 256, "…")
    assert [len(text) for (text,) in rows(store_url, "SELECT detail FROM attempts")] == [2_000]
    assert ledger.close()


def test_an_absurd_number_spoils_no_other_row(store_url, make):
    ledger = started(store_url)
    mad = make.outcome(id="mad", http_status=2**70)
    for one in (make.outcome(id="a"), mad, make.outcome(id="b")):
        ledger.record(one)
    assert ledger.flush()
    assert rows(store_url, "SELECT id, http_status FROM calls ORDER BY id") == [
        ("a", 200),
        ("b", 200),
        ("mad", 2**63 - 1),
    ]
    assert ledger.stats().dropped == 0
    assert ledger.close()


def test_recording_the_same_call_twice_keeps_the_first(store_url, make):
    ledger = started(store_url)
    one = make.outcome()
    ledger.record(one)
    ledger.record(one)
    assert ledger.flush()
    assert rows(store_url, "SELECT count(*) FROM calls") == [(1,)]
    assert ledger.close()


def test_many_threads_record_and_nothing_is_lost(store_url, make):
    ledger = started(store_url)
    outcomes = [[make.outcome() for _ in range(1_000)] for _ in range(4)]

    def work(part):
        for one in part:
            ledger.record(one)

    threads = [threading.Thread(target=work, args=(part,)) for part in outcomes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.flush(20)
    assert rows(store_url, "SELECT count(*) FROM calls") == [(4_000,)]
    assert ledger.close()


def test_closing_writes_what_waits(store_url, make):
    ledger = started(store_url, interval=5.0)
    for _ in range(300):
        ledger.record(make.outcome())
    begun = time.monotonic()
    assert ledger.close()
    assert time.monotonic() - begun < 4
    assert rows(store_url, "SELECT count(*) FROM calls") == [(300,)]


def test_bodies_are_stored_only_where_switched_on(store_url, make):
    ledger = started(store_url)
    ledger.record(make.outcome(request_body=b"secret", answer_body=b"words"))
    assert ledger.flush()
    assert rows(store_url, "SELECT count(*) FROM contents") == [(0,)]
    assert ledger.close()
    ledger = started(store_url, content=True, content_ttl=60, content_limit=100)
    ledger.record(make.outcome(id="c", request_body=b"\x00bytes\xff", answer_body=None))
    ledger.record(make.outcome(id="big", request_body=b"x" * 101))
    assert ledger.flush()
    found = rows(store_url, "SELECT call_id, request, answer FROM contents")
    assert [(a, bytes(b), c) for a, b, c in found] == [("c", b"\x00bytes\xff", None)]
    assert ledger.stats().contents_dropped == 1
    assert ledger.close()


def test_bodies_go_when_their_time_is_over(store_url, make):
    ledger = started(store_url, content=True, content_ttl=1)
    ledger.record(make.outcome(id="old", now=1, request_body=b"x"))
    assert ledger.flush()
    assert ledger.close()
    ledger = started(store_url, content=True)
    ledger.record(make.outcome(id="new", request_body=b"y"))
    assert ledger.flush()
    assert rows(store_url, "SELECT call_id FROM contents") == [("new",)]
    assert rows(store_url, "SELECT count(*) FROM calls") == [(2,)]
    assert ledger.close()


def test_the_file_is_private_and_its_folder_is_made(tmp_path, make):
    path = tmp_path / "down" / "ledger.db"
    ledger = started(f"sqlite:///{path}")
    ledger.ready()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(Path(f"{path}-wal").stat().st_mode) == 0o600
    assert ledger.close()


def test_starting_imports_no_sqlalchemy_and_does_not_wait(tmp_path):
    code = (
        "import sys, time\nfrom pointsman.core.clock import SystemClock\nfrom pointsman.store.ledger import Ledger\n"
        f"ledger = Ledger('sqlite:///{tmp_path}/l.db', SystemClock())\nledger.start(); ledger.ready(); ledger.close()\n"
        "assert 'sqlalchemy' not in sys.modules and 'psycopg' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=20)


def test_readers_see_rows_while_the_writer_writes(tmp_path, make):
    url = f"sqlite:///{tmp_path / 'l.db'}"
    ledger = started(url)
    ledger.ready()
    reader = sqlite3.connect(tmp_path / "l.db")
    for _ in range(20):
        ledger.record(make.outcome())
        reader.execute("SELECT count(*) FROM calls").fetchall()
    assert ledger.flush()
    assert reader.execute("SELECT count(*) FROM calls").fetchone() == (20,)
    reader.close()
    assert ledger.close()


@pytest.mark.parametrize("url", ["mysql://x", "sqlite://", "sqlite:///", "sqlite:///:memory:", "ledger.db"])
def test_a_url_that_names_no_store_is_refused_at_once(url):
    with pytest.raises(ConfigError):
        Ledger(url, SystemClock())


def test_a_store_that_cannot_be_opened_says_why(tmp_path):
    (tmp_path / "file").write_text("no folder")
    ledger = started(f"sqlite:///{tmp_path / 'file' / 'l.db'}")
    with pytest.raises(StoreUnavailable, match=r"l\.db"):
        ledger.ready()
    assert ledger.close()


def test_an_id_that_another_call_has_costs_that_call_alone_and_is_told(store_url, make, caplog):
    ledger = started(store_url)
    ledger.ready()
    before = [make.outcome() for _ in range(3)]
    for one in before:
        ledger.record(one)
    assert ledger.flush()
    clash = make.outcome(
        id=before[1].id, now=before[1].started + 5_000_000, attempts=(make.attempt(1), make.attempt(2))
    )
    twins = [make.outcome(id="twin", now=1_000), make.outcome(id="twin", now=2_000)]
    for one in (make.outcome(), clash, *twins, make.outcome()):
        ledger.record(one)
    assert ledger.flush()
    stats = ledger.stats()
    assert (stats.written, stats.dropped) == (6, 2)
    assert "belongs to another call" in stats.last_error
    assert "a row of the ledger is lost" in caplog.text
    found = rows(store_url, f"SELECT started_ns FROM calls WHERE id = '{clash.id}'")
    assert found == [(before[1].started,)], "the call that came first stays as it was"
    assert rows(store_url, f"SELECT count(*) FROM attempts WHERE call_id = '{clash.id}'") == [(1,)]
    assert ledger.close()


def test_a_call_that_is_written_twice_is_no_clash(store_url, make):
    ledger = started(store_url)
    one = make.outcome(first_byte=None)
    for _ in range(2):  # as after a crash between the commit and the end of the spool's file
        ledger.record(one)
        assert ledger.flush()
    assert ledger.stats().dropped == 0
    assert rows(store_url, "SELECT count(*) FROM calls") == [(1,)]
    assert ledger.close()
