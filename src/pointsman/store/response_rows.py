"""Stored responses as rows: written, found, deleted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from pointsman.core.errors import StoreUnavailable
from pointsman.core.kept import KeptResponse, Maker
from pointsman.store.database import Database
from pointsman.store.text import clip

Key = tuple[str, str]
"""A response's id and its tenant."""
_COLUMNS = (
    "id",
    "tenant",
    "call_id",
    "created_ns",
    "expires_ns",
    "model",
    "provider",
    "input",
    "makers",
    "response",
)
_WHICH = "WHERE id = ? AND tenant = ?"
# Some servers give every answer the same id. One call's response never takes the place of another's, but that of one
# which nobody can find any more.
_INSERT = (
    f"INSERT INTO responses ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "  # noqa: S608 - our names
    f"ON CONFLICT (id, tenant) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS[2:])} "
    "WHERE responses.call_id = excluded.call_id OR responses.expires_ns <= excluded.created_ns"
)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM responses {_WHICH} AND expires_ns > ?"  # noqa: S608 - our names
_PURGE = "DELETE FROM responses WHERE (id, tenant) IN (SELECT id, tenant FROM responses WHERE expires_ns < ? LIMIT 200)"
_MAKERS = msgspec.json.Decoder(tuple[Maker, ...])


def write(database: Database, responses: Iterable[KeptResponse]) -> list[KeptResponse]:
    """All of them in one transaction; those are returned whose place another call's response holds.

    Raises:
        StoreUnavailable: the store failed; nothing was written.
        InternalError: one of them can be in no store; nothing was written.
    """
    text = database.sql(_INSERT)
    with database.transaction():
        return [one for one in responses if not database.run(text, _row(one))]


def find(database: Database, key: Key, now: int) -> KeptResponse | None:
    """One that has not expired by `now`. Raises `StoreUnavailable`."""
    rows = database.rows(_SELECT, (*key, now))
    if not rows:
        return None
    response_id, tenant, call, created, expires, model, provider, given, makers, response = rows[0]
    try:
        said = _MAKERS.decode(makers)
    except msgspec.DecodeError as error:
        raise StoreUnavailable(f"the stored response {response_id} is damaged", hint="delete it") from error
    return KeptResponse(
        id=response_id,
        tenant=tenant,
        call=call,
        created=created,
        expires=expires,
        model=model,
        provider=provider,
        input=given,
        makers=said,
        response=response,
    )


def delete(database: Database, key: Key) -> bool:
    """Delete one; whether there was one. Raises `StoreUnavailable`."""
    return _wipe(database, f"DELETE FROM responses {_WHICH}", key) > 0  # noqa: S608 - our names


def purge(database: Database, now: int, *, rounds: int) -> None:
    """Delete what has expired by `now`, a few hundred at a time, so that nobody waits long for his turn to write."""
    for _ in range(rounds):
        if not database.rows("SELECT 1 FROM responses WHERE expires_ns < ? LIMIT 1", (now,)):
            return
        _wipe(database, _PURGE, (now,))


def _wipe(database: Database, text: str, params: tuple[Any, ...]) -> int:
    """Delete rows, and on SQLite overwrite their bytes; how many."""
    if database.engine != "sqlite":
        return database.run(database.sql(text), params)
    database.run("PRAGMA secure_delete=ON")
    try:
        return database.run(text, params)
    finally:
        database.run("PRAGMA secure_delete=OFF")


def _row(one: KeptResponse) -> tuple[Any, ...]:
    makers = msgspec.json.encode(one.makers).decode()
    names = clip(one.model), clip(one.provider)
    return (one.id, one.tenant, one.call, one.created, one.expires, *names, one.input, makers, one.response)
