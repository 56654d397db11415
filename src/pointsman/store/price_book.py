"""Prices as the ledger keeps them: each different price once, under a digest of its content.

An attempt's row names the price that it was billed by, so that an old call keeps its old price, whatever the catalogue
or the configuration say later, and its cost can be worked out again from the store alone.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from pointsman.core.model import Price
from pointsman.store.text import clip

_DIGEST_CHARS = 24
_REMEMBERED = 4096


class PriceBook:
    """Digests of prices. Used by the writer's thread alone."""

    def __init__(self) -> None:
        # The price is kept beside its digest: as long as it lives, its id is its alone.
        self._seen: dict[int, tuple[str, Price]] = {}

    def digest(self, price: Price) -> str:
        """The digest of a price's content."""
        found = self._seen.get(id(price))
        if found is None:
            if len(self._seen) >= _REMEMBERED:
                self._seen.clear()
            found = self._seen[id(price)] = (price_digest(price), price)
        return found[0]


def price_row(price: Price, digest: str, now: int) -> tuple[Any, ...]:
    """Parameters for the table `prices`; `now` in nanoseconds since the epoch."""
    return (digest, _text(price), clip(price.source), clip(price.since), now)


def price_digest(price: Price) -> str:
    """24 hexadecimal characters of the SHA-256 of everything in a price."""
    return hashlib.sha256(_text(price).encode()).hexdigest()[:_DIGEST_CHARS]


def _text(price: Price) -> str:
    return msgspec.json.encode(price).decode()
