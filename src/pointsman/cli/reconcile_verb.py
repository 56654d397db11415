"""`pointsman reconcile`: what a provider says that it was asked for, compared with the ledger."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pointsman.cli.table import print_table
from pointsman.cli.terminal import (
    config_option,
    described,
    json_option,
    paint,
    plain,
    print_json,
    say,
    say_error,
    say_hint,
    say_warning,
)

if TYPE_CHECKING:
    from pointsman.insight.periods import Period
    from pointsman.insight.reconcile.answer import Finding, Part, Reconciliation
    from pointsman.insight.reconcile.comparing import Figures

DRIFTED, UNUSABLE = 1, 2
_HEAD = (
    "WHAT",
    "WHEN",
    "MODEL",
    "KEY",
    "REQUEST",
    "IN HERE",
    "IN THERE",
    "OUT HERE",
    "OUT THERE",
    "HERE",
    "THERE",
    "WHERE",
)
_RIGHT = frozenset(range(5, 11))
_PARTS = (
    "",
    "HERE",
    "THERE",
    "DIFFERENCE",
    "MATCHED",
    "MISSING HERE",
    "MISSING THERE",
    "DOUBLED",
    "DIFFERING",
    "BORDER",
)
_STYLES = {"missing_here": "red", "missing_there": "yellow", "doubled": "red", "differing": "red", "border": "dim"}
_HELP = described(
    "Compare usage or invoice exports of one provider (OpenAI, Anthropic, OpenRouter, any CSV by a map of its columns) "
    "with the attempts in the ledger: by generation id where the export has ids, else by day, model and key. Every row "
    "that is missing here or there, doubled, or differs in tokens or money is named. Exit code 0: drift within the "
    "tolerance; 1: above it; 2: a file or the command line cannot be used.",
    "pointsman reconcile costs.json usage.json --period 2026-11",
    "pointsman reconcile invoice.csv --map Date=time --map Model=model --map 'Amount USD'=cost --provider lab",
)


@click.command("reconcile", help=_HELP, short_help="Compare a provider's usage or invoice export with the ledger.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--provider", metavar="NAME", help="Its name in the configuration; else that of the format.")
@click.option(
    "--format",
    "told",
    type=click.Choice(("auto", "openai", "anthropic", "openrouter", "csv")),
    default="auto",
    show_default=True,
    help="Of the files.",
)
@click.option("--map", "columns", metavar="COLUMN=FIELD", multiple=True, help="Which column of a CSV is which field.")
@click.option("--model", "models", metavar="THEIRS=OURS", multiple=True, help="A model by another name.")
@click.option("--key", "keys", metavar="THEIRS=VARIABLE", multiple=True, help="A key; lines of others are set aside.")
@click.option("--period", metavar="PERIOD", help="As in `bill`; else what the files cover.")
@click.option("--since", metavar="TIME", help="From this date or time.")
@click.option("--until", metavar="TIME", help="Up to this date (its end) or time.")
@click.option("--tolerance", metavar="SHARE", default="1%", show_default=True, help="The most drift without an alarm.")
@click.option("--decimal", type=click.Choice((".", ",")), help="The decimal mark; else seen where there is no doubt.")
@click.option("--timezone", metavar="ZONE", default="UTC", show_default=True, help="Of times that do not say theirs.")
@click.option("--top", type=click.IntRange(0), default=50, show_default=True, help="How many differences to print.")
@config_option
@json_option
def command(
    files: tuple[Path, ...],
    provider: str | None,
    told: str,
    columns: tuple[str, ...],
    models: tuple[str, ...],
    keys: tuple[str, ...],
    period: str | None,
    since: str | None,
    until: str | None,
    tolerance: str,
    decimal: str | None,
    timezone: str,
    top: int,
    config: Path | None,
    as_json: bool,
) -> None:
    """Reconcile."""
    from pointsman.compose import build
    from pointsman.core.errors import InvalidRequest
    from pointsman.insight.reconcile.reading import Export
    from pointsman.insight.reconcile.reconciling import Ask
    from pointsman.insight.reconcile.rows import Style

    style = Style(decimal or "", _zone(timezone))
    pairs = {name: _pairs(said, f"--{name}") for name, said in (("map", columns), ("model", models), ("key", keys))}
    exports = [Export(path, _format(told), pairs["map"], style) for path in files]
    try:
        when = _period(period, since, until)
        ask = Ask(provider=provider, keys=pairs["key"], models=pairs["model"], period=when, tolerance=_share(tolerance))
        with closing(build(config).questions()) as questions:
            found = questions.reconcile(exports, ask)
    except InvalidRequest as error:
        say_error(error.message, error.hint)
        raise click.exceptions.Exit(UNUSABLE) from None
    if as_json:
        print_json(found)
    else:
        _print(found, top)
    if found.alarm:
        say_error(f"drift is {_verdict(found)}, above {100 * found.tolerance:g} %")
        raise click.exceptions.Exit(DRIFTED)
    say(f"{paint('ok:', 'green', err=True)} drift is {_verdict(found)}, within {100 * found.tolerance:g} %")


def _format(told: str) -> Any:
    return None if told == "auto" else told


def _zone(name: str) -> Any:
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise click.UsageError(f"`{name}` is no time zone; write UTC, Europe/Berlin …") from None


def _pairs(said: Sequence[str], option: str) -> dict[str, str]:
    found = {}
    for one in said:
        name, mark, value = one.rpartition("=")
        if not mark or not name.strip() or not value.strip():
            raise click.UsageError(f"{option} takes THEIRS=OURS, not `{one}`")
        found[name.strip()] = value.strip()
    return found


def _share(text: str) -> Decimal:
    from pointsman.insight.reconcile.figures import Unreadable, money

    try:
        share = money(text.strip().removesuffix("%"), ".") / (100 if text.strip().endswith("%") else 1)
    except Unreadable:
        share = Decimal(-1)
    if not 0 <= share <= 1:
        raise click.UsageError(f"`{text}` is no share: write 1% or 0.01")
    return share


def _period(period: str | None, since: str | None, until: str | None) -> Period | None:
    from pointsman.insight import periods

    if period and (since or until):
        raise click.UsageError("--period, or --since and --until")
    now = time.time_ns()
    if period:
        return periods.period(period, now)
    return periods.between(since or "1970-01-01", until or "", now) if since or until else None


def _print(found: Reconciliation, top: int) -> None:
    """What was compared, what differs, and both sides by day, model and key."""
    from pointsman.insight.periods import Period

    shown = Period(found.start, found.end).shown
    who = found.provider or "all providers"
    say(f"{plain(who)}, {shown}, {_matched_by(found)}: {found.rows:,} rows of the export, {found.here.rows:,} attempts")
    if found.findings and top:
        rows = [_row(one) for one in found.findings[:top]]
        print_table(_HEAD, rows, right=_RIGHT, keep=frozenset({0, 1}), spare=(3, 11, 7, 8, 5, 6))
        print()
    left = len(found.findings) + found.unnamed - min(top, len(found.findings))
    if left:
        say_hint(f"{left:,} more differences: --top, or --json which names up to 10,000")
    for title, parts in (("DAY", found.by_day), ("MODEL", found.by_model), ("KEY", found.by_key)):
        if parts:
            rows = [_part(part, found.of) for part in parts]
            print_table((title, *_PARTS[1:]), rows, right=frozenset(range(1, 10)), keep=frozenset({0, 1, 2, 3}))
            print()
    counts = ", ".join(
        f"{getattr(found, name):,} {name.replace('_', ' ')}"
        for name in ("matched", "missing_here", "missing_there", "doubled", "differing", "border")
    )
    say(counts + (f" ({found.paired:,} of the matched by time and tokens, their ids differ)" if found.paired else ""))
    if found.outside:
        say(f"{found.outside:,} rows lie outside of that time and were not compared")
    if found.others:
        say(f"{found.others:,} rows of other keys were set aside: ${found.others_cost}")
    for note in found.notes:
        say_warning(note)


def _matched_by(found: Reconciliation) -> str:
    if found.by == "id":
        return "by generation id"
    lengths = {60: "minute", 3_600: "hour", 86_400: "day"}
    return f"by {lengths[found.width // 1_000_000_000]}, model and key"


def _verdict(found: Reconciliation) -> str:
    here, there = _figure(found.here, found.of), _figure(found.there, found.of)
    return (
        f"{100 * found.drift:+.3f} % of {found.of} (there {there}, here {here}), "
        f"differences add up to {100 * found.gross:.3f} %"
    )


def _figure(figures: Figures | None, of: str) -> str:
    if figures is None:
        return "-"
    if of == "money":
        return "-" if figures.cost is None else f"${figures.cost}"
    return f"{(figures.input or 0) + (figures.output or 0) if of == 'tokens' else figures.requests or 0:,}"


def _row(one: Finding) -> tuple[str, ...]:
    from pointsman.cli.figures import moment

    def pair(name: str) -> tuple[str, str]:
        sides = (one.here, one.there)
        here, there = (
            "-" if side is None or getattr(side, name) is None else f"{getattr(side, name):,}" for side in sides
        )
        return here, there

    when = moment(one.start)
    fields = " (no " + ", ".join(one.lacks) + ")" if one.lacks else f" ({', '.join(one.fields)})" if one.fields else ""
    unpriced = one.here is not None and bool(one.here.unpriced) and one.here.cost in (None, "0")
    return (
        paint(one.verdict.replace("_", " "), _STYLES[one.verdict]) + fields,
        when[:10] if one.end - one.start >= 86_400_000_000_000 else when,
        plain(one.model) or "-",
        plain(one.key) or "-",
        plain(one.id or one.call) or "-",
        *pair("input"),
        *pair("output"),
        "unpriced" if unpriced else _figure(one.here, "money"),
        _figure(one.there, "money"),
        plain(one.place) or "-",
    )


def _part(part: Part, of: str) -> tuple[str, ...]:
    counts = (part.matched, part.missing_here, part.missing_there, part.doubled, part.differing, part.border)
    return (
        plain(part.name) or "-",
        _figure(part.here, of),
        _figure(part.there, of),
        _difference(part, of),
        *(f"{count:,}" if count else "-" for count in counts),
    )


def _difference(part: Part, of: str) -> str:
    from pointsman.insight.reconcile.comparing import plain as digits
    from pointsman.insight.reconcile.figures import EXACT

    if of == "money":
        text = digits(EXACT.subtract(Decimal(part.there.cost or 0), Decimal(part.here.cost or 0)))
        return f"-${text[1:]}" if text.startswith("-") else f"${text}"
    sides = [
        (side.input or 0) + (side.output or 0) if of == "tokens" else side.requests or 0
        for side in (part.there, part.here)
    ]
    return f"{sides[0] - sides[1]:,}"
