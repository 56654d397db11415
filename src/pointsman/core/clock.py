"""Time, randomness and ids, handed in so that every decision can be replayed in a test."""

from __future__ import annotations

import os
import random
import time
import weakref
from typing import Protocol

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32, lower case


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
    """The machine's clocks. Plain functions of C as attributes: they are asked several times in every call."""

    now = staticmethod(time.time_ns)
    monotonic = staticmethod(time.perf_counter_ns)


class SystemIds:
    """Ids in the form of ULIDs (https://github.com/ulid/spec), lower case: 10 characters of time, 16 that are unique.

    The 16 are a counter of this process and 40 random bits of this process, instead of 80 random bits each: ids must
    not collide, they need not be secret, and drawing and writing 80 bits costs as much as parsing a request.

    A forked child draws anew at the fork, so that no call has to look whether there was one.
    """

    def __init__(self) -> None:
        self._draw()
        draw = weakref.WeakMethod(self._draw)  # the hook cannot be taken back, and must not keep these ids alive
        os.register_at_fork(after_in_child=lambda: (found := draw()) and found())

    def _draw(self) -> None:
        seed = int.from_bytes(os.urandom(10), "big")
        self._process = "".join(_digits(seed & 0xFF_FFFF_FFFF, 4))
        self._count = seed >> 40
        self._second = self._thousand = -1
        self._time = self._high = ""

    def new(self, now: int) -> str:
        """A fresh id."""
        millisecond = now // 1_000_000
        second = millisecond >> 10  # of 1,024 milliseconds: so long all but two characters of the time stay as they are
        if second != self._second:
            self._second = second
            self._time = "".join(_digits(second, 4))
        self._count = count = (self._count + 1) & 0xFF_FFFF_FFFF
        thousand = count >> 10
        if thousand != self._thousand:
            self._thousand = thousand
            self._high = "".join(_digits(thousand, 3))
        pairs = _PAIRS
        return f"{self._time}{pairs[millisecond & 1023]}{self._high}{pairs[count & 1023]}{self._process}"


class SystemDraw:
    """The process's own generator."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)  # noqa: S311 - decisions, not secrets

    def random(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()


# Two characters at a time: half the look-ups on a path that every call takes.
_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)


def _digits(number: int, pairs: int) -> list[str]:
    return [_PAIRS[(number >> 10 * place) & 1023] for place in range(pairs - 1, -1, -1)]


def encode_id(number: int) -> str:
    """130 bits as the 26 characters of an id; for bounds such as the smallest id of a moment."""
    return "".join(_digits(number, 13))
