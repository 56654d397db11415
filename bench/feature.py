"""What one feature costs: two gateways, one with it and one without, loaded in alternating pairs on one core.

python -m bench.feature NAME [--pairs N]        `make bench-feature NAME=…`

The figure is CPU per request over a counted number of requests, as the ratio with/without, pair by pair.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.bed import Bed, Gateway
from bench.install import HERE
from bench.machine import Launch
from bench.subjects import Place, Ready, Subject

from bench import stats, subjects

Json = dict[str, Any]
PAIRS = 24
LEAST = 20
SHOT_S = 1


@dataclass(frozen=True)
class Side:
    """One of the two gateways: what its configuration has that the other has not, and how it is called."""

    config: Json = field(default_factory=dict)
    mute: str = ""  # recorders that hear nothing, by class name
    model: str = "auto"
    key: bool = True
    dialect: str = "openai-chat"  # of the provider


@dataclass(frozen=True)
class Feature:
    meaning: str
    on: Side
    off: Side


def _without_prices() -> Json:
    return {
        "models": {name: {k: v for k, v in model.items() if k != "price"} for name, model in subjects.MODELS.items()}
    }


FEATURES: dict[str, Feature] = {
    "ledger": Feature("a row for every call and attempt in SQLite", Side(), Side(mute="Ledger")),
    "metrics": Feature("counters and histograms of every call", Side(), Side(mute="Metrics")),
    "keys": Feature("callers have to show a key", Side(), Side({"keys": "auto"}, key=False)),
    "prices": Feature("models have prices, calls have costs", Side(), Side(_without_prices(), model="auto")),
    "route": Feature(
        "a route chooses between two models, instead of the model being named", Side(), Side(model="small")
    ),
    "content": Feature("the text of requests and answers is stored too", Side({"store_content": True}), Side()),
    "translation": Feature(
        "a chat caller is answered by a provider of Anthropic's dialect, instead of one of its own",
        Side(dialect="anthropic-messages"),
        Side(),
    ),
    "budget": Feature(
        "every call is held in a budget of everybody and in one of its key",
        Side({"budgets": [{"limit": "1000000usd/month"}, {"each": "key", "limit": "100000usd/day"}]}),
        Side(),
    ),
    "budgets": Feature(
        "every call is held in budgets of everybody, its key and its route, and counted to two limits of a rate",
        Side(
            {
                "budgets": [
                    {"limit": "1000000usd/month"},
                    {"each": "key", "limit": "100000usd/day"},
                    {"each": "route", "limit": "100000usd/week"},
                    {"each": "key", "limit": "1000000000 requests/minute"},
                    {"each": "key", "limit": "1000000000000 tokens/minute"},
                ]
            }
        ),
        Side(),
    ),
    "nothing": Feature("the same on both sides: what noise alone looks like", Side(), Side()),
}


def prepare(side: Side) -> Callable[[Place], Ready]:
    """How one side is made ready."""

    def ready(place: Place) -> Ready:
        path = subjects.config(place, side.config, side.dialect)
        headers = {"authorization": f"Bearer {subjects.create_key(path)}"} if side.key else {}
        command = subjects.pointsman_command()
        if side.mute:
            command = [sys.executable, str(HERE / "without.py"), side.mute]
        launch = Launch([*command, "serve", "--config", str(path)], subjects.ENV)
        return Ready(launch, side.model, headers, demands_key=side.key)

    return ready


def cpu_us(bed: Bed, gateway: Gateway) -> float:
    shot, cpu_s = bed.load(gateway, 64, SHOT_S)
    if shot.errors:
        raise RuntimeError(f"{shot.errors} of {shot.requests} calls to {gateway.name} failed")
    return cpu_s / shot.requests * 1e6


def measure(name: str, pairs: int) -> Json:
    """Load both sides in alternating pairs, each pair in the other order than the last."""
    feature = FEATURES[name]
    folder = Path(tempfile.mkdtemp(prefix="pointsman-feature-"))
    seen: dict[str, list[float]] = {"on": [], "off": []}
    try:
        with Bed(folder) as bed:
            os.sched_setaffinity(0, {bed.load_core})
            bed.serve_whole()
            sides = {
                word: bed.raise_up(Subject(f"{name}-{word}", feature.meaning, prepare(side)))
                for word, side in (("on", feature.on), ("off", feature.off))
            }
            for gateway in sides.values():
                if gateway is None:
                    raise RuntimeError("; ".join(bed.skipped.values()))
                cpu_us(bed, gateway)  # the first load warms up and does not count
            for pair in range(pairs):
                for word in ("on", "off") if pair % 2 else ("off", "on"):
                    if gateway := sides[word]:
                        seen[word].append(cpu_us(bed, gateway))
                print(f"  pair {pair + 1} of {pairs}: {seen['on'][-1]:.1f} and {seen['off'][-1]:.1f} µs", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    ratio = stats.bootstrap(stats.ratios(seen["on"], seen["off"]))
    return {
        "when": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "feature": name,
        "meaning": feature.meaning,
        "pairs": pairs,
        "cpu_us": seen,
        "ratio": ratio.as_dict(),
    }


def text(result: Json) -> str:
    ratio, on, off = result["ratio"], *(statistics.median(result["cpu_us"][word]) for word in ("on", "off"))
    sure = ratio["low"] > 1 or ratio["high"] < 1
    return (
        f"{result['feature']}: {result['meaning']}\n"
        f"  CPU per request with it {on:.1f} µs, without it {off:.1f} µs ({result['pairs']} pairs)\n"
        f"  ratio with/without {ratio['value']:.3f} ({ratio['low']:.3f} to {ratio['high']:.3f} with 95 %)"
        + ("" if sure else ": no difference shown")
    )


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench-feature", description=__doc__)
    parser.add_argument("name", choices=sorted(FEATURES))
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"at least {LEAST}")
    args = parser.parse_args(argv)
    try:
        result = measure(args.name, max(args.pairs, LEAST))
    except (RuntimeError, subjects.Missing) as broken:
        print(f"bench-feature {args.name}: {broken}", file=sys.stderr)
        return 1
    print(text(result))
    out = HERE / "out" / f"feature-{args.name}-{result['when'].replace(':', '').replace('+0000', 'Z')}.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(result, indent=1), encoding="utf-8")
    print(f"Everything that was seen: {out.relative_to(HERE.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
