"""Secrets that opened the door once and do not any more: who holds one may know why. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from pointsman.core.key import Ended, KeyRow, Why

Endings = dict[bytes, Ended]
"""When each secret that has an end ends, and why, by its digest."""


def endings(rows: Iterable[KeyRow]) -> Endings:
    """The ends of all secrets of these keys that have one; also of those yet to come."""
    found: Endings = {}
    for row in rows:
        secrets: dict[str, int | None] = {one.digest: one.until for one in row.former}
        for digest, until in {**secrets, row.digest: None}.items():
            end = _end(row, until)
            if end is not None:
                found[bytes.fromhex(digest)] = end
    return found


def _end(row: KeyRow, until: int | None) -> Ended | None:
    """What comes first."""
    causes: tuple[tuple[int | None, Why], ...] = (
        (row.revoked, "revoked"),
        (row.expires, "expired"),
        (until, "replaced"),
    )
    ends = [Ended(at=at, why=why) for at, why in causes if at is not None]
    return min(ends, key=lambda one: one.at, default=None)
