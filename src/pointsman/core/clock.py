"""Time, randomness and ids, handed in so that every decision can be replayed in a test."""

from __future__ import annotations

import os
import random
import time
from typing import Protocol

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32, lower case
_RANDOM_BITS = 80
_CHARS = 26


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> int:
        """Nanoseconds since the Unix epoch."""
        ...

    def monotonic(self) -> int:
        """Nanoseconds on a clock that never goes back; only differences mean anything."""
        ...


class Ids(Protocol):
    """Where identifiers come from."""

    def new(self, now: int) -> str:
        """A fresh id of 26 characters that sorts by `now` (nanoseconds since the epoch)."""
        ...


class Draw(Protocol):
    """Where randomness in decisions comes from."""

    def random(self) -> float:
        """A number in [0, 1)."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return time.time_ns()

    def monotonic(self) -> int:
        """Nanoseconds on the monotonic clock."""
        return time.perf_counter_ns()


class SystemIds:
    """ULIDs (https://github.com/ulid/spec), lower case: 48 bits of milliseconds, 80 random bits."""

    def __init__(self) -> None:
        # Seeded once from the operating system: ids must not collide, they need not be secret.
        self._random = random.Random(os.urandom(32))  # noqa: S311 - not a secret, see above

    def new(self, now: int) -> str:
        """A fresh id."""
        number = ((now // 1_000_000) << _RANDOM_BITS) | self._random.getrandbits(_RANDOM_BITS)
        return encode_id(number)


class SystemDraw:
    """The process's own generator."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)  # noqa: S311 - decisions, not secrets

    def random(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()


# Two characters at a time: half the divisions on a path that every call takes.
_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)


def encode_id(number: int) -> str:
    """130 bits as 26 characters."""
    pairs = _PAIRS
    return "".join([pairs[(number >> shift) & 1023] for shift in range(10 * (_CHARS // 2 - 1), -1, -10)])
