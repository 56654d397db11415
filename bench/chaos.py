"""Many streams at once while three providers crash, stall, throttle and return: is any text lost, any row, any memory?

    python -m bench.chaos [--seconds 300] [--streams 200] [--seed 1]

Every stream asks something else and its text is known beforehand, so that the caller checks each to the letter. The
chaos is drawn from the seed and ends before the run does, so that the return to the first provider is seen too.

Memory is that of the gateway's process as the system counts it (resident), once a second; the median of each quarter
of the run. The first quarter fills pools of connections, plans, learned times, page caches and the allocator's arenas
for so many streams at a time. After it memory is flat where the last quarter has no more than a twentieth above the
second. Below two minutes the first quarter is too short for that.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.failover.caller import Got, exchange, request, understood
from bench.failover.rows import CALLERS
from bench.served import Running, gateway

from bench import machine, stats
from pointsman.testing import Chaos, Mishap, Pace, Script, SimModel, SimProvider, Simulator, recital, running
from pointsman.testing.distributions import Lognormal

WORDS = 160  # of each text
PACE = 40.0  # of them a second
SPOKEN = {"first": "openai-chat", "second": "anthropic-messages", "third": "openai-responses"}
"""The providers, in the order of the route, and their dialects."""
NAMES = tuple(SPOKEN)
LIMITS = {"connect": 1, "first_byte": 2, "between_bytes": 1, "total": 60}
LONGEST = 60.0  # seconds; beyond it a call hangs
_CALM = 0.85  # the part of the run after which nothing goes wrong any more
_ENOUGH = 0.95  # of the streams that were cut have to finish
_SHOWN = 10  # streams that are wrong, with what is wrong in them
_AROUND = 40  # characters
_FLAT = 1.05  # memory in the last quarter of a run, as a part of that in the second
_QUARTERS = 4
_KB = 1e3  # in a MB
_NS = 1e9
MISHAPS = (
    Mishap(fault="refused", weight=2.0),
    Mishap(fault="cut_reset", after=40),
    Mishap(fault="cut_clean", after=90),
    Mishap(fault="stall", after=40),
    Mishap(fault="slow_token", seconds=10.0, probability=0.5),
    Mishap(fault="rate_limit_seconds", seconds=1.0),
    Mishap(fault="unavailable"),
    Mishap(fault="server_error", probability=0.33),
)


@dataclass(frozen=True)
class Stream:
    """One call as its caller saw it. `began` in nanoseconds since the epoch, `took` in seconds."""

    id: str
    began: int
    took: float
    status: int
    ended: bool
    ending: str
    got: Got
    wanted: str

    @property
    def whole(self) -> bool:
        """Whether the caller takes it for the whole answer."""
        return self.status == 200 and self.ended and not self.got.error

    @property
    def exact(self) -> bool:
        return self.whole and self.got.text == self.wanted and (self.got.last or self.wanted) == self.wanted


@dataclass
class Run:
    """What came of it all. `memory`: seconds since the start, MB of the gateway, streams that have ended by then."""

    streams: list[Stream] = field(default_factory=list)
    memory: list[tuple[float, float, int]] = field(default_factory=list)
    calls: dict[str, str] = field(default_factory=dict)
    attempts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    healed: list[int] = field(default_factory=list)


def script(seconds: float, seed: int, well: float, ill: float) -> Script:
    """Three providers that are ill in turns."""
    model = SimModel(name="m", recites=WORDS, pace=Pace(events_per_second=PACE, jitter=0.3))
    chaos = Chaos(
        lasts=seconds * _CALM,
        well=Lognormal(median=well, sigma=0.4),
        ill=Lognormal(median=ill, sigma=0.4),
        mishaps=MISHAPS,
    )
    providers = tuple(
        SimProvider(name=name, dialect=dialect, own_port=True, models=(model,), chaos=chaos)
        for name, dialect in SPOKEN.items()
    )
    return Script(seed=seed, providers=providers)


async def play(asked: argparse.Namespace) -> Run:
    """Everything up, streams until the time is over, everything down; then the ledger is read."""
    run = Run()
    with running(script(asked.seconds, asked.seed, asked.well, asked.ill)) as sim:
        begun = time.time_ns()
        with gateway(configured(sim)) as served:
            since = time.monotonic()
            watching = asyncio.create_task(_watch(run, served.process.pid, since))
            end = since + asked.seconds
            await asyncio.gather(*(_caller(run, served, number, asked.streams, end) for number in range(asked.streams)))
            watching.cancel()
            path = served.store
            await asyncio.sleep(0.5)  # the newest rows are on their way
            _read_ledger(run, path)
        run.healed = [begun + int(outage.end * _NS) for outage in sim.script.providers[0].outages]
    return run


def configured(sim: Simulator) -> dict[str, Any]:
    """The gateway's configuration."""
    providers = {
        name: {"dialect": dialect, "base_url": sim.url_of(name), "timeouts": LIMITS} for name, dialect in SPOKEN.items()
    }
    models = {name: {"provider": name, "model": "m", "price": {"input": 1, "output": 2}} for name in NAMES}
    return {"providers": providers, "models": models, "routes": {"chain": {"try": list(NAMES)}}}


