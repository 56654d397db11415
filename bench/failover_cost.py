"""What failover costs beyond the failed attempt itself: the way to the second provider, in milliseconds.

    python -m bench.failover_cost [--pairs 600]

The first provider answers 503 at once and the second one answers; beside each such call stands one that asks the
second directly, and the two take turns in being first. Whole answers, one call at a time, over one connection. From a
call that failed over we take off the first provider's own time, from the request's arrival there to its answer's end,
and what the direct call took: so the way there and back, and all our work on the failed attempt, count as cost. Beside
it stands what is left when all of the failed attempt is taken off, as the ledger has it. Between two failures the first
provider answers well so often that no breaker has to do with it; where the second was asked alone the pair does not
count.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.served import Running, gateway

from bench import stats
from pointsman.testing import Entry, Script, SimModel, SimProvider, Simulator, running

MOST_MS = 2.0
FAULT = "unavailable"
WARM = 30  # pairs that do not count
_GOOD = 7  # calls that the first provider answers between two that it does not: one failure in eight is well
_COUNTED = 0.9  # so many of the pairs have to be failovers
_LEDGER = 5.0  # seconds in which the last call has to be found there
_NAMES = ("first", "second")
_ROUTE = "chain"
_HEADERS = {"content-type": "application/json"}


@dataclass(frozen=True)
class Told:
    """One call as its caller saw it: id, who answered, seconds."""

    id: str
    by: str
    took: float


@dataclass(frozen=True)
class Seen:
    """A call that was to fail over, a direct one beside it, and the newest requests to providers after the first."""

    over: Told
    direct: Told
    last: tuple[Entry, ...]


@dataclass(frozen=True)
class Pair:
    """A call that failed over beside a direct one, in seconds.

    Attributes:
        over, direct: of the two calls.
        own: of the first provider, for its refusal.
        attempt: of the whole failed attempt, by the ledger.
    """

    over: float
    direct: float
    own: float
    attempt: float

    @property
    def cost_ms(self) -> float:
        """What failover costs beyond the provider's own time."""
        return (self.over - self.own - self.direct) * 1e3

    @property
    def rest_ms(self) -> float:
        """What it costs beyond all of the failed attempt."""
        return (self.over - self.attempt - self.direct) * 1e3


class Line:
    """A kept connection to the gateway."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)

    def close(self) -> None:
        self._connection.close()

    def ask(self, model: str) -> Told:
        """One call.

        Raises:
            RuntimeError: it was not answered.
        """
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": "What is the capital of France?"}]})
        began = time.perf_counter()
        self._connection.request("POST", "/v1/chat/completions", body, _HEADERS)
        answer = self._connection.getresponse()
        text = answer.read()
        took = time.perf_counter() - began
        if answer.status != 200:
            raise RuntimeError(f"{model} answered {answer.status}: {text[:200]!r}")
        return Told(answer.getheader("x-request-id", ""), answer.getheader("x-pointsman-model", ""), took)


def configured(sim: Simulator) -> dict[str, Any]:
    """The gateway's configuration: a chain of two providers."""
    return {
        "providers": {name: {"dialect": "openai-chat", "base_url": sim.url_of(name)} for name in _NAMES},
        "models": {name: {"provider": name, "model": "m", "price": {"input": 1, "output": 2}} for name in _NAMES},
        "routes": {_ROUTE: {"try": list(_NAMES)}},
    }


def play(pairs: int, warm: int = WARM) -> tuple[list[Pair], int]:
    """So many pairs that count; those among them that were failovers, and how many were to be."""
    providers = tuple(SimProvider(name=name, models=(SimModel(name="m"),)) for name in _NAMES)
    with running(Script(providers=providers)) as sim, gateway(configured(sim)) as served:
        line = Line(served.port)
        try:
            seen = [_pair(line, sim, number) for number in range(pairs + warm)]
        finally:
            line.close()
        attempts = _attempts(served, seen[-1].over.id)
    return paired(seen[warm:], attempts), pairs


def _pair(line: Line, sim: Simulator, number: int) -> Seen:
    """A call that fails over and a direct one, in turns; before them the first provider is well."""
    for _ in range(_GOOD):
        line.ask(_ROUTE)
    if number % 2:
        direct = line.ask(_NAMES[1])
    sim.inject(FAULT, provider=_NAMES[0])
    over = line.ask(_ROUTE)
    last = tuple(sim.journal)[-2:]
    if not number % 2:
        direct = line.ask(_NAMES[1])
    return Seen(over, direct, last)


def _attempts(served: Running, last: str) -> dict[str, float]:
    """Seconds of the failed attempt at the first provider, by call, once the last call is in the ledger."""
    path: Path = served.store
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as ledger:
        for _ in range(int(_LEDGER / 0.1)):
            rows = ledger.execute(
                "SELECT call_id, duration_ns FROM attempts WHERE number = 1 AND provider = ? AND http_status = 503",
                (_NAMES[0],),
            ).fetchall()
            if any(row[0] == last for row in rows):
                break
            time.sleep(0.1)
    return {call: duration / 1e9 for call, duration in rows}


def paired(seen: Sequence[Seen], attempts: dict[str, float]) -> list[Pair]:
    """Calls put together with what provider and ledger say of them; those that did not fail over are left out."""
    made = []
    for each in seen:
        refused = [entry for entry in each.last if entry.provider == _NAMES[0] and entry.fault == FAULT]
        if len(refused) == 1 and each.over.by == _NAMES[1] and each.over.id in attempts:
            own = (refused[0].finished - refused[0].received) / 1e9
            made.append(Pair(each.over.took, each.direct.took, own, attempts[each.over.id]))
    return made


def judged(pairs: Sequence[Pair], wanted: int) -> tuple[list[str], list[str]]:
    """The report's lines, and what is wrong."""
    if len(pairs) < max(wanted * _COUNTED, 1):
        return [f"pairs: {len(pairs)} of {wanted}"], ["too few calls failed over"]
    cost = stats.bootstrap([pair.cost_ms for pair in pairs])
    rest = stats.bootstrap([pair.rest_ms for pair in pairs])
    over, direct = _middle([pair.over for pair in pairs]), _middle([pair.direct for pair in pairs])
    own, attempt = _middle([pair.own for pair in pairs]), _middle([pair.attempt for pair in pairs])
    lines = [
        f"pairs: {len(pairs)} of {wanted}",
        f"medians: failed over {over}, direct {direct}, the refusal {own} at the provider and {attempt} as an attempt",
        f"cost beyond the provider's own time: {_interval(cost)}, at most {MOST_MS:g} ms",
        f"cost beyond the whole failed attempt: {_interval(rest)}",
    ]
    return lines, ["failover costs too much"] if cost.value > MOST_MS else []


def _middle(seconds: Sequence[float]) -> str:
    return f"{stats.percentile(seconds, 0.5) * 1e3:.2f} ms"


def _interval(found: stats.Estimate) -> str:
    return f"{found.value:.2f} ms ({found.low:.2f} to {found.high:.2f} with 95 %)"


def main() -> int:
    """Run it; 1 where something is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.failover_cost", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=600, help="that count")
    lines, wrong = judged(*play(max(parser.parse_args().pairs, 1)))
    print("\n".join(lines))
    print(f"wrong: {'; '.join(wrong) or 'nothing'}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
