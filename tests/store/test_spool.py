from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.store.decisions import Decisions
from pointsman.store.inserts import LARGEST, sizes
from pointsman.store.rows import Batch, flatten
from pointsman.store.spool import Spool, SpoolFull


def collected(spool: Spool) -> list[Batch]:
    found: list[Batch] = []
    spool.replay(found.append)
    return found


def test_batches_come_back_equal_and_in_order(tmp_path, make):
    spool = Spool(tmp_path / "s", 1_000_000)
    batches = [flatten([make.outcome(request_body=b"\xff", detail="é")], Decisions(), 10**9) for _ in range(5)]
    for batch in batches:
        spool.append(batch)
    assert spool.calls == 5
    assert collected(spool) == batches
    assert spool.calls == 0
    assert not (tmp_path / "s").exists()


def test_what_is_appended_during_a_replay_is_replayed_too(tmp_path, make):
    spool = Spool(tmp_path / "s", 1_000_000)
    batches = [flatten([make.outcome()], Decisions()) for _ in range(10)]
    for batch in batches[:5]:
        spool.append(batch)
    found: list[Batch] = []
    late = iter(batches[5:])

    def write(batch: Batch) -> None:
        found.append(batch)
        for one in late:
            spool.append(one)
            break

    spool.replay(write)
    assert found == batches


def test_a_replay_that_fails_goes_on_where_it_stopped(tmp_path, make):
    spool = Spool(tmp_path / "s", 1_000_000)
    batches = [flatten([make.outcome()], Decisions()) for _ in range(4)]
    for batch in batches:
        spool.append(batch)
    found: list[Batch] = []

    def write(batch: Batch) -> None:
        if len(found) == 2:
            raise ConnectionError
        found.append(batch)

    with pytest.raises(ConnectionError):
        spool.replay(write)
    assert spool.calls == 2
    assert found + collected(spool) == batches


def test_the_limit_holds(tmp_path, make):
    spool = Spool(tmp_path / "s", 3_000)
    batches = [flatten([make.outcome()], Decisions()) for _ in range(100)]
    with pytest.raises(SpoolFull):
        any(spool.append(batch) for batch in batches)
    [file] = (tmp_path / "s").iterdir()
    assert file.stat().st_size <= 3_000
    assert file.stat().st_mode & 0o077 == 0
    assert 0 < len(collected(spool)) < 10


def test_nobody_takes_the_spool_of_a_living_process(tmp_path, make):
    owner, other = Spool(tmp_path / "s", 10_000), Spool(tmp_path / "s", 10_000)
    owner.append(flatten([make.outcome()], Decisions()))
    found: list[Batch] = []
    other.adopt(found.append)
    assert found == []
    owner.close()
    other.adopt(found.append)
    assert len(found) == 1


def test_a_spool_from_before_an_upgrade_is_read(tmp_path, make):
    batch = flatten([make.outcome(id="then")], Decisions())
    spool = Spool(tmp_path / "s", 100_000)
    spool.append(batch)
    spool.close()
    [file] = (tmp_path / "s").iterdir()
    text = file.read_text().replace('"overhead_ns"', '"a_column_that_is_gone"')
    file.write_text(text)
    found: list[Batch] = []
    Spool(tmp_path / "s", 100_000).adopt(found.append)
    assert found[0].calls[0][0] == "then"
    assert found[0].calls[0][3] is None
    assert found[0].attempts == batch.attempts


@given(st.integers(0, 5_000))
def test_statement_sizes_cover_every_row_with_few_statements(count):
    found = sizes(count)
    assert sum(found) >= count
    assert sum(found) - count < LARGEST // 4
    assert all(size & (size - 1) == 0 for size in found)
    assert len(found) <= count // LARGEST + 3
    assert sum(found[:-1]) < count or not count
