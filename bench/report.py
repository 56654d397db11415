"""From what was seen to a table, and to a verdict on each bar."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from bench import stats

Json = dict[str, Any]
OURS = "pointsman"
QUIET = 0.10  # more of the machine than this in other hands, and absolute figures say little


@dataclass(frozen=True)
class Row:
    """One line of the table: what it means, where its figures lie, and how one is written."""

    key: str
    meaning: str
    pick: Callable[[Json], list[float | None]]  # one figure a round
    form: str = "{:,.0f}"
    added: bool = False  # shown as the difference to `direct`, round by round


def _rounds(key: str) -> Callable[[Json], list[float | None]]:
    return lambda subject: [row.get(key) for row in subject.get("rounds", [])]


def _streams(kind: str, key: str, part: str = "") -> Callable[[Json], list[float | None]]:
    def pick(subject: Json) -> list[float | None]:
        found = [row.get(kind, {}).get(key) for row in subject.get("streams", [])]
        return [value[part] if part and value else value for value in found]

    return pick


def _stream_cpu(subject: Json) -> list[float | None]:
    """Microseconds of CPU for each event that passed in lockstep; None for what has no process."""
    rows = [row.get("lockstep", {}) for row in subject.get("streams", [])]
    return [row["cpu_s"] / row["events"] * 1e6 if row.get("cpu_s") and row.get("events") else None for row in rows]


def _once(key: str) -> Callable[[Json], list[float | None]]:
    return lambda subject: [subject.get(key)]


ROWS: tuple[Row, ...] = (
    Row("cpu_us", "CPU per request, µs (64 at once; the figure that noise moves least)", _rounds("cpu_us"), "{:,.1f}"),
    Row("rate", "requests/s on one core, 64 at once", _rounds("rate")),
    Row("p50_1", "added p50, ms, one at a time", _rounds("p50_1_ms"), "{:.3f}", added=True),
    Row("p99_1", "added p99, ms, one at a time", _rounds("p99_1_ms"), "{:.3f}", added=True),
    Row("p50_64", "added p50, ms, 64 at once", _rounds("p50_64_ms"), "{:.2f}", added=True),
    Row("p99_64", "added p99, ms, 64 at once", _rounds("p99_64_ms"), "{:.2f}", added=True),
    Row("start_s", "start to listening, s", lambda subject: subject.get("start_s", []), "{:.2f}"),
    Row("answer_s", "start to the first right answer, s", lambda subject: subject.get("answer_s", []), "{:.2f}"),
    Row("idle_mb", "resident memory when idle, after one call, MB", _once("idle_mb")),
    Row("after_mb", "resident memory after the load, MB", _once("after_mb")),
    Row("after_all_mb", "resident memory after the streams, MB", _once("after_all_mb")),
    Row(
        "first_p50", "added first-token time p50, ms, 500 streams", _streams("paced", "first_added_ms", "p50"), "{:.2f}"
    ),
    Row(
        "first_p99", "added first-token time p99, ms, 500 streams", _streams("paced", "first_added_ms", "p99"), "{:.2f}"
    ),
    Row(
        "relay_p99",
        "  of it from the provider's write to the caller, p99",
        _streams("paced", "first_relay_ms", "p99"),
        "{:.2f}",
    ),
    Row(
        "lag_p99", "delay of later events p99, ms, all 500 running", _streams("paced", "event_lag_ms", "p99"), "{:.2f}"
    ),
    Row("events", "events/s delivered of 10,000 sent", _streams("paced", "events_per_s")),
    Row("whole", "streams of 500 that arrived whole", _streams("paced", "whole")),
    Row(
        "reads",
        "one-event reads/s (32 streams, the next when the last has arrived)",
        _streams("lockstep", "reads_per_s"),
    ),
    Row("event_cpu_us", "CPU per one-event read, µs", _stream_cpu, "{:.1f}"),
)


def figures(result: Json, row: Row) -> dict[str, list[float]]:
    """A row's figures by subject, one a round; added ones with `direct` of the same round taken off."""
    subjects = result["subjects"]
    raw = {name: row.pick(subject) for name, subject in subjects.items()}
    base = raw.get("direct", []) if row.added else []
    found = {}
    for name, values in raw.items():
        if row.added:
            pairs = zip(values, base, strict=False)
            found[name] = [a - b for a, b in pairs if a is not None and b is not None and name != "direct"]
        else:
            found[name] = [value for value in values if value is not None]
    return found


def summary(result: Json) -> Json:
    """Every figure of the table with its interval, by row and subject, and the ratios ours/peer."""
    table = {
        row.key: {name: stats.bootstrap(seen).as_dict() for name, seen in figures(result, row).items() if seen}
        for row in ROWS
    }
    return {"figures": table, "ratios": ratios(result), "bars": [asdict(bar) for bar in bars(result)]}


