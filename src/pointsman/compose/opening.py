"""What keys open with the names that are in force; a key that opens nothing is not shown as if it were good."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from pointsman.compose.house import House
from pointsman.core.key import KeyRow
from pointsman.core.scope import covers, told

_ANY = "*"


class Opening:
    """Looks at keys with one house's names; remembers what it found, so make a new one for each look."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._found: dict[str, bool] = {}

    def why_not(self, row: KeyRow) -> str:
        """Why a key opens nothing though it has neither ended nor was revoked; empty: it opens something."""
        if row.revoked is not None:
            return ""
        return self._house.pieces.keys.lacking(row.id) or self.misses(row)

    def misses(self, row: KeyRow) -> str:
        """Why no name that a key may use leads anywhere; empty: one does."""
        dead = self.dead(row.allow)
        if not dead or len(dead) < len(row.allow):
            return ""
        return f"{told(tuple(dead))} {'names' if len(dead) == 1 else 'name'} no route and no model now"

    def dead(self, allow: Iterable[str]) -> list[str]:
        """The entries that lead nowhere now."""
        return [one for one in allow if not self._leads(one)]

    def _leads(self, entry: str) -> bool:
        if entry not in self._found:
            find = self._pattern_leads if _ANY in entry else self._name_leads
            self._found[entry] = find(entry)
        return self._found[entry]

    def _name_leads(self, name: str) -> bool:
        return name in self._names or self._house.directory.find_model(name) is not None

    def _pattern_leads(self, pattern: str) -> bool:
        """Whether it may stand for something; what a provider has beside the catalogue's models is not known."""
        begin = pattern.partition(_ANY)[0]
        open_ended = [f"{name}/" for name in self._house.directory.providers]
        open_ended += [name.partition(_ANY)[0] for name in self._house.loaded.config.models if _ANY in name]
        if any(begin.startswith(one) or one.startswith(begin) for one in open_ended):
            return True
        return any(covers(pattern, name) for name in (*self._names, *self._bare))

    @cached_property
    def _names(self) -> frozenset[str]:
        house = self._house
        models = house.directory.models.values()
        return frozenset([*house.names(), *(f"{model.provider.name}/{model.upstream}" for model in models)])

    @cached_property
    def _bare(self) -> frozenset[str]:
        """Names of models at their providers, which callers may write without the provider's."""
        house = self._house
        return frozenset(row.id for name in house.directory.providers for row in house.catalog.models(name))
