"""What somebody sees who asks a store from outside: rows that wait beside it, a file that may only be read."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pointsman.core.clock import SystemClock
from pointsman.core.errors import StoreUnavailable
from pointsman.insight.queries import Questions
from pointsman.store.database import open_database
from pointsman.store.decisions import Decisions
from pointsman.store.ledger import Ledger
from pointsman.store.location import locate
from pointsman.store.rows import flatten
from pointsman.store.spool import Spool
from pointsman.store.waiting import spool_folder, waiting

NOBODY = 65534


def test_calls_in_spools_are_counted_from_the_oldest_on(tmp_path, make):
    folder = spool_folder(locate(f"sqlite:///{tmp_path / 'l.db'}"))
    assert folder == tmp_path / "l.db.spool"
    assert (waiting(folder).calls, waiting(folder).since) == (0, 0)
    before = time.time_ns()
    spools = [Spool(folder, 1_000_000) for _ in range(2)]
    for number, spool in enumerate(spools, 1):
        spool.append(flatten([make.outcome() for _ in range(number * 2)], Decisions()))
    between = time.time_ns()
    spools[1].append(flatten([make.outcome()], Decisions()))
    with next(iter(sorted(folder.glob("*.jsonl")))).open("ab") as torn:
        torn.write(b'not json\n{"columns": {}, "batch": {"calls": [[1')
    found = waiting(folder)
    assert found.calls == 7
    assert before <= found.since <= between
    for spool in spools:
        spool.close()


@pytest.fixture
def readable(make) -> Iterator[Path]:
    """A ledger with one call, in a folder where others may look and not write."""
    folder = Path(tempfile.mkdtemp(prefix="ledger-"))
    folder.chmod(0o755)
    path = folder / "l.db"
    ledger = Ledger(f"sqlite:///{path}", SystemClock())
    ledger.start()
    ledger.record(make.outcome(asked="before"))
    assert ledger.flush()
    ledger.close()
    path.chmod(0o644)
    yield path
    shutil.rmtree(folder)


@contextlib.contextmanager
def as_a_reader(path: Path) -> Iterator[None]:
    """As a user who may read the file and no more: the superuser has to become one."""
    if os.geteuid():
        path.chmod(0o444)
        path.parent.chmod(0o555)
    else:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if os.getuid():
            path.parent.chmod(0o755)
        else:
            os.seteuid(0)


def test_who_may_only_read_a_ledger_reads_it_while_a_gateway_has_it_open(readable):
    url = f"sqlite:///{readable}"
    with contextlib.closing(open_database(locate(url))) as gateway:
        gateway.run("UPDATE settings SET value = value")
        gateway.rows("SELECT 1 FROM calls")
        with as_a_reader(readable), contextlib.closing(Questions(url)) as questions:
            assert [call.asked for call in questions.calls()] == ["before"]
            assert questions.place() == 1
        assert gateway.rows("PRAGMA integrity_check") == [("ok",)]


def test_who_may_only_read_a_ledger_that_nobody_has_open_is_told_the_way_out(readable):
    url = f"sqlite:///{readable}"
    beside = sorted(readable.parent.iterdir())
    with (
        as_a_reader(readable),
        contextlib.closing(Questions(url)) as questions,
        pytest.raises(StoreUnavailable, match="only while a gateway has it open") as caught,
    ):
        questions.calls()
    assert "copy the file" in caught.value.hint
    assert sorted(readable.parent.iterdir()) == beside, "nothing is left that would shut a writer out"