def ratios(result: Json) -> dict[str, dict[str, dict[str, float]]]:
    """Requests/s and CPU per request, ours over each peer's, round by round."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for key in ("rate", "cpu_us"):
        seen = {name: _rounds(key)(subject) for name, subject in result["subjects"].items()}
        for name, theirs in seen.items():
            if name in {OURS, "direct"} or OURS not in seen:
                continue
            if each := stats.ratios(seen[OURS], theirs):
                found.setdefault(name, {})[key] = stats.bootstrap(each).as_dict()
    return found


@dataclass(frozen=True)
class Bar:
    """One thing that has to be shown: what, the limit, the figure, and whether it holds (None: not measured)."""

    what: str
    limit: str
    figure: str
    holds: bool | None


def _middle(result: Json, key: str) -> float | None:
    row = next(row for row in ROWS if row.key == key)
    seen = figures(result, row).get(OURS, [])
    return statistics.median(seen) if seen else None


def _bar(
    what: str, value: float | str | None, limit: float, unit: str, *, least: bool = False, form: str = "{:,.0f}"
) -> Bar:
    said = f"{'at least' if least else 'at most'} {limit:,g} {unit}".strip()
    if value is None or isinstance(value, str):
        return Bar(what, said, value or "not measured", None if value is None else False)
    return Bar(what, said, form.format(value), value >= limit if least else value <= limit)


TIMES = (("ferrogw", 1.1), ("portkey", 8.0), ("litellm", 60.0))


def bars(result: Json) -> list[Bar]:
    """The bars, in the order in which they were set."""
    ratio, own = ratios(result), result.get("startup", {})
    found = [_bar("requests/s, one core, everything on", _middle(result, "rate"), 8000, "", least=True)]
    for name, times in TIMES:
        each = ratio.get(name, {}).get("rate")
        bar = _bar(f"requests/s over {name}'s", each["value"] if each else None, times, "x", least=True, form="{:.2f}")
        if each:
            bar = Bar(bar.what, bar.limit, f"{bar.figure} ({each['low']:.2f} to {each['high']:.2f})", bar.holds)
        found.append(bar)
    seconds = own.get("gateway_ms")
    return [
        *found,
        _bar("added p50, one at a time", _middle(result, "p50_1"), 0.25, "ms", form="{:.3f}"),
        _bar(
            "added first-token p99, 500 streams at 20 events/s", _middle(result, "first_p99"), 15, "ms", form="{:.2f}"
        ),
        _bar("one-event reads/s", _middle(result, "reads"), 30000, "", least=True),
        _bar("idle memory without the local model", _middle(result, "idle_mb"), 90, "MB"),
        _bar("import pointsman", own.get("import_ms"), 150, "ms", form="{:.1f}"),
        _bar("Gateway(config)", seconds / 1e3 if isinstance(seconds, float) else seconds, 0.5, "s", form="{:.3f}"),
        _bar("listening after start", _middle(result, "start_s"), 0.8, "s", form="{:.2f}"),
    ]


def _cell(seen: list[float], row: Row) -> str:
    return row.form.format(statistics.median(seen)) if seen else "-"


def table(result: Json) -> list[str]:
    names = list(result["subjects"])
    wide = max(len(row.meaning) for row in ROWS)
    lines = [" " * wide + "".join(f"{name:>12}" for name in names)]
    for row in ROWS:
        seen = figures(result, row)
        if any(seen.values()):
            lines.append(f"{row.meaning:<{wide}}" + "".join(f"{_cell(seen[name], row):>12}" for name in names))
    errors = {name: sum(r.get("errors", 0) for r in subject["rounds"]) for name, subject in result["subjects"].items()}
    lines.append(f"{'failed calls of whole answers':<{wide}}" + "".join(f"{errors[name]:>12,}" for name in names))
    return lines


def text(result: Json) -> str:
    """The whole report for a terminal."""
    direct = result["subjects"].get("direct", {})
    rates = [value for value in _rounds("rate")(direct) if value]
    lines = [
        f"{len(direct.get('rounds', []))} alternating rounds, medians; {result['seconds']:.0f} s in all",
        *table(result),
        "",
    ]
    if rates:
        lines.append(
            f"The machine: direct {statistics.median(rates):,.0f} requests/s ({min(rates):,.0f} to {max(rates):,.0f} "
            f"over the rounds); of its time {result['others']:.0%} went to other programs and {result['steal']:.1%} "
            "to other guests."
        )
    if result["others"] + result["steal"] > QUIET:
        lines.append("That is too much: quote ratios and CPU per request at most, and run it again when it is quiet.")
    lines += [f"{name}: skipped, {why}" for name, why in result["skipped"].items()]
    lines += [f"{name} {note}" for name, subject in result["subjects"].items() for note in subject.get("notes", [])[:1]]
    lines += [f"{name} broke in a round: {why[:200]}" for name, why in broken(result)]
    if found := ratios(result):
        lines += ["", "pointsman over each, round by round, with the interval that holds the median with 95 %:"]
        for name, each in found.items():
            parts = [f"{label} {_interval(each[key])}" for key, label in _LABELS if key in each]
            lines.append(f"  {name:<10} " + "   ".join(parts))
    if OURS in result["subjects"] or OURS in result["skipped"]:
        lines += ["", "The bars:"]
        lines += [f"  {_VERDICT[bar.holds]:<12} {bar.what}: {bar.figure} ({bar.limit})" for bar in bars(result)]
    return "\n".join(lines)


_LABELS = (("cpu_us", "CPU per request"), ("rate", "requests/s"))
_VERDICT = {True: "PASS", False: "FALLS SHORT", None: "NOT MEASURED"}


def _interval(each: dict[str, float]) -> str:
    return f"{each['value']:.3g} x ({each['low']:.3g} to {each['high']:.3g})"


def broken(result: Json) -> list[tuple[str, str]]:
    """What went wrong in single rounds, by subject."""
    found = []
    for name, subject in result["subjects"].items():
        rows = subject["rounds"] + subject.get("streams", [])
        found += [(name, row["error"]) for row in rows if "error" in row]
        for row in subject.get("streams", []):
            for kind in ("paced", "lockstep"):
                if error := row.get(kind, {}).get("error"):
                    found.append((name, error))
    return found
