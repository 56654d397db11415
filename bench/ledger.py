"""What the ledger costs: `record`, CPU per call by thread, rows per second, and what a busy event loop feels of it.

    python bench/ledger.py [URL] [--calls N] [--rate N]

The loop's test runs the same load twice, ledger on and off: tasks that each burn 60 µs as a request would, at a set
rate; it reports how late a 1 ms tick comes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import tempfile
import threading
import time
from pathlib import Path

from msgspec.structs import replace

from pointsman.core.clock import SystemClock, SystemIds
from pointsman.core.model import Model, Price, Provider
from pointsman.core.outcome import Attempt, Outcome
from pointsman.core.plan import Dropped, Needs, Plan, Step
from pointsman.core.usage import Usage
from pointsman.store.decisions import Decisions
from pointsman.store.ledger import Ledger
from pointsman.store.rows import flatten

IDS = SystemIds()
PROVIDER = Provider(name="openai", dialect="openai-chat", base_url="http://127.0.0.1:1/v1")
MODELS = [
    Model(name=name, provider=PROVIDER, upstream=f"{name}-2026", price=Price(input=150_000, output=600_000))
    for name in ("small", "large")
]
LEFT_OUT = (Dropped(model="tiny", reason="context", detail="its window is 4,096 tokens"),)


def outcome() -> Outcome:
    now = time.time_ns()
    usage = Usage(input=100, output=20)
    name = IDS.new(now)
    steps = (
        Step(model=MODELS[0], dialect="openai-chat", start="at_once"),
        Step(model=MODELS[1], dialect="openai-chat"),
    )
    attempt = Attempt(
        number=1, provider="openai", model="small", upstream="small-2026", started=now, duration=900_000,
        first_byte=800_000, status=200, usage=usage, cost=27_000,
    )  # fmt: skip
    return Outcome(
        id=name, started=now, duration=1_000_000, overhead=50_000, first_byte=900_000, surface="chat.completions",
        dialect="openai-chat", asked="auto", status="ok", http_status=200, draw=0.5, key="01keykeykeykeykeykeykeykey",
        plan=Plan(route="auto", strategy="cheapest", steps=steps, dropped=LEFT_OUT, reason="cheapest", policy="p1"),
        needs=Needs(dialect="openai-chat", input_tokens=100, messages=2, body_bytes=400), attempts=(attempt,),
        usage=usage, cost=27_000, finish="stop", answer_id=f"chatcmpl-{random.randbytes(12).hex()}",
    )  # fmt: skip


def thread_cpu(native_id: int) -> float:
    fields = Path(f"/proc/self/task/{native_id}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def writer_thread() -> threading.Thread:
    return next(thread for thread in threading.enumerate() if thread.name == "pointsman-ledger")


def throughput(url: str, calls: int) -> None:
    outcomes = [outcome() for _ in range(calls)]
    begun = time.thread_time()
    decisions = Decisions()
    for start in range(0, calls, 300):
        flatten(outcomes[start : start + 300], decisions)
    print(f"flatten (holds the interpreter)   {(time.thread_time() - begun) / calls * 1e6:6.2f} µs per call")
    ledger = Ledger(url, SystemClock())
    ledger.start()
    ledger.ready()
    writer = writer_thread().native_id
    before, wall, cost = thread_cpu(writer), time.perf_counter(), 0.0
    for start in range(0, calls, 300):
        begun = time.thread_time()
        for one in outcomes[start : start + 300]:
            ledger.record(one)
        cost += time.thread_time() - begun
        time.sleep(0.02)
    ledger.flush(60)
    wall = time.perf_counter() - wall
    print(f"record (on the caller's thread)   {cost / calls * 1e6:6.2f} µs per call")
    print(f"writer thread                     {(thread_cpu(writer) - before) / calls * 1e6:6.2f} µs CPU per call")
    begun = time.perf_counter()
    for one in [outcome() for _ in range(calls)]:
        ledger.record(one)
    recorded = time.perf_counter()
    ledger.flush(60)
    print(f"flat out                          {calls / (time.perf_counter() - recorded):6.0f} calls/s written")
    print(f"                                  ({recorded - begun:.2f} s to make and record them)")
    print(ledger.stats())
    ledger.close()


async def busy(ledger: Ledger | None, rate: int, seconds: float) -> list[float]:
    """Lateness of a tick (ms) while `rate` pieces of work of 60 µs run each second."""
    late: list[float] = []
    stop = time.perf_counter() + seconds
    ready = [outcome() for _ in range(2_000)]
    ids = IDS

    async def work() -> None:
        done, begun = 0, time.perf_counter()
        while (now := time.perf_counter()) < stop:
            while done < (now - begun) * rate:
                until = time.perf_counter() + 60e-6
                while time.perf_counter() < until:
                    pass
                one = ready[done % len(ready)]
                if ledger is not None:
                    ledger.record(_with_id(one, ids.new(time.time_ns())))
                else:
                    _with_id(one, ids.new(time.time_ns()))
                done += 1
                if not done % 8:
                    await asyncio.sleep(0)
            await asyncio.sleep(0.0002)

    async def tick() -> None:
        while time.perf_counter() < stop:
            due = time.perf_counter() + 0.001
            await asyncio.sleep(0.001)
            late.append((time.perf_counter() - due) * 1e3)

    await asyncio.gather(work(), tick())
    return sorted(late)


def _with_id(one: Outcome, name: str) -> Outcome:
    return replace(one, id=name)


def loop_latency(url: str, rate: int) -> None:
    print(f"a loop with {rate} calls/s of 60 µs each: how late a 1 ms tick comes, in ms")
    for turn in range(2):
        for name in ("off", "on"):
            ledger = None
            if name == "on":
                ledger = Ledger(url, SystemClock())
                ledger.start()
                ledger.ready()
            late = asyncio.run(busy(ledger, rate, 3.0))
            quantiles = " ".join(
                f"p{share:g} {late[int(len(late) * share / 100)]:6.2f}" for share in (50, 95, 99, 99.9)
            )
            print(f"  {turn} ledger {name:3}: {quantiles} max {late[-1]:6.2f}")
            if ledger is not None:
                ledger.flush(30)
                print(f"    {ledger.stats()}")
                ledger.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url", nargs="?", default="")
    parser.add_argument("--calls", type=int, default=60_000)
    parser.add_argument("--rate", type=int, default=8_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        where = chosen.url or f"sqlite:///{folder}/ledger.db"
        throughput(where, chosen.calls)
        loop_latency(where, chosen.rate)
