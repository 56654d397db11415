"""Hedging against a slow tail: one route with it and the same without, side by side, call by call.

    python -m bench.hedging [--calls 3000] [--seed 1]

Two providers begin to answer within some 40 ms, and in three of a hundred calls after 1.5 s. Each route has providers
of its own name, so that what one learns does not help the other. Calls alternate; those of the warm-up, in which the
gateway learns what is usual, do not count. The extra cost is the ledger's: of attempts that were outpaced, beside what
all others cost.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from bench.failover.caller import exchange, request
from bench.served import Running, gateway

from bench import stats
from pointsman.testing import Script, SimModel, SimProvider, Simulator, running
from pointsman.testing.distributions import Lognormal, Mixture, Part

EXTRA = 0.05
"""What hedges may cost, as a share of what the route spends: in the configuration, and as a bar."""
MOST_RATIO = 0.6
SIDES = ("hedged", "plain")
WARM = 200  # calls of each side that do not count; the gateway learns from 20
_AT_ONCE = 8
_PATIENCE = 15.0
_LEDGER = 5.0  # seconds in which the last call has to be found there
_TAIL = Mixture(
    parts=(
        Part(weight=0.97, of=Lognormal(median=0.04, sigma=0.3)),
        Part(weight=0.03, of=Lognormal(median=1.5, sigma=0.05)),
    )
)


@dataclass
class Side:
    """One route: seconds of each call that counts, their ids, and how many brought no whole answer."""

    took: list[float] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    failed: int = 0


@dataclass(frozen=True)
class Attempt:
    """One row of the ledger; `cost` in nano-dollars, None where it is unknown."""

    call: str
    number: int
    error: str
    cost: int | None

    @property
    def outpaced(self) -> bool:
        return self.error == "outpaced"


class Spent(NamedTuple):
    """What hedges were and cost: how many, how many of them answered, and their extra cost as a share of the rest."""

    hedges: int
    won: int
    share: float
    unknown: int


def script(seed: int) -> Script:
    """Two providers for each route, all of the same temper."""
    model = SimModel(name="m", first_token=_TAIL)
    names = (f"{side}-{number}" for side in SIDES for number in (1, 2))
    return Script(seed=seed, providers=tuple(SimProvider(name=name, models=(model,)) for name in names))


def configured(sim: Simulator) -> dict[str, Any]:
    """The gateway's configuration: two routes that differ in nothing but the hedge."""
    names = [provider.name for provider in sim.script.providers]
    routes: dict[str, Any] = {side: {"try": [f"{side}-1", f"{side}-2"]} for side in SIDES}
    routes["hedged"]["hedge"] = {"extra": EXTRA}
    return {
        "providers": {name: {"dialect": "openai-chat", "base_url": sim.url_of(name)} for name in names},
        "models": {name: {"provider": name, "model": "m", "price": {"input": 1, "output": 2}} for name in names},
        "routes": routes,
    }


async def play(calls: int, seed: int, warm: int = WARM) -> tuple[dict[str, Side], list[Attempt]]:
    """So many calls in all, half of them to each route, and the ledger's attempts of the hedged ones."""
    with running(script(seed)) as sim, gateway(configured(sim)) as served:
        await _ask(served, 2 * warm)
        sides = await _ask(served, calls)
        attempts = await _kept(served.store, sides["hedged"].ids)
    return sides, attempts


async def _ask(served: Running, calls: int) -> dict[str, Side]:
    """Some callers who take the next call as soon as theirs has ended; the sides take turns."""
    sides = {side: Side() for side in SIDES}
    numbers = iter(range(calls))

    async def caller() -> None:
        for number in numbers:
            await _one(served, SIDES[(number + number // 2) % 2], number, sides)

    await asyncio.gather(*(caller() for _ in range(_AT_ONCE)))
    return sides


async def _one(served: Running, name: str, number: int, sides: dict[str, Side]) -> None:
    side = sides[name]
    path, body = request("openai-chat", name, [("user", f"What is the capital of country {number}?")], stream=True)
    heard = await exchange(served.port, "POST", path, body, patience=_PATIENCE)
    side.took.append(heard.took)
    side.ids.append(heard.headers.get("x-request-id", ""))
    side.failed += not (heard.status == 200 and heard.ended and heard.body.endswith(b"data: [DONE]\n\n"))


async def _kept(store: Path, ids: list[str]) -> list[Attempt]:
    """The attempts of these calls, once they are all in the ledger or it took too long."""
    wanted = json.dumps(ids)
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as ledger:
        for _ in range(int(_LEDGER / 0.1)):
            rows = ledger.execute(
                "SELECT call_id, number, error, cost_nanousd FROM attempts "
                "WHERE call_id IN (SELECT value FROM json_each(?))",
                (wanted,),
            ).fetchall()
            if len({row[0] for row in rows}) == len(ids):
                break
            await asyncio.sleep(0.1)
    return [Attempt(*row) for row in rows]


def spent(attempts: list[Attempt]) -> Spent:
    """What hedging cost; hedges are the calls in which an attempt was outpaced."""
    lost = [each for each in attempts if each.outpaced]
    rest = sum(each.cost or 0 for each in attempts if not each.outpaced)
    extra = sum(each.cost or 0 for each in lost)
    return Spent(
        hedges=len({each.call for each in lost}),
        won=len({each.call for each in lost if each.number == 1}),
        share=extra / rest if rest else 0.0,
        unknown=sum(each.cost is None for each in attempts),
    )


def judged(sides: dict[str, Side], attempts: list[Attempt]) -> tuple[list[str], list[str]]:
    """The report's lines, and what is wrong."""
    hedged, plain = (sides[name] for name in SIDES)
    ratio = stats.tails(hedged.took, plain.took, 0.99)
    cost, failed = spent(attempts), hedged.failed + plain.failed
    missing = len(set(hedged.ids) - {each.call for each in attempts})
    lines = [
        *(f"{name}: {len(sides[name].took)} calls, {_spread(sides[name].took)}" for name in SIDES),
        f"p99 over plain: {ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f} with 95 %), at most {MOST_RATIO}",
        f"extra cost: {cost.share:.2%} of the rest, at most {EXTRA:.0%}",
        f"hedges: {cost.hedges} ({cost.hedges / len(hedged.took):.1%} of the calls), {cost.won} of them were quicker",
        f"calls without a whole answer: {failed}; missing from the ledger: {missing}",
    ]
    wrong = {
        "the tail is too long": ratio.value > MOST_RATIO,
        "hedges cost too much": cost.share > EXTRA,
        "nobody was hedged": not cost.hedges,
        "calls without a whole answer": failed,
        "attempts without a cost": cost.unknown,
        "rows missing": missing,
    }
    return lines, [name for name, found in wrong.items() if found]


def _spread(took: list[float]) -> str:
    return ", ".join(f"p{share * 100:.0f} {stats.percentile(took, share) * 1e3:.0f} ms" for share in (0.5, 0.95, 0.99))


def main() -> int:
    """Run it; 1 where something is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.hedging", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=3000, help="that count, half of them hedged")
    parser.add_argument("--seed", type=int, default=1, help="of the providers' times")
    asked = parser.parse_args()
    lines, wrong = judged(*asyncio.run(play(max(asked.calls, 2), asked.seed)))
    print("\n".join(lines))
    print(f"wrong: {'; '.join(wrong) or 'nothing'}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
