"""This checkout against an earlier one: both loaded in alternating pairs on one core, CPU per request as a ratio.

python -m bench.against REF [--pairs N] [--with FEATURE]        `make bench-against REF=v0.1.0`

With a feature of `bench.feature` this checkout has it on and the earlier one has it not: what all has cost together.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.bed import Bed
from bench.feature import FEATURES, LEAST, PAIRS, Json, cpu_us
from bench.machine import Launch
from bench.subjects import ENV, ROOT, Missing, Place, Ready, Subject, config, create_key

from bench import stats


def checkout(ref: str, folder: Path) -> Path:
    """The sources of a commit, unpacked; the folder that holds the package.

    Raises:
        Missing: no such commit.
    """
    folder.mkdir(parents=True)
    done = subprocess.run(["git", "archive", ref, "src"], cwd=ROOT, capture_output=True, check=False, timeout=60)
    if done.returncode != 0:
        raise Missing(f"git does not know {ref!r}: {done.stderr.decode(errors='replace').strip()}")
    subprocess.run(["tar", "-x", "-C", str(folder)], input=done.stdout, check=True, timeout=60)
    return folder / "src"


def prepare(sources: Path, more: Json) -> Callable[[Place], Ready]:
    """How the gateway of one checkout is made ready, with what its configuration has besides."""

    def ready(place: Place) -> Ready:
        path = config(place, more)
        headers = {"authorization": f"Bearer {create_key(path, sources)}"}
        argv = [sys.executable, "-m", "pointsman", "serve", "--config", str(path)]
        return Ready(Launch(argv, ENV | {"PYTHONPATH": str(sources)}), "auto", headers, demands_key=True)

    return ready


def measure(ref: str, pairs: int, more: Json) -> dict[str, list[float]]:
    """Microseconds of CPU per request, pair by pair."""
    folder = Path(tempfile.mkdtemp(prefix="pointsman-against-"))
    seen: dict[str, list[float]] = {"now": [], "then": []}
    try:
        with Bed(folder) as bed:
            os.sched_setaffinity(0, {bed.load_core})
            bed.serve_whole()
            sources = {"now": ROOT / "src", "then": checkout(ref, folder / "sources")}
            configs: dict[str, Json] = {"now": more, "then": {}}
            sides = {
                word: bed.raise_up(Subject(word, word, prepare(path, configs[word]))) for word, path in sources.items()
            }
            for pair in range(-1, pairs):
                for word in ("now", "then") if pair % 2 else ("then", "now"):
                    gateway = sides[word]
                    if gateway is None:
                        raise RuntimeError("; ".join(bed.skipped.values()))
                    used = cpu_us(bed, gateway)
                    if pair >= 0:  # the first pair warms up and does not count
                        seen[word].append(used)
                if pair >= 0:
                    print(
                        f"  pair {pair + 1} of {pairs}: {seen['now'][-1]:.1f} and {seen['then'][-1]:.1f} µs", flush=True
                    )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return seen


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench-against", description=__doc__)
    parser.add_argument("ref", help="a commit, a tag or a branch")
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"at least {LEAST}")
    parser.add_argument("--with", dest="feature", choices=sorted(FEATURES), help="on here, and not at REF")
    args = parser.parse_args(argv)
    try:
        more = FEATURES[args.feature].on.config if args.feature else {}
        seen = measure(args.ref, max(args.pairs, LEAST), more)
    except (RuntimeError, Missing) as broken:
        print(f"bench-against {args.ref}: {broken}", file=sys.stderr)
        return 1
    ratio = stats.bootstrap(stats.ratios(seen["now"], seen["then"]))
    then = f"{args.ref} without {args.feature}" if args.feature else args.ref
    now_us, then_us = statistics.median(seen["now"]), statistics.median(seen["then"])
    print(
        f"CPU per request {now_us:.1f} µs now, {then_us:.1f} µs at {then} ({ratio.n} pairs)\n"
        f"ratio {ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f} with 95 %)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
