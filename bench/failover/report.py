"""The table: one line for each row, form and way of asking; dialects that agree share a line."""

from __future__ import annotations

from itertools import groupby

from bench.failover.owed import Result, broken, differing
from bench.failover.rows import CALLERS

Line = tuple[str, ...]
HEAD: Line = (
    "row", "form", "asked", "caller", "got", "by", "text", "attempts a+b", "gap ms", "ms", "usage", "ledger", "as owed",
)  # fmt: skip
_SHORT = {"openai-chat": "chat", "openai-responses": "responses", "anthropic-messages": "messages"}


def render(results: list[Result], *, markdown: bool, each: bool) -> str:
    """The table, and below it what is broken and what differs from the table of failures."""
    lines = [line for group in _groups(results, each=each) for line in _lines(group)]
    made = [_markdown(lines) if markdown else _plain(lines)]
    for title, judge in (("Broken", broken), ("Not as the table of failures says", differing)):
        found = [f"{_name(result)}: {'; '.join(judge(result))}" for result in results if judge(result)]
        made.append(f"{title}: {len(found)} of {len(results)}")
        made += [f"- {line}" for line in found]
    return "\n\n".join([made[0], "\n".join(made[1:])])


def _groups(results: list[Result], *, each: bool) -> list[list[Result]]:
    if each:
        return [[result] for result in results]
    return [list(group) for _, group in groupby(results, key=lambda r: (r.cell.row.name, r.cell.stream, r.cell.asked))]


def _lines(group: list[Result]) -> list[Line]:
    """A line for each outcome in a group."""
    kinds: dict[Line, list[Result]] = {}
    for result in group:
        kinds.setdefault(_kind(result), []).append(result)
    return [_line(kind, results) for kind, results in kinds.items()]


def _kind(result: Result) -> Line:
    """What two callers' results have to have in common to share a line."""
    heard, got = result.heard, result.got
    error = got.error or ("" if heard.ended else heard.ending)
    verdict = "BROKEN" if broken(result) else "no" if differing(result) else "yes"
    counts = f"{len(result.firsts)}+{len(result.seconds)}"
    return (f"{heard.status} {error}".strip(), result.by or "-", result.text, counts, verdict)


def _line(kind: Line, results: list[Result]) -> Line:
    cell = results[0].cell
    got, by, text, counts, verdict = kind
    callers = [_SHORT[result.cell.dialect] for result in results]
    usage = {_usage(result) for result in results}
    ledger = {_ledger(result) for result in results}
    return (
        cell.row.name,
        "stream" if cell.stream else "whole",
        cell.asked,
        "all" if len(callers) == len(CALLERS) else " ".join(callers),
        got,
        f"{by} (goes on)" if results[0].continued else by,
        text,
        counts,
        _range([1000 * gap for result in results for gap in result.gaps[:1]]),
        _range([1000 * result.heard.took for result in results]),
        " / ".join(sorted(usage)),
        " / ".join(sorted(ledger)),
        verdict,
    )


def _usage(result: Result) -> str:
    """Tokens as the caller and as the ledger have them, and whose model it says."""
    usage = result.ledger.get("usage")
    kept = usage["output"] if isinstance(usage, dict) else "-"
    told = "-" if result.got.output is None else result.got.output
    return f"{told}={kept}" if told != kept else f"{kept}"


def _ledger(result: Result) -> str:
    """Status of the call, then what each attempt cost in nano-dollars."""
    costs = [f"{str(each['provider'])[-1]}:{each['cost']}" for each in result.attempts]
    return f"{result.ledger.get('status', 'MISSING')} {' '.join(costs)}".strip()


def _range(values: list[float]) -> str:
    if not values:
        return "-"
    low, high = min(values), max(values)
    return f"{low:.0f}" if round(low) == round(high) else f"{low:.0f}-{high:.0f}"


def _name(result: Result) -> str:
    cell = result.cell
    return f"{cell.row.name} {'stream' if cell.stream else 'whole'} {cell.asked} {_SHORT[cell.dialect]}"


def _markdown(lines: list[Line]) -> str:
    rows = [HEAD, tuple("---" for _ in HEAD), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _plain(lines: list[Line]) -> str:
    widths = [max(len(line[index]) for line in (HEAD, *lines)) for index in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (HEAD, *lines)
    )
