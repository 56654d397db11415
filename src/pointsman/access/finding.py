"""Which key is meant: by its id, or by its name or beginning while it is active. Pure.

A secret that is given in their place is never repeated; what is meant is said instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pointsman.core.errors import InvalidRequest, NotFound, PointsmanError
from pointsman.core.key import FILE_IDS, KeyRow
from pointsman.core.secret import is_secret

_MOST_NAMED = 10
_OTHER_NAME = "take another name"
_GIVE = "give the key's name, its first eight characters or its id"
_LIST = "`pointsman keys list` shows all keys"


def only(which: str, rows: Iterable[KeyRow], secrets: Iterable[str] = ()) -> KeyRow:
    """The one active key that is meant.

    Args:
        which: its id, name or beginning.
        rows: all keys.
        secrets: of the configuration's keys, which people have made up and may look like anything.

    Raises:
        NotFound: there is none.
        InvalidRequest: several have that name, some of whose ids stand in the message; or it is a secret.
    """
    active = [row for row in rows if row.revoked is None]
    found = [row for row in active if row.id == which] or [row for row in active if which in (row.name, row.prefix)]
    if not found:
        raise unfound(which, secrets)
    if len(found) > 1:
        raise InvalidRequest(
            f"{len(found)} active keys are called {which!r}: {_some([row.id for row in found])}",
            hint="name the one by its id",
        )
    return found[0]


def unfound(which: str, secrets: Iterable[str] = ()) -> PointsmanError:
    """The error for what names no active key."""
    if is_secret(which) or which in secrets:
        return InvalidRequest("what was given looks like a secret, not like a key's name", hint=f"{_GIVE}; {_LIST}")
    return NotFound(f"no active key {which!r}", hint=_LIST)


def demand_name(text: str, param: str) -> None:
    """Refuse a secret as a name, under which it would be listed and written into every call's record.

    Raises:
        InvalidRequest: it looks like one.
    """
    if is_secret(text):
        raise InvalidRequest(
            f"`{param}` looks like a secret, and names are shown to everybody who sees keys",
            param=param,
            hint="a key's secret is made here; one of your own stands in a variable: `keys: [{name: …, env: …}]`",
        )


def demand_free(name: str, rows: Iterable[KeyRow], now: int) -> None:
    """Refuse a name that an active key has: a budget for a key goes by its name, and would be there for each of them.

    So is what another key is found by, its id or its beginning: who names it would mean either of the two.

    Raises:
        InvalidRequest: one has it at `now` (nanoseconds since the epoch), or stands in the configuration by it.
    """
    if name.startswith(FILE_IDS):
        raise InvalidRequest(f"{FILE_IDS}… is how keys in the configuration are called", param="name", hint=_OTHER_NAME)
    for row in rows:
        if name in (row.id, row.prefix) and row.active(now):
            what = "id" if name == row.id else "beginning"
            raise InvalidRequest(f"{name!r} is the {what} of the key {row.name!r}", param="name", hint=_OTHER_NAME)
        if row.name == name and row.id.startswith(FILE_IDS):
            raise InvalidRequest(f"A key called {name!r} stands in the configuration", param="name", hint=_OTHER_NAME)
        if row.name == name and row.active(now):
            raise InvalidRequest(
                f"An active key is called {name!r} already ({row.id})",
                param="name",
                hint=f"{_OTHER_NAME}, revoke that key first, or give it a new secret: `pointsman keys rotate`",
            )


def _some(ids: Sequence[str]) -> str:
    named = ", ".join(ids[:_MOST_NAMED])
    return f"{named} and {len(ids) - _MOST_NAMED} more" if len(ids) > _MOST_NAMED else named
