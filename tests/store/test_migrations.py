from __future__ import annotations

import subprocess
import sys

import pytest
from sqlalchemy import create_engine, inspect

from pointsman.core.errors import StoreUnavailable
from pointsman.store import tables
from pointsman.store.columns import TABLES, kind
from pointsman.store.database import open_database
from pointsman.store.location import locate
from pointsman.store.migrations import MIGRATIONS, NEWEST, migrate, version


@pytest.fixture
def database(store_url):
    database = open_database(locate(store_url))
    yield database
    database.close()


def reflected(store_url: str) -> dict:
    """What the engine says that it holds: columns with type and nullability, primary keys, indexes."""
    location = locate(store_url)
    engine = create_engine(
        f"{location.engine}+{'pysqlite' if location.path else 'psycopg'}://",
        creator=lambda: open_database(location).raw,
    )
    found = {}
    inspector = inspect(engine)
    for name in sorted(inspector.get_table_names()):
        columns = [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(name)]
        indexes = sorted((i["name"], tuple(i["column_names"])) for i in inspector.get_indexes(name))
        found[name] = (columns, inspector.get_pk_constraint(name)["constrained_columns"], indexes)
    engine.dispose()
    return found


def test_the_history_arrives_at_the_schema(store_url, database):
    migrate(database, 1)
    by_history = reflected(store_url)
    by_history.pop("migrations")
    for name in (
        TABLES
        | {"keys": (), "settings": (), "written": (), "responses": (), "health_events": ()}
        | {
            "former_secrets": (),
            "budgets": (),
        }
    ):
        database.run(f"DROP TABLE {name}")
    location = locate(store_url)
    engine = create_engine(
        f"{location.engine}+{'pysqlite' if location.path else 'psycopg'}://",
        creator=lambda: open_database(location).raw,
    )
    tables.METADATA.create_all(engine)
    engine.dispose()
    by_tables = reflected(store_url)
    by_tables.pop("migrations")
    assert by_history == by_tables


def test_the_writer_fills_every_column():
    for name, columns in TABLES.items():
        assert sorted(tables.METADATA.tables[name].columns.keys()) == sorted(columns)
        for column in tables.METADATA.tables[name].columns:
            word = {"BOOLEAN": "boolean", "BIGINT": "bigint", "DOUBLE PRECISION": "double precision", "BLOB": "bytea"}
            assert kind(column.name) == word.get(str(column.type), "text"), column


def test_migrating_twice_changes_nothing(database):
    migrate(database, 1)
    migrate(database, 2)
    assert database.rows("SELECT version, applied_ns FROM migrations") == [(number, 1) for number, *_ in MIGRATIONS]


@pytest.mark.parametrize("number", [number for number, *_ in MIGRATIONS])
def test_every_earlier_version_is_brought_up_to_date(database, number):
    migrate(database, 1, upto=number)
    assert version(database) == number
    migrate(database, 2)
    assert version(database) == NEWEST


def test_a_newer_schema_is_refused_with_the_way_out(database):
    migrate(database, 1)
    database.run(f"INSERT INTO migrations VALUES ({NEWEST + 1}, 'the future', 2)")
    with pytest.raises(StoreUnavailable, match=rf"version {NEWEST + 1}.*up to {NEWEST}") as caught:
        migrate(database, 3)
    assert "newer Pointsman" in caught.value.hint


def test_a_migration_that_fails_leaves_nothing_behind(database):
    database.run("CREATE TABLE keys (mine BIGINT)")  # in the way of the fifth statement
    with pytest.raises(StoreUnavailable):
        migrate(database, 1)
    assert version(database) == 0
    database.run("DROP TABLE keys")
    migrate(database, 1)
    assert version(database) == NEWEST


def test_processes_that_start_at_once_migrate_once(store_url, database):
    code = (
        "import sys\nfrom pointsman.store.database import open_database\nfrom pointsman.store.location import locate\n"
        "from pointsman.store.migrations import migrate\nsys.stdin.readline()\n"
        "database = open_database(locate(sys.argv[1]))\nmigrate(database, 1)\ndatabase.close()\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", code, store_url], stdin=subprocess.PIPE) for _ in range(4)]
    for child in children:
        child.stdin.write(b"go\n")
        child.stdin.flush()
    assert [child.wait(30) for child in children] == [0] * 4
    for child in children:
        child.stdin.close()
    assert database.rows("SELECT count(*) FROM migrations") == [(len(MIGRATIONS),)]
