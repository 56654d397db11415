"""A simulated year of failing providers before the real line: what share of calls is answered.

python -m bench.year [--seeds 20] [--days 365] [--patience 60] [--forgetful] [--tools] [--only NAME] [--json FILE]

Providers fail as their timetables say (`pointsman.testing.spells`), on a virtual clock, so that a year takes seconds.
Calls are made often while something is the matter and rarely while nothing is, and each weighs as much as the time that
it stands for (`bench/sampling.py`). Beside each figure stands what the timetables allow: nobody can answer while every
provider of the route is down.

A call is answered if its caller has the whole and right answer before it hangs up, after `--patience` seconds. What no
gateway can give: an answer while all are down, or while the only one that is not fails one request in three (each is
asked twice, no more); and, to a caller with less patience than one provider's time limit, an answer after that provider
has fallen silent with the call in its hands. A whole answer is given up after 20 s at the earliest, as long answers
among short ones look like silence too; so 60 s are enough for one such, and 10 s are not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.lived import Tally, live
from bench.pairs import Agreement, agreement
from bench.sampling import Rates, moments

from bench import stats
from pointsman.testing.spells import Habits, steps, timetables

DAY = 86_400.0
SHOWN = 8
ALONE = 50
"""Years of timetables alone, for each year with calls, from which the share is counted in which nobody can answer."""
BROWN = {"slow": 0.003, "slow_for": 1800.0, "limited": 1 / 7, "limited_for": 60.0}
"""Brown-outs of half an hour for 0.3 % of the time, and a minute of 429 a week."""


@dataclass(frozen=True)
class Scenario:
    """Providers of a route in its order, the share of outages that strikes two, and what has to be answered."""

    name: str
    meaning: str
    uptimes: tuple[float, ...]
    shared: float = 0.0
    brown: bool = False
    least: float = 0.0

    @property
    def habits(self) -> list[Habits]:
        besides = BROWN if self.brown else {}
        return [Habits(name=f"p{at}", uptime=up, **besides) for at, up in enumerate(self.uptimes, 1)]


SCENARIOS = (
    Scenario("a", "20 % of outages shared, brown-outs, 429s", (0.998, 0.995, 0.997), 0.2, brown=True, least=0.9999),
    Scenario("a-", "the same of three poor providers", (0.990, 0.987, 0.995), 0.2, brown=True, least=0.9999),
    Scenario("b", "independent outages", (0.998, 0.995, 0.997), least=0.99999),
    Scenario("c", "two independent providers", (0.997, 0.998)),
)


@dataclass
class Job:
    """One year of one scenario."""

    scenario: Scenario
    seed: int
    seconds: float
    patience: float
    remembers: bool = True
    tools: bool = False

    def run(self) -> Tally:
        tables = timetables(self.scenario.habits, seed=self.seed, seconds=self.seconds, shared=self.scenario.shared)
        calls = moments(tables, self.seconds, random.Random(f"{self.seed}/calls"), Rates())
        return live(tables, calls, seed=self.seed, patience=self.patience, remembers=self.remembers, tools=self.tools)


def nobody(scenario: Scenario, years: int) -> float:
    """The share of the time in which each provider is down or limits its callers, by timetables alone."""
    seconds, found = 365 * DAY, 0.0
    for year in range(years):
        tables = timetables(scenario.habits, seed=f"alone/{year}", seconds=seconds, shared=scenario.shared)
        for start, end, who in steps(tables, seconds):
            if len(who) == len(tables) and all(spell.trouble != "slow" for spell in who.values()):
                found += end - start
    return found / (years * seconds)


@dataclass
class Result:
    """A scenario's years."""

    scenario: Scenario
    tallies: list[Tally]
    alone: float

    @property
    def shares(self) -> list[float]:
        return [one.answered / one.time for one in self.tallies]

    def lost(self, able: str) -> float:
        """Of the time, the share lost while somebody was so able to answer."""
        return sum(one.lost_while(able) for one in self.tallies) / self.time

    @property
    def time(self) -> float:
        return sum(one.time for one in self.tallies)

    @property
    def holds(self) -> bool:
        return stats.mean(self.shares).value >= self.scenario.least and not any(one.broken for one in self.tallies)

    @property
    def troubles(self) -> dict[str, float]:
        """Shares of the time, by who could have answered and what was the matter with each; the largest first."""
        found: Counter[str] = Counter()
        for one in self.tallies:
            found.update({what: weight / self.time for what, weight in one.troubles.items()})
        return dict(found.most_common())

    @property
    def back(self) -> list[float]:
        """Seconds from the end of each outage of the first provider to the first call that it answered, in order."""
        return sorted(seconds for one in self.tallies for seconds in one.back)

    @property
    def causes(self) -> dict[str, float]:
        """Shares of the time, by who could have answered and what the caller got; the largest first."""
        causes: Counter[str] = Counter()
        for one in self.tallies:
            causes.update({f"{who}: {error}": weight / self.time for (who, error), weight in one.lost.items()})
        return dict(causes.most_common())

    def as_dict(self) -> dict[str, object]:
        requests: Counter[str] = Counter()
        for one in self.tallies:
            requests.update({f"{name} {trouble or 'well'}": n for (name, trouble), n in one.requests.items()})
        examples = [asdict(lost) for one in self.tallies for lost in one.examples]
        return {
            "scenario": asdict(self.scenario),
            "answered": stats.mean(self.shares).as_dict(),
            "seeds": self.shares,
            "nobody_could": self.alone,
            "lost": self.causes,
            "troubles": self.troubles,
            "back_s": self.back,
            "late": sum(one.late for one in self.tallies) / self.time,
            "longest_s": max(one.longest for one in self.tallies),
            "broken": sum(one.broken for one in self.tallies),
            "left_open": sum(one.left_open for one in self.tallies),
            "calls": sum(one.calls for one in self.tallies),
            "requests": dict(requests),
            "examples": examples[:40],
        }


