"""How the ledger behaves, and what it says of itself."""

from __future__ import annotations

import msgspec

_MIB = 1024 * 1024
_WEEK = 7 * 24 * 3600.0


class LedgerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds and intervals.

    Attributes:
        interval: seconds between two flushes under load; with the flush itself the most that a crash loses.
        queue: the most outcomes that wait in memory; beyond it they are dropped and counted.
        batch: the most outcomes in one transaction.
        spool: folder for rows that the database cannot take now; empty: beside the SQLite file, or
            `pointsman.spool` in the working directory.
        spool_bytes: the most that one process keeps there.
        content: whether request and answer bodies are stored at all.
        content_ttl: seconds that a body is kept.
        content_limit: a call with bodies of more bytes is stored without them.
        content_queue: the most bytes of bodies that wait in memory.
        page_limit: SQLite: the most pages the file may grow to; 0 is no limit.
    """

    interval: float = 0.02
    queue: int = 100_000
    batch: int = 2_048
    spool: str = ""
    spool_bytes: int = 256 * _MIB
    content: bool = False
    content_ttl: float = _WEEK
    content_limit: int = 4 * _MIB
    content_queue: int = 64 * _MIB
    page_limit: int = 0


class LedgerStats(msgspec.Struct, frozen=True, kw_only=True):
    """What has become of the outcomes so far.

    Attributes:
        written: calls in the database, written by this process since its start.
        pending: calls in memory.
        spooled: calls in this process's spool on disk.
        dropped: calls lost: memory and spool were full, or a row could not be stored at all.
        contents_dropped: calls stored without their bodies although these should have been.
        events_dropped: changes of health lost: too many waited in memory, or they could not be stored at all.
        last_error: why the database is away, or what was last wrong; empty if nothing ever was.
        up: whether the database takes rows now.
    """

    written: int = 0
    pending: int = 0
    spooled: int = 0
    dropped: int = 0
    contents_dropped: int = 0
    events_dropped: int = 0
    last_error: str = ""
    up: bool = False
