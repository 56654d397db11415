"""The nearest of many names, in well under a millisecond.

`difflib` alone takes 50 ms over the 2,500 names of eight providers, and whoever writes unknown names over and over
would stop the event loop with it. So pairs of letters find the few names that are worth a close look.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable

_LOOKED_AT = 16
_LONGEST = 80


class Nearest:
    """Looks names up by likeness; the index is made at the first question."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = list(dict.fromkeys(names))
        self._index: dict[str, list[int]] | None = None

    def of(self, asked: str, count: int = 3, cutoff: float = 0.6) -> list[str]:
        """Up to `count` names like `asked`, the likest first; `cutoff` as for `difflib.get_close_matches`."""
        asked = asked[:_LONGEST]
        if self._index is None:
            self._index = self._made()
        shared: Counter[int] = Counter()
        for pair in _pairs(asked):
            shared.update(self._index.get(pair, ()))
        if not shared:
            return []
        size = len(_pairs(asked))
        # Dice's coefficient: a long name that happens to contain everything is not near.
        scores = [(2 * hits / (size + len(self._names[at])), -at) for at, hits in shared.items()]
        best = sorted(scores, reverse=True)[:_LOOKED_AT]
        return difflib.get_close_matches(asked, [self._names[-at] for _, at in best], n=count, cutoff=cutoff)

    def _made(self) -> dict[str, list[int]]:
        index: dict[str, list[int]] = {}
        for at, name in enumerate(self._names):
            for pair in _pairs(name[:_LONGEST]):
                index.setdefault(pair, []).append(at)
        return index


def _pairs(text: str) -> set[str]:
    padded = f" {text.lower()} "
    return {padded[at : at + 2] for at in range(len(padded) - 1)}
