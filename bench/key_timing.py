"""Whether the time of a look-up tells anything about a key.

python -m bench.key_timing [--rounds N] [--keys N]

Secrets that are right, wrong in the first or in the last character, of another length, revoked or random are looked up
in turn, in an order that is drawn anew for each round, among many keys. Printed are the median of each in nanoseconds
and, against random secrets, the difference of medians with a bootstrap interval of 95 %. The second lot of random ones
says what such a difference is worth. A leak would be a secret that is right but for its end and takes another time than
one that is wrong from its beginning. That a right one takes longer is no leak, for the answer tells it too; nor that a
shorter one takes less, for its length is its caller's own.
"""

from __future__ import annotations

import argparse
import random
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pointsman.access.keys import KeyRing
from pointsman.core.clock import SystemClock, SystemIds
from pointsman.store.keys import SqlKeyStore

_LOOKS = 20
"""Look-ups in one timing: a single one is near the clock's own resolution."""
_RESAMPLES = 1000


def _candidates(ring: KeyRing) -> dict[str, Callable[[], str]]:
    right, gone = ring.create("right").secret, ring.create("gone").secret
    ring.revoke("gone")
    other = "a" if right[-1] != "a" else "b"
    return {
        "random": lambda: "pm-" + secrets.token_hex(20),
        "random again": lambda: "pm-" + secrets.token_hex(20),
        "right": lambda: right,
        "wrong at its end": lambda: right[:-1] + other,
        "wrong at its begin": lambda: f"pm-{other}" + right[4:],
        "revoked": lambda: gone,
        "shorter": lambda: right[:20],
    }


def measure(keys: int, rounds: int, draw: random.Random) -> dict[str, list[float]]:
    """Nanoseconds of one look-up, by kind of secret."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqlKeyStore(f"sqlite:///{Path(folder) / 'keys.db'}", SystemClock())
        ring = KeyRing(store, SystemClock(), SystemIds())
        for number in range(keys):
            ring.create(f"key {number}")
        kinds = _candidates(ring)
        ring.refresh()
        store.close()
        found: dict[str, list[float]] = {name: [] for name in kinds}
        for _ in range(rounds):
            for name in draw.sample(list(kinds), len(kinds)):
                secret = kinds[name]()
                began = time.perf_counter_ns()
                for _ in range(_LOOKS):
                    ring.check(secret)
                found[name].append((time.perf_counter_ns() - began) / _LOOKS)
    return found


def interval(one: list[float], other: list[float], draw: random.Random) -> tuple[float, float]:
    """Where the difference of medians lies, with 95 %."""
    pairs = list(zip(one, other, strict=True))
    found = []
    for _ in range(_RESAMPLES):
        some = draw.choices(pairs, k=len(pairs))
        found.append(statistics.median(a for a, _ in some) - statistics.median(b for _, b in some))
    found.sort()
    return found[int(_RESAMPLES * 0.025)], found[int(_RESAMPLES * 0.975)]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--keys", type=int, default=200)
    said = parser.parse_args()
    draw = random.Random(1)
    found = measure(said.keys, said.rounds, draw)
    print(f"{said.keys} keys, {said.rounds} rounds of {_LOOKS} look-ups; nanoseconds a look-up")
    for name, times in found.items():
        low, high = interval(times, found["random"], draw)
        beside = "" if name == "random" else f"  against random {low:+.1f} to {high:+.1f}"
        print(f"{name:20} {statistics.median(times):7.1f}{beside}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
