"""What one end user's calls left behind, removed: contents, stored responses, and the user's name itself.

The calls stay, and with them every sum: under a label that nobody can lead back to the user, the same for all of them.
Texts of errors go too, for providers may quote in them what they were asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from pointsman.core.clock import Clock
from pointsman.core.errors import InvalidRequest
from pointsman.core.labels import cut_label
from pointsman.store.database import Database
from pointsman.store.link import Link
from pointsman.store.location import locate
from pointsman.store.text import clip

_AT_ONCE = 200
"""Calls in one transaction, so that nobody waits long for a turn to write."""
_USERS = ('["user"', '["user#')
"""Between these are the names of the accounts of users, see `access.purse`."""
LABEL = "deleted-"
"""How the labels begin that take the names' places."""


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """What was removed of one end user.

    Attributes:
        calls: that were the user's, and stay without the name.
        contents: stored texts of calls.
        responses: stored responses.
        label: under which the calls stay; empty where there were none.
    """

    calls: int = 0
    contents: int = 0
    responses: int = 0
    label: str = ""


class Forgetting:
    """Removes users from one store. Blocks; used by one thread at a time.

    Args:
        url: as for the ledger.
        clock: for the record of migrations.

    Raises:
        ConfigError: the URL names no store.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self._link = Link(locate(url), clock)

    def count(self, user: str, team: str = "") -> int:
        """How many calls have this user's name; of one team's keys, if given. Raises `StoreUnavailable`."""
        where, params = _whose(user, team)
        query = f"SELECT count(*) FROM calls WHERE {where}"  # noqa: S608 - our words
        return int(self._link.use(lambda database: database.rows(query, params))[0][0])

    def forget(self, user: str, team: str, label: str) -> Forgotten:
        """Remove a user; what was done before a failure stays done, and the rest can be asked for again.

        Args:
            user: as callers wrote it.
            team: only of this team's keys; empty: of all.
            label: what takes the name's place.

        Raises:
            InvalidRequest: no user.
            StoreUnavailable: the store failed.
        """
        if not user or user.startswith(LABEL):
            raise InvalidRequest("Which user? Give the label that callers sent", param="user")
        calls = contents = responses = 0
        while found := self._some(user, team):
            some = self._link.use(lambda database, ids=found: _wipe(database, ids, label))  # type: ignore[misc]  # mypy cannot infer a default's type
            calls, contents, responses = calls + len(found), contents + some[0], responses + some[1]
        if calls:
            self._link.use(lambda database: _leave_budgets(database, user, team, label))
            self._link.use(_empty_log)
        return Forgotten(calls=calls, contents=contents, responses=responses, label=label if calls else "")

    def close(self) -> None:
        """Let go of the store."""
        self._link.close()

    def _some(self, user: str, team: str) -> list[str]:
        where, params = _whose(user, team)
        query = f"SELECT id FROM calls WHERE {where} LIMIT {_AT_ONCE}"  # noqa: S608 - our words
        return [row[0] for row in self._link.use(lambda database: database.rows(query, params))]


def _whose(user: str, team: str) -> tuple[str, tuple[str, ...]]:
    name = _kept(user)
    return ("end_user = ? AND team = ?", (name, team)) if team else ("end_user = ?", (name,))


def _kept(user: str) -> str:
    """The name as the ledger has it."""
    return clip(cut_label(user))


def _leave_budgets(database: Database, user: str, team: str, label: str) -> None:
    """The user's accounts of budgets go on under the label, with what was counted."""
    found = database.rows("SELECT DISTINCT account FROM allowances WHERE account >= ? AND account < ?", _USERS)
    rename = database.sql("UPDATE allowances SET account = ?, granted = spent WHERE account = ?")
    with _overwriting(database), database.transaction():
        for (account,) in found:
            try:
                parts = msgspec.json.decode(account, type=list[str])
            except (msgspec.DecodeError, ValueError):
                continue  # a digest stands for a name that was very long
            if parts[-1] in (user, cut_label(user)) and (not team or parts[-2] == team):
                database.run(rename, (json.dumps([*parts[:-1], label]), account))


def _wipe(database: Database, ids: Sequence[str], label: str) -> tuple[int, int]:
    """Remove what these calls left, in one transaction; how many contents and responses went.

    On SQLite their bytes are overwritten, too.
    """
    marks = ", ".join("?" * len(ids))

    def run(text: str, *params: Any) -> int:
        return database.run(database.sql(text), params)

    with _overwriting(database), database.transaction():
        contents = run(f"DELETE FROM contents WHERE call_id IN ({marks})", *ids)  # noqa: S608 - marks
        responses = run(f"DELETE FROM responses WHERE call_id IN ({marks})", *ids)  # noqa: S608 - marks
        run(f"UPDATE attempts SET detail = '' WHERE call_id IN ({marks}) AND detail <> ''", *ids)  # noqa: S608 - marks
        run(f"UPDATE calls SET end_user = ?, detail = '' WHERE id IN ({marks})", label, *ids)  # noqa: S608 - marks
    return contents, responses


@contextmanager
def _overwriting(database: Database) -> Iterator[None]:
    """On SQLite, the bytes of what is removed are overwritten."""
    sqlite = database.engine == "sqlite"
    if sqlite:
        database.run("PRAGMA secure_delete=ON")
    try:
        yield
    finally:
        if sqlite:
            database.run("PRAGMA secure_delete=OFF")


def _empty_log(database: Database) -> None:
    """SQLite: bring the log into the file and cut it, for it has what was overwritten; what is busy comes by and by."""
    if database.engine == "sqlite":
        database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