async def _caller(run: Run, served: Running, number: int, count: int, end: float) -> None:
    """One caller, who asks again as soon as an answer has ended; the first time all spread over a text's length."""
    await asyncio.sleep(number / count * WORDS / PACE)
    dialect, turn = CALLERS[number % len(CALLERS)], 0
    while time.monotonic() < end:
        turn += 1
        prompt = f"tell {number} {turn}"
        path, body = request(dialect, "chain", [("user", prompt)], stream=True)
        began = time.time_ns()
        heard = await exchange(served.port, "POST", path, body, patience=LONGEST)
        got, name = understood(dialect, heard), heard.headers.get("x-request-id", "")
        wanted = recital(prompt, WORDS)
        run.streams.append(Stream(name, began, heard.took, heard.status, heard.ended, heard.ending, got, wanted))
        if not heard.ended or got.error:
            await asyncio.sleep(0.2)  # a client's own pause


async def _watch(run: Run, pid: int, since: float) -> None:
    while True:
        run.memory.append((time.monotonic() - since, machine.memory_mb(pid), len(run.streams)))
        await asyncio.sleep(1.0)


def _read_ledger(run: Run, path: Path) -> None:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as ledger:
        run.calls = dict(ledger.execute("SELECT id, status FROM calls"))
        names = ("provider", "started_ns", "duration_ns", "first_byte_ns", "error")
        for call, *values in ledger.execute(
            f"SELECT call_id, {', '.join(names)} FROM attempts ORDER BY call_id, number"
        ):
            run.attempts.setdefault(call, []).append(dict(zip(names, values, strict=True)))
    ledger.close()


def _cut(run: Run) -> Iterator[Stream]:
    """Streams of which some content had gone out when an attempt failed."""
    for stream in run.streams:
        attempts = run.attempts.get(stream.id, [])
        if any(each["error"] and each["first_byte_ns"] is not None for each in attempts):
            yield stream


def returns(run: Run) -> list[float]:
    """Seconds from each recovery of the first provider to the first good answer that begins there."""
    good = sorted(
        each["started_ns"]
        for attempts in run.attempts.values()
        for each in attempts
        if each["provider"] == NAMES[0] and not each["error"]
    )
    found = []
    for number, healed in enumerate(run.healed):
        until = run.healed[number + 1] if number + 1 < len(run.healed) else None
        first = next((at for at in good if at >= healed), None)
        if first is not None and (until is None or first < until):
            found.append((first - healed) / _NS)
    return found


