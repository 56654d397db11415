"""The benchmark: every gateway on one core, load and provider on the other, in alternating rounds of one run.

python -m bench.run [--quick] [--only NAME]... [--rounds N] [--skip-streams]
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.bed import Bed, Gateway
from bench.install import HERE
from bench.subjects import PEER, SUBJECTS

from bench import install, machine, report, startup

Json = dict[str, Any]


@dataclass(frozen=True)
class Pace:
    """How long and how often. `full` stays under ten minutes for five subjects, `quick` under two."""

    rounds: int
    warm_s: int  # the first load of each, not counted
    busy_s: int  # one load of 64 connections
    single_s: int  # one load of a single connection
    stream_rounds: int
    ramp_s: float
    hold_s: float
    lockstep_s: float
    budget_s: float  # no new round begins after it


FULL = Pace(7, 4, 3, 2, 2, 10, 4, 3, 480)
QUICK = Pace(2, 2, 1, 1, 1, 4, 2, 1, 100)
STREAMS, GAP_MS, LOCKSTEP = 500, 50, 32


def say(text: str) -> None:
    print(f"  {text}", flush=True)


def rotated(gateways: list[Gateway], turn: int) -> list[Gateway]:
    """Each round begins with another one, so that nobody always follows the same neighbour."""
    shift = turn % len(gateways)
    return gateways[shift:] + gateways[:shift]


def whole_answers(bed: Bed, pace: Pace, rounds: int, since: float) -> dict[str, list[Json]]:
    """The rounds of whole answers: one row per gateway and round; a gateway that breaks has an `error` in its row."""
    rows: dict[str, list[Json]] = {gateway.name: [] for gateway in bed.gateways}
    warm_up(bed, pace)
    for turn in range(rounds):
        if turn and time.monotonic() - since > pace.budget_s * 0.55:
            say(f"whole answers: stopped after {turn} of {rounds} rounds, the time is needed for the rest")
            break
        for gateway in rotated(bed.gateways, turn):
            try:
                rows[gateway.name].append(one_round(bed, pace, gateway))
            except (RuntimeError, OSError) as broken:
                rows[gateway.name].append({"error": str(broken)})
        say(f"whole answers, round {turn + 1} of {rounds}: " + ", ".join(rate_of(rows, g.name) for g in bed.gateways))
    return rows


def warm_up(bed: Bed, pace: Pace) -> None:
    """Load everybody once uncounted: compilers that work at run time and pools of connections need it."""
    for gateway in bed.gateways:
        with contextlib.suppress(RuntimeError, OSError):  # whoever breaks here breaks again where it is counted
            bed.load(gateway, 64, pace.warm_s)


def rate_of(rows: dict[str, list[Json]], name: str) -> str:
    last = rows[name][-1]
    return f"{name} {last['rate']:,.0f}/s" if "rate" in last else f"{name} broke"


def one_round(bed: Bed, pace: Pace, gateway: Gateway) -> Json:
    single, _ = bed.load(gateway, 1, pace.single_s)
    busy, cpu_s = bed.load(gateway, 64, pace.busy_s)
    good = max(busy.requests, 1)
    return {
        "rate": busy.rate,
        "requests": busy.requests + single.requests,
        "errors": busy.errors + single.errors,
        "cpu_us": cpu_s / good * 1e6 if gateway.process else None,
        "p50_1_ms": single.p50_ms,
        "p99_1_ms": single.p99_ms,
        "p50_64_ms": busy.p50_ms,
        "p99_64_ms": busy.p99_ms,
    }


def streamed(bed: Bed, pace: Pace, since: float) -> dict[str, list[Json]]:
    """The rounds of streams: paced ones for first token and events/s, lockstep for one-event reads/s."""
    bed.serve_streams()
    rows: dict[str, list[Json]] = {gateway.name: [] for gateway in bed.gateways}
    warm = {"do": "lockstep", "streams": 4, "warm_s": 0.1, "seconds": 0.3}
    lock = {"do": "lockstep", "streams": LOCKSTEP, "warm_s": 0.5, "seconds": pace.lockstep_s}
    paced = {"do": "paced", "streams": STREAMS, "gap_ms": GAP_MS, "ramp_s": pace.ramp_s, "hold_s": pace.hold_s}
    for turn in range(pace.stream_rounds):
        for gateway in rotated(bed.gateways, turn):
            if time.monotonic() - since > pace.budget_s:
                say(f"streams: stopped before {gateway.name} in round {turn + 1}, the time is up")
                return rows
            try:
                bed.stream(gateway, warm)
                row: Json = {"lockstep": bed.stream(gateway, lock)}  # first: the paced ones can leave a backlog
                row["paced"] = bed.stream(gateway, paced)
            except (RuntimeError, OSError) as broken:
                row = {"error": str(broken)}
            rows[gateway.name].append(row)
            say(f"streams, round {turn + 1} of {pace.stream_rounds}: {gateway.name} {stream_line(row)}")
    return rows


def stream_line(row: Json) -> str:
    if "error" in row:
        return f"broke: {row['error'][:200]}"
    paced, lock = row["paced"], row["lockstep"]
    p99 = paced["first_added_ms"]["p99"]
    first = "no first token" if p99 is None else f"first token p99 +{p99:.1f} ms"
    return (
        f"{first}, {paced['events_per_s']:,.0f} of {paced['written_per_s']:,.0f} events/s, "
        f"{lock['reads_per_s']:,.0f} one-event reads/s"
    )


def measure(names: list[str], pace: Pace, rounds: int, *, streams: bool) -> Json:
    """One run; everything that was seen, by subject."""
    since = time.monotonic()
    before, ours = machine.clock(), machine.cpu_s(os.getpid())
    folder = Path(tempfile.mkdtemp(prefix="pointsman-bench-"))
    try:
        with Bed(folder) as bed:
            os.sched_setaffinity(0, {bed.load_core})
            provider = bed.serve_whole()
            loader = "wrk" if shutil.which("wrk") else "our own loader (wrk is missing; Debian: apt-get install wrk)"
            say(f"provider: {provider}; load: {loader}; gateways on core {bed.gateway_core}, load on {bed.load_core}")
            begin(bed, names)
            whole = whole_answers(bed, pace, rounds, since)
            subjects = {g.name: facts(g) | {"rounds": whole[g.name]} for g in bed.gateways}
            if streams:
                for name, rows in streamed(bed, pace, since).items():
                    subjects[name]["streams"] = rows
                for gateway in bed.gateways:
                    subjects[gateway.name]["after_all_mb"] = gateway.memory_mb()
        own = startup.measure(folder) if "pointsman" in subjects else {}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    after, ours = machine.clock(), machine.cpu_s(os.getpid()) - ours
    total = max(after.total - before.total, 1e-9)
    return {
        "when": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - since, 1),
        "python": sys.version.split()[0],
        "cores": os.cpu_count(),
        "steal": (after.stolen - before.stolen) / total,
        "others": max(0.0, after.busy - before.busy - ours) / total,
        "provider": provider,
        "loader": loader,
        "subjects": subjects,
        "skipped": bed.skipped,
        "startup": own,
    }


def facts(gateway: Gateway) -> Json:
    peer = PEER.get(gateway.name)
    return {
        "meaning": gateway.subject.meaning,
        "version": peer.version if peer else None,
        "start_s": gateway.start_s,
        "answer_s": gateway.answer_s,
        "idle_mb": gateway.idle_mb,
        "notes": gateway.notes,
        "after_mb": gateway.memory_mb(),
    }


def begin(bed: Bed, names: list[str]) -> None:
    """Install the peers that are missing and start everything that was asked for."""
    missing = install.ensure([name for name in names if name in PEER]) if set(names) & set(PEER) else {}
    for subject in SUBJECTS:
        if subject.name not in names:
            continue
        if subject.name in missing:
            bed.skipped[subject.name] = missing[subject.name]
            continue
        gateway = bed.raise_up(subject)
        if gateway is None:
            say(f"{subject.name}: skipped, {bed.skipped[subject.name]}")
        elif gateway.process:
            say(f"{subject.name}: listening after {gateway.start_s[-1]:.2f} s, {gateway.idle_mb:.0f} MB")


def arguments(argv: list[str]) -> argparse.Namespace:
    names = [subject.name for subject in SUBJECTS]
    parser = argparse.ArgumentParser(prog="bench", description="Compare gateways side by side on this machine.")
    parser.add_argument("--quick", action="store_true", help="two short rounds, under two minutes")
    parser.add_argument("--only", action="append", choices=names, help="only this one (and direct); repeatable")
    parser.add_argument("--rounds", type=int, help="rounds of whole answers")
    parser.add_argument("--skip-streams", action="store_true", help="whole answers only")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    args = arguments(argv)
    pace = QUICK if args.quick else FULL
    names = ["direct", *(args.only or [subject.name for subject in SUBJECTS])]
    result = measure(names, pace, args.rounds or pace.rounds, streams=not args.skip_streams)
    result["quick"] = args.quick
    print("\n" + report.text(result))
    out = HERE / "out" / f"{result['when'].replace(':', '').replace('+0000', 'Z')}.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(result | {"summary": report.summary(result)}, indent=1), encoding="utf-8")
    print(f"\nEverything that was seen: {out.relative_to(HERE.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
