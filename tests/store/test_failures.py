"""Whatever a driver says, people read what went wrong, where, and the way out; and never a secret."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from fuzzing import examples
from pointsman.core.clock import SystemClock
from pointsman.core.errors import InvalidRequest, PointsmanError, StoreUnavailable
from pointsman.insight.answers import Filters
from pointsman.insight.queries import Questions
from pointsman.store.database import open_database
from pointsman.store.ledger import Ledger
from pointsman.store.location import locate, without_secrets


def record(url, make, count=1):
    ledger = Ledger(url, SystemClock())
    ledger.start()
    for _ in range(count):
        ledger.record(make.outcome())
    assert ledger.flush(15)
    assert ledger.close()


@pytest.fixture
def ask(store_url, make):
    record(store_url, make)
    questions = Questions(store_url)
    assert len(questions.calls()) == 1
    yield questions
    questions.close()


def test_a_table_that_is_gone_is_said_with_place_and_way_out(store_url, ask):
    database = open_database(locate(store_url))
    database.run("ALTER TABLE calls RENAME TO moved")
    database.close()
    for question in (ask.calls, ask.totals, lambda: ask.call("x"), lambda: ask.series(0, 10, 2)):
        with pytest.raises(StoreUnavailable, match=r"calls") as caught:
            question()
        assert caught.value.message.startswith(f"store {locate(store_url).shown}: ")
        assert caught.value.hint == "restore a copy, or name another store"
        assert "SELECT" not in caught.value.message


def test_a_value_that_no_store_can_hold_is_the_askers_fault(ask):
    for question in (
        lambda: ask.calls(filters=Filters(route="\ud800")),
        lambda: ask.calls(filters=Filters(since=1 << 70)),
        lambda: ask.call("\udcff"),
    ):
        with pytest.raises(InvalidRequest) as caught:
            question()
        assert caught.value.hint
    assert len(ask.calls()) == 1


def test_a_nul_finds_nothing_or_is_refused(store_url, ask):
    if store_url.startswith("sqlite"):
        assert ask.calls(filters=Filters(route="a\0b")) == []
    else:
        with pytest.raises(InvalidRequest):
            ask.calls(filters=Filters(route="a\0b"))


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT pg_terminate_backend(pg_backend_pid())", "the database ended the connection: ask again"),
        ("SET statement_timeout = 20; SELECT pg_sleep(5)", "the question took too long: "),
        ("SELECT 1/0", ""),
    ],
)
def test_a_server_that_ends_a_question(store_url, ask, statement, said):
    with pytest.raises(PointsmanError) as caught, ask._reader.connect() as connection:
        connection.execute(text(statement))
    assert caught.value.hint.startswith(said)
    assert caught.value.hint
    assert len(ask.calls()) == 1, "the next question gets a new connection"


def test_a_file_that_is_damaged_while_it_is_read(tmp_path, make):
    url = f"sqlite:///{tmp_path / 'l.db'}"
    record(url, make, 400)
    questions = Questions(url)
    assert questions.calls(1)
    with (tmp_path / "l.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 400_000)
    with pytest.raises(StoreUnavailable, match=r"l\.db: ") as caught:
        questions.totals()
    assert "damaged" in caught.value.hint
    questions.close()


def test_a_reader_follows_a_file_that_was_replaced_and_says_when_it_is_gone(tmp_path, make):
    path = tmp_path / "l.db"
    url = f"sqlite:///{path}"
    record(url, make, 3)
    questions = Questions(url)
    assert len(questions.calls()) == 3
    path.unlink()
    with pytest.raises(StoreUnavailable, match="no such file") as caught:
        questions.calls()
    assert caught.value.hint
    record(url, make, 2)
    assert len(questions.calls()) == 2, "not what the deleted file held"
    questions.close()


SPELT_WRONG = [
    "postgresql://me:hun%ter2@127.0.0.1:9/x",
    "postgresql://me:hun ter2@127.0.0.1:9/x",
    "postgresql://127.0.0.1:9/x?password=hun%zter2",
    "postgresql://me:x@hunter2@127.0.0.1:9/x",
    "postgresql://me:x/hunter2@127.0.0.1:9/x",
    "postgresql://127.0.0.1:hunter2@127.0.0.1:9/x",
    "postgresql://127.0.0.1:hunter2/x@127.0.0.1:9/x",
]


@pytest.mark.parametrize("url", SPELT_WRONG)
def test_a_url_that_cannot_be_read_shows_no_part_of_its_password(url):
    with pytest.raises(StoreUnavailable) as caught:
        open_database(locate(url))
    said = caught.value.message + caught.value.hint + repr(locate(url))
    assert "***" in said
    assert "hun" not in said
    assert "ter2" not in said
    assert caught.value.hint


@settings(max_examples=examples(300))
@given(st.text(st.characters(codec="ascii", exclude_characters="&\"' \t\r\n\x0b\x0c\x1c\x1d\x1e\x1f"), min_size=6))
def test_no_password_is_ever_shown(secret):
    location = locate(f"postgresql://me:{secret}@db.example.com:5432/calls")
    assert secret not in location.shown.replace("db.example.com", "").replace("calls", "")
    for said in (f'FATAL: "{secret}" is wrong', f"token '{secret}'", f"in {secret} there"):
        assert secret not in without_secrets(location, said)
