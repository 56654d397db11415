"""The record of health: every change becomes a row, whatever becomes of the store meanwhile."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pointsman.core.clock import SystemClock, SystemIds
from pointsman.core.failure import Target
from pointsman.core.health import State, Transition
from pointsman.store.database import open_database
from pointsman.store.health_record import STILL_NS, HealthRecord
from pointsman.store.health_rows import Row
from pointsman.store.ledger import Ledger
from pointsman.store.location import locate

S = 1_000_000_000
START = 1_795_000_000 * S
SMALL = Target("lab", "small-1", "LAB_KEY")
COLUMNS = "at_ns, node, provider, upstream, key_env, state_before, state_after, cause, why"


def change(after: State, at: int = START, before: State = "closed") -> Transition:
    return Transition(target=SMALL, before=before, after=after, at=at, why="503", cause="failures")


def rows(url: str) -> list[tuple]:
    database = open_database(locate(url))
    found = database.rows(f"SELECT {COLUMNS} FROM health_events ORDER BY id")
    database.close()
    return found


def open_ledger(url: str) -> tuple[Ledger, HealthRecord]:
    ledger = Ledger(url, SystemClock())
    ledger.start()
    return ledger, HealthRecord(ledger.note, SystemIds(), "node-1")


def test_every_change_is_a_row_in_order(store_url: str, make) -> None:
    ledger, log = open_ledger(store_url)
    for n in range(200):
        log.hear(change("open" if n % 2 == 0 else "closed", START + n * S))
        ledger.record(make.outcome())
    assert ledger.flush()
    assert ledger.stats().written == 200
    assert ledger.close()
    found = rows(store_url)
    assert [row[0] for row in found] == [START + n * S for n in range(200)]
    assert found[0] == (START, "node-1", "lab", "small-1", "LAB_KEY", "closed", "open", "failures", "503")


def test_odd_names_are_kept_and_what_no_store_can_hold_costs_no_other(store_url: str) -> None:
    ledger, log = open_ledger(store_url)
    odd = Transition(target=Target("lab\0", "x" * 900), before="closed", after="open", at=START, why="\ud800 'quoted'")
    log.hear(odd)
    ledger.note(("id", 1 << 70, "n", "lab", "m", "", "closed", "open", "", ""))
    log.hear(change("open", START + S))
    assert ledger.flush()
    assert ledger.stats().events_dropped == 1
    assert ledger.close()
    found = rows(store_url)
    assert [row[2] for row in found] == ["lab\N{REPLACEMENT CHARACTER}", "lab"]
    assert len(found[0][3]) == 256


def test_while_the_store_is_away_changes_wait_and_come_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "away"
    folder.mkdir()
    (folder / "ledger.db").mkdir()  # no file can be opened there
    url = f"sqlite:///{folder / 'ledger.db'}"
    ledger, log = open_ledger(url)
    log.hear(change("open"))
    log.hear(change("half_open", START + S, "open"))
    assert not ledger.flush(0.5)
    (folder / "ledger.db").rmdir()
    log.hear(change("closed", START + 2 * S, "half_open"))
    assert ledger.flush(20)
    assert ledger.close()
    assert [row[6] for row in rows(url)] == ["open", "half_open", "closed"]


def test_noting_never_waits_and_of_too_many_the_oldest_go(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'l.db'}", SystemClock())  # not started: nothing is taken away
    log = HealthRecord(ledger.note, SystemIds(), "n")
    begun = time.perf_counter()
    for n in range(10_050):
        log.hear(change("open", START + n))
    assert time.perf_counter() - begun < 5
    assert ledger.stats().events_dropped == 50
    ledger.start()
    assert ledger.flush(20)
    assert ledger.close()
    found = rows(f"sqlite:///{tmp_path / 'l.db'}")
    assert len(found) == 10_000
    assert found[0][0] == START + 50


def test_a_file_that_is_replaced_gets_the_next_changes(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    ledger, log = open_ledger(f"sqlite:///{path}")
    log.hear(change("open"))
    assert ledger.flush()
    path.unlink()
    log.hear(change("closed", START + S, "open"))
    assert ledger.flush()
    assert ledger.close()
    assert [row[6] for row in rows(f"sqlite:///{path}")] == ["closed"]


class Kept:
    """A log whose rows are kept in a list."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.log = HealthRecord(self.rows.append, SystemIds(), "n")

    @property
    def turns(self) -> list[tuple[int, str, str]]:
        return [((row[1] - START) // S, row[6], row[7]) for row in self.rows]


def test_what_lasts_is_said_every_five_minutes() -> None:
    kept = Kept()
    kept.log.hear(change("open"))
    for second in range(1, 900):
        kept.log.tick(START + second * S)
    assert STILL_NS == 300 * S
    assert kept.turns == [(0, "closed", "open"), (300, "open", "open"), (600, "open", "open")]
    kept.log.hear(change("closed", START + 900 * S, "open"))
    kept.log.tick(START + 5_000 * S)
    assert kept.turns[-1] == (900, "open", "closed")


def test_an_orderly_end_closes_what_is_open() -> None:
    kept = Kept()
    kept.log.hear(change("open"))
    kept.log.end(START + 60 * S)
    kept.log.end(START + 61 * S)
    assert kept.turns == [(0, "closed", "open"), (60, "open", "closed")]
    assert kept.rows[-1][-1] == "the gateway stopped"


@pytest.mark.parametrize("at", [0, -5])
def test_a_moment_before_the_epoch_is_no_reason_to_fail(at: int) -> None:
    kept = Kept()
    kept.log.hear(change("open", at))
    assert kept.rows[0][1] == 0
