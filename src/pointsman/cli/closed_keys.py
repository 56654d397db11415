"""Keys that open nothing, and names of theirs that lead nowhere: found, and said.

Models of local servers are looked for only where a name would lead nowhere without them: that takes a moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pointsman.cli.terminal import say_hint, say_warning

if TYPE_CHECKING:
    from pointsman.compose import House
    from pointsman.core.key import KeyRow

_MOST_NAMED = 10


def closed(house: House, rows: Iterable[KeyRow]) -> Mapping[str, str]:
    """Why each of these keys that opens nothing does not, by its id."""
    from pointsman.compose.opening import Opening

    rows = list(rows)
    opening = Opening(house)
    if any(opening.misses(row) for row in rows):
        asyncio.run(house.look())
        opening = Opening(house)
    return {row.id: why for row in rows if (why := opening.why_not(row))}


def say_closed(names: Mapping[str, str], why: Mapping[str, str]) -> None:
    """Warn of keys that open nothing; both by the key's id."""
    for key_id, reason in list(why.items())[:_MOST_NAMED]:
        say_warning(f"the key {names[key_id]} opens nothing: {reason}")
    if len(why) > _MOST_NAMED:
        say_hint(f"{len(why) - _MOST_NAMED} more open nothing: `pointsman keys list --json` says why")


def say_dead(house: House, row: KeyRow) -> None:
    """Warn of names that lead nowhere now; they may be there later."""
    from pointsman.compose.opening import Opening

    if not Opening(house).dead(row.allow):
        return
    asyncio.run(house.look())
    dead = Opening(house).dead(row.allow)
    for name in dead[:_MOST_NAMED]:
        say_warning(f"there is no route or model `{name}` now", "`pointsman models` lists every name")
    if len(dead) > _MOST_NAMED:
        say_warning(f"{len(dead) - _MOST_NAMED} more names of it lead nowhere now")