def judged(run: Run) -> tuple[list[str], list[str]]:
    """The report's lines, and what is wrong."""
    streams, cut = run.streams, list(_cut(run))
    finished = [stream for stream in cut if stream.exact]
    truncated = [stream for stream in streams if stream.whole and not stream.exact]
    changed = [stream for stream in streams if not stream.wanted.startswith(stream.got.text)]
    untyped = [stream for stream in streams if not stream.whole and not stream.got.error]
    missing = [stream for stream in streams if stream.id not in run.calls]
    typed = [stream for stream in streams if stream.got.error]
    share = len(finished) / len(cut) if cut else 1.0
    memory = _memory(run)
    back = returns(run)
    lines = [
        f"streams: {len(streams)}, exact to the letter: {sum(stream.exact for stream in streams)}",
        f"cut after content went out: {len(cut)}, finished by another provider: {len(finished)} ({share:.1%})",
        f"typed errors: {len(typed)} {_counted(stream.got.error for stream in typed)}",
        f"of them before any content: {sum(not stream.got.text for stream in typed)}",
        f"clean truncations: {len(truncated)}; text repeated, lost or changed: {len(changed)}",
        f"ended without an error or an end: {len(untyped)} {_counted(stream.ending for stream in untyped)}",
        f"missing from the ledger: {len(missing)} of {len(streams)}",
        f"memory of the gateway: {memory}",
        f"first provider healed {len(run.healed)} times; seconds to a good answer there: {_spread(back)}",
    ]
    wrong = {
        "clean truncations": truncated,
        "changed texts": changed,
        "streams without an end": untyped,
        "rows missing": missing,
        f"fewer than {_ENOUGH:.0%} of the cut streams finished": share < _ENOUGH,
        "memory grows": not memory.flat,
    }
    lines += [_differs(stream, run.attempts.get(stream.id, [])) for stream in [*truncated, *untyped][:_SHOWN]]
    return lines, [name for name, found in wrong.items() if found]


def _differs(stream: Stream, attempts: Sequence[dict[str, Any]]) -> str:
    """Where a text that is wrong leaves the one that was wanted, and who wrote it."""
    got, wanted = stream.got.text, stream.wanted
    at = next((place for place, (one, other) in enumerate(zip(got, wanted, strict=False)) if one != other), None)
    at = min(len(got), len(wanted)) if at is None else at
    tried = ", ".join(f"{each['provider']} {each['error'] or 'ok'}" for each in attempts)
    said, due = (text[max(at - _AROUND, 0) : at + _AROUND] for text in (got, wanted))
    return f"  call {stream.id} ({tried}) at {at} of {len(wanted)}: got {said!r}, wanted {due!r}"


@dataclass(frozen=True)
class Memory:
    """The gateway's memory in each quarter of a run: medians in MB, and how many streams had ended by then."""

    quarters: tuple[float, ...] = ()
    ended: tuple[int, ...] = ()

    @property
    def each(self) -> float:
        """Growth in kB for each stream from the second quarter to the last."""
        if not self.quarters:
            return 0.0
        return (self.quarters[-1] - self.quarters[1]) * _KB / max(self.ended[-1] - self.ended[1], 1)

    @property
    def flat(self) -> bool:
        return not self.quarters or self.quarters[-1] <= _FLAT * self.quarters[1]

    def __str__(self) -> str:
        told = ", ".join(f"{megabytes:.1f}" for megabytes in self.quarters)
        return f"{told} MB in the quarters of the run; {self.each:+.2f} kB with each stream"


def _memory(run: Run) -> Memory:
    count = len(run.memory)
    if count < _QUARTERS:
        return Memory()
    bounds = [count * number // _QUARTERS for number in range(_QUARTERS + 1)]
    parts = [run.memory[since:until] for since, until in itertools.pairwise(bounds)]
    return Memory(
        quarters=tuple(stats.percentile([megabytes for _, megabytes, _ in part], 0.5) for part in parts),
        ended=tuple(int(stats.percentile([float(ended) for _, _, ended in part], 0.5)) for part in parts),
    )


def _counted(names: Iterator[str]) -> str:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return " ".join(f"{name or 'nothing'}: {count}" for name, count in sorted(counts.items()))


def _spread(values: list[float]) -> str:
    if not values:
        return "-"
    return f"median {stats.percentile(values, 0.5):.2f}, most {max(values):.2f}"


def main() -> int:
    """Run it; 1 where something is wrong."""
    asked = _arguments()
    run = asyncio.run(play(asked))
    lines, wrong = judged(run)
    print("\n".join(lines))
    print(f"wrong: {'; '.join(wrong) or 'nothing'}")
    return int(bool(wrong))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="length of the run")
    parser.add_argument("--streams", type=int, default=200, help="at once")
    parser.add_argument("--seed", type=int, default=1, help="of the chaos")
    parser.add_argument("--well", type=float, default=12.0, help="median seconds for which a provider is well")
    parser.add_argument("--ill", type=float, default=3.0, help="and ill")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
