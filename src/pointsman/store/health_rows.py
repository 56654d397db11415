"""Changes of health as rows."""

from __future__ import annotations

from collections.abc import Sequence

from pointsman.core.errors import InternalError
from pointsman.core.health import Transition
from pointsman.store.database import Database
from pointsman.store.text import DETAIL_CHARS, clip

Row = tuple[str, int, str, str, str, str, str, str, str, str]
_COLUMNS = ("id", "at_ns", "node", "provider", "upstream", "key_env", "state_before", "state_after", "cause", "why")
_INSERT = (
    f"INSERT INTO health_events ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "  # noqa: S608 - ours
    "ON CONFLICT DO NOTHING"
)


def row_of(event_id: str, node: str, transition: Transition) -> Row:
    """A transition as a row; `event_id` sorts by time, `node` is the process that saw it."""
    target = transition.target
    names = clip(target.provider), clip(target.upstream), clip(target.key)
    why = clip(transition.why, DETAIL_CHARS)
    return (event_id, transition.at, node, *names, transition.before, transition.after, transition.cause, why)


def write(database: Database, rows: Sequence[Row]) -> list[InternalError]:
    """Write rows; those that are there already are left as they are. Why some can be in no store, one error each.

    Raises:
        StoreUnavailable: the store failed; then none was written, or they are written once more.
    """
    text = database.sql(_INSERT)
    try:
        with database.transaction():
            for row in rows:
                database.run(text, row)
    except InternalError as error:
        if len(rows) == 1:
            return [error]
        return [found for row in rows for found in write(database, [row])]
    return []
