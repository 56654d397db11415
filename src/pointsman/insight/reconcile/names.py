"""Which of the provider's words for a model or a key is which of ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_DATE = re.compile(r"-(?:20\d{2}-\d{2}-\d{2}|20\d{6}|latest)(?=$|:)")
_APART = re.compile(r"[\s._]+")


class Models:
    """Translates both sides' names into one.

    A name that both sides have is itself. One that only the export has is taken for ours where they are the same but
    for a date at the end, capitals, points and spaces: `Claude Sonnet 4.5` for `claude-sonnet-4-5-20250929`. Where
    several of ours are the same so, they are compared together, under the name without what tells them apart.

    Args:
        ours: the provider's names as the ledger has them.
        theirs: as the export has them.
        told: theirs to ours, by the user.
    """

    def __init__(self, ours: Iterable[str], theirs: Iterable[str], told: Mapping[str, str]) -> None:
        self._told = dict(told)
        own = set(ours)
        alike: dict[str, set[str]] = {}
        for name in own:
            alike.setdefault(fold(name), set()).add(name)
        self._to: dict[str, str] = {}
        for name in theirs:
            if name in own or name in self._told or not name:
                continue
            same = alike.get(fold(name), set())
            if len(same) == 1:
                self._to[name] = next(iter(same))
            elif same:
                self._to.update(dict.fromkeys((name, *same), fold(name)))

    def __call__(self, name: str) -> str:
        """The one name."""
        name = self._told.get(name, name)
        return self._to.get(name, name)

    def all_of(self, name: str, theirs: Iterable[str]) -> tuple[str, ...]:
        """Those of the export's names that mean the same."""
        wanted = self(name)
        return tuple(one for one in theirs if self(one) == wanted)


def fold(name: str) -> str:
    """A name without its date, in small letters, its parts joined by one mark."""
    return _DATE.sub("", _APART.sub("-", name.strip().casefold()))
