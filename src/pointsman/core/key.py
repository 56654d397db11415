"""A caller's key as it is kept; the secret itself never is."""

from __future__ import annotations

import msgspec


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it is kept.

    Attributes:
        id: of the key; what the ledger writes beside a call.
        name: for people.
        prefix: first characters of the secret, to recognise it by.
        digest: hexadecimal SHA-256 of the store's salt and the secret.
        created, expires, revoked: nanoseconds since the epoch; None is never.
    """

    id: str
    name: str
    prefix: str
    digest: str
    created: int
    expires: int | None = None
    revoked: int | None = None

    def active(self, now: int) -> bool:
        """Whether it opens the door at `now` (nanoseconds since the epoch)."""
        return self.revoked is None and (self.expires is None or now < self.expires)
