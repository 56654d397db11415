"""`pointsman bill`: what was spent, over all providers, in a period."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

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
    say_hint,
    say_warning,
)

if TYPE_CHECKING:
    from pointsman.insight.bill import Bill, Spend

_HEAD = (
    "CALLS",
    "ATTEMPTS",
    "IN",
    "CACHED",
    "OUT",
    "FAILED",
    "LEFT",
    "STOPPED",
    "HEDGED",
    "ESTIMATED",
    "UNPRICED",
    "COST",
)
_AT = {name: place for place, name in enumerate(_HEAD)}
_SPARE = ("CACHED", "STOPPED", "HEDGED", "ESTIMATED", "LEFT", "ATTEMPTS", "IN")
_HELP = described(
    "Show what was spent in a period, over all providers: calls, attempts, tokens and money by provider and model, or "
    "by key, team, project, user, session, route, tag. Attempts that brought no whole answer are in the cost and in "
    "columns by who ended them: FAILED (the provider), LEFT (the caller), STOPPED (the gateway), HEDGED "
    "(another was quicker). So are ESTIMATED ones; UNPRICED ones are counted, never 0. Times are in UTC.",
    "pointsman bill --period last-month --by team,model",
    "pointsman bill --period 2026-11 --html november.html",
)


@click.command("bill", help=_HELP, short_help="Show what was spent in a period.")
@click.option(
    "--period",
    metavar="PERIOD",
    default="this-month",
    show_default=True,
    help="2026-11, 2026-11-28, 2026-W48, today, yesterday, this-week, last-month, 7d, FROM..TO.",
)
@click.option("--by", metavar="NAMES", default="provider,model", show_default=True, help="One or more, with commas.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=1_000, show_default=True, help="Most lines.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, money in exact US dollars.")
@click.option(
    "--html", "page", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Write a page to print."
)
@config_option
@json_option
def command(
    period: str, by: str, limit: int, as_csv: bool, page: Path | None, config: Path | None, as_json: bool
) -> None:
    """Show a bill."""
    from pointsman.compose import build
    from pointsman.core.errors import InvalidRequest
    from pointsman.insight import periods
    from pointsman.insight.bill import wanted
    from pointsman.insight.bill_page import page as written
    from pointsman.insight.bill_page import rows_csv

    if as_csv and as_json:
        raise click.UsageError("--csv or --json, not both")
    now = time.time_ns()
    try:
        when, names = periods.period(period, now), wanted(by)
    except InvalidRequest as error:
        raise click.UsageError(f"{error.message}; {error.hint}" if error.hint else error.message) from None
    with closing(build(config).questions()) as questions:
        found = questions.bill(when, names, limit=limit)
    if page is not None:
        _write(page, written(found, made=now))
    if as_json:
        print_json(found)
    elif as_csv:
        print(rows_csv(found), end="")
    elif page is None:
        _print(found)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from None
    say(f"written to {path}")


def _print(found: Bill) -> None:
    """The table, its total, and what has to be known."""
    from pointsman.insight.bill_page import notes
    from pointsman.insight.periods import Period

    shown = Period(found.start, found.end).shown
    if not found.total.attempts:
        say(f"nothing was asked of any provider in {shown}")
        for note in notes(found):
            say_hint(note)
        return
    say(f"{shown}, UTC")
    width = len(found.by)
    rows = [(*(plain(one) or "-" for one in line.labels), *_figures(line.spend)) for line in found.lines]
    rows.append((paint("total", "bold"), *("",) * (width - 1), *_figures(found.total)))
    first = width
    print_table(
        (*(one.upper() for one in found.by), *_HEAD),
        rows,
        right=frozenset(range(first, first + len(_HEAD))),
        keep=frozenset({first + _AT["COST"]}),
        spare=tuple(first + _AT[name] for name in _SPARE),
    )
    for note in notes(found):
        say_warning(note) if " unpriced: " in note else say_hint(note)


def _figures(spend: Spend) -> tuple[str, ...]:
    from pointsman.insight.bill import ENDED
    from pointsman.insight.bill_page import dollars, unpriced_alone

    unpriced = paint(f"{spend.unpriced:,}", "yellow") if spend.unpriced else "-"
    return (
        f"{spend.calls:,}",
        f"{spend.attempts:,}",
        f"{spend.input:,}",
        f"{spend.cache_read:,}",
        f"{spend.output:,}",
        *(_part(getattr(spend, name), getattr(spend, f"{name}_cost")) for name in ENDED),
        _part(spend.estimated, spend.estimated_cost, "≈"),
        unpriced,
        "unpriced" if unpriced_alone(spend) else dollars(spend.cost),
    )


def _part(count: int, cost: int, mark: str = "") -> str:
    from pointsman.insight.bill_page import dollars

    return f"{count:,} ({mark}{dollars(cost)})" if cost else f"{count:,}" if count else "-"