def _percent(share: float) -> str:
    return f"{share * 100:.5f} %"


def _lines(one: Result) -> list[str]:
    found, scenario = stats.mean(one.shares), one.scenario
    verdict = "" if not scenario.least else "PASS: " if one.holds else "FALLS SHORT: "
    wanted = f", at least {_percent(scenario.least)} wanted" if scenario.least else ""
    interval = f"{_percent(found.low)} to {_percent(found.high)}, worst year {_percent(min(one.shares))}"
    lost = {who: _percent(one.lost(who)) for who in ("well", "slow", "nobody")}
    late, longest = sum(t.late for t in one.tallies) / one.time, max(t.longest for t in one.tallies)
    broken, calls = sum(t.broken > 0 for t in one.tallies), sum(t.calls for t in one.tallies)
    causes = ", ".join(f"{why} {share * 1e6:.1f}" for why, share in one.causes.items())
    ways = "; ".join(f"{what} {share * 1e6:.2f}" for what, share in list(one.troubles.items())[:SHOWN])
    back = one.back or [0.0]
    middle, most = back[len(back) // 2], back[len(back) * 95 // 100]
    uptimes = "/".join(f"{up * 100:.1f}" for up in scenario.uptimes)
    return [
        f"{scenario.name:<3}{uptimes}: {scenario.meaning}",
        f"   {verdict}answered {_percent(found.value)} ({interval}){wanted}",
        f"   timetables alone: nobody can answer for {_percent(one.alone)}, so at most {_percent(1 - one.alone)}",
        f"   lost while one was well {lost['well']}, while the best was slow {lost['slow']}, else {lost['nobody']}",
        f"   lost, in millionths: {causes or 'none'}",
        f"   what was the matter with each then: {ways or 'nothing'}",
        f"   after an outage the first provider answers again: median {middle:.0f} s, 95 % within {most:.0f} s",
        f"   first word after more than 10 s {_percent(late)}, the longest {longest:.0f} s",
        f"   years with a broken answer that passes for whole {broken}; {calls:,} calls",
    ]


def text(results: Sequence[Result], pair: Agreement | None) -> str:
    lines = [line for one in results for line in _lines(one)]
    return "\n".join([*lines, "", pair.text()] if pair is not None else lines)


def _example(results: Sequence[Result]) -> list[str]:
    """One call of each kind that was lost although somebody could have answered."""
    seen: dict[tuple[str, str, bool], str] = {}
    for result in results:
        for lost in (lost for one in result.tallies for lost in one.examples):
            troubles = "; ".join(f"{name} {trouble}" for name, trouble in lost.troubles.items())
            kind = "streamed" if lost.stream else "whole"
            said = (
                f"  {result.scenario.name}, {kind}, {lost.error} after {lost.seconds:.1f} s: {troubles}. "
                f"Attempts: {', '.join(lost.attempts) or 'none'}"
            )
            seen.setdefault((lost.able, lost.error, lost.stream), said)
    return list(seen.values())


def _job(scenario: Scenario, seed: int, options: argparse.Namespace) -> Job:
    return Job(
        scenario,
        seed,
        seconds=options.days * DAY,
        patience=options.patience,
        remembers=not options.forgetful,
        tools=options.tools,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--days", type=float, default=365.0)
    parser.add_argument("--patience", type=float, default=60.0, help="seconds after which a caller hangs up")
    parser.add_argument("--forgetful", action="store_true", help="without the book of health")
    parser.add_argument("--tools", action="store_true", help="calls offer tools, and are sent to one at a time")
    parser.add_argument("--only", action="append", default=[], help="a scenario's name")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="write everything there")
    options = parser.parse_args()
    begun = time.perf_counter()
    chosen = [one for one in SCENARIOS if not options.only or one.name in options.only]
    with ProcessPoolExecutor(options.workers) as pool:
        alone = {one.name: pool.submit(nobody, one, ALONE * options.seeds) for one in chosen}
        years = {
            one.name: [pool.submit(_job(one, seed, options).run) for seed in range(options.seeds)] for one in chosen
        }
        for done, _ in enumerate(as_completed(job for jobs in years.values() for job in jobs), 1):
            print(f"\r{done} of {len(chosen) * options.seeds} years", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        results = [Result(one, [job.result() for job in years[one.name]], alone[one.name].result()) for one in chosen]
        two = next((one for one in results if one.scenario.name == "c"), None)
        pair = None
        if two is not None:
            lost = [one.lost_able / one.time for one in two.tallies]
            pair = agreement(
                two.scenario.habits, lost, years=1000 * options.seeds, patience=options.patience, pool=pool
            )
    print(text(results, pair))
    if examples := _example(results):
        print("\nOf each kind of call that was lost although somebody could have answered, one:")
        print("\n".join(examples))
    print(f"\n{options.seeds} years of {options.days:g} days each, {time.perf_counter() - begun:.0f} s")
    if options.json:
        found = {one.scenario.name: one.as_dict() for one in results}
        options.json.write_text(json.dumps(found | {"pair": asdict(pair) if pair else None}, indent=1))
    sys.exit(not all(one.holds for one in results))


if __name__ == "__main__":
    main()
