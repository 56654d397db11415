"""The schema's history: small numbered steps, each applied once, in a transaction, whoever comes first.

A step is frozen once released: a change of `tables.py` adds a step, it never edits one. The text is one for both
engines; four marks stand for what they spell differently.
"""

from __future__ import annotations

from pointsman.core.errors import StoreUnavailable
from pointsman.store.database import Database

_SPELLING = {
    # Ids compare byte by byte on both, so that a range of ids is a range of time. SQLite does so anyway.
    "sqlite": {"{id}": "TEXT", "{bytes}": "BLOB", "{clustered}": " WITHOUT ROWID"},
    "postgresql": {"{id}": 'TEXT COLLATE "C"', "{bytes}": "BYTEA", "{clustered}": ""},
}

_USAGE = """
    input_tokens BIGINT,
    cache_read_tokens BIGINT,
    cache_write_tokens BIGINT,
    cache_write_1h_tokens BIGINT,
    output_tokens BIGINT,
    reasoning_tokens BIGINT,
    input_audio_tokens BIGINT,
    output_audio_tokens BIGINT,
    usage_estimated BOOLEAN"""

_FIRST = (
    """
CREATE TABLE plans (
    digest {id} NOT NULL PRIMARY KEY,
    route TEXT NOT NULL,
    strategy TEXT NOT NULL,
    policy TEXT NOT NULL,
    reason TEXT NOT NULL,
    steps TEXT NOT NULL,
    dropped TEXT NOT NULL,
    warnings TEXT NOT NULL,
    first_ns BIGINT NOT NULL
){clustered}""",
    f"""
CREATE TABLE calls (
    id {{id}} NOT NULL PRIMARY KEY,
    started_ns BIGINT NOT NULL,
    duration_ns BIGINT NOT NULL,
    overhead_ns BIGINT NOT NULL,
    first_byte_ns BIGINT,
    surface TEXT NOT NULL,
    dialect TEXT NOT NULL,
    asked TEXT NOT NULL,
    status TEXT NOT NULL,
    http_status BIGINT NOT NULL,
    error TEXT NOT NULL,
    detail TEXT NOT NULL,
    key_id TEXT NOT NULL,
    route TEXT NOT NULL,
    plan_digest TEXT,
    propensity DOUBLE PRECISION,
    draw DOUBLE PRECISION,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    upstream TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    cost_nanousd BIGINT,{_USAGE},
    finish TEXT NOT NULL,
    answer_id {{id}} NOT NULL,
    session TEXT NOT NULL,
    tags TEXT NOT NULL,
    end_user TEXT NOT NULL,
    need_abilities BIGINT,
    need_input_tokens BIGINT,
    need_output_tokens BIGINT,
    need_messages BIGINT,
    need_tools BIGINT,
    need_images BIGINT,
    need_stream BOOLEAN,
    need_choices BIGINT,
    need_body_bytes BIGINT
){{clustered}}""",
    f"""
CREATE TABLE attempts (
    call_id {{id}} NOT NULL,
    number BIGINT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    upstream TEXT NOT NULL,
    started_ns BIGINT NOT NULL,
    duration_ns BIGINT NOT NULL,
    first_byte_ns BIGINT,
    http_status BIGINT NOT NULL,
    error TEXT NOT NULL,
    detail TEXT NOT NULL,
    cost_nanousd BIGINT,{_USAGE},
    PRIMARY KEY (call_id, number)
){{clustered}}""",
    """
CREATE TABLE contents (
    call_id {id} NOT NULL PRIMARY KEY,
    expires_ns BIGINT NOT NULL,
    request {bytes},
    answer {bytes}
)""",
    """
CREATE TABLE keys (
    id {id} NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    digest TEXT NOT NULL UNIQUE,
    created_ns BIGINT NOT NULL,
    expires_ns BIGINT,
    revoked_ns BIGINT
)""",
    """
CREATE TABLE settings (
    name {id} NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
)""",
    "CREATE INDEX calls_trouble ON calls (status, id) WHERE status <> 'ok'",
    "CREATE INDEX contents_expiry ON contents (expires_ns)",
)

MIGRATIONS: tuple[tuple[int, str, tuple[str, ...]], ...] = ((1, "calls, attempts, plans, contents, keys", _FIRST),)
"""Number, what it brings, statements."""

NEWEST = MIGRATIONS[-1][0]


def spell(statement: str, engine: str) -> str:
    """A step's text as one engine wants it."""
    for mark, text in _SPELLING[engine].items():
        statement = statement.replace(mark, text)
    return statement.strip()


def migrate(database: Database, now: int, *, upto: int = NEWEST) -> None:
    """Bring the schema up to date; quick when it is. Safe when several processes start at once.

    Args:
        database: an open connection.
        now: nanoseconds since the epoch, for the record.
        upto: the last step to apply.

    Raises:
        StoreUnavailable: the schema is newer than this program, or the store fails.
    """
    if version(database) == upto:
        return
    with database.transaction():
        database.lock_for_migration()
        database.run(
            "CREATE TABLE IF NOT EXISTS migrations "
            "(version BIGINT NOT NULL PRIMARY KEY, brings TEXT NOT NULL, applied_ns BIGINT NOT NULL)"
        )
        done = database.rows("SELECT coalesce(max(version), 0) FROM migrations")[0][0]
        for number, brings, statements in MIGRATIONS:
            if done < number <= upto:
                for statement in statements:
                    database.run(spell(statement, database.engine))
                database.run(database.sql("INSERT INTO migrations VALUES (?, ?, ?)"), (number, brings, now))


def version(database: Database) -> int:
    """The schema's version, 0 for an empty store.

    Raises:
        StoreUnavailable: newer than this program knows.
    """
    found = "to_regclass('migrations')" if database.engine == "postgresql" else _SQLITE_HAS
    if database.rows(f"SELECT {found}")[0][0] is None:
        return 0
    number = int(database.rows("SELECT coalesce(max(version), 0) FROM migrations")[0][0])
    if number > NEWEST:
        raise StoreUnavailable(
            f"the store has schema version {number}; this Pointsman knows versions up to {NEWEST}",
            hint="run the newer Pointsman that made it, or name another store",
        )
    return number


_SQLITE_HAS = "(SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'migrations')"
