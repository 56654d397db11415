"""The limit of calls at once over all workers of a gateway: each of a key's places is a byte of one file, to be locked.

Whoever has a byte locked has the place. The kernel keeps these locks (fcntl(2), advisory record locks): taking one is
one system call that never waits, there is nobody to ask and nothing to write, and those of a process that dies, by
whatever signal, are free at once. The file stays empty; only the offsets count.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path

from pointsman.core.ports import Principal
from pointsman.line.turnstile import Turnstile

_MOST_BLOCKS = 64
"""Places of a key are taken in so many blocks at most, so that a refusal costs at most so many system calls."""
_REGION = 1 << 20
"""Places of one key; more than any may have (`core.key_terms.MOST_PARALLEL`)."""
_KEYS = 1 << 42
"""Regions of the file: two of ten thousand keys fall into one with a chance of one in a hundred thousand."""

Block = tuple[int, int]
"""Offset of its first place in the file, and how many."""


class SharedTurnstile(Turnstile):
    """Counts as `Turnstile`, within places that no other worker has.

    Args:
        file: the same for all workers, in a folder of theirs alone; made if it is not there.
        number: of this worker, from 0: each begins to look for places elsewhere, so that they seldom meet.
        count: how many workers there are.

    Up to 64 places each is taken by itself, and the limit is met exactly. A larger limit is divided into 64 blocks; a
    worker holds a block while it has calls in it, so that of the limit at most one block less one place for each other
    worker may stay unused.
    """

    def __init__(self, file: Path, number: int, count: int) -> None:
        super().__init__()
        self._file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._part = number / count
        self._blocks: dict[str, list[Block]] = {}

    def taken(self, principal: Principal, inside: int) -> bool:
        """Whether so many calls of the key may be inside this process, for all that others have inside."""
        blocks = self._blocks.setdefault(principal.id, [])
        if inside <= sum(places for _, places in blocks) or self._take(principal, blocks):
            return True
        if not blocks:
            del self._blocks[principal.id]
        return False

    def given_back(self, key_id: str, inside: int) -> None:
        """Only so many calls of a key are inside this process by now."""
        blocks = self._blocks[key_id]
        places = sum(places for _, places in blocks)
        while blocks and places - blocks[-1][1] >= inside:
            first, size = blocks.pop()
            places -= size
            fcntl.lockf(self._file, fcntl.LOCK_UN, size, first)
        if not blocks:
            del self._blocks[key_id]

    def _take(self, principal: Principal, blocks: list[Block]) -> bool:
        limit, region = principal.parallel, _region(principal.id)
        size = -(-limit // _MOST_BLOCKS)
        every = -(-limit // size)
        begin = int(every * self._part)
        for at in range(begin, begin + every):
            place = at % every * size
            block = (region + place, min(size, limit - place))
            if not any(_overlap(block, own) for own in blocks) and self._lock(block):
                blocks.append(block)
                return True
        return False

    def _lock(self, block: Block) -> bool:
        first, size = block
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, size, first)
        except (BlockingIOError, PermissionError):  # another has it: EAGAIN, on some systems EACCES
            return False
        return True


def _overlap(one: Block, other: Block) -> bool:
    """Whether two blocks share a place, as blocks of different sizes may after a change of the limit."""
    return one[0] < other[0] + other[1] and other[0] < one[0] + one[1]


def _region(key_id: str) -> int:
    return int.from_bytes(hashlib.sha256(key_id.encode()).digest()[:8], "big") % _KEYS * _REGION
